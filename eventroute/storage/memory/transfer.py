"""The calls by which a bus moves in and out of a storage in memory."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

from eventroute.clock import Clock
from eventroute.errors import StorageFull
from eventroute.storage import transferring
from eventroute.storage.base import Claim, Storage, StoredSubscription
from eventroute.storage.memory.tables import MemoryTables
from eventroute.storage.transfer import Imported, Placed

__all__ = ["MemoryTransfer"]


class MemoryTransfer(Storage):
    """The part of `MemoryStorage` that is `Transfer`."""

    _clock: Clock
    _max_bytes: int

    @abstractmethod
    def _open(self) -> AbstractContextManager[MemoryTables]: ...

    async def sessions(self) -> int:
        """See `Storage.sessions`."""
        with self._open() as tables:
            return len(tables.living(self._clock.monotonic()))

    async def claims(self, bus: str) -> tuple[Claim, ...]:
        """See `Storage.claims`."""
        with self._open() as tables:
            return tables.claims(bus)

    async def import_events(self, bus: str, events: Sequence[Imported], *, end: int, first: int) -> None:
        """See `Storage.import_events`."""
        size = sum(len(one.event) for one in events)
        with self._open() as tables:
            if tables.size + size > self._max_bytes:
                raise StorageFull(f"{size} bytes more would pass the storage's max_bytes of {self._max_bytes}")
            transferring.import_events(tables, bus, events, end, first)

    async def place_subscription(self, bus: str, placed: Placed) -> StoredSubscription:
        """See `Storage.place_subscription`."""
        with self._open() as tables:
            return transferring.place(tables, bus, placed)
