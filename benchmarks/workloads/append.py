"""Durable appends to an SQLite file, beside bare sqlite3 with the same batch; many publishers beside batches of 100.

An event loop must not wait for a disk, so each append goes to a thread and back. `sqlite3 in a thread` is what that
costs alone: the same statements as `sqlite3`, asked for and answered as an event loop has to.

A file that grows takes longer to sync, and a write-ahead log grows until it is begun anew for the first time: `by` is
measured from the beginning of a file on, `later by` from then on.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from time import perf_counter

from benchmarks.harness import Contender, Measure, Workload
from benchmarks.storages import EVENT, TASKS, WARM_UP, Ours, by_size, together
from eventroute.storage.base import Storage
from eventroute.storage.sqlite import SQLiteStorage


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


def _bare(batch: int, warm_up: int = WARM_UP) -> Measure:
    def measure(events: int) -> float:
        with bare_file() as connection:
            fill(connection, warm_up * batch, batch)
            begin = perf_counter()
            fill(connection, events, batch)
            return perf_counter() - begin

    return measure


async def _fill_in_a_thread(batch: int, events: int, warm_up: int) -> float:
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
        await append(warm_up)
        taken = await append(events // batch)
        asked.put(None)
        await asyncio.to_thread(thread.join)
    return taken


OURS = Ours(storage_file)
_SIZES = {1: 400, 10: 4_000, 100: 20_000, 1_000: 50_000}
_WARM_UPS = {1: 1_200, 10: 400, 100: 150}
"""So many batches take more than the thousand pages after which a log is begun anew."""


def _contenders(batch: int, warm_up: int) -> tuple[Contender, ...]:
    return (
        Contender("sqlite3", _bare(batch, warm_up)),
        Contender("sqlite3 in a thread", lambda events: asyncio.run(_fill_in_a_thread(batch, events, warm_up))),
        *OURS.append(batch, warm_up=warm_up),
    )


WORKLOAD = Workload(
    name="append",
    doc="durable appends, 500-byte events",
    unit="event",
    comparisons=(
        *by_size("by ", _SIZES, lambda batch: _contenders(batch, WARM_UP)),
        *by_size(
            "later by ",
            {batch: _SIZES[batch] for batch in _WARM_UPS},
            lambda batch: _contenders(batch, _WARM_UPS[batch]),
        ),
        together(
            Contender("sqlite3 by 100", _bare(100)),
            OURS.append_together(),
            case=f"{TASKS} tasks",
            size=20 * TASKS,
        ),
    ),
)
