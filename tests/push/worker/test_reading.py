"""How much of the log the readers take for lanes that are slow, on virtual time: the rest is for other workers."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from eventroute.errors import Retry
from eventroute.event import Event
from eventroute.push.lane.room import QUEUE_EVENTS
from eventroute.push.lane.tempo import UNKNOWN
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.backoff import Backoff
from eventroute.push.policy.breaker import Breaker
from eventroute.router import Router
from eventroute.storage.base import LIVE, Claim, Session
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock
from tests.pushing import Sink, events, idle, settle, to

SECONDS = 0.02
"""How long an attempt takes."""


# -- workers that share ------------------------------------------------------------------------------------------------


async def seconds_for(clock: VirtualClock, workers: int, count: int, *, start: str, concurrency: int = 1) -> float:
    """How long so many workers need for so many events."""
    storage, sink = MemoryStorage(clock), Sink(clock, *[SECONDS] * count)
    policy = DeliveryPolicy(concurrency=concurrency)
    async with AsyncExitStack() as stack:
        publisher = await stack.enter_async_context(Router(storage, clock=clock, push=False))
        if start == "earliest":
            await publisher.publish(*events(*range(count)))
        routers = [await stack.enter_async_context(Router(storage, clock=clock)) for _ in range(workers)]
        for router in routers:
            await router.subscribe(Subscription(id="s", sink=sink, policy=policy, start=start))
        if start == "latest":
            await settle(clock, 1.0)
            await publisher.publish(*events(*range(count)))
        began = clock.monotonic()
        assert await idle(routers[0], clock) == 0
    assert sorted(map(int, sink.got)) == list(range(count))
    return sink.attempts[-1][1] + SECONDS - began


@pytest.mark.anyio
@pytest.mark.parametrize("start", ["latest", "earliest"])
async def test_a_small_backlog_is_shared_by_all_workers(clock: VirtualClock, start: str) -> None:
    for workers in (1, 2, 16):
        took = await seconds_for(clock, workers, 100 * workers, start=start)
        assert took < 100 * SECONDS * 1.1, workers


@pytest.mark.anyio
async def test_one_worker_is_never_without_work(clock: VirtualClock) -> None:
    assert await seconds_for(clock, 1, 3_200, start="latest", concurrency=16) <= 200 * SECONDS + 1e-6


@pytest.mark.anyio
async def test_rows_are_shared_too(clock: VirtualClock) -> None:
    """What waits in the ledger after an outage is taken by all workers, a little at a time."""
    storage = MemoryStorage(clock)
    down = True
    at: dict[str, list[float]] = {"one": [], "two": []}
    policy = DeliveryPolicy(concurrency=1, max_waiting=1_000, breaker=Breaker(failures=5, delay=Backoff(1.0, 1.0)))
    async with Router(storage, clock=clock) as one, Router(storage, clock=clock) as two:
        for name, router in (("one", one), ("two", two)):

            async def sink(event: Event, name: str = name) -> None:
                if down:
                    raise Retry("down")
                await clock.sleep(SECONDS)
                at[name].append(clock.monotonic())

            await router.subscribe(to(sink, policy=policy))
        await one.publish(*events(*range(400)))
        await settle(clock, 5.0)
        down = False
        assert await idle(one, clock) == 0
    assert sum(map(len, at.values())) == 400
    assert min(map(len, at.values())) > 100


# -- what the shared reader waits for ----------------------------------------------------------------------------------


async def claimed(storage: MemoryStorage) -> int:
    readers = await storage.readers("default")
    return next(reader.claimed for reader in readers if reader.name == LIVE)


@pytest.mark.anyio
async def test_the_log_keeps_what_nobody_has_use_for(clock: VirtualClock) -> None:
    storage, hung = MemoryStorage(clock), anyio.Event()

    async def hang(_event: Event) -> None:
        await hung.wait()

    async with Router(storage, clock=clock) as router:
        await router.subscribe(to(hang, policy=DeliveryPolicy(concurrency=2)))
        before = await claimed(storage)
        await router.publish(*events(*range(100)))
        await settle(clock, 5.0)
        assert 2 <= await claimed(storage) - before <= 2 + UNKNOWN
        hung.set()
        assert await idle(router, clock) == 0


@pytest.mark.anyio
async def test_a_sink_that_hangs_keeps_nothing_from_another(clock: VirtualClock) -> None:
    storage, quick, hung = MemoryStorage(clock), Sink(clock), anyio.Event()

    async def hang(_event: Event) -> None:
        await hung.wait()

    async with Router(storage, clock=clock) as router:
        await router.subscribe(to(hang, id="hung", policy=DeliveryPolicy(concurrency=1)))
        await router.subscribe(to(quick, id="quick", filters=[{"exact": {"type": "quick"}}]))
        await router.publish(*events(*range(100)), *events("a", type="quick"))
        await settle(clock, 0.3)
        await router.publish(*events("b", type="quick"))
        await settle(clock, 0.3)
        assert quick.got == ["a", "b"]
        hung.set()
        assert await idle(router, clock) == 0


@pytest.mark.anyio
async def test_who_subscribes_while_the_shared_reader_waits_is_served_at_once(clock: VirtualClock) -> None:
    storage, quick, hung = MemoryStorage(clock), Sink(clock), anyio.Event()

    async def hang(_event: Event) -> None:
        await hung.wait()

    async with Router(storage, clock=clock) as router:
        await router.subscribe(to(hang, id="hung", policy=DeliveryPolicy(concurrency=1)))
        await router.publish(*events(*range(100)))
        await settle(clock, 1.0)
        await router.subscribe(to(quick, id="quick"))
        await router.publish(*events("a"))
        await settle(clock, 0.3)
        assert quick.got == ["a"]
        hung.set()
        assert await idle(router, clock) == 0


@pytest.mark.anyio
async def test_a_filter_that_lets_little_through_is_read_in_large_ranges(clock: VirtualClock) -> None:
    storage, sink = Claims(clock), Sink(clock)
    async with Router(storage, clock=clock, push=False) as publisher:
        for _ in range(20):
            await publisher.publish(*events(*range(QUEUE_EVENTS), type="other"))
    async with Router(storage, clock=clock) as router:
        await router.subscribe(to(sink, start="earliest", filters=[{"exact": {"type": "order"}}]))
        assert await idle(router, clock) == 0
    assert sum(storage.taken) < 60


# -- calls that would be in vain ---------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_there_is_one_claim_for_what_is_appended_together(clock: VirtualClock) -> None:
    storage, sink = Claims(clock), Sink(clock)
    async with Router(storage, clock=clock) as router:
        await router.subscribe(to(sink))
        await settle(clock)
        storage.taken.clear()
        for number in range(5):
            await router.publish(*events(*range(10 * number, 10 * number + 10)))
            await settle(clock)
        assert storage.taken == [True] * 5
    assert len(sink.got) == 50


@pytest.mark.anyio
async def test_a_subscription_that_keeps_up_shares_the_reader_though_there_is_always_more_to_come(
    clock: VirtualClock,
) -> None:
    storage, sink = Growing(clock), Sink(clock)
    async with Router(storage, clock=clock) as router:
        await router.publish(*events("a"))
        await router.subscribe(to(sink, start="earliest"))
        assert await idle(router, clock) == 0
        assert 0 < len(storage.added) < 10
        assert [reader.name for reader in await storage.readers("default")] == [LIVE]
    assert sink.got == ["a", *storage.added]


class Growing(MemoryStorage):
    """Has one event more whenever an own reader comes, up to 100."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.added: list[str] = []

    async def claim(self, bus: str, reader: str, session: Session, *, limit: int, alone: bool = False) -> Claim | None:
        if reader != LIVE and len(self.added) < 100:
            self.added.append(f"{len(self.added)}")
            await self.append(bus, [events(self.added[-1])[0].to_json()], append_id=self.added[-1])
        return await super().claim(bus, reader, session, limit=limit, alone=alone)


class Claims(MemoryStorage):
    """Knows of each claim whether there was anything to claim."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.taken: list[bool] = []

    async def claim(self, *given: Any, **more: Any) -> Claim | None:
        claim = await super().claim(*given, **more)
        self.taken.append(claim is not None)
        return claim


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()
