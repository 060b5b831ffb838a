"""A log of 10 million events beside one of 10 thousand: append, read, find a time, open. Neither may be slower."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Awaitable, Callable
from functools import cache, partial
from pathlib import Path
from time import perf_counter

import anyio

from benchmarks.harness import Comparison, Contender, Workload
from benchmarks.scratch import scratch
from benchmarks.storages import EVENT
from eventroute.clock import SystemClock
from eventroute.storage.base import DEFAULT_BUS
from eventroute.storage.sqlite import SQLiteStorage

SMALL = 10_000
LARGE = 10_000_000
TINY = 4 * SMALL
"""How long the long log is where the workload is only tried."""

BATCH = 10_000
PAGE = 1_000

Measured = Callable[[SQLiteStorage, int, int], Awaitable[float]]
"""Takes a storage, how many events it holds and how many units to do; returns the seconds."""


class _Ticking(SystemClock):
    """Each look is a second later, so that no two batches are of one time."""

    def __init__(self) -> None:
        self._now = 1e9

    def time(self) -> float:
        self._now += 1.0
        return self._now


@cache
def log_file(events: int) -> Path:
    """The log of so many events; made once a process."""
    path = scratch("scale") / f"{events}.db"
    anyio.run(_fill, path, events)
    return path


async def _fill(path: Path, events: int) -> None:
    async with SQLiteStorage(path, clock=_Ticking(), synchronous="NORMAL") as storage:
        for number in range(0, events, BATCH):
            await storage.append(DEFAULT_BUS, [EVENT] * min(BATCH, events - number), append_id=str(number))


async def _append(storage: SQLiteStorage, _held: int, units: int) -> float:
    begin = perf_counter()
    for number in range(0, units, 100):
        await storage.append(DEFAULT_BUS, [EVENT] * 100, append_id=f"a{begin}-{number}")
    return perf_counter() - begin


async def _read(storage: SQLiteStorage, held: int, units: int) -> float:
    pages = [random.randrange(1, held - PAGE) for _ in range(max(1, units // PAGE))]
    await _touch(storage, pages)
    begin = perf_counter()
    for start in pages:
        await storage.read(DEFAULT_BUS, start, start + PAGE, limit=PAGE, max_bytes=1 << 30)
    return perf_counter() - begin


async def _touch(storage: SQLiteStorage, pages: list[int]) -> None:
    """Bring the pages into the system's cache: the disk is not what is compared."""
    for start in pages:
        await storage.read(DEFAULT_BUS, start, start + PAGE, limit=PAGE, max_bytes=1 << 30)


async def _offset_at(storage: SQLiteStorage, held: int, units: int) -> float:
    first = (await storage.read(DEFAULT_BUS, 1, 2, limit=1, max_bytes=1))[0].time
    last = (await storage.read(DEFAULT_BUS, held, held + 1, limit=1, max_bytes=1))[0].time
    times = [random.uniform(first, last) for _ in range(units)]
    begin = perf_counter()
    for time in times:
        await storage.offset_at(DEFAULT_BUS, time)
    return perf_counter() - begin


async def _on_open(work: Measured, events: int, units: int) -> float:
    async with SQLiteStorage(log_file(events)) as storage:
        return await work(storage, events, units)


async def _append_to_short(_events: int, units: int) -> float:
    """To a file of its own each time: it would not stay short."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder, "events.db")
        await _fill(path, SMALL)
        async with SQLiteStorage(path) as storage:
            return await _append(storage, SMALL, units)


async def _open(events: int, units: int) -> float:
    path = log_file(events)
    begin = perf_counter()
    for _ in range(units):
        async with SQLiteStorage(path):
            pass
    return perf_counter() - begin


async def work_on(path: Path, events: int) -> None:
    """Some of each."""
    async with SQLiteStorage(path) as storage:
        await _append(storage, events, 5_000)
        await _read(storage, events, 100_000)
        await _offset_at(storage, events, 1_000)
        for _ in range(20):
            await storage.trim(DEFAULT_BUS, events, limit=100)


Work = Callable[[int, int], Awaitable[float]]
"""Takes how many events the log holds and how many units to do."""


def _comparison(case: str, work: Work, *, size: int, tiny: int, short: Work | None = None) -> Comparison:
    def long_log(units: int) -> float:
        held = LARGE if units == size else TINY
        log_file(held)
        return anyio.run(work, held, units)

    def short_log(units: int) -> float:
        log_file(SMALL)
        return anyio.run(short or work, SMALL, units)

    return Comparison(
        case, Contender("10 thousand", short_log), (Contender("10 million", long_log),), size=size, tiny=tiny
    )


WORKLOAD = Workload(
    name="scale",
    doc=f"a log of {LARGE:,} events beside one of {SMALL:,} (takes 6 GB of disk and minutes to fill)",
    unit="step",
    comparisons=(
        _comparison("append by 100", partial(_on_open, _append), size=20_000, tiny=100, short=_append_to_short),
        _comparison("read", partial(_on_open, _read), size=100_000, tiny=PAGE),
        _comparison("offset_at", partial(_on_open, _offset_at), size=1_000, tiny=10),
        _comparison("open", _open, size=50, tiny=1),
    ),
)
