"""From publish to an async function: the time one event takes on an idle router, beside a bare commit and call."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import anyio

from benchmarks.harness import Comparison, Contender, Measure, Workload
from benchmarks.workloads.event import RAW
from benchmarks.workloads.push_inprocess import FILTERS, BareLog
from eventroute.event import Event
from eventroute.router import Router
from eventroute.storage.base import Storage
from eventroute.storage.memory import MemoryStorage
from eventroute.storage.open import open_storage
from eventroute.subscription import Subscription

EVENT = Event.from_json(RAW)


def _bare_commit(size: int) -> float:
    with TemporaryDirectory() as folder:
        log = BareLog(Path(folder) / "events.db")
        arrived = 0

        async def sink() -> None:
            nonlocal arrived
            arrived += 1

        async def run() -> float:
            begin = perf_counter()
            for _ in range(size):
                log.append([RAW])
                await sink()
            return perf_counter() - begin

        return anyio.run(run)


def _bare_call(size: int) -> float:
    async def sink(_event: Event) -> None:
        """Take it."""

    async def run() -> float:
        begin = perf_counter()
        for _ in range(size):
            await sink(Event.from_log(RAW))
        return perf_counter() - begin

    return anyio.run(run)


async def _one_by_one(storage: Storage, size: int) -> float:
    """Publish an event, wait until it has arrived, publish the next."""
    arrived = anyio.Event()

    async def sink(_event: Event) -> None:
        arrived.set()

    async with Router(storage) as router:
        await router.subscribe(Subscription(id="s", sink=sink, filters=FILTERS))
        taken = 0.0
        for _ in range(size):
            begin = perf_counter()
            await router.publish(EVENT)
            await arrived.wait()
            taken += perf_counter() - begin
            arrived = anyio.Event()
            await router.idle()
        return taken


def _durable(backend: str) -> Measure:
    def measure(size: int) -> float:
        with TemporaryDirectory() as folder:
            storage = open_storage(f"sqlite:///{Path(folder) / 'events.db'}")
            return anyio.run(_one_by_one, storage, size, backend=backend)

    return measure


def _memory(backend: str) -> Measure:
    return lambda size: anyio.run(_one_by_one, MemoryStorage(), size, backend=backend)


WORKLOAD = Workload(
    "end-to-end",
    "From publish to an async function, one event at a time on an idle router: latency",
    "event",
    (
        Comparison(
            "durable (SQLite, synchronous=FULL)",
            Contender("commit and call", _bare_commit),
            tuple(Contender(f"Router on {backend}", _durable(backend)) for backend in ("asyncio", "trio")),
            size=300,
            tiny=10,
        ),
        Comparison(
            "in memory",
            Contender("call", _bare_call),
            tuple(Contender(f"Router on {backend}", _memory(backend)) for backend in ("asyncio", "trio")),
            size=1_000,
            tiny=10,
        ),
    ),
)
