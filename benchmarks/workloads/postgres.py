"""Durable appends to PostgreSQL and work on what was appended, beside the bare driver with the same batch.

`psycopg` keeps the same promises by the least that does: offsets that many writers may give out at once; an id of each
append, by which a repeat after a lost answer is found, until the next acknowledges it; claims that are rows with a
lease, which wait for no disk, so that others may take over from a worker that died; a position. One statement a call,
prepared and planned once, values as binary, and a second connection for what need not be durable: no event loop, no
threads, no subscriptions, and no check of what cannot be amiss here.

`psycopg, one writer and one worker` promises nothing of that: who appends counts the offsets itself, and one worker
counts how far it is.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from time import perf_counter
from typing import Any

from attrs import define
from psycopg import Connection

from benchmarks.harness import Contender, Measure, Unavailable, Workload
from benchmarks.postgres import ADDRESS, Place, place
from benchmarks.storages import EVENT, TASKS, WARM_UP, Ours, by_size, together
from eventroute.storage.base import Storage


@contextmanager
def server() -> Iterator[Place]:
    address = os.environ.get(ADDRESS)
    if not address:
        raise Unavailable(f"needs a server: {ADDRESS}=postgresql://user@host/database")
    with place(address) as made:
        yield made


@asynccontextmanager
async def opened() -> AsyncIterator[Storage]:
    with server() as made:
        async with made.storage() as storage:
            yield storage


_TABLES = """
CREATE TABLE event ("offset" bigint PRIMARY KEY, time bigint NOT NULL, event bytea NOT NULL);
CREATE TABLE log (next bigint NOT NULL) WITH (fillfactor = 20);
INSERT INTO log VALUES (1);
CREATE TABLE appended (id text COLLATE "C" PRIMARY KEY, start bigint NOT NULL, count integer NOT NULL);
CREATE TABLE place (claimed bigint NOT NULL, done bigint NOT NULL) WITH (fillfactor = 20);
INSERT INTO place VALUES (1, 1);
CREATE TABLE claim (
    start bigint PRIMARY KEY, "end" bigint NOT NULL, worker text NOT NULL, lapses double precision NOT NULL
) WITH (fillfactor = 50);
ANALYZE log, place;
"""
_APPEND = """
WITH head AS (UPDATE log SET next = next + %(count)b RETURNING next - %(count)b AS start),
    put AS (
        INSERT INTO event SELECT start + place - 1, 1, event
        FROM head, unnest(%(events)b::bytea[]) WITH ORDINALITY AS each (event, place)
    ),
    kept AS (
        INSERT INTO appended SELECT id, start + (place - 1) * %(each)b, %(each)b
        FROM head, unnest(%(ids)b::text[]) WITH ORDINALITY AS each (id, place)
    ),
    done AS (DELETE FROM appended WHERE id = ANY(%(before)b))
