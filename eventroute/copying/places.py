"""The two ends of a copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import frozen

from eventroute.errors import StorageConflict, StorageError
from eventroute.storage.base import Storage

__all__ = ["BEING_COPIED", "Place", "Progress", "no_progress"]

BEING_COPIED: Final = "being-copied"
"""Why a subscription is paused in the target until all that it needs is there."""

Progress = Callable[[str, int, int], None]
"""Told what is done, how much of it was, and how much there is."""


def no_progress(_what: str, _done: int, _total: int) -> None:
    """Tell nobody."""


@frozen
class Place:
    """A bus in a storage."""

    storage: Storage
    bus: str
    role: str
    """`source` or `target`."""

    def not_a_copy(self, why: str) -> StorageConflict:
        """What is there is not what an earlier copy of the source has left."""
        return StorageConflict(
            f"the bus {self.bus!r} of the {self.role} is no copy that could be gone on with: {why}; delete it there "
            f"(`eventroute buses delete {self.bus}`), or copy into an empty storage"
        )

    def differs(self, what: str) -> StorageError:
        """The comparison at the end failed."""
        return StorageError(
            f"the copy of the bus {self.bus!r} is not what the source has: {what}; nothing of it is delivered: delete "
            f"it (`eventroute buses delete {self.bus} --subscriptions`), and copy again"
        )
