"""The storage in PostgreSQL."""

from __future__ import annotations

import os
import re
import secrets
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, overload

import anyio
import anyio.lowlevel
from psycopg import AsyncConnection, Connection

from eventroute.clock import Clock, SystemClock
from eventroute.errors import InvalidConfiguration
from eventroute.storage import ledger
from eventroute.storage.base import DEFAULT_BUS, Advance, Claim, Complete, Delayed, Entry, Session
from eventroute.storage.calls import Scope, TableCalls
from eventroute.storage.jobs import running
from eventroute.storage.postgres.listener import ListenThread
from eventroute.storage.postgres.outbox import put_in_outbox
from eventroute.storage.postgres.reader import ReadCall, ReadThread
from eventroute.storage.postgres.server import Server, check_address
from eventroute.storage.postgres.shortcuts import QuickCall, ScopedCall, advance, claim_next, give_back
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


class PostgresStorage(TableCalls):
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
        self._server = Server(address=address, schema=schema, patience=patience, pooled=pooled)
        self._given_clock = clock
        self._clock: Clock = SystemClock() if clock is None else clock
        self._poll_interval = poll_interval
        self._watchers = Watchers()
        self._lock = threading.Lock()
        self._opened = 0
        self._threads: _Threads | None = None
        self._process = 0

    # -- lifecycle -------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """See `Storage.open`."""
        with self._lock:
            if self._threads is None:
                self._threads = self._make_threads()
                self._process = os.getpid()
            threads = self._running()
            self._opened += 1
        try:
            for thread in (threads.ledger, threads.log):
                thread.start()
                await thread.run(ScopedCall(Scope(), _nothing, cost=0, durable=False, undo=None))
            threads.reader.start()
            await threads.reader.run(ReadCall(_nothing, snapshot=False))
            threads.listener.start()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.aclose()
            raise

    async def aclose(self) -> None:
        """See `Storage.aclose`."""
        with self._lock:
            threads = self._running()
            self._opened -= 1
            if self._opened:
                return
            self._threads, watchers = None, self._watchers
        with anyio.CancelScope(shield=True):
            await threads.listener.stop()
            await threads.reader.stop()
            watchers.stir()  # who begins to watch from now on is refused
            await threads.log.stop()
            await threads.ledger.stop()

    def _make_threads(self) -> _Threads:
        self._watchers = watchers = Watchers()  # the database may be another by now
        ledger = WriteThread("eventroute-postgres-ledger", self._server, self._given_clock, watchers, prepares=True)
        log = WriteThread("eventroute-postgres-log", self._server, self._given_clock, watchers)
        listener = ListenThread(
            self._server, watchers, poll_interval=self._poll_interval, own=lambda: (ledger.pid, log.pid)
        )
        return _Threads(ledger, log, ReadThread("eventroute-postgres-reader", self._server), listener)

    def _running(self) -> _Threads:
        return running(self._threads, self._process)

    # -- how calls are made ----------------------------------------------------------------------------------------

    def _now(self, tables: PostgresTables) -> float:
        return tables.now if self._given_clock is None else self._given_clock.time()

    def _given_time(self) -> float | None:
        """The time of the clock that was handed in; None: the server's."""
        return None if self._given_clock is None else self._given_clock.time()

    def _forget_watched(self, bus: str) -> None:
        self._watchers.forget(bus)

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
        token = secrets.randbits(63)

        def undo(taken: Claim | None) -> Callable[[Any], None]:
            return lambda tables: ledger.release(tables, taken)

        job = QuickCall(
            Scope(bus, readers=(reader,), session=session.id),
            lambda tables: ledger.claim(tables, bus, reader, session, limit, self._now(tables)),
            quick=lambda tables: claim_next(tables, bus, reader, session.id, limit, self._given_time(), token),
            revoke=lambda tables: give_back(tables, bus, session.id, token),
            cost=300,
            durable=False,
            undo=undo,
        )
        taken: Claim | None = await self._running().ledger.run(job)
        return taken

    async def write(self, bus: str, session: Session, entries: Sequence[Entry]) -> None:
        """See `Storage.write`."""
        readers = {entry.claim.reader: None for entry in entries if isinstance(entry, Advance | Complete)}
        job = QuickCall(
            Scope(bus, readers=tuple(readers), session=session.id),
            lambda tables: ledger.write(tables, bus, session, entries, self._now(tables)),
            quick=lambda tables: advance(tables, bus, session.id, entries, self._given_time()),
            cost=300 + 40 * len(entries),
            durable=True,
        )
        await self._running().ledger.run(job)

    # -- the log ---------------------------------------------------------------------------------------------------

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

    async def watch(self, bus: str, *, end: int, version: int, timeout: float) -> None:
        """See `Storage.watch`."""
        await anyio.lowlevel.checkpoint()
        listener = self._running().listener
        if not self._watchers.know(bus):
            self._watchers.advance({bus: await self._read(lambda tables: tables.head(bus))})
        waiter = self._watchers.add(bus, Head(end, version))
        if waiter is None:
            return
        try:
            listener.look_out()
            with self._clock.move_on_after(timeout):
                await waiter.wait()
        finally:
            self._watchers.discard(bus, waiter)


def _nothing(_tables: object) -> None:
    """For jobs that only wait for their turn."""
