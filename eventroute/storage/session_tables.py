"""The part of `Tables` that is about sessions."""

from __future__ import annotations

from typing import Protocol

__all__ = ["SessionTables"]


class SessionTables(Protocol):
    """Each function is a step of a change that begins and ends elsewhere."""

    def has_session(self, session: str) -> bool:
        """Whether the session is there."""
        ...

    def put_session(self, session: str, lapses: float) -> None:
        """Insert or overwrite."""
        ...

    def last_write(self, session: str) -> int:
        """The number of the session's last write; 0: it has none."""
        ...

    def put_last_write(self, session: str, number: int) -> None:
        """Overwrite that, of a session that is there."""
        ...

    def drop_session(self, session: str) -> None:
        """Remove it."""
        ...

    def drop_lapsed(self, now: float, *, keep: str = "") -> None:
        """Remove every session that lapses at `now` or before, but for `keep`."""
        ...
