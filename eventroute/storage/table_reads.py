"""The calls of a storage that only read: each is one function of `Tables`, of one state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

from eventroute.storage import ledger, placement, tracing, trimming
from eventroute.storage.base import (
    Bounds,
    BreakerState,
    BusInfo,
    Changes,
    Claim,
    DeadLetter,
    Forwards,
    Reader,
    Record,
    Storage,
    StoredSubscription,
    Timer,
    WaitingKey,
    WaitingSummary,
)
from eventroute.storage.fates import Fates, WaitingRow

__all__ = ["TableReads"]

T = TypeVar("T")


class TableReads(Storage):
    """What reads, over `_read`."""

    @abstractmethod
    def _now(self, tables: Any) -> float:
        """The time by which leases run and records are dated."""

    @abstractmethod
    async def _read(self, work: Callable[[Any], T], *, snapshot: bool = False) -> T:
        """Have something read; with `snapshot` all of one state, where that takes several statements."""

    async def sessions(self) -> int:
        """See `Storage.sessions`."""
        return await self._read(lambda tables: len(tables.living(self._now(tables))))

    async def claims(self, bus: str) -> tuple[Claim, ...]:
        """See `Storage.claims`."""
        return await self._read(lambda tables: tables.claims(bus))

    async def describe_bus(self, bus: str, *, oldest: int = 0) -> BusInfo:
        """See `Storage.describe_bus`."""
        return await self._read(lambda tables: trimming.describe(tables, bus, oldest, self._now(tables)), snapshot=True)

    async def buses(self) -> tuple[str, ...]:
        """See `Storage.buses`."""
        return await self._read(lambda tables: tables.buses())

    async def read(self, bus: str, start: int, end: int, *, limit: int, max_bytes: int) -> list[Record]:
        """See `Storage.read`."""
        return await self._read(lambda tables: tables.read(bus, start, end, limit, max_bytes))

    async def bounds(self, bus: str) -> Bounds:
        """See `Storage.bounds`."""
        return await self._read(lambda tables: tables.bounds(bus))

    async def offset_at(self, bus: str, time: float) -> int:
        """See `Storage.offset_at`."""
        return await self._read(lambda tables: tables.offset_at(bus, time))

    async def next_timer(self, bus: str) -> float | None:
        """See `Storage.next_timer`."""
        return await self._read(lambda tables: tables.next_timer(bus))

    async def timers(self, bus: str, *, after: tuple[float, str] | None = None, limit: int = 100) -> list[Timer]:
        """See `Storage.timers`."""
        return await self._read(lambda tables: tables.timers(bus, after, limit))

    async def count_timers(self, bus: str) -> int:
        """See `Storage.count_timers`."""
        return await self._read(lambda tables: tables.count_timers(bus))

    async def subscription(self, subscription: str) -> StoredSubscription:
        """See `Storage.subscription`."""
        return await self._read(lambda tables: placement.find(tables, subscription))

    async def changes(self, bus: str, after: int) -> Changes:
        """See `Storage.changes`."""
        return await self._read(lambda tables: tables.changes(bus, after), snapshot=True)

    async def readers(self, bus: str) -> tuple[Reader, ...]:
        """See `Storage.readers`."""
        return await self._read(lambda tables: tables.readers(bus))

    async def waiting(self, bus: str, *, before: int | None = None) -> tuple[WaitingSummary, ...]:
        """See `Storage.waiting`."""
        return await self._read(lambda tables: tables.waiting(bus, before, self._now(tables)))

    async def waiting_keys(self, bus: str, subscription: str) -> list[WaitingKey]:
        """See `Storage.waiting_keys`."""
        return await self._read(lambda tables: ledger.waiting_keys(tables, bus, subscription))

    async def waiting_rows(
        self, bus: str, subscription: str, *, after: int | None = None, limit: int = 100
    ) -> list[WaitingRow]:
        """See `Storage.waiting_rows`."""
        return await self._read(
            lambda tables: tracing.waiting_rows(tables, bus, subscription, after, limit, self._now(tables)),
            snapshot=True,
        )

    async def fates(self, bus: str, offset: int, *, after: int = 0) -> Fates:
        """See `Storage.fates`."""
        return await self._read(
            lambda tables: tracing.fates(tables, bus, offset, after, self._now(tables)), snapshot=True
        )

    async def senders(self, bus: str) -> dict[str, str]:
        """See `Storage.senders`."""
        return await self._read(lambda tables: tables.senders(bus, self._now(tables)))

    async def breakers(self, bus: str, *, after: int = 0) -> tuple[BreakerState, ...]:
        """See `Storage.breakers`."""
        return await self._read(lambda tables: tables.breakers(bus, after))

    async def dead_letters(
        self, bus: str, *, subscription: str | None = None, after: tuple[str, int] | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        """See `Storage.dead_letters`."""
        return await self._read(lambda tables: tables.dead_letters(bus, subscription, after, limit))

    async def count_dead_letters(self, bus: str) -> dict[tuple[str, str], int]:
        """See `Storage.count_dead_letters`."""
        return await self._read(lambda tables: tables.count_dead_letters(bus))

    async def forwards(self, bus: str) -> tuple[Forwards, ...]:
        """See `Storage.forwards`."""
        return await self._read(lambda tables: tables.forwards(bus, self._now(tables)))