SELECT start FROM head
"""
_CLAIM = """
WITH moved AS (
    UPDATE place SET claimed = least(claimed + %(count)b, log.next) FROM log
    RETURNING least(claimed, log.next) AS "end"
)
INSERT INTO claim
SELECT "end" - %(count)b, "end", %(worker)b, extract(epoch FROM clock_timestamp())::float8 + 60 FROM moved
RETURNING start, "end"
"""
_READ = 'SELECT "offset", time, event FROM event WHERE "offset" >= %b AND "offset" < %b ORDER BY "offset"'
_COMPLETE = """
WITH gone AS (DELETE FROM claim WHERE start = %(start)b AND worker = %(worker)b RETURNING start, "end")
UPDATE place SET done = coalesce(
    (SELECT min(claim.start) FROM claim WHERE claim.start <> gone.start), greatest(claimed, gone."end")
) FROM gone
"""


@define
class Bare:
    """The driver, with tables that hold what is needed for the same promises."""

    durable: Connection[Any]
    quick: Connection[Any]
    """Waits for no disk."""
    before: Sequence[str] = ()
    statements: int = 0

    def append(self, events: int, batch: int, *, appends: int = 1) -> None:
        """Each batch by one statement; it is so many appends, each with an id of its own."""
        for _ in range(0, events, batch):
            self.statements += 1
            ids = [f"a-{self.statements}-{number}" for number in range(appends)]
            values = {
                "count": batch,
                "events": [EVENT] * batch,
                "each": batch // appends,
                "ids": ids,
                "before": list(self.before),
            }
            self.durable.execute(_APPEND, values, prepare=True, binary=True).fetchall()
            self.before = ids

    def drain(self, events: int, batch: int) -> None:
        for _ in range(0, events, batch):
            worker = {"worker": "w", "count": batch}
            ((start, end),) = self.quick.execute(_CLAIM, worker, prepare=True, binary=True).fetchall()
            rows = self.durable.execute(_READ, (start, end), prepare=True, binary=True).fetchall()
            assert len(rows) == batch  # noqa: S101 - else it measured something else
            done = self.durable.execute(_COMPLETE, {"worker": "w", "start": start}, prepare=True)
            assert done.rowcount == 1  # noqa: S101 - the same


@define
class Alone(Bare):
    """The driver, with nobody beside it: it knows the next offset, and how far it is."""

    next: int = 1
    place: int = 1

    def append(self, events: int, batch: int, *, appends: int = 0) -> None:
        for _ in range(0, events, batch):
            self.durable.execute(
                "INSERT INTO event SELECT %b + place - 1, 1, event"
                " FROM unnest(%b::bytea[]) WITH ORDINALITY AS each (event, place)",
                (self.next, [EVENT] * batch),
                prepare=True,
            )
            self.next += batch

    def drain(self, events: int, batch: int) -> None:
        for _ in range(0, events, batch):
            bounds = (self.place, self.place + batch)
            rows = self.durable.execute(_READ, bounds, prepare=True, binary=True).fetchall()
            assert len(rows) == batch  # noqa: S101 - else it measured something else
            self.place += batch
            self.durable.execute("UPDATE place SET done = %b", (self.place,), prepare=True)


@contextmanager
def bare(kind: type[Bare]) -> Iterator[Bare]:
    with server() as made, made.connect() as durable, made.connect() as quick:
        durable.execute(f"CREATE SCHEMA {made.schema}")
        durable.execute(_TABLES)
        for connection in (durable, quick):
            connection.execute("SET plan_cache_mode = force_generic_plan; SET jit = off; SET enable_seqscan = off")
        quick.execute("SET synchronous_commit = off")
        yield kind(durable, quick)


def _append(kind: type[Bare], batch: int, *, appends: int = 1) -> Measure:
    def measure(events: int) -> float:
        with bare(kind) as driver:
            driver.append(WARM_UP * batch, batch, appends=appends)
            begin = perf_counter()
            driver.append(events, batch, appends=appends)
            return perf_counter() - begin

    return measure


def _drain(kind: type[Bare], batch: int) -> Measure:
    def measure(events: int) -> float:
        with bare(kind) as driver:
            driver.append(WARM_UP * batch + events, 1_000)
            driver.drain(WARM_UP * batch, batch)
            begin = perf_counter()
            driver.drain(events, batch)
            return perf_counter() - begin

    return measure


OURS = Ours(opened)
_KINDS = {"psycopg": Bare, "psycopg, one writer and one worker": Alone}
_BACKENDS = ("asyncio", "trio")
_SIZES = {1: 200, 10: 2_000, 100: 10_000, 1_000: 30_000}

WORKLOAD = Workload(
    name="postgres",
    doc="durable appends to PostgreSQL, and work on them, 500-byte events",
    unit="event",
    comparisons=(
        *by_size(
            "append by ",
            _SIZES,
            lambda batch: (
                *(Contender(name, _append(kind, batch)) for name, kind in _KINDS.items()),
                *OURS.append(batch, backends=_BACKENDS),
            ),
        ),
        together(
            Contender("psycopg, 100 at once", _append(Bare, 100, appends=100)),
            OURS.append_together(),
            case=f"append, {TASKS} tasks",
            size=10 * TASKS,
        ),
        *by_size(
            "drain by ",
            {batch: size for batch, size in _SIZES.items() if batch > 1},
            lambda batch: (
                *(Contender(name, _drain(kind, batch)) for name, kind in _KINDS.items()),
                *OURS.drain(batch, filled_by=1_000, backends=_BACKENDS),
            ),
        ),
    ),
)
