"""Reading the log in pages of 1,000, beside bare sqlite3."""

from __future__ import annotations

from functools import partial
from time import perf_counter

import anyio

from benchmarks.harness import Comparison, Contender, Workload
from benchmarks.storages import EVENT
from benchmarks.workloads.append import bare_file, fill, storage_file
from eventroute.storage.base import DEFAULT_BUS

PAGE = 1_000


def _bare(events: int) -> float:
    with bare_file() as connection:
        fill(connection, events, PAGE)
        begin = perf_counter()
        for start in range(1, events, PAGE):
            connection.execute(
                "SELECT key, time, event FROM event WHERE key >= ? ORDER BY key LIMIT ?", (start, PAGE)
            ).fetchall()
        return perf_counter() - begin


async def _read(events: int) -> float:
    async with storage_file() as storage:
        for number in range(0, events, PAGE):
            await storage.append(DEFAULT_BUS, [EVENT] * PAGE, append_id=str(number))
        begin = perf_counter()
        for start in range(1, events, PAGE):
            await storage.read(DEFAULT_BUS, start, start + PAGE, limit=PAGE, max_bytes=1 << 30)
        return perf_counter() - begin


WORKLOAD = Workload(
    name="read",
    doc="the log read in pages of 1,000 events of 500 bytes",
    unit="event",
    comparisons=(
        Comparison(
            case="pages",
            floor=Contender("sqlite3", _bare),
            subjects=(Contender("eventroute", lambda events: anyio.run(partial(_read, events))),),
            size=50_000,
            tiny=PAGE,
        ),
    ),
)
