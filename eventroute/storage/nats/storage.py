"""The storage on NATS JetStream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from eventroute.clock import Clock
from eventroute.errors import UnknownBus
from eventroute.storage import ledger
from eventroute.storage.base import (
    DEFAULT_BUS,
    BusSettings,
    Claim,
    DeadLetter,
    Delayed,
    Dropped,
    Entry,
    Fired,
    Reader,
    Record,
    Session,
    Start,
    StoredSubscription,
    Timer,
    Trimmed,
    Waiting,
)
from eventroute.storage.buses import written_settings
from eventroute.storage.nats import events
from eventroute.storage.nats.command import Command
from eventroute.storage.nats.engine import Engine
from eventroute.storage.nats.letter_commands import (
    DropLetters,
    Purge,
    Redrive,
    TakeLetters,
)
from eventroute.storage.nats.log_commands import (
    Append,
    CancelTimer,
    CreateBus,
    DeleteBus,
    Import,
    Trim,
    UpdateBus,
)
from eventroute.storage.nats.requests import Change, Look, Task
from eventroute.storage.nats.server import Server
from eventroute.storage.nats.subscription_commands import (
    CancelReplay,
    JoinLive,
    LeaveLive,
    Pause,
    PlaceSubscription,
    PutSubscription,
    RemoveSubscription,
    Resume,
    StartReplay,
)
from eventroute.storage.nats.tables import StreamTables
from eventroute.storage.nats.work_commands import (
    CloseSession,
    ExtendSession,
    LeaveSending,
    OpenSession,
    TakeClaim,
    TakeSending,
    TakeWaiting,
    Write,
)
from eventroute.storage.opening import OpenedStorage
from eventroute.storage.sending import Took
from eventroute.storage.table_reads import TableReads
from eventroute.storage.text import check_text
from eventroute.storage.threads import Head, Watchers
from eventroute.storage.transfer import Imported, Placed

__all__ = ["NatsStorage"]

T = TypeVar("T")


class NatsStorage(OpenedStorage[Engine], TableReads):
    """A storage in streams of NATS JetStream (2.9 or later), which any number of processes may share.

    Each process follows the stream of all changes and keeps what comes of them in memory: all but the events in the
    log. What was accepted is as durable as the servers make what they have acknowledged. Leases run by the servers'
    clock, and records are dated by it; a `clock` that is handed in takes its place, and is for tests.

    One connection, in a thread of its own. A storage that was opened before a fork is of no use in the child, which
    must make one of its own.
    """

    def __init__(self, server: Server, *, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self._server = server
        self._given_clock = clock

    # -- lifecycle -------------------------------------------------------------------------------------------------

    def _make(self, watchers: Watchers) -> Engine:
        return Engine(self._server, self._given_clock, watchers, as_is=self.as_is)

    async def _start(self, workers: Engine) -> None:
        workers.start()
        if DEFAULT_BUS not in await workers.run(Look(lambda tables: tables.buses())):
            await self.create_bus(DEFAULT_BUS)

    async def _stop(self, workers: Engine, watchers: Watchers) -> None:
        watchers.stir()  # who begins to watch from now on is refused
        await workers.stop()

    async def _head(self, bus: str) -> Head:
        return await self._read(lambda tables: Head(tables.bounds(bus).end, tables.version(bus)))

    # -- how calls are made ----------------------------------------------------------------------------------------

    def _now(self, tables: StreamTables) -> float:
        del tables
        return self._running().time()

    async def _read(self, work: Callable[[Any], T], *, snapshot: bool = False) -> T:
        del snapshot
        return await self._running().run(Look(work))

    async def _change(self, command: Command) -> Any:
        return await self._running().run(Change(lambda _tables: command))

    async def _task(self, work: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        engine = self._running()
        return await engine.run(Task(partial(work, *arguments, engine)))

    # -- the log ---------------------------------------------------------------------------------------------------

    async def create_bus(self, bus: str, settings: BusSettings | None = None) -> None:
        """See `Storage.create_bus`."""
        check_text(bus, "bus")
        await self._change(CreateBus(bus, None if settings is None else written_settings(settings)))

    async def update_bus(self, bus: str, settings: BusSettings) -> None:
        """See `Storage.update_bus`."""
        await self._change(UpdateBus(bus, written_settings(settings)))

    async def delete_bus(self, bus: str, *, subscriptions: bool = False) -> None:
        """See `Storage.delete_bus`. Its messages go behind a later snapshot."""
        await self._change(DeleteBus(bus, subscriptions))

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
        """See `Storage.append`. Appends of many tasks share a message."""
        check_text(append_id, "append_id")
        named = None if identities is None else [*identities]
        offsets: tuple[int, ...] = await self._bring(
            bus,
            lambda number: Append(bus, number, [*events], append_id, [*acknowledged], [*delayed], named),
        )
        return offsets

    async def _bring(self, bus: str, command: Callable[[int], Command]) -> Any:
        """Have events brought to a bus, which has this number."""

        def make(tables: StreamTables) -> Command:
            number = tables.numbers.get(bus)
            if number is None:
                raise UnknownBus(bus)
            return command(number)

        engine = self._running()
        try:
            return await engine.run(Change(make))
        except UnknownBus:
            if bus not in await engine.run(Look(lambda tables: tables.numbers)):
                raise
        return await engine.run(Change(make))  # another process has just made it

    async def read(self, bus: str, start: int, end: int, *, limit: int, max_bytes: int) -> list[Record]:
        """See `Storage.read`."""
        wanted, engine = (bus, start, end, limit, max_bytes), self._running()
        records = await engine.run(Look(partial(events.at_hand, *wanted, engine), fresh=False))
        return await self._task(events.read, *wanted) if records is None else records

    async def trim(self, bus: str, before: int, *, limit: int, hard: bool = False) -> Trimmed:
        """See `Storage.trim`. The messages go behind a later snapshot."""
        if hard:
            return await self._task(events.trim_hard, bus, before, limit)
        trimmed: Trimmed = await self._change(Trim(bus, before, limit, False, {}))
        return trimmed

    # -- timers ----------------------------------------------------------------------------------------------------

    async def fire_timers(self, bus: str, *, now: float, limit: int) -> Fired:
        """See `Storage.fire_timers`."""
        return await self._task(events.fire_timers, bus, now, limit)

    async def next_timer(self, bus: str) -> float | None:
        """See `Storage.next_timer`."""
        return await self._read(lambda tables: tables.timers(bus).next_due)

    async def timers(self, bus: str, *, after: tuple[float, str] | None = None, limit: int = 100) -> list[Timer]:
        """See `Storage.timers`."""
        return await self._read(lambda tables: tables.timers(bus).page(after, limit))

    async def count_timers(self, bus: str) -> int:
        """See `Storage.count_timers`."""
        return await self._read(lambda tables: len(tables.timers(bus).rows))

    async def cancel_timer(self, bus: str, timer: str) -> bool:
        """See `Storage.cancel_timer`."""
        cancelled: bool = await self._change(CancelTimer(bus, timer))
        return cancelled

    # -- sessions --------------------------------------------------------------------------------------------------

    async def open_session(self, ttl: float) -> Session:
        """See `Storage.open_session`."""
        session: Session = await self._change(OpenSession(ledger.new_session(ttl)))
        return session

    async def extend_session(self, session: Session) -> None:
        """See `Storage.extend_session`."""
        await self._change(ExtendSession(session))

    async def close_session(self, session: Session) -> None:
        """See `Storage.close_session`."""
        await self._change(CloseSession(session))

    # -- subscriptions ---------------------------------------------------------------------------------------------

    async def put_subscription(
        self, bus: str, subscription: str, definition: bytes, *, start: Start, apart: bool = False
    ) -> StoredSubscription:
        """See `Storage.put_subscription`."""
        check_text(subscription, "subscription")
        stored: StoredSubscription = await self._change(PutSubscription(bus, subscription, definition, start, apart))
        return stored

    async def remove_subscription(self, subscription: str) -> None:
        """See `Storage.remove_subscription`."""
        await self._change(RemoveSubscription(subscription))

    async def pause_subscription(self, subscription: str, reason: str, *, known: tuple[str, int] | None = None) -> None:
        """See `Storage.pause_subscription`."""
        await self._change(Pause(subscription, reason, known))

    async def resume_subscription(self, subscription: str) -> None:
        """See `Storage.resume_subscription`."""
        await self._change(Resume(subscription))

    async def leave_live(self, subscription: str) -> None:
        """See `Storage.leave_live`."""
        await self._change(LeaveLive(subscription))

    async def join_live(self, subscription: str, *, within: int) -> bool:
        """See `Storage.join_live`."""
        joined: bool = await self._change(JoinLive(subscription, within))
        return joined

    async def start_replay(self, subscription: str, *, start: Start, end: int | float | None) -> Reader:
        """See `Storage.start_replay`."""
        reader: Reader = await self._change(StartReplay(subscription, start, end))
        return reader

    async def cancel_replay(self, subscription: str, reader: str) -> bool:
        """See `Storage.cancel_replay`."""
        cancelled: bool = await self._change(CancelReplay(subscription, reader))
        return cancelled

    # -- the ledger ------------------------------------------------------------------------------------------------

    async def claim(self, bus: str, reader: str, session: Session, *, limit: int, alone: bool = False) -> Claim | None:
        """See `Storage.claim`."""
        taken: Claim | None = await self._change(TakeClaim(bus, reader, session, limit, alone))
        return taken

    async def claim_waiting(
        self, bus: str, subscription: str, session: Session, *, now: float, limit: int, known: int | None = None
    ) -> list[Waiting]:
        """See `Storage.claim_waiting`."""
        taken: list[Waiting] = await self._change(TakeWaiting(bus, subscription, session, now, limit, known))
        return taken

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
        await self._change(Write.of(bus, session, entries, known, number))

    async def take_sending(self, bus: str, subscription: str, session: Session) -> Took | None:
        """See `Storage.take_sending`."""
        took: Took | None = await self._change(TakeSending(bus, subscription, session))
        return took

    async def leave_sending(self, bus: str, subscription: str, session: Session) -> None:
        """See `Storage.leave_sending`."""
        await self._change(LeaveSending(bus, subscription, session))

    # -- dead letters ----------------------------------------------------------------------------------------------

    async def redrive(self, bus: str, letters: Sequence[tuple[str, int]], *, due: float, removed: bool = False) -> int:
        """See `Storage.redrive`."""
        count: int = await self._change(Redrive(bus, [*letters], due, removed))
        return count

    async def purge(self, bus: str, letters: Sequence[tuple[str, int]]) -> int:
        """See `Storage.purge`."""
        count: int = await self._change(Purge(bus, [*letters]))
        return count

    async def drop_dead_letters(self, bus: str, *, before: float, keep: int | None, limit: int) -> tuple[Dropped, ...]:
        """See `Storage.drop_dead_letters`."""
        dropped: tuple[Dropped, ...] = await self._change(DropLetters(bus, before, keep, limit))
        return dropped

    async def claim_letters(
        self, bus: str, subscription: str, session: Session, *, now: float, limit: int
    ) -> list[DeadLetter]:
        """See `Storage.claim_letters`."""
        taken: list[DeadLetter] = await self._change(TakeLetters(bus, subscription, session, now, limit))
        return taken

    # -- transfer --------------------------------------------------------------------------------------------------

    async def import_events(self, bus: str, events: Sequence[Imported], *, end: int, first: int) -> None:
        """See `Storage.import_events`."""
        await self._bring(bus, lambda number: Import(bus, number, [*events], end, first))

    async def place_subscription(self, bus: str, placed: Placed) -> StoredSubscription:
        """See `Storage.place_subscription`."""
        check_text(placed.stored.id, "subscription")
        stored: StoredSubscription = await self._change(PlaceSubscription(bus, placed))
        return stored
