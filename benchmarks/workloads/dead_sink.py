"""A live sink's latency, alone and beside a dead one that has 10 million events before it: it must not move.

Another backlog is set by EVENTROUTE_DEAD_BACKLOG. What memory the outage takes, and how fast it is made good, tells
`python -m benchmarks.outage`.
"""

from __future__ import annotations

import math
import os
import statistics
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from time import perf_counter

import anyio

from benchmarks.harness import Comparison, Contender, Workload
from benchmarks.scratch import scratch
from benchmarks.workloads.event import RAW
from benchmarks.workloads.push_inprocess import FILTERS
from eventroute.errors import Retry
from eventroute.event import Event
from eventroute.push.policy.breaker import Breaker
from eventroute.router import Router
from eventroute.storage.base import DEFAULT_BUS, BusSettings, Retention
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.subscription import Subscription

EVENT = Event.from_json(RAW)
STORED = EVENT.replace({"type": "com.github.star.deleted"}).to_json()
BACKLOG = int(os.environ.get("EVENTROUTE_DEAD_BACKLOG", "10000000"))
"""Events in the log, all of which the dead sink wants and none of which the live one does."""

TINY = 5_000
"""The same where it is only tried."""

EVENTS = 500
"""That the live sink gets in one measurement; as many as a 99th percentile needs at the least, times five."""

PAUSE = 0.002
"""Seconds between two events: the router is not busy."""


@cache
def _log(events: int) -> Path:
    """A log of so many events, which nobody takes away; made once a process."""
    path = scratch("dead-sink") / f"{events}.db"
    anyio.run(_fill, path, events)
    return path


async def _fill(path: Path, events: int) -> None:
    batch = 1_000
    async with SQLiteStorage(path, synchronous="NORMAL") as storage:
        await storage.create_bus(DEFAULT_BUS)
        await storage.update_bus(DEFAULT_BUS, BusSettings(retention=Retention(max_age=None)))
        for number in range(0, events, batch):
            await storage.append(
                DEFAULT_BUS, [STORED] * batch, append_id=f"{number}", acknowledged=[f"{number - batch}"]
            )


class _Dead:
    """A sink that is down."""

    def __init__(self) -> None:
        self.failures = 0
        self.given_up = anyio.Event()
        """Its breaker is open: so it stays, but for a probe now and then, however long it is down."""

    async def __call__(self, _event: Event) -> None:
        self.failures += 1
        if self.failures >= Breaker().failures:
            self.given_up.set()
        raise Retry("dead")


async def _latencies(path: Path, size: int, *, dead: bool) -> list[float]:
    """Seconds from publish to the live sink, of so many events."""
    arrived = anyio.Event()

    async def sink(_event: Event) -> None:
        arrived.set()

    async with Router(SQLiteStorage(path)) as router:
        await router.subscribe(Subscription(id="live", sink=sink, filters=FILTERS))
        await router.idle()
        if dead:
            sink_that_is_down = _Dead()
            await router.subscribe(Subscription(id="dead", sink=sink_that_is_down, start="earliest"))
            await sink_that_is_down.given_up.wait()
        taken = []
        for _ in range(size):
            begin = perf_counter()
            await router.publish(EVENT)
            await arrived.wait()
            taken.append(perf_counter() - begin)
            arrived = anyio.Event()
            await anyio.sleep(PAUSE)
        if dead:
            await router.unsubscribe("dead")  # the next round begins as this one did
        return taken


Told = Callable[[list[float]], float]
TOLD: Mapping[str, Told] = {
    "median": statistics.median,
    "p99": lambda taken: sorted(taken)[math.ceil(0.99 * len(taken)) - 1],
}


class _Rounds:
    """The latencies of each round, which are measured for what is told first, and kept for the rest."""

    def __init__(self, *, dead: bool) -> None:
        self._dead = dead
        self._kept: defaultdict[tuple[str, int], deque[list[float]]] = defaultdict(deque)

    def measure(self, told: str, size: int) -> float:
        """What is told of one event, times their number: so it shows as that of one."""
        kept = self._kept[told, size]
        if not kept:
            path = _log(BACKLOG if size == EVENTS else TINY)
            taken = anyio.run(partial(_latencies, path, size, dead=self._dead))
            for one in TOLD:
                self._kept[one, size].append(taken)
        return TOLD[told](kept.popleft()) * size


_ALONE, _BESIDE = _Rounds(dead=False), _Rounds(dead=True)

WORKLOAD = Workload(
    "dead-sink",
    f"Latency to a live sink, alone and beside a dead one with a backlog of {BACKLOG:,} events (takes 6 GB of disk)",
    "event",
    tuple(
        Comparison(
            f"one live sink, {told}",
            Contender("alone", partial(_ALONE.measure, told)),
            (Contender("beside a dead one", partial(_BESIDE.measure, told)),),
            size=EVENTS,
            tiny=10,
        )
        for told in TOLD
    ),
)
