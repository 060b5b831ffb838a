"""Durable appends to PostgreSQL and work on what was appended, beside the bare driver with the same batch."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from time import perf_counter

import anyio
import psycopg

from benchmarks.harness import Comparison, Contender, Measure, Unavailable, Workload
from benchmarks.postgres import ADDRESS, Place, place
from eventroute.storage.base import DEFAULT_BUS, LIVE, Complete, Storage

EVENT = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":"' + b"x" * 435 + b'"}'
TASKS = 1_000
_names = count()


@contextmanager
def server() -> Iterator[Place]:
    address = os.environ.get(ADDRESS)
    if not address:
        raise Unavailable(f"needs a server: {ADDRESS}=postgresql://user@host/database")
    with place(address) as made:
        yield made


@contextmanager
def bare() -> Iterator[psycopg.Connection]:
    """The least that does it: a table of events in order, a position, and what was sent and not yet acknowledged."""
    with server() as made, made.connect() as connection:
        connection.execute(f"CREATE SCHEMA {made.schema}")
        connection.execute(
            'CREATE TABLE event ("offset" bigint PRIMARY KEY, time bigint NOT NULL, event bytea NOT NULL)'
        )
        connection.execute("CREATE TABLE place (claimed bigint NOT NULL, done bigint NOT NULL)")
        connection.execute("INSERT INTO place VALUES (1, 1)")
        yield connection


def fill(connection: psycopg.Connection, start: int, events: int, batch: int) -> None:
    """`unnest` is the fastest way of the driver up to a hundred events, and not far behind COPY above."""
    for begin in range(start, start + events, batch):
        connection.execute(
            "INSERT INTO event SELECT %b + place - 1, 1, event"
            " FROM unnest(%b::bytea[]) WITH ORDINALITY AS each (event, place)",
            (begin, [EVENT] * batch),
            prepare=True,
        )


def take(connection: psycopg.Connection, events: int, batch: int) -> None:
    """Claim a range, read it, and say that it is done: what a worker does, with nobody who might take it over."""
    for _ in range(0, events, batch):
        connection.execute("SET synchronous_commit = off")
        ((end,),) = connection.execute("UPDATE place SET claimed = claimed + %b RETURNING claimed", (batch,))
        connection.execute("SET synchronous_commit = on")
        rows = connection.execute(
            'SELECT "offset", time, event FROM event WHERE "offset" >= %b AND "offset" < %b ORDER BY "offset"',
            (end - batch, end),
            prepare=True,
            binary=True,
        ).fetchall()
        assert len(rows) == batch  # noqa: S101 - else it measured something else
        connection.execute("UPDATE place SET done = %b", (end,))


def _bare_append(batch: int) -> Measure:
    def measure(events: int) -> float:
        with bare() as connection:
            fill(connection, 1, 10 * batch, batch)
            begin = perf_counter()
            fill(connection, 1 + 10 * batch, events, batch)
            return perf_counter() - begin

    return measure


def _bare_drain(batch: int) -> Measure:
    def measure(events: int) -> float:
        with bare() as connection:
            fill(connection, 1, 10 * batch + events, 1_000)
            take(connection, 10 * batch, batch)
            begin = perf_counter()
            take(connection, events, batch)
            return perf_counter() - begin

    return measure


async def publish(storage: Storage, name: int, events: int, batch: int) -> None:
    """What a router does: each append acknowledges the one before."""
    before: list[str] = []
    for number in range(0, events, batch):
        append_id = f"{name}-{number}"
        await storage.append(DEFAULT_BUS, [EVENT] * batch, append_id=append_id, acknowledged=before)
        before = [append_id]


async def _append(batch: int, events: int) -> float:
    with server() as made:
        async with made.storage() as storage:
            await publish(storage, next(_names), 10 * batch, batch)
            begin = perf_counter()
            await publish(storage, next(_names), events, batch)
            return perf_counter() - begin


async def _append_together(events: int) -> float:
    with server() as made:
        async with made.storage() as storage:
            begin = perf_counter()
            async with anyio.create_task_group() as tasks:
                for _ in range(TASKS):
                    tasks.start_soon(publish, storage, next(_names), max(1, events // TASKS), 1)
            return perf_counter() - begin


async def _drain(batch: int, events: int) -> float:
    with server() as made:
        async with made.storage() as storage:
            await publish(storage, next(_names), 10 * batch + events, 1_000)
            session = await storage.open_session(60)
            begin = 0.0
            for number in range(-10, events // batch):
                begin = perf_counter() if number == 0 else begin
                claim = await storage.claim(DEFAULT_BUS, LIVE, session, limit=batch)
                assert claim is not None  # noqa: S101 - else it measured something else
                await storage.read(DEFAULT_BUS, claim.start, claim.end, limit=batch, max_bytes=1 << 30)
                await storage.write(DEFAULT_BUS, session, [Complete(claim)])
            return perf_counter() - begin


def _contender(name: str, backend: str, work: Callable[[int], Awaitable[float]]) -> Contender:
    return Contender(name, lambda events: anyio.run(work, events, backend=backend))


_SIZES = {1: 200, 10: 2_000, 100: 10_000, 1_000: 30_000}

WORKLOAD = Workload(
    name="postgres",
    doc="durable appends to PostgreSQL, and work on them, 500-byte events",
    unit="event",
    comparisons=(
        *(
            Comparison(
                case=f"append by {batch}",
                floor=Contender("psycopg", _bare_append(batch)),
                subjects=(_contender("eventroute", "asyncio", partial(_append, batch)),),
                size=size,
                tiny=2 * batch,
            )
            for batch, size in _SIZES.items()
        ),
        Comparison(
            case=f"append, {TASKS} tasks",
            floor=Contender("psycopg by 100", _bare_append(100)),
            subjects=(
                _contender("eventroute", "asyncio", _append_together),
                _contender("eventroute, trio", "trio", _append_together),
            ),
            size=10 * TASKS,
            tiny=TASKS,
        ),
        *(
            Comparison(
                case=f"drain by {batch}",
                floor=Contender("psycopg", _bare_drain(batch)),
                subjects=(_contender("eventroute", "asyncio", partial(_drain, batch)),),
                size=size,
                tiny=2 * batch,
            )
            for batch, size in _SIZES.items()
            if batch > 1
        ),
    ),
)
