"""A bus with 100,000 subscriptions: what an event costs, the start from a storage, and what it costs to do nothing."""

from __future__ import annotations

import atexit
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import copyfile, rmtree
from tempfile import TemporaryDirectory, mkdtemp
from time import perf_counter, process_time

import anyio
from attrs import define

from benchmarks.harness import Comparison, Contender, Measure, Workload
from eventroute.definitions import Vocabulary, compile_subscription, definition_of
from eventroute.event import Event
from eventroute.push.outcome import Delivered, Outcome
from eventroute.push.policy import DeliveryPolicy
from eventroute.router import Router
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.subscription import Subscription

FEW = 1_000
MANY = 100_000
MATCHES = 1_000
"""Subscriptions that an event goes to: all of the few, 1 % of the many."""

SETTLE = 2.0
"""Seconds from the last delivery until a router has nothing more to do."""


@define
class Counting:
    """Sinks at `count:` addresses, all of them one."""

    delivered: int = 0
    schemes: frozenset[str] = frozenset({"count"})

    async def open(self) -> None:
        """Nothing to open."""

    async def aclose(self) -> None:
        """Nothing to close."""

    def check(self, address: str, policy: DeliveryPolicy) -> None:
        """Any address will do."""

    def sink(self, address: str, policy: DeliveryPolicy) -> Counting:
        return self

    async def send(self, event: Event) -> Outcome:
        self.delivered += 1
        return Delivered()


async def fill(storage: SQLiteStorage, subscriptions: int) -> None:
    """Subscribe so many, an event of a group to MATCHES of them."""
    words, groups = Vocabulary(), max(1, subscriptions // MATCHES)
    todo = iter(range(subscriptions))

    async def put() -> None:
        for number in todo:
            one = Subscription(
                id=f"s{number}",
                sink=f"count:{number}",
                filters=[{"exact": {"type": "order.made", "data.group": str(number % groups)}}],
            )
            definition = definition_of(compile_subscription(one, words))
            await storage.put_subscription("default", one.id, definition, start="latest")

    async with anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(put)


_templates: dict[int, Path] = {}


@asynccontextmanager
async def filled(subscriptions: int) -> AsyncIterator[SQLiteStorage]:
    """A storage with so many subscriptions: a copy of one that is made once."""
    if subscriptions not in _templates:
        folder = Path(mkdtemp())
        atexit.register(rmtree, folder)
        async with SQLiteStorage(folder / "events.db") as storage:
            await fill(storage, subscriptions)
        _templates[subscriptions] = folder / "events.db"
    with TemporaryDirectory() as copy:
        async with SQLiteStorage(copyfile(_templates[subscriptions], Path(copy) / "events.db")) as storage:
            yield storage


async def publish(router: Router, subscriptions: int, events: int) -> float:
    """Seconds from publishing so many events, one by one, each to another group, until their deliveries are settled."""
    groups = max(1, subscriptions // MATCHES)
    begin = perf_counter()
    for number in range(events):
        data = {"group": str(number % groups), "total": 20}
        await router.publish(Event.create(type="order.made", source="/shop", data=data))
    await router.idle()
    return perf_counter() - begin


async def deliver_first(subscriptions: int, events: int) -> float:
    """Seconds for so many events after the start: of the many subscriptions, each gets its first one, and no other."""
    counting = Counting()
    async with filled(subscriptions) as storage, Router(storage, sinks=[counting]) as router:
        await router.publish(Event.create(type="other", source="/shop"))
        await router.idle()
        taken = await publish(router, subscriptions, events)
    assert counting.delivered == events * min(subscriptions, MATCHES)  # noqa: S101 - no benchmark if it loses
    return taken


async def deliver(subscriptions: int, events: int) -> float:
    """Seconds for so many events, where each subscription has had one before."""
    counting = Counting()
    async with filled(subscriptions) as storage, Router(storage, sinks=[counting]) as router:
        await publish(router, subscriptions, max(1, subscriptions // MATCHES))
        before = counting.delivered
        taken = await publish(router, subscriptions, events)
    assert counting.delivered - before == events * min(subscriptions, MATCHES)  # noqa: S101 - no benchmark if it loses
    return taken


async def start(subscriptions: int) -> float:
    """Seconds until a router has read all subscriptions, and found that the first event is for none of them."""
    async with filled(subscriptions) as storage:
        begin = perf_counter()
        async with Router(storage, sinks=[Counting()]) as router:
            await router.publish(Event.create(type="other", source="/shop"))  # of an empty log nobody asks anything
            await router.idle()
            return perf_counter() - begin


async def rest(subscriptions: int, seconds: int) -> float:
    """Processor seconds in so many seconds of doing nothing."""
    async with filled(subscriptions) as storage, Router(storage, sinks=[Counting()]) as router:
        await router.publish(Event.create(type="other", source="/shop"))
        await router.idle()
        await anyio.sleep(SETTLE)
        begin = process_time()
        await anyio.sleep(seconds)
        return process_time() - begin


def _measure(job: Callable[[int, int], Awaitable[float]], subscriptions: int) -> Measure:
    def measure(size: int) -> float:
        # In the tiny form there are few events, and then few subscriptions will do.
        return anyio.run(job, subscriptions if size > 2 else subscriptions // 100, size)

    return measure


def _comparison(case: str, job: Callable[[int, int], Awaitable[float]], *, size: int) -> Comparison:
    return Comparison(
        case,
        Contender(f"{FEW:,} subscriptions", _measure(job, FEW)),
        (Contender(f"{MANY:,} subscriptions", _measure(job, MANY)),),
        size=size,
        tiny=2,
    )


def _start(size: int) -> float:
    return anyio.run(start, size)


def _start_few(size: int) -> float:
    """As if the others were started one by one."""
    return anyio.run(start, FEW) * size / FEW


WORKLOAD = Workload(
    "push-many",
    f"A bus with {MANY:,} subscriptions, an event for {MATCHES:,} of them, beside one with {FEW:,} (takes minutes)",
    "event",
    (
        _comparison("the first event of a subscription, an event", deliver_first, size=100),
        _comparison("publish and deliver, an event", deliver, size=100),
        Comparison(
            "start from the storage, a subscription",
            Contender(f"{FEW:,} subscriptions", _start_few),
            (Contender(f"{MANY:,} subscriptions", _start),),
            size=MANY,
            tiny=FEW,
        ),
        _comparison("processor time of a second without events", rest, size=10),
    ),
)
