"""Durable appends to an SQLite file, beside bare sqlite3 with the same batch; many publishers beside batches of 100.

An event loop must not wait for a disk, so each append goes to a thread and back. `sqlite3 in a thread` is what that
costs alone: the same statements as `sqlite3`, asked for and answered as an event loop has to.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from time import perf_counter

import anyio

from benchmarks.harness import Comparison, Contender, Measure, Workload
from eventroute.storage.base import DEFAULT_BUS, Storage
from eventroute.storage.sqlite import SQLiteStorage

EVENT = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":"' + b"x" * 435 + b'"}'
TASKS = 1_000


@contextmanager
def bare_file() -> Iterator[sqlite3.Connection]:
    """The least that is durable: a table of events in order, and a full wait for the disk at each commit."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        connection = sqlite3.connect(Path(folder, "bare.db"), isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE event (key INTEGER PRIMARY KEY, time INTEGER NOT NULL, event BLOB NOT NULL)")
        yield connection
        connection.close()


@asynccontextmanager
async def storage_file() -> AsyncIterator[Storage]:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        async with SQLiteStorage(Path(folder, "events.db")) as storage:
            yield storage


def fill(connection: sqlite3.Connection, events: int, batch: int) -> None:
    for _ in range(0, events, batch):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO event (time, event) VALUES (?, ?)", [(1, EVENT)] * batch)
        connection.execute("COMMIT")


def _bare(batch: int) -> Measure:
    def measure(events: int) -> float:
        with bare_file() as connection:
            fill(connection, batch, batch)
            begin = perf_counter()
            fill(connection, events, batch)
            return perf_counter() - begin

    return measure


async def _fill_in_a_thread(batch: int, events: int) -> float:
    loop = asyncio.get_running_loop()
    asked: SimpleQueue[asyncio.Future[None] | None] = SimpleQueue()

    def work() -> None:
        while (asking := asked.get()) is not None:
            fill(connection, batch, batch)
            loop.call_soon_threadsafe(asking.set_result, None)

    async def append(times: int) -> float:
        begin = perf_counter()
        for _ in range(times):
            answer = loop.create_future()
            asked.put(answer)
            await answer
        return perf_counter() - begin

    with bare_file() as connection:
        thread = Thread(target=work)
        thread.start()
        await append(1)
        taken = await append(events // batch)
        asked.put(None)
        await asyncio.to_thread(thread.join)
    return taken


async def publish(storage: Storage, name: int, times: int, batch: Sequence[bytes]) -> None:
    """What a router does: each append acknowledges the one before."""
    before: list[str] = []
    for number in range(times):
        append_id = f"{name}-{number}"
        await storage.append(DEFAULT_BUS, batch, append_id=append_id, acknowledged=before)
        before = [append_id]


_names = count()


async def _publish_alone(batch: int, events: int) -> float:
    async with storage_file() as storage:
        await publish(storage, next(_names), 1, [EVENT] * batch)
        begin = perf_counter()
        await publish(storage, next(_names), events // batch, [EVENT] * batch)
        return perf_counter() - begin


async def _publish_together(events: int) -> float:
    async with storage_file() as storage:
        begin = perf_counter()
        async with anyio.create_task_group() as tasks:
            for _ in range(TASKS):
                tasks.start_soon(publish, storage, next(_names), max(1, events // TASKS), [EVENT])
        return perf_counter() - begin


def _contender(name: str, backend: str, work: Callable[[int], Awaitable[float]]) -> Contender:
    return Contender(name, lambda events: anyio.run(work, events, backend=backend))


_SIZES = {1: 400, 10: 4_000, 100: 20_000, 1_000: 50_000}

WORKLOAD = Workload(
    name="append",
    doc="durable appends, 500-byte events",
    unit="event",
    comparisons=(
        *(
            Comparison(
                case=f"by {batch}",
                floor=Contender("sqlite3", _bare(batch)),
                subjects=(
                    _contender("sqlite3 in a thread", "asyncio", partial(_fill_in_a_thread, batch)),
                    _contender("eventroute", "asyncio", partial(_publish_alone, batch)),
                ),
                size=size,
                tiny=2 * batch,
            )
            for batch, size in _SIZES.items()
        ),
        Comparison(
            case=f"{TASKS} tasks",
            floor=Contender("sqlite3 by 100", _bare(100)),
            subjects=(
                _contender("eventroute", "asyncio", _publish_together),
                _contender("eventroute, trio", "trio", _publish_together),
            ),
            size=20 * TASKS,
            tiny=TASKS,
        ),
    ),
)
