from __future__ import annotations

import logging

import pytest

from eventroute.errors import Reject
from eventroute.event import Event
from eventroute.hooks import (
    Attempted,
    CaughtUp,
    DeadLettered,
    Happening,
    Hooks,
    Lagging,
    Matched,
    Paused,
    Published,
    Settled,
)
from eventroute.push.policy import DeliveryPolicy
from eventroute.router import Router
from eventroute.storage.base import Changes
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def event(name: str) -> Event:
    return Event.create(id=name, type="t", source="/s")


async def test_hooks_are_told_of_each_step(clock: VirtualClock) -> None:
    told: list[Happening] = []
    failures = {"again": 1}

    async def sink(given: Event) -> None:
        await clock.sleep(2.0)
        if failures.pop(given.id, 0):
            raise ValueError("oops")
        if given.id == "bad":
            raise Reject("malformed")

    async with Router(MemoryStorage(clock), clock=clock, hooks=[told.append]) as router:
        await router.subscribe(Subscription(id="s", sink=sink))
        events = [event("good"), event("again"), event("bad")]
        offsets = await router.publish(*events)
        await clock.advance(60)
        await router.pause("s", "holiday")

    assert told[0] == Published("default", tuple(events), tuple(offsets))
    ranges = [one for one in told if isinstance(one, Matched)]
    assert sum(one.deliveries for one in ranges) == 3
    assert {one.reader for one in ranges} == {"live"}
    by_offset = {
        offset: [
            (one.attempt, str(one.outcome), one.reason)
            for one in told
            if isinstance(one, Attempted) and one.offset == offset
        ]
        for offset in offsets
    }
    assert by_offset[offsets[0]] == [(1, "delivered", "")]
    assert by_offset[offsets[1]] == [(1, "retry", "exception"), (2, "delivered", "")]
    assert by_offset[offsets[2]] == [(1, "rejected", "rejected")]
    assert {Event.from_log(one.event).id for one in told if isinstance(one, Attempted)} == {"good", "again", "bad"}
    assert {one.seconds for one in told if isinstance(one, Attempted)} == {2.0}
    assert sorted((one.offset, one.attempts) for one in told if isinstance(one, Settled)) == [
        (offsets[0], 1),
        (offsets[1], 2),
    ]
    [dead] = [one for one in told if isinstance(one, DeadLettered)]
    assert (dead.offset, dead.attempts, dead.reason) == (offsets[2], 1, "rejected")
    assert told[-1] == Paused("default", "s", "holiday")


async def test_who_lags_is_told_of_as_long_as_it_does(clock: VirtualClock) -> None:
    told: list[Lagging] = []
    caught_up: list[CaughtUp] = []

    def listen(happening: Happening) -> None:
        if isinstance(happening, Lagging):
            told.append(happening)
        if isinstance(happening, CaughtUp):
            caught_up.append(happening)

    async with Router(MemoryStorage(clock), clock=clock, hooks=[listen]) as router:
        # Nobody here reaches the sink of the one, so its own reader stays where it is; the other keeps up.
        await router.subscribe(Subscription(id="stuck", sink="callable:elsewhere", start="earliest"))
        await router.publish(event("1"), event("2"))
        await clock.advance(55)
        assert told == []
        await clock.advance(20)
        assert [(one.subscription, one.events) for one in told] == [("stuck", 2)] * len(told)
        assert 60 <= told[0].seconds <= 75
        assert caught_up == []
        await router.pause("stuck")
        seen = len(told)
        await clock.advance(60)
        assert len(told) == seen  # its owner knows
        assert caught_up == [CaughtUp("default", "stuck")]


async def test_to_tell_who_lags_not_all_subscriptions_are_read(clock: VirtualClock) -> None:
    class Watched(MemoryStorage):
        whole = 0

        async def changes(self, bus: str, after: int) -> Changes:
            self.whole += after == 0
            return await super().changes(bus, after)

    told: list[Happening] = []
    storage = Watched(clock)
    async with Router(storage, clock=clock, hooks=[told.append]) as router:
        for name in ("stuck", "too"):
            await router.subscribe(Subscription(id=name, sink="callable:elsewhere", start="earliest"))
        await router.publish(event("1"))
        await clock.advance(1)
        storage.whole = 0
        await clock.advance(90)
        assert {one.subscription for one in told if isinstance(one, Lagging)} == {"stuck", "too"}
        assert storage.whole == 0


async def test_a_hook_that_fails_disturbs_nobody(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    told: list[Happening] = []

    def broken(happening: Happening) -> None:
        raise ZeroDivisionError

    async def sink(given: Event) -> None: ...

    async with Router(MemoryStorage(clock), clock=clock, hooks=[broken, told.append]) as router:
        await router.subscribe(Subscription(id="s", sink=sink))
        await router.publish(event("1"))
        with caplog.at_level(logging.ERROR):
            assert await router.idle() == 0
    assert any(isinstance(one, Settled) for one in told)


async def test_a_sink_that_says_gone_pauses_and_is_told(clock: VirtualClock) -> None:
    told: list[Happening] = []
    async with Router(MemoryStorage(clock), clock=clock, hooks=[told.append]) as router:
        await router.storage.put_subscription("default", "broken", b"{}", start="latest")
        await router.publish(event("1"))
        await clock.advance(1)
    [paused] = [one for one in told if isinstance(one, Paused)]
    assert (paused.subscription, paused.reason.partition(":")[0]) == ("broken", "invalid")


def test_no_hooks_are_false() -> None:
    assert not Hooks()
    assert Hooks([lambda _: None])


async def test_stats_tell_how_far_each_is(clock: VirtualClock) -> None:
    async def sink(given: Event) -> None:
        if given.id == "bad":
            raise Reject("malformed")
        if given.id == "again":
            raise ValueError

    async with Router(MemoryStorage(clock), clock=clock) as router:
        await router.subscribe(Subscription(id="ok", sink=sink, policy=DeliveryPolicy(max_age=600)))
        await router.publish(event("1"), event("bad"), event("again"))
        await router.subscribe(Subscription(id="stuck", sink="callable:elsewhere", start="earliest"))
        await clock.advance(30)
        ok, stuck = await router.stats()
        assert (ok.subscription, ok.reader, ok.behind, ok.behind_seconds) == ("ok", "live", 0, 0.0)
        assert (ok.waiting, ok.dead_letters, ok.delivered, ok.breaker) == (1, 1, 1, "closed")
        assert ok.attempted >= 3
        assert ok.next_due is not None
        assert (stuck.subscription, stuck.behind, stuck.breaker, stuck.paused) == ("stuck", 3, "none", None)
        assert stuck.behind_seconds == pytest.approx(30, abs=1)
        assert stuck.to_dict()["position"] == stuck.position == 1
        await router.pause("stuck", "holiday")
        assert (await router.stats())[1].paused == "holiday"
    async with Router(router.storage, clock=clock, push=False) as other:
        assert [(one.subscription, one.in_flight, one.breaker) for one in await other.stats()] == [
            ("ok", 0, "none"),
            ("stuck", 0, "none"),
        ]
