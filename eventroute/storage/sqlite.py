"""The storage in an SQLite file, for the processes of one host."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import anyio
import anyio.lowlevel

from eventroute.clock import Clock, SystemClock
from eventroute.errors import InvalidConfiguration, StorageClosed, StorageError
from eventroute.storage import ledger, placement, trimming
from eventroute.storage.base import (
    Bounds,
    BreakerState,
    BusInfo,
    BusSettings,
    Changes,
    Claim,
    Delayed,
    Entry,
    Reader,
    Record,
    Session,
    Start,
    Storage,
    StoredSubscription,
    Trimmed,
    Waiting,
    WaitingKey,
    WaitingSummary,
)
from eventroute.storage.jobs import Call
from eventroute.storage.sqlite_letters import _LetterCalls
from eventroute.storage.sqlite_reader import ReadThread
from eventroute.storage.sqlite_schema import file_path
from eventroute.storage.sqlite_tables import SqliteTables
from eventroute.storage.sqlite_timers import _TimerCalls
from eventroute.storage.sqlite_upkeep import Progress, backup_in_thread, vacuum_step
from eventroute.storage.sqlite_writer import AppendJob, WriteThread
from eventroute.storage.threads import Head, Watchers

__all__ = ["SQLiteStorage"]

T = TypeVar("T")

_SWEEP = 1_000  # rows that are taken away in one transaction
_LONG = 5_000  # microseconds: it has a transaction of its own


class SQLiteStorage(_TimerCalls, _LetterCalls, Storage):
    """A storage in one SQLite file (write-ahead logging), which several processes of one host may share.

    `synchronous` FULL: what was accepted is on the disk. NORMAL: it survives the end of the process, but the last
    moments before a power loss may be gone. `poll_interval` (seconds): how often the file is looked at for what
    other processes wrote, while somebody watches. `busy_timeout` (seconds): how long to wait for a process that
    holds the file. Leases run by the clock's wall time, since other processes must read it too.

    A storage that was opened before a fork is of no use in the child, which must make one of its own.
    Raises InvalidConfiguration.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Clock | None = None,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        poll_interval: float = 0.05,
        busy_timeout: float = 10.0,
    ) -> None:
        if synchronous not in ("FULL", "NORMAL"):
            raise InvalidConfiguration(f"{synchronous!r} is neither FULL nor NORMAL", where="synchronous")
        for name, seconds in (("poll_interval", poll_interval), ("busy_timeout", busy_timeout)):
            if not 0.001 <= seconds <= 3_600:
                raise InvalidConfiguration(f"{seconds!r} is not 0.001 to 3600 seconds", where=name)
        self._path = file_path(path)
        self._clock: Clock = SystemClock() if clock is None else clock
        self._synchronous = synchronous
        self._poll_interval = poll_interval
        self._busy_timeout = busy_timeout
        self._watchers = Watchers()
        self._lock = threading.Lock()
        self._opened = 0
        self._threads: tuple[WriteThread, ReadThread] | None = None
        self._process = 0

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    # -- lifecycle -------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """See `Storage.open`."""
        with self._lock:
            if self._threads is None:
                self._threads = self._make_threads()
                self._process = os.getpid()
            writer, reader = self._running()
            self._opened += 1
        try:
            writer.start()
            await writer.run(Call(_nothing, durable=False))
            reader.start()
            await reader.run(Call(_nothing))
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.aclose()
            raise

    async def aclose(self) -> None:
        """See `Storage.aclose`."""
        with self._lock:
            writer, reader = self._running()
            self._opened -= 1
            if self._opened:
                return
            self._threads, watchers = None, self._watchers
        with anyio.CancelScope(shield=True):
            await reader.stop()
            watchers.stir()  # who begins to watch from now on is refused
            await writer.stop()

    def _make_threads(self) -> tuple[WriteThread, ReadThread]:
        patience = self._busy_timeout
        self._watchers = Watchers()  # the file may be another by now
        writer = WriteThread(
            self._path, self._clock, self._watchers, synchronous=self._synchronous, busy_timeout=patience
        )
        reader = ReadThread(self._path, self._watchers, busy_timeout=patience, poll_interval=self._poll_interval)
        return writer, reader

    def _running(self) -> tuple[WriteThread, ReadThread]:
        if self._threads is None:
            raise StorageClosed("the storage is not open: use it inside `async with storage:`")
        if self._process != os.getpid():
            raise StorageError("the storage was opened before a fork: make and open one of its own in the child")
        return self._threads

    async def _write(
        self,
        work: Callable[[SqliteTables], T],
        *,
        cost: float = 100,
        durable: bool = True,
        undo: Callable[[T], Callable[[SqliteTables], None]] | None = None,
    ) -> T:
        return await self._running()[0].run(Call(work, cost=cost, durable=durable, undo=undo))

    async def _read(self, work: Callable[[SqliteTables], T]) -> T:
        return await self._running()[1].run(Call(work, cost=1_000))

    # -- the log ---------------------------------------------------------------------------------------------------

    async def create_bus(self, bus: str, settings: BusSettings | None = None) -> None:
        """See `Storage.create_bus`."""
        while not await self._write(lambda tables: tables.create_bus(bus, settings, self._clock.time())):
            await self._sweep()

    async def update_bus(self, bus: str, settings: BusSettings) -> None:
        """See `Storage.update_bus`."""
        await self._write(lambda tables: tables.update_bus(bus, settings))

    async def describe_bus(self, bus: str, *, oldest: int = 0) -> BusInfo:
        """See `Storage.describe_bus`."""
        return await self._read(lambda tables: trimming.describe(tables, bus, oldest, self._clock.time()))

    async def delete_bus(self, bus: str, *, subscriptions: bool = False) -> None:
        """See `Storage.delete_bus`. The events go in steps, between which others may write."""

        def begin(tables: SqliteTables) -> None:
            trimming.unsubscribe_all(tables, bus, subscriptions)
            tables.delete_bus(bus)

        await self._write(begin)
        self._watchers.forget(bus)
        await self._sweep()

    async def _sweep(self) -> None:
        """Take away what deleted buses held."""
        while await self._write(lambda tables: tables.sweep(_SWEEP), cost=_LONG, durable=False):
            pass

    async def buses(self) -> tuple[str, ...]:
        """See `Storage.buses`."""
        return await self._read(lambda tables: tables.buses())

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
        """See `Storage.append`. Appends of many tasks share a commit."""
        return await self._running()[0].run(AppendJob(bus, events, append_id, acknowledged, delayed, identities))

    async def read(self, bus: str, start: int, end: int, *, limit: int, max_bytes: int) -> list[Record]:
        """See `Storage.read`."""
        return await self._read(lambda tables: tables.read(bus, start, end, limit, max_bytes))

    async def trim(self, bus: str, before: int, *, limit: int, hard: bool = False) -> Trimmed:
        """See `Storage.trim`."""

        def step(tables: SqliteTables) -> Trimmed:
            trimmed = trimming.trim(tables, bus, before, limit, hard, self._clock.time())
            if not trimmed.events:
                tables.sweep(limit)
            return trimmed

        return await self._write(step, cost=_LONG, durable=False)

    async def bounds(self, bus: str) -> Bounds:
        """See `Storage.bounds`."""
        return await self._read(lambda tables: tables.bounds(bus))

    async def offset_at(self, bus: str, time: float) -> int:
        """See `Storage.offset_at`."""
        return await self._read(lambda tables: tables.offset_at(bus, time))

    async def watch(self, bus: str, *, end: int, version: int, timeout: float) -> None:
        """See `Storage.watch`. What another process does is noticed within about `poll_interval`."""
        await anyio.lowlevel.checkpoint()
        _, reader = self._running()
        if not self._watchers.know(bus):
            self._watchers.advance({bus: await self._read(lambda tables: tables.head(bus))})
        waiter = self._watchers.add(bus, Head(end, version))
        if waiter is None:
            return
        try:
            reader.look_out()
            with self._clock.move_on_after(timeout):
                await waiter.wait()
        finally:
            self._watchers.discard(bus, waiter)

    # -- sessions --------------------------------------------------------------------------------------------------

    async def open_session(self, ttl: float) -> Session:
        """See `Storage.open_session`."""
        return await self._write(lambda tables: ledger.open_session(tables, ttl, self._clock.time()), durable=False)

    async def extend_session(self, session: Session) -> None:
        """See `Storage.extend_session`."""
        await self._write(lambda tables: ledger.extend_session(tables, session, self._clock.time()), durable=False)

    async def close_session(self, session: Session) -> None:
        """See `Storage.close_session`."""
        await self._write(lambda tables: ledger.close_session(tables, session), durable=False)

    # -- subscriptions ---------------------------------------------------------------------------------------------

    async def put_subscription(
        self, bus: str, subscription: str, definition: bytes, *, start: Start, apart: bool = False
    ) -> StoredSubscription:
        """See `Storage.put_subscription`."""
        return await self._write(
            lambda tables: placement.put(tables, bus, subscription, definition, start, apart=apart)
        )

    async def remove_subscription(self, subscription: str) -> None:
        """See `Storage.remove_subscription`."""
        await self._write(lambda tables: placement.remove(tables, subscription))

    async def pause_subscription(self, subscription: str, reason: str) -> None:
        """See `Storage.pause_subscription`."""
        await self._write(lambda tables: placement.pause(tables, subscription, reason, self._clock.time()))

    async def resume_subscription(self, subscription: str) -> None:
        """See `Storage.resume_subscription`."""
        await self._write(lambda tables: placement.resume(tables, subscription, self._clock.time()))

    async def leave_live(self, subscription: str) -> None:
        """See `Storage.leave_live`."""
        await self._write(lambda tables: placement.leave_live(tables, subscription))

    async def join_live(self, subscription: str, *, within: int) -> bool:
        """See `Storage.join_live`."""
        return await self._write(lambda tables: placement.join_live(tables, subscription, within))

    async def subscription(self, subscription: str) -> StoredSubscription:
        """See `Storage.subscription`."""
        return await self._read(lambda tables: placement.find(tables, subscription))

    async def start_replay(self, subscription: str, *, start: Start, end: int | float | None) -> Reader:
        """See `Storage.start_replay`."""
        return await self._write(lambda tables: placement.start_replay(tables, subscription, start, end))

    async def cancel_replay(self, subscription: str, reader: str) -> bool:
        """See `Storage.cancel_replay`."""
        return await self._write(lambda tables: placement.cancel_replay(tables, subscription, reader))

    async def changes(self, bus: str, after: int) -> Changes:
        """See `Storage.changes`."""
        return await self._read(lambda tables: tables.changes(bus, after))

    # -- the ledger ------------------------------------------------------------------------------------------------

    async def readers(self, bus: str) -> tuple[Reader, ...]:
        """See `Storage.readers`."""
        return await self._read(lambda tables: tables.readers(bus))

    async def claim(self, bus: str, reader: str, session: Session, *, limit: int, alone: bool = False) -> Claim | None:
        """See `Storage.claim`."""

        def undo(taken: Claim | None) -> Callable[[SqliteTables], None]:
            return lambda tables: ledger.release(tables, taken)

        return await self._write(
            lambda tables: ledger.claim(tables, bus, reader, session, limit, self._clock.time(), alone=alone),
            durable=False,
            undo=undo,
        )

    async def claim_waiting(
        self, bus: str, subscription: str, session: Session, *, now: float, limit: int
    ) -> list[Waiting]:
        """See `Storage.claim_waiting`."""

        def undo(taken: list[Waiting]) -> Callable[[SqliteTables], None]:
            return lambda tables: ledger.release_waiting(tables, taken, session)

        return await self._write(
            lambda tables: ledger.claim_waiting(tables, bus, subscription, session, now, limit, self._clock.time()),
            cost=100 + 5 * limit,
            durable=False,
            undo=undo,
        )

    async def write(self, bus: str, session: Session, entries: Sequence[Entry]) -> None:
        """See `Storage.write`."""
        await self._write(
            lambda tables: ledger.write(tables, bus, session, entries, self._clock.time()),
            cost=100 + 20 * len(entries),
        )

    async def waiting(self, bus: str, *, before: int | None = None) -> tuple[WaitingSummary, ...]:
        """See `Storage.waiting`."""
        return await self._read(lambda tables: tables.waiting(bus, before, self._clock.time()))

    async def waiting_keys(self, bus: str, subscription: str) -> list[WaitingKey]:
        """See `Storage.waiting_keys`."""
        return await self._read(lambda tables: ledger.waiting_keys(tables, bus, subscription))

    async def breakers(self, bus: str, *, after: int = 0) -> tuple[BreakerState, ...]:
        """See `Storage.breakers`."""
        return await self._read(lambda tables: tables.breakers(bus, after))

    # -- upkeep ----------------------------------------------------------------------------------------------------

    async def backup(self, target: str | os.PathLike[str], *, progress: Progress | None = None) -> None:
        """See `backup_storage`. In a thread of its own, where `progress` is called."""
        self._running()
        await backup_in_thread(self._path, target, progress)

    async def vacuum(self) -> int:
        """Give the room that trimmed events have left back to the file system, in steps; how many bytes it was."""
        freed = 0
        while step := await self._write(lambda tables: vacuum_step(tables.connection), cost=_LONG, durable=False):
            freed += step
        return freed


def _nothing(_tables: SqliteTables) -> None:
    """For jobs that only wait for their turn."""
