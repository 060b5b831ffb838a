"""The way to the tables of a storage in memory."""

from __future__ import annotations

import threading

from eventroute.errors import StorageClosed
from eventroute.storage.memory.tables import MemoryTables
from eventroute.storage.threads import Watchers, current_loop

__all__ = ["Door"]


class Door:
    """Lets to the tables one thread at a time; who leaves tells what is new. Every call goes through it, so it
    is no generator, and there is one.
    """

    __slots__ = ("_lock", "_opened", "_tables", "_watchers")

    def __init__(self, tables: MemoryTables, watchers: Watchers) -> None:
        self._lock = threading.Lock()
        self._tables = tables
        self._watchers = watchers
        self._opened = 0

    def open(self) -> None:
        """Let in who comes, until there was a `close` for each `open`."""
        with self._lock:
            self._opened += 1

    def close(self) -> bool:
        """Whether nobody is let in from now on."""
        with self._lock:
            if not self._opened:
                raise StorageClosed("the storage is not open")
            self._opened -= 1
            return not self._opened

    def __enter__(self) -> MemoryTables:
        self._lock.acquire()
        if not self._opened:
            self._lock.release()
            raise StorageClosed("the storage is not open: use it inside `async with storage:`")
        return self._tables

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            heads = self._tables.take_news() if kind is None else None
        finally:
            self._lock.release()
        if heads:
            self._watchers.advance(heads, here=current_loop())
