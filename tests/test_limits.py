"""Limits that hold for all processes together: one at a time sends, and none spends what another has spent."""

from __future__ import annotations

from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any

import pytest
from attrs import define, field

from eventroute.event import Event
from eventroute.push.outcome import Delivered, Outcome
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.rate import Rate
from eventroute.router import Router
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock
from tests.pushing import FakeProvider, events, idle

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@define(eq=False)
class Receiver:
    """Notes when each event came, and by which process."""

    clock: VirtualClock
    seconds: float = 0.0
    came: list[tuple[float, str]] = field(factory=list)
    now: int = 0
    most: int = 0

    async def subscribe(self, router: Router, process: str, **policy: Any) -> None:
        async def take(_event: Event) -> None:
            await self.take(process)

        await router.subscribe(Subscription(id="s", sink=take, policy=DeliveryPolicy(**policy)))

    async def take(self, process: str) -> None:
        self.came.append((self.clock.monotonic(), process))
        self.now += 1
        self.most = max(self.most, self.now)
        await self.clock.sleep(self.seconds)
        self.now -= 1

    def processes(self) -> list[str]:
        return list(dict.fromkeys(process for _, process in self.came))


async def test_a_rate_holds_for_all_processes_together(clock: VirtualClock) -> None:
    storage, receiver = MemoryStorage(clock), Receiver(clock)
    async with AsyncExitStack() as stack:
        router, other = [await stack.enter_async_context(Router(storage, clock=clock)) for _ in range(2)]
        for process, each in (("one", router), ("two", other)):
            await receiver.subscribe(each, process, rate=Rate(10))
        for _ in range(4):
            await router.publish(*events(*range(5)))
            await clock.advance(0.3)
        assert await idle(router, clock) == 0
    times = [when for when, _ in receiver.came]
    assert len(times) == 20
    assert min(later - when for when, later in pairwise(times)) > 0.0999
    assert len(receiver.processes()) == 1


async def test_who_takes_over_begins_with_nothing_to_spend(clock: VirtualClock) -> None:
    storage, receiver = MemoryStorage(clock), Receiver(clock)
    async with Router(storage, clock=clock) as two:
        async with Router(storage, clock=clock) as one:
            await receiver.subscribe(one, "one", rate=Rate(1, burst=5))
            await one.publish(*events(*range(12)))
            await clock.advance(2.0)  # what the other has claimed goes round by the ledger
            await receiver.subscribe(two, "two", rate=Rate(1, burst=5))
            sent = len(receiver.came)
        left_at = clock.monotonic()
        assert await idle(two, clock) == 0
    assert 5 <= sent <= 7
    assert [process for _, process in receiver.came] == ["one"] * sent + ["two"] * (12 - sent)
    times = [left_at, *[when for when, _ in receiver.came[sent:]]]
    assert min(later - when for when, later in pairwise(times)) > 0.999


@pytest.mark.parametrize("ordered", [None, "type"])
async def test_attempts_in_flight_are_bounded_for_all_processes_together(
    clock: VirtualClock, ordered: str | None
) -> None:
    storage, receiver = MemoryStorage(clock), Receiver(clock, seconds=0.1)
    async with AsyncExitStack() as stack:
        router, *others = [await stack.enter_async_context(Router(storage, clock=clock)) for _ in range(3)]
        for process, each in enumerate((router, *others)):
            await receiver.subscribe(each, f"{process}", max_in_flight=3, order_by=ordered)
        await router.publish(*events(*range(30)))
        assert await idle(router, clock) == 0
    assert len(receiver.came) == 30
    assert receiver.most == (3 if ordered is None else 1)


async def test_a_limit_that_goes_lets_all_send_again(clock: VirtualClock) -> None:
    storage, receiver = MemoryStorage(clock), Receiver(clock, seconds=0.05)
    async with AsyncExitStack() as stack:
        routers = [await stack.enter_async_context(Router(storage, clock=clock)) for _ in range(2)]
        for limit in (1, None):
            for router in routers:
                await receiver.subscribe(router, "any", max_in_flight=limit, concurrency=4)
            await router.publish(*events(*range(20)))
            assert await idle(router, clock) == 0
            assert receiver.most == 1 if limit else receiver.most > 1
    assert len(receiver.came) == 40


@define(eq=False)
class Reach(FakeProvider):
    """What one process can reach of `fake:` sinks, all of which are one receiver."""

    receiver: Receiver
    process: str
    without: str = ""

    def sink(self, address: str, _policy: DeliveryPolicy) -> Reach | None:
        return None if address == self.without else self

    async def send(self, _event: Event) -> Outcome:
        await self.receiver.take(self.process)
        return Delivered()


async def test_who_can_send_no_more_lets_others_begin_once_it_has_nothing_in_flight(clock: VirtualClock) -> None:
    storage, receiver = MemoryStorage(clock), Receiver(clock, seconds=5.0)
    policy = DeliveryPolicy(max_in_flight=1)
    async with AsyncExitStack() as stack:
        sinks = [Reach(receiver, "one", without="fake:new"), Reach(receiver, "two")]
        one = await stack.enter_async_context(Router(storage, clock=clock, sinks=sinks[:1]))
        await one.subscribe(Subscription(id="s", sink="fake:old", policy=policy))
        await one.publish(*events(1))
        await clock.advance(1.5)
        two = await stack.enter_async_context(Router(storage, clock=clock, sinks=sinks[1:]))
        await two.subscribe(Subscription(id="s", sink="fake:new", policy=policy))
        await two.publish(*events(2, 3))
        assert await idle(two, clock) == 0
    assert [process for _, process in receiver.came] == ["one", "two", "two"]
    assert receiver.most == 1
