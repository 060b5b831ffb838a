"""An outage is not forgotten: not by a restart, not with a lease, not by the process beside; nor is the rate."""

from __future__ import annotations

from contextlib import AsyncExitStack
from itertools import pairwise

import pytest

from eventroute.errors import LeaseLost
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.backoff import Backoff
from eventroute.push.policy.breaker import Breaker
from eventroute.push.policy.rate import Rate
from eventroute.router import Router
from eventroute.storage.base import DEFAULT_BUS, Session
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock
from tests.pushing import Sink, events, idle, settle, to

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


DOWN = ValueError("down")
SOON = Backoff(1, 1)


def policy(breaker: Breaker | None, *, max_age: float = 60.0) -> DeliveryPolicy:
    return DeliveryPolicy(backoff=SOON, breaker=breaker, max_age=max_age)


async def test_the_time_of_an_outage_does_not_count_after_a_restart(clock: VirtualClock) -> None:
    storage = MemoryStorage(clock)
    sink = Sink(clock, DOWN, DOWN)
    subscription = to(sink, policy=policy(Breaker(1, Backoff(100, 100))))
    async with Router(storage, clock=clock) as router:
        await router.subscribe(subscription)
        await router.publish(*events("a"))
        await settle(clock, 5.0)
        assert (await router.stats())[0].breaker == "open"
    await clock.advance(50.0)
    async with Router(storage, clock=clock) as router:
        await router.subscribe(subscription)
        await settle(clock, 40.0)
        assert len(sink.attempts) == 1  # the probe is not due yet, whoever makes it
        await settle(clock, 20.0)
        assert len(sink.attempts) == 2  # it failed, far beyond max_age
    await clock.advance(1_000.0)
    async with Router(storage, clock=clock) as router:
        await router.subscribe(subscription)
        assert await idle(router, clock) == 0
        assert await router.deadletters() == []
    assert sink.got == ["a"]


async def test_without_a_breaker_it_counts(clock: VirtualClock) -> None:
    storage = MemoryStorage(clock)
    sink = Sink(clock, *[DOWN] * 99)
    subscription = to(sink, policy=policy(None))
    async with Router(storage, clock=clock) as router:
        await router.subscribe(subscription)
        await router.publish(*events("a"))
        await settle(clock, 0.2)
    await clock.advance(1_000.0)
    async with Router(storage, clock=clock) as router:
        await router.subscribe(subscription)
        assert await idle(router, clock) == 0
        assert [letter.attempts for letter in await router.deadletters()] == [len(sink.attempts)]


async def test_what_comes_after_an_outage_gets_none_of_its_time(clock: VirtualClock) -> None:
    sink = Sink(clock, *[DOWN] * 3, None, *[DOWN] * 999)
    async with Router(MemoryStorage(clock), clock=clock) as router:
        await router.subscribe(to(sink, policy=policy(Breaker(3, Backoff(500, 500)))))
        await router.publish(*events("a"))
        assert await idle(router, clock) == 0
        assert sink.got == ["a"]
        await router.subscribe(to(sink, policy=policy(None, max_age=60.0)))
        await router.publish(*events("b"))
        began = clock.time()
        assert await idle(router, clock) == 0
        [letter] = await router.deadletters()
    assert letter.time - began == pytest.approx(60.0, abs=1.0)


async def test_another_sink_is_not_to_blame_and_what_is_over_stays_spared(clock: VirtualClock) -> None:
    storage = MemoryStorage(clock)
    sink, other = Sink(clock, DOWN), Sink(clock)
    strict = policy(Breaker(1, Backoff(1_000, 1_000)))
    async with Router(storage, clock=clock) as router:
        await router.subscribe(to(sink, policy=strict))
        await router.subscribe(to(other, id="other"))
        await router.publish(*events("a"))
        await settle(clock, 500.0)
        (state,) = await storage.breakers(DEFAULT_BUS)
        assert (state.trips, state.spared) == (1, 0.0)
        await router.subscribe(Subscription(id="s", sink="callable:other", policy=strict))
        assert await idle(router, clock) == 0
        (state,) = await storage.breakers(DEFAULT_BUS, after=state.number)
        assert state.opened is None
        assert state.spared == pytest.approx(500.0, abs=1.0)
    assert other.got == ["a", "a"]


async def test_a_process_learns_of_an_outage_from_the_one_beside(clock: VirtualClock) -> None:
    storage = MemoryStorage(clock)
    sinks = Sink(clock, *[DOWN] * 3), Sink(clock)
    subscription = policy(Breaker(3, Backoff(100, 100)), max_age=1_000)
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(Router(storage, clock=clock))
        await one.subscribe(to(sinks[0], policy=subscription))
        await one.publish(*events("a"))
        await settle(clock, 3.0)
        assert len(sinks[0].attempts) == 3
        other = await stack.enter_async_context(Router(storage, clock=clock))
        await other.subscribe(to(sinks[1], policy=subscription))
        await other.publish(*events("b"))
        await settle(clock, 80.0)
        assert sinks[1].attempts == []
        await settle(clock, 30.0)
        assert sorted(sinks[0].got + sinks[1].got) == ["a", "b"]
        for router in (one, other):
            assert {each.breaker for each in await router.stats()} <= {"closed", "none"}


class _Losing(MemoryStorage):
    """Loses a lease when it is told to."""

    losing = False

    async def extend_session(self, session: Session) -> None:
        if self.losing:
            self.losing = False
            await self.close_session(session)
            raise LeaseLost("as the test wants it")
        await super().extend_session(session)


async def test_a_lost_lease_refills_no_rate(clock: VirtualClock) -> None:
    storage = _Losing(clock)
    sink = Sink(clock)
    async with Router(storage, clock=clock, lease=3.0) as router:
        await router.subscribe(to(sink, policy=DeliveryPolicy(rate=Rate(0.1, burst=5))))
        await router.publish(*events(*range(8)))
        await settle(clock, 0.1)
        assert len(sink.got) == 5
        storage.losing = True
        await settle(clock, 5.0)
        assert not storage.losing
        assert len(sink.got) == 5
        assert await idle(router, clock) == 0
    begun = [began for _, began in sink.attempts]
    assert all(later - earlier >= 9.9 for earlier, later in pairwise(begun[5:]))
