"""How much a file may grow: up to nine tenths of its file system, and into what is free within the file."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from eventroute.clock import Clock
from eventroute.errors import StorageFull

__all__ = ["FileRoom"]

SHARE = 0.9
"""How full the file system may be for more to be appended; the rest is for what is owed, and for other programs."""

LOOK_EVERY = 1.0
"""How often the file system is looked at, in seconds."""


class FileRoom:
    """The room for more events, looked up now and then and reckoned in between."""

    def __init__(self, path: Path, connection: sqlite3.Connection, clock: Clock) -> None:
        self._path = path
        self._connection = connection
        self._clock = clock
        self._left = 0
        self._until = float("-inf")

    def take(self, size: int) -> None:
        """Take room for so many bytes. Raises StorageFull, and takes none then."""
        if size > self._left or self._clock.monotonic() >= self._until:
            self._look()
        if size > self._left and size:
            raise StorageFull(
                f"{self._path}: its file system is {SHARE:.0%} full: make room on it, keep less by the retention of a "
                "bus, or give the bus a max_bytes of its own, which then counts alone"
            )
        self._left -= size

    def _look(self) -> None:
        usage = shutil.disk_usage(self._path.parent)
        (pages,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        (page_size,) = self._connection.execute("PRAGMA page_size").fetchone()
        left = SHARE * (usage.used + usage.free) - usage.used
        self._left = max(int(left), 0) + pages * page_size
        self._until = self._clock.monotonic() + LOOK_EVERY
