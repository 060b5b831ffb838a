"""The storage in PostgreSQL."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, overload

import anyio
import anyio.lowlevel
from attrs import evolve
from psycopg import AsyncConnection, Connection

from eventroute.clock import Clock
from eventroute.errors import InvalidConfiguration
from eventroute.storage import ledger
from eventroute.storage.base import (
    DEFAULT_BUS,
    Advance,
    Claim,
    Complete,
    Delayed,
    Entry,
    Record,
    Session,
    Trimmed,
    Waiting,
)
from eventroute.storage.calls import Scope, TableCalls
from eventroute.storage.opening import OpenedStorage
from eventroute.storage.postgres.ahead import Ahead
from eventroute.storage.postgres.listener import ListenThread
from eventroute.storage.postgres.outbox import put_in_outbox
from eventroute.storage.postgres.reader import ReadCall, ReadThread
from eventroute.storage.postgres.server import Server, check_address
from eventroute.storage.postgres.shortcuts import QuickCall, ScopedCall, Taking, advance, claim_next, give_back
from eventroute.storage.postgres.silence import WatchThread
from eventroute.storage.postgres.tables import PostgresTables
from eventroute.storage.postgres.writer import ScopedAppend, WriteThread
from eventroute.storage.threads import Head, Watchers

if TYPE_CHECKING:
    from cloudevents.core.base import BaseCloudEvent

__all__ = ["PostgresStorage"]

T = TypeVar("T")


class _Threads(NamedTuple):
    ledger: WriteThread
    log: WriteThread
    reader: ReadThread
    listener: ListenThread
    watch: WatchThread


class PostgresStorage(OpenedStorage[_Threads], TableCalls):
    """A storage in one schema of a PostgreSQL database (13 or later), which any number of processes may share.

    `address` is a URL or what else libpq takes; several hosts may be given, of which the primary is used. `schema` is
    made where it is not there. What was accepted is as durable as the server makes a commit (its
    `synchronous_commit`). Leases run by the server's clock, and records are dated by it; a `clock` that is handed in
    takes its place, and is for tests.

    `patience` (seconds): how long a call waits for a server that is away, or for a lock, before it raises StorageError.
    `pooled`: a pooler stands between that gives each transaction another session, so nothing that outlives a
    transaction is used: no prepared statements, no LISTEN. `poll_interval` (seconds): how often the server is asked
    what other processes wrote, while somebody watches and nobody tells.

    It takes four connections, each of a thread of its own. A storage that was opened before a fork is of no use in the
    child, which must make one of its own. Raises InvalidConfiguration.
    """

    def __init__(
        self,
        address: str,
        *,
        schema: str = "eventroute",
        clock: Clock | None = None,
        patience: float = 10.0,
        pooled: bool = False,
        poll_interval: float = 0.05,
    ) -> None:
        for name, seconds in (("patience", patience), ("poll_interval", poll_interval)):
            if not 0.001 <= seconds <= 3_600:
                raise InvalidConfiguration(f"{seconds!r} is not 0.001 to 3600 seconds", where=name)
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", schema) or schema.startswith("pg_"):
            raise InvalidConfiguration(
                f"{schema!r} is not 1 to 63 of a-z, 0-9 and _, or begins with a digit or pg_", where="schema"
            )
        check_address(address)
        super().__init__(clock)
        self._server = Server(address=address, schema=schema, patience=patience, pooled=pooled)
        self._given_clock = clock
        self._poll_interval = poll_interval
        self._ahead = Ahead()

    # -- lifecycle -------------------------------------------------------------------------------------------------

    def _make(self, watchers: Watchers) -> _Threads:
        self._ahead = Ahead()
        server = evolve(self._server, as_is=self.as_is)
        reader = ReadThread("eventroute-postgres-reader", server)
        log, ledger = (
            WriteThread(
                f"eventroute-postgres-{name}",
                server,
                self._given_clock,
                watchers,
                tell=reader.tell,
                prepares=name == "ledger",
            )
            for name in ("log", "ledger")
        )
        listener = ListenThread(server, watchers, poll_interval=self._poll_interval, own=lambda: (reader.pid,))
        watch = WatchThread([one.wire for one in (ledger, log, reader, listener)], self._server.silence)
        return _Threads(ledger, log, reader, listener, watch)

    async def _start(self, workers: _Threads) -> None:
        workers.watch.start()
        for thread in (workers.ledger, workers.log):
            thread.start()
            await thread.run(ScopedCall(Scope(), _nothing, cost=0, durable=False, undo=None))
        workers.reader.start()
        await workers.reader.run(ReadCall(_nothing, snapshot=False))
        workers.listener.start()

    async def _stop(self, workers: _Threads, watchers: Watchers) -> None:
        await workers.listener.stop()
        watchers.stir()  # who begins to watch from now on is refused
        await workers.log.stop()
        await workers.ledger.stop()
        await workers.reader.stop()
        workers.watch.stop()

    async def _head(self, bus: str) -> Head:
        head: Head = await self._read(lambda tables: tables.head(bus))
        return head

    def _look_out(self, workers: _Threads) -> None:
        workers.listener.look_out()

    # -- how calls are made ----------------------------------------------------------------------------------------

    def _now(self, tables: PostgresTables) -> float:
        return tables.now if self._given_clock is None else self._given_clock.time()

    def _given_time(self) -> float | None:
        """The time of the clock that was handed in; None: the server's."""
        return None if self._given_clock is None else self._given_clock.time()

    def _forget_watched(self, bus: str) -> None:
        self._watchers.forget(bus)
        self._ahead.forget(bus)

    async def _change(
        self,
        scope: Scope,
        work: Callable[[Any], T],
        *,
        cost: float = 100,
        durable: bool = True,
        undo: Callable[[T], Callable[[Any], None]] | None = None,
    ) -> T:
        job = ScopedCall(scope, work, cost=100 + 2 * cost, durable=durable, undo=undo)
        result: T = await self._running().ledger.run(job)
        return result

    async def _read(self, work: Callable[[Any], T], *, snapshot: bool = False) -> T:
        result: T = await self._running().reader.run(ReadCall(work, snapshot=snapshot))
        return result

    async def claim(self, bus: str, reader: str, session: Session, *, limit: int, alone: bool = False) -> Claim | None:
        """See `Storage.claim`."""
        if alone:
            return await super().claim(bus, reader, session, limit=limit, alone=alone)
        token, ahead = secrets.randbits(63), self._ahead

        def undo(taken: Claim | None) -> Callable[[Any], None]:
            return lambda tables: ledger.release(tables, taken)

        job = QuickCall(
            Scope(bus, readers=(reader,), session=session.id),
            lambda tables: ledger.claim(tables, bus, reader, session, limit, self._now(tables)),
            quick=lambda tables: claim_next(tables, ahead, bus, reader, session.id, limit, self._given_time(), token),
            revoke=lambda tables: give_back(tables, bus, session.id, token),
            cost=300,
            durable=False,
            undo=undo,
        )
        taken: Claim | None = await self._running().ledger.run(job)
        return taken

    async def claim_waiting(
        self, bus: str, subscription: str, session: Session, *, now: float, limit: int, known: int | None = None
    ) -> list[Waiting]:
        """See `Storage.claim_waiting`."""
        taking = Taking(bus, subscription, session.id, now, limit, known)

        def undo(taken: list[Waiting]) -> Callable[[Any], None]:
            return lambda tables: ledger.release_waiting(tables, taken, session)

        job = QuickCall(
            Scope(bus, session=session.id),
            lambda tables: ledger.claim_waiting(
                tables, bus, subscription, session, now, limit, self._now(tables), known
            ),
            quick=lambda tables: taking.take(tables, self._given_time()),
            revoke=taking.give_back,
            cost=300 + 5 * limit,
            durable=False,
            undo=undo,
        )
        taken: list[Waiting] = await self._running().ledger.run(job)
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
        readers = {entry.claim.reader: None for entry in entries if isinstance(entry, Advance | Complete)}
        job = QuickCall(
            Scope(bus, readers=tuple(readers), session=session.id),
            lambda tables: ledger.write(tables, bus, session, entries, self._now(tables), known, number),
            quick=lambda tables: advance(tables, bus, session.id, entries, self._given_time(), known, number),
            cost=300 + 40 * len(entries),
            durable=True,
        )
        await self._running().ledger.run(job)

    # -- the log ---------------------------------------------------------------------------------------------------

    async def read(self, bus: str, start: int, end: int, *, limit: int, max_bytes: int) -> list[Record]:
        """See `Storage.read`."""
        self._running()
        records = self._ahead.take(bus, start, end, limit, max_bytes)
        if records is None:
            return await super().read(bus, start, end, limit=limit, max_bytes=max_bytes)
        await anyio.lowlevel.checkpoint()
        return records

    async def trim(self, bus: str, before: int, *, limit: int, hard: bool = False) -> Trimmed:
        """See `Storage.trim`."""
        trimmed = await super().trim(bus, before, limit=limit, hard=hard)
        self._ahead.forget(bus)
        return trimmed

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
        return await self._running().log.run(ScopedAppend(bus, events, append_id, acknowledged, delayed, identities))

    @overload
    def publish_in(self, connection: Connection[Any], *events: BaseCloudEvent, bus: str = ...) -> None: ...

    @overload
    def publish_in(
        self, connection: AsyncConnection[Any], *events: BaseCloudEvent, bus: str = ...
    ) -> Awaitable[None]: ...

    def publish_in(
        self, connection: Connection[Any] | AsyncConnection[Any], *events: BaseCloudEvent, bus: str = DEFAULT_BUS
    ) -> Awaitable[None] | None:
        """Publish events in the transaction of a connection of psycopg 3 to this database: they exist if and only if
        it commits. On an `AsyncConnection` it is to be awaited. The storage need not be open.

        After the commit a router that pushes moves them to the log, once, in the order in which transactions were
        committed, within about a second. A transaction that stays open holds up nothing but its own events.

        Raises InvalidEvent, UnknownBus, StorageError where it is no such connection, and psycopg.Error.
        """
        return put_in_outbox(connection, self._server.schema, bus, events)


def _nothing(_tables: object) -> None:
    """For jobs that only wait for their turn."""
