"""Sessions in dictionaries."""

from __future__ import annotations

__all__ = ["MemorySessions"]


class MemorySessions:
    """The sessions of all workers."""

    def __init__(self) -> None:
        super().__init__()
        self._sessions: dict[str, float] = {}
        """When each lapses."""
        self._written: dict[str, int] = {}
        """The number of the last write of each that has numbered one."""

    def has_session(self, session: str) -> bool:
        """Whether it is there."""
        return session in self._sessions

    def put_session(self, session: str, lapses: float) -> None:
        """Insert or overwrite."""
        self._sessions[session] = lapses

    def last_write(self, session: str) -> int:
        """The number of its last write."""
        return self._written.get(session, 0)

    def put_last_write(self, session: str, number: int) -> None:
        """Overwrite."""
        self._written[session] = number

    def drop_session(self, session: str) -> None:
        """Remove."""
        self._sessions.pop(session, None)
        self._written.pop(session, None)

    def living(self, now: float) -> frozenset[str]:
        """Those that have not lapsed."""
        return frozenset(session for session, lapses in self._sessions.items() if lapses > now)

    def drop_lapsed(self, now: float, *, keep: str = "") -> None:
        """Remove the lapsed ones."""
        for session in [one for one, lapses in self._sessions.items() if lapses <= now and one != keep]:
            self.drop_session(session)
