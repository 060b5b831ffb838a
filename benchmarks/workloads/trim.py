"""How long appends take while a million events are taken away beside them: the time that 99 of 100 stay below."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from functools import cache, partial
from itertools import count
from pathlib import Path
from time import perf_counter

import anyio

from benchmarks.harness import Comparison, Contender, Workload
from benchmarks.scratch import scratch
from benchmarks.storages import EVENT
from eventroute.clock import SystemClock
from eventroute.retaining import REST, Retaining
from eventroute.storage.base import DEFAULT_BUS, BusSettings, Retention, Storage
from eventroute.storage.sqlite import SQLiteStorage

TRIMMED = 1_000_000
"""How many events are taken away."""

_STEPS_A_LOOK = 100
"""How many steps are taken before it is seen whether all is gone."""

_append_ids = map(str, count())


async def fill(storage: Storage, events: int) -> None:
    for _ in range(0, events, 1_000):
        await storage.append(DEFAULT_BUS, [EVENT] * min(events, 1_000), append_id=next(_append_ids))


@cache
def full_file(events: int) -> Path:
    """A file with so many events; made once, and gone with the process."""
    path = scratch("trim") / f"{events}.db"

    async def make() -> None:
        async with SQLiteStorage(path) as storage:
            await fill(storage, events)

    anyio.run(make)
    return path


async def _append(storage: Storage, batch: int, appends: int, trimmed: anyio.Event) -> list[float]:
    """Append until the trimming is over, and so often at least; how long each took."""
    times: list[float] = []
    before: list[str] = []
    while len(times) < appends or not trimmed.is_set():
        append_id = next(_append_ids)
        begin = perf_counter()
        await storage.append(DEFAULT_BUS, [EVENT] * batch, append_id=append_id, acknowledged=before)
        times.append(perf_counter() - begin)
        before = [append_id]
    return times


async def _trim(storage: Storage, events: int, trimmed: anyio.Event) -> None:
    """As a router does it."""
    clock = SystemClock()
    retaining = Retaining(storage, DEFAULT_BUS, clock)
    while (await storage.bounds(DEFAULT_BUS)).first < events:
        for _ in range(_STEPS_A_LOOK):
            await retaining.step()
            await clock.sleep(REST)
    trimmed.set()


async def _measure(path: Path, batch: int, events: int, trimming: bool, appends: int) -> float:
    """99 of 100 appends took less than this many seconds; times `appends`, as the harness divides by it."""
    trimmed = anyio.Event()
    async with SQLiteStorage(path) as storage:
        await storage.update_bus(DEFAULT_BUS, BusSettings(retention=Retention(max_age=None, max_events=1)))
        async with anyio.create_task_group() as tasks:
            if trimming:
                tasks.start_soon(_trim, storage, events, trimmed)
            else:
                trimmed.set()
            times = await _append(storage, batch, appends, trimmed)
    return statistics.quantiles(times, n=100)[98] * appends


def _contender(name: str, batch: int, trimming: bool) -> Contender:
    def measure(appends: int) -> float:
        events = min(TRIMMED, appends * 500)
        with tempfile.TemporaryDirectory(dir=".") as folder:
            path = Path(shutil.copy(full_file(events), Path(folder, "events.db")))
            return anyio.run(partial(_measure, path, batch, events, trimming), appends)

    return Contender(name, measure)


WORKLOAD = Workload(
    name="trim",
    doc="p99 of durable appends while a million events are trimmed",
    unit="append",
    comparisons=tuple(
        Comparison(
            case=f"by {batch}",
            floor=_contender("alone", batch, False),
            subjects=(_contender("while trimming", batch, True),),
            size=5_000,
            tiny=20,
        )
        for batch in (1, 10, 100)
    ),
)
