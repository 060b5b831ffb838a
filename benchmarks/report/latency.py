"""How long events take from publish to an async function at a steady pace: the distribution, not its middle alone.

An event's time starts when it was due, not when its turn came: what one slow commit holds up counts for all behind it.
"""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import anyio

from benchmarks.harness import Row
from benchmarks.workloads.event import RAW
from benchmarks.workloads.push_inprocess import FILTERS, BareLog
from eventroute.event import Event
from eventroute.router import Router
from eventroute.storage.base import Storage
from eventroute.storage.memory import MemoryStorage
from eventroute.storage.open import open_storage
from eventroute.subscription import Subscription

PACE = 100
"""Events a second: less than what any contender can take, so that no queue grows."""

SIZE, TINY = 1_000, 20
QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99, 0.995)
NAME = "latency"

Contend = Callable[[Path, int], Awaitable[list[float]]]
EVENT = Event.from_json(RAW)


async def paced(size: int, send: Callable[[int], Coroutine[Any, Any, None]], due: list[float]) -> None:
    """Send that many events, each when it is due; one that is late goes at once."""
    start = perf_counter() + 1 / PACE
    async with anyio.create_task_group() as tasks:
        for number in range(size):
            due.append(start + number / PACE)
            await anyio.sleep(max(0.0, due[number] - perf_counter()))
            tasks.start_soon(send, number)


async def _bare(folder: Path, size: int) -> list[float]:
    """Commit by bare sqlite3, which blocks the loop; there is nobody to call."""
    log, due, taken = BareLog(folder / "events.db"), list[float](), list[float]()

    async def send(number: int) -> None:
        log.append([RAW])
        taken.append(perf_counter() - due[number])

    await paced(size, send, due)
    return taken


async def _routed(storage: Storage, size: int) -> list[float]:
    due, taken = list[float](), list[float]()

    async def sink(event: Event) -> None:
        taken.append(perf_counter() - due[int(event.id)])

    async with Router(storage) as router:
        await router.subscribe(Subscription(id="s", sink=sink, filters=FILTERS))

        async def send(number: int) -> None:
            await router.publish(EVENT.replace({"id": str(number)}))

        await paced(size, send, due)
        await router.idle()
    return taken


async def _sqlite(folder: Path, size: int) -> list[float]:
    return await _routed(open_storage(f"sqlite:///{folder / 'events.db'}"), size)


async def _memory(_folder: Path, size: int) -> list[float]:
    return await _routed(MemoryStorage(), size)


CONTENDERS: dict[str, Contend] = {"sqlite3 commit": _bare, "Router on SQLite": _sqlite, "Router in memory": _memory}


def run(*, runs: int, tiny: bool = False) -> list[Row]:
    """A row for each contender and quantile; the contenders take turns."""
    size = TINY if tiny else SIZE
    if not tiny:
        for contend in CONTENDERS.values():
            _quantiles(contend, TINY)  # warms up
    rounds = [{name: _quantiles(contend, size) for name, contend in CONTENDERS.items()} for _ in range(runs)]
    floor = next(iter(CONTENDERS))
    return [
        Row(
            workload=NAME,
            case=label(quantile),
            contender=name,
            unit="event",
            size=1,
            seconds=tuple(taken[name][quantile] for taken in rounds),
            ratio=statistics.median(taken[name][quantile] / taken[floor][quantile] for taken in rounds),
        )
        for quantile in QUANTILES
        for name in CONTENDERS
    ]


def label(quantile: float) -> str:
    """How a quantile is called: `p99`."""
    return f"p{quantile * 100:g}"


def _quantiles(contend: Contend, size: int) -> dict[float, float]:
    with TemporaryDirectory() as folder:
        taken = sorted(anyio.run(contend, Path(folder), size))
    if len(taken) != size:
        raise RuntimeError(f"{len(taken)} of {size} events arrived")
    return {quantile: taken[min(size - 1, int(quantile * size))] for quantile in QUANTILES}
