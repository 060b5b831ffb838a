"""A live sink's latency, alone and beside a dead one with a backlog: it must not move."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import anyio

from benchmarks.harness import Comparison, Contender, Measure, Workload
from benchmarks.workloads.event import RAW
from benchmarks.workloads.push_inprocess import FILTERS
from eventroute.errors import Retry
from eventroute.event import Event
from eventroute.push.policy import DeliveryPolicy
from eventroute.router import Router
from eventroute.storage.open import open_storage
from eventroute.subscription import Subscription

EVENT = Event.from_json(RAW)
BACKLOG = 5_000
"""Events that wait for the dead sink before the measurement begins; five times what may wait in the ledger."""

PAUSE = 0.002
"""Seconds between two events: the router is not busy."""


async def _dead(_event: Event) -> None:
    raise Retry("dead")


async def _latency(path: Path, size: int, *, dead: bool) -> float:
    """Seconds from publish to the live sink, summed over `size` events."""
    arrived = anyio.Event()

    async def sink(_event: Event) -> None:
        arrived.set()

    async with Router(open_storage(f"sqlite:///{path}")) as router:
        if dead:
            await router.subscribe(Subscription(id="dead", sink=_dead, policy=DeliveryPolicy(max_waiting=1_000)))
        for _ in range(0, min(BACKLOG, 50 * size), 500):  # 500 in the tiny form
            await router.publish(*[EVENT] * 500)
        await anyio.sleep(0.5)  # the backlog has come to rest
        await router.subscribe(Subscription(id="live", sink=sink, filters=FILTERS))
        taken = 0.0
        for _ in range(size):
            begin = perf_counter()
            await router.publish(EVENT)
            await arrived.wait()
            taken += perf_counter() - begin
            arrived = anyio.Event()
            await anyio.sleep(PAUSE)
        return taken


def _measure(*, dead: bool) -> Measure:
    async def run(size: int) -> float:
        with TemporaryDirectory() as folder:
            return await _latency(Path(folder) / "events.db", size, dead=dead)

    return lambda size: anyio.run(run, size)


WORKLOAD = Workload(
    "dead-sink",
    "Latency to a live sink, alone and beside a dead one with a backlog of 5,000 events",
    "event",
    (
        Comparison(
            "one live sink",
            Contender("alone", _measure(dead=False)),
            (Contender("beside a dead one", _measure(dead=True)),),
            size=200,
            tiny=10,
        ),
    ),
)
