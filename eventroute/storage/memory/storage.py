"""The storage that lives in memory and goes with the process: for tests, and for what need not outlive a restart."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import anyio.lowlevel

from eventroute.clock import Clock, SystemClock
from eventroute.storage import ledger, placement, tracing, trimming
from eventroute.storage.base import (
    DEFAULT_BUS,
    Bounds,
    BreakerState,
    BusInfo,
    BusSettings,
    Changes,
    Claim,
    DeadLetter,
    Delayed,
    Dropped,
    Entry,
    Fired,
    Forwards,
    Reader,
    Record,
    Session,
    Start,
    StoredSubscription,
    Timer,
    Trimmed,
    Waiting,
    WaitingKey,
    WaitingSummary,
)
from eventroute.storage.fates import Fates, WaitingRow
from eventroute.storage.memory.door import Door
from eventroute.storage.memory.tables import MemoryTables
from eventroute.storage.memory.transfer import MemoryTransfer
from eventroute.storage.sending import Took
from eventroute.storage.text import check_text
from eventroute.storage.threads import Head, Watchers

__all__ = ["MemoryStorage"]


class MemoryStorage(MemoryTransfer):
    """A storage in memory. What it holds stays while the object lives, also when it is closed and opened again.

    `max_bytes` bounds the events of all buses together (1 or more; default 1 GiB): beyond it `append` raises
    StorageFull. `max_append_ids` bounds how many append ids that nobody has acknowledged are remembered.
    """

    def __init__(self, clock: Clock | None = None, *, max_bytes: int = 1 << 30, max_append_ids: int = 100_000) -> None:
        self._clock: Clock = SystemClock() if clock is None else clock
        self._max_bytes = max_bytes
        self._max_append_ids = max_append_ids
        self._tables = MemoryTables()
        self._tables.create_bus(DEFAULT_BUS, None, self._clock.time())
        self._appended: OrderedDict[str, tuple[int, ...]] = OrderedDict()
        self._watchers = Watchers()
        self._door = Door(self._tables, self._watchers)

    # -- lifecycle -------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """See `Storage.open`."""
        self._door.open()

    async def aclose(self) -> None:
        """See `Storage.aclose`."""
        if self._door.close():
            self._watchers.stir()

    def _open(self) -> Door:
        return self._door

    # -- the log ---------------------------------------------------------------------------------------------------

    async def create_bus(self, bus: str, settings: BusSettings | None = None) -> None:
        """See `Storage.create_bus`."""
        with self._open() as tables:
            tables.create_bus(bus, settings, self._clock.time())

    async def update_bus(self, bus: str, settings: BusSettings) -> None:
        """See `Storage.update_bus`."""
        with self._open() as tables:
            tables.update_bus(bus, settings)

    async def describe_bus(self, bus: str, *, oldest: int = 0) -> BusInfo:
        """See `Storage.describe_bus`."""
        with self._open() as tables:
            return trimming.describe(tables, bus, oldest, self._clock.time())

    async def delete_bus(self, bus: str, *, subscriptions: bool = False) -> None:
        """See `Storage.delete_bus`."""
        with self._open() as tables:
            trimming.unsubscribe_all(tables, bus, subscriptions)
            tables.delete_bus(bus)
        self._watchers.forget(bus)

    async def buses(self) -> tuple[str, ...]:
        """See `Storage.buses`."""
        with self._open() as tables:
            return tables.buses()

    async def append(
        self,
        bus: str,
        events: Sequence[bytes],
        *,
        append_id: str,
        acknowledged: Sequence[str] = (),
        delayed: Sequence[Delayed] = (),
        identities: Sequence[bytes] | None = None,
    ) -> tuple[int, ...]:
        """See `Storage.append`. It lets other tasks run, so that one that publishes in a loop starves nobody."""
        await anyio.lowlevel.checkpoint()
        check_text(append_id, "append_id")
        with self._open() as tables:
            tables.version(bus)
            for done in acknowledged:
                self._appended.pop(done, None)
            if append_id in self._appended:
                return self._appended[append_id]
            offsets = tables.append(bus, events, identities, delayed, self._clock.time(), self._max_bytes)
            self._appended[append_id] = offsets
            if len(self._appended) > self._max_append_ids:
                self._appended.popitem(last=False)
            return offsets

    async def read(self, bus: str, start: int, end: int, *, limit: int, max_bytes: int) -> list[Record]:
        """See `Storage.read`."""
        with self._open() as tables:
            return tables.read(bus, start, end, limit, max_bytes)

    async def trim(self, bus: str, before: int, *, limit: int, hard: bool = False) -> Trimmed:
        """See `Storage.trim`."""
        with self._open() as tables:
            return trimming.trim(tables, bus, before, limit, hard, self._clock.time())

    async def bounds(self, bus: str) -> Bounds:
        """See `Storage.bounds`."""
        with self._open() as tables:
            return tables.bounds(bus)

    async def offset_at(self, bus: str, time: float) -> int:
        """See `Storage.offset_at`."""
        with self._open() as tables:
            return tables.offset_at(bus, time)

    async def watch(self, bus: str, *, end: int, version: int, timeout: float) -> None:
        """See `Storage.watch`."""
        await anyio.lowlevel.checkpoint()
        with self._open() as tables:
            tables.version(bus)
        waiter = self._watchers.add(bus, Head(end, version))
        if waiter is None:
            return
        try:
            with self._clock.move_on_after(timeout):
                await waiter.wait()
        finally:
            self._watchers.discard(bus, waiter)

    # -- timers ----------------------------------------------------------------------------------------------------

    async def fire_timers(self, bus: str, *, now: float, limit: int) -> Fired:
        """See `Storage.fire_timers`."""
        with self._open() as tables:
            timers = tables.timers(bus)
            due = timers.page(None, limit, until=now)
            tables.append_due(bus, due, self._clock.time())
            return Fired(len(due), timers.next_due)

    async def next_timer(self, bus: str) -> float | None:
        """See `Storage.next_timer`."""
        with self._open() as tables:
            return tables.timers(bus).next_due

    async def timers(self, bus: str, *, after: tuple[float, str] | None = None, limit: int = 100) -> list[Timer]:
        """See `Storage.timers`."""
        with self._open() as tables:
            return tables.timers(bus).page(after, limit)

    async def count_timers(self, bus: str) -> int:
        """See `Storage.count_timers`."""
        with self._open() as tables:
            return len(tables.timers(bus).rows)

    async def cancel_timer(self, bus: str, timer: str) -> bool:
        """See `Storage.cancel_timer`."""
        with self._open() as tables:
            return tables.cancel_timer(bus, timer)

    # -- sessions --------------------------------------------------------------------------------------------------

    async def open_session(self, ttl: float) -> Session:
        """See `Storage.open_session`."""
        with self._open() as tables:
            return ledger.open_session(tables, ledger.new_session(ttl), self._clock.monotonic())

    async def extend_session(self, session: Session) -> None:
        """See `Storage.extend_session`."""
        with self._open() as tables:
            ledger.extend_session(tables, session, self._clock.monotonic())

    async def close_session(self, session: Session) -> None:
        """See `Storage.close_session`."""
        with self._open() as tables:
            ledger.close_session(tables, session)

    # -- subscriptions ---------------------------------------------------------------------------------------------

    async def put_subscription(
        self, bus: str, subscription: str, definition: bytes, *, start: Start, apart: bool = False
    ) -> StoredSubscription:
        """See `Storage.put_subscription`."""
        with self._open() as tables:
            return placement.put(tables, bus, subscription, definition, start, apart=apart)

    async def remove_subscription(self, subscription: str) -> None:
        """See `Storage.remove_subscription`."""
        with self._open() as tables:
            placement.remove(tables, subscription)

    async def pause_subscription(self, subscription: str, reason: str, *, known: tuple[str, int] | None = None) -> None:
        """See `Storage.pause_subscription`."""
        with self._open() as tables:
            placement.pause(tables, subscription, reason, self._clock.time(), known)

    async def resume_subscription(self, subscription: str) -> None:
        """See `Storage.resume_subscription`."""
        with self._open() as tables:
            placement.resume(tables, subscription, self._clock.time())

    async def leave_live(self, subscription: str) -> None:
        """See `Storage.leave_live`."""
        with self._open() as tables:
            placement.leave_live(tables, subscription)

    async def join_live(self, subscription: str, *, within: int) -> bool:
        """See `Storage.join_live`."""
        with self._open() as tables:
            return placement.join_live(tables, subscription, within)

    async def subscription(self, subscription: str) -> StoredSubscription:
        """See `Storage.subscription`."""
        with self._open() as tables:
            return placement.find(tables, subscription)

    async def start_replay(self, subscription: str, *, start: Start, end: int | float | None) -> Reader:
        """See `Storage.start_replay`."""
        with self._open() as tables:
            return placement.start_replay(tables, subscription, start, end)

    async def cancel_replay(self, subscription: str, reader: str) -> bool:
        """See `Storage.cancel_replay`."""
        with self._open() as tables:
            return placement.cancel_replay(tables, subscription, reader)

    async def changes(self, bus: str, after: int) -> Changes:
        """See `Storage.changes`."""
        with self._open() as tables:
            return tables.changes(bus, after)

    # -- the ledger ------------------------------------------------------------------------------------------------

    async def readers(self, bus: str) -> tuple[Reader, ...]:
        """See `Storage.readers`."""
        with self._open() as tables:
            return tables.readers(bus)

    async def claim(self, bus: str, reader: str, session: Session, *, limit: int, alone: bool = False) -> Claim | None:
        """See `Storage.claim`."""
        with self._open() as tables:
            return ledger.claim(tables, bus, reader, session, limit, self._clock.monotonic(), alone=alone)

    async def claim_waiting(
        self, bus: str, subscription: str, session: Session, *, now: float, limit: int, known: int | None = None
    ) -> list[Waiting]:
        """See `Storage.claim_waiting`."""
        with self._open() as tables:
            lease_now = self._clock.monotonic()
            return ledger.claim_waiting(tables, bus, subscription, session, now, limit, lease_now, known)

    async def write(
        self,
        bus: str,
        session: Session,
        entries: Sequence[Entry],
        *,
        known: int | None = None,
        number: int | None = None,
    ) -> None:
        """See `Storage.write`."""
        with self._open() as tables:
            ledger.write(tables, bus, session, entries, self._clock.monotonic(), known, number)

    async def waiting(self, bus: str, *, before: int | None = None) -> tuple[WaitingSummary, ...]:
        """See `Storage.waiting`."""
        with self._open() as tables:
            return tables.waiting(bus, before, self._clock.monotonic())

    async def waiting_keys(self, bus: str, subscription: str) -> list[WaitingKey]:
        """See `Storage.waiting_keys`."""
        with self._open() as tables:
            return ledger.waiting_keys(tables, bus, subscription)

    async def waiting_rows(
        self, bus: str, subscription: str, *, after: int | None = None, limit: int = 100
    ) -> list[WaitingRow]:
        """See `Storage.waiting_rows`."""
        with self._open() as tables:
            return tracing.waiting_rows(tables, bus, subscription, after, limit, self._clock.monotonic())

    async def fates(self, bus: str, offset: int, *, after: int = 0) -> Fates:
        """See `Storage.fates`."""
        with self._open() as tables:
            return tracing.fates(tables, bus, offset, after, self._clock.monotonic())

    async def take_sending(self, bus: str, subscription: str, session: Session) -> Took | None:
        """See `Storage.take_sending`."""
        with self._open() as tables:
            return ledger.take_sending(tables, bus, subscription, session, self._clock.monotonic())

    async def leave_sending(self, bus: str, subscription: str, session: Session) -> None:
        """See `Storage.leave_sending`."""
        with self._open() as tables:
            ledger.leave_sending(tables, bus, subscription, session)

    async def senders(self, bus: str) -> dict[str, str]:
        """See `Storage.senders`."""
        with self._open() as tables:
            return tables.senders(bus, self._clock.monotonic())

    async def breakers(self, bus: str, *, after: int = 0) -> tuple[BreakerState, ...]:
        """See `Storage.breakers`."""
        with self._open() as tables:
            return tables.breakers(bus, after)

    # -- dead letters ----------------------------------------------------------------------------------------------

    async def dead_letters(
        self, bus: str, *, subscription: str | None = None, after: tuple[str, int] | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        """See `Storage.dead_letters`."""
        with self._open() as tables:
            return tables.dead_letters(bus, subscription, after, limit)

    async def count_dead_letters(self, bus: str) -> dict[tuple[str, str], int]:
        """See `Storage.count_dead_letters`."""
        with self._open() as tables:
            return tables.count_dead_letters(bus)

    async def redrive(self, bus: str, letters: Sequence[tuple[str, int]], *, due: float, removed: bool = False) -> int:
        """See `Storage.redrive`."""
        with self._open() as tables:
            return ledger.redrive(tables, bus, letters, due, removed)

    async def purge(self, bus: str, letters: Sequence[tuple[str, int]]) -> int:
        """See `Storage.purge`."""
        with self._open() as tables:
            return ledger.purge(tables, bus, letters)

    async def drop_dead_letters(self, bus: str, *, before: float, keep: int | None, limit: int) -> tuple[Dropped, ...]:
        """See `Storage.drop_dead_letters`."""
        with self._open() as tables:
            return ledger.drop_letters(tables, bus, before, keep, limit, self._clock.time())

    async def forwards(self, bus: str) -> tuple[Forwards, ...]:
        """See `Storage.forwards`."""
        with self._open() as tables:
            tables.version(bus)
            return tables.forwards(bus, self._clock.monotonic())

    async def claim_letters(
        self, bus: str, subscription: str, session: Session, *, now: float, limit: int
    ) -> list[DeadLetter]:
        """See `Storage.claim_letters`."""
        with self._open() as tables:
            return ledger.claim_letters(tables, bus, subscription, session, now, limit, self._clock.monotonic())
