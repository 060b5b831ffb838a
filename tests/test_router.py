"""The router, on virtual time over a storage in memory: what happens to events, come what may."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import anyio
import pytest

from eventroute.clock import Clock
from eventroute.errors import (
    InvalidConfiguration,
    InvalidEvent,
    InvalidFilter,
    InvalidSubscription,
    InvalidTransformer,
    OffsetTrimmed,
    Reject,
    Retry,
    StorageClosed,
    StorageConflict,
    StorageError,
    UnknownBus,
    UnknownSubscription,
)
from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.backoff import Backoff
from eventroute.push.policy.breaker import Breaker
from eventroute.router import Router
from eventroute.storage.base import LIVE, Session
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock
from eventroute.transform import Argument, Command, Use, casts
from tests.pushing import Sink, events, idle, settle, to

pytestmark = pytest.mark.anyio

ORDER = [{"exact": {"type": "order"}}]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def storage(clock: VirtualClock) -> MemoryStorage:
    return MemoryStorage(clock=clock)


@pytest.fixture
def router(storage: MemoryStorage, clock: VirtualClock) -> Router:
    return Router(storage, clock=clock)


# -- publishing ----------------------------------------------------------------------------------------------------


async def test_an_event_that_matches_arrives_and_another_does_not(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        await router.subscribe(to(sink, filters=ORDER))
        offsets = await router.publish(*events("a", "b"), *events("c", type="other"))
        assert offsets == [1, 2, 3]
        assert await idle(router, clock) == 0
    assert sink.got == ["a", "b"]
    assert router.clean


async def test_publishing_nothing_does_nothing(router: Router) -> None:
    async with router:
        assert await router.publish() == []


async def test_what_cannot_be_published_is_refused_whole(storage: MemoryStorage, clock: VirtualClock) -> None:
    async with Router(storage, clock=clock, max_event_bytes=500) as router:
        good = events("a")[0]
        with pytest.raises(InvalidEvent, match=r"data: the event takes \d+ bytes"):
            await router.publish(good, Event.create(type="t", source="/s", data="x" * 500))
        with pytest.raises(InvalidEvent, match=r"deliverafter: 'soon' is not an RFC 3339 date-time"):
            await router.publish(good, *events("b", deliverafter="soon"))
        with pytest.raises(UnknownBus, match="there is no bus 'audit'"):
            await router.publish(good, bus="audit")
        bounds = await storage.bounds("default")
        assert bounds.first == bounds.end


async def test_a_bus_must_be_created(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        with pytest.raises(UnknownBus):
            await router.subscribe(to(sink, bus="audit"))
        with pytest.raises(InvalidSubscription, match="bus: 'no such/name' is not a name"):
            await router.create_bus("no such/name")
        await router.create_bus("audit")
        await router.create_bus("audit")
        assert await router.buses() == ("audit", "default")
        await router.subscribe(to(sink, bus="audit"))
        await router.publish(*events("a"))
        await router.publish(*events("b"), bus="audit")
        await idle(router, clock)
    assert sink.got == ["b"]


async def test_a_bus_that_another_router_made_is_served(storage: MemoryStorage, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with Router(storage, clock=clock, push=False) as other, Router(storage, clock=clock) as router:
        await other.create_bus("audit")
        await clock.advance(1.1)
        await router.subscribe(to(sink, bus="audit"))
        await other.publish(*events("a"), bus="audit")
        await settle(clock)
        assert sink.got == ["a"]


async def test_a_closed_router_says_so(router: Router) -> None:
    for call in (router.publish, router.buses, router.idle, router.subscriptions, router.deadletters):
        with pytest.raises(StorageClosed, match="async with Router"):
            await call()


async def test_what_the_body_raises_comes_out_as_it_is(router: Router) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with router:
            raise KeyError("mine")


# -- subscribing ---------------------------------------------------------------------------------------------------


async def test_a_subscription_that_cannot_work_is_refused(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        with pytest.raises(InvalidFilter):
            await router.subscribe(to(sink, filters=[{"exakt": {"type": "t"}}]))
        with pytest.raises(InvalidTransformer):
            await router.subscribe(to(sink, transformer={"templat": "x"}))
        with pytest.raises(InvalidSubscription, match="nothing here sends to 'carrier-pigeon' addresses; known: bus"):
            await router.subscribe(Subscription(id="s", sink="carrier-pigeon:coop"))
        assert await router.subscriptions() == []
        await router.create_bus("audit")
        await router.subscribe(to(sink))
        other = Sink(clock)
        with pytest.raises(StorageConflict):
            await router.subscribe(to(other, bus="audit"))
        await router.pause("s")
        await router.resume("s")
        await router.publish(*events("a"))
        await idle(router, clock)
    assert (sink.got, other.got) == (["a"], [])


async def test_latest_starts_behind_what_is_there(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        await router.publish(*events("old"))
        await router.subscribe(to(sink))
        await router.publish(*events("new"))
        await idle(router, clock)
    assert sink.got == ["new"]


async def test_a_subscription_starts_where_it_says(router: Router, clock: VirtualClock) -> None:
    earliest, by_offset, by_time = Sink(clock), Sink(clock), Sink(clock)
    async with router:
        offsets = await router.publish(*events("a", "b"))
        await clock.advance(60)
        moment = datetime.fromtimestamp(clock.time(), UTC)
        await clock.advance(60)
        await router.publish(*events("c"))
        await router.subscribe(to(earliest, "earliest", start="earliest"))
        await router.subscribe(to(by_offset, "offset", start=offsets[1]))
        await router.subscribe(to(by_time, "time", start=moment))
        await idle(router, clock)
        await router.publish(*events("d"))
        await idle(router, clock)
    assert (earliest.got, by_offset.got, by_time.got) == (["a", "b", "c", "d"], ["b", "c", "d"], ["c", "d"])


async def test_a_new_subscription_does_not_jump_over_what_retention_has_taken_away(
    router: Router, storage: MemoryStorage, clock: VirtualClock
) -> None:
    sink = Sink(clock)
    async with router:
        await router.publish(*events(*range(9)))
        await router.subscribe(to(sink, "whole", start=0))
        await idle(router, clock)
        await storage.trim("default", 5, limit=9)
        with pytest.raises(
            OffsetTrimmed, match=r"no longer has all from offset 4 on: it begins at offset 5"
        ) as refused:
            await router.subscribe(to(sink, start=4))
        assert refused.value.first == 5
        assert [stored.id for stored in await router.subscriptions()] == ["whole"]
        await router.subscribe(to(sink, "whole", start=4))  # it has its place
        with pytest.raises(UnknownBus):
            await router.subscribe(to(sink, start=4, bus="nowhere"))
        sink.got.clear()
        await router.subscribe(to(sink, start=5))
        await idle(router, clock)
    assert sink.got == ["4", "5", "6", "7", "8"]


async def test_all_that_have_caught_up_share_one_reader(
    router: Router, storage: MemoryStorage, clock: VirtualClock
) -> None:
    async with router:
        await router.publish(*events(*range(10)))
        for number in range(5):
            await router.subscribe(to(Sink(clock), f"s{number}", start="earliest" if number % 2 else "latest"))
        await idle(router, clock)
        await settle(clock)
        assert [reader.name for reader in await storage.readers("default")] == [LIVE]


async def test_a_change_holds_for_every_event_after_it(router: Router, clock: VirtualClock) -> None:
    first, second = Sink(clock), Sink(clock)
    async with router:
        await router.subscribe(to(first, filters=ORDER))
        await router.publish(*events("a"), *events("b", type="other"))
        await idle(router, clock)
        await router.subscribe(to(first, filters=[{"exact": {"type": "other"}}]))
        await router.publish(*events("c"), *events("d", type="other"))
        await idle(router, clock)
        await router.subscribe(to(second, filters=[{"exact": {"type": "other"}}]))
        await router.publish(*events("e", type="other"))
        await idle(router, clock)
    assert (first.got, second.got) == (["a", "d"], ["e"])


async def test_what_waits_goes_by_what_is_in_force_at_its_attempt(router: Router, clock: VirtualClock) -> None:
    """Sink, transformer and policy; but the filter is not applied again to what has matched: neither to the event that
    waits for its next attempt nor to those that are in memory. The rest of the log has not been matched yet.
    """
    before, after = Sink(clock, Retry("busy", after=3), *[0.1] * 100), Sink(clock, Retry("no"))
    once = DeliveryPolicy(concurrency=1, max_attempts=1)
    other = [{"exact": {"type": "other"}}]
    async with router:
        await router.subscribe(to(before, filters=ORDER, policy=DeliveryPolicy(concurrency=1)))
        await router.publish(*events(*range(50)))
        await clock.advance(0.55)
        begun, queued = len(before.attempts), (await router.stats())[0].queued
        await router.subscribe(to(after, filters=other, transformer={"template": '{"new": true}'}, policy=once))
        assert await idle(router, clock) == 0
        dead = [letter.attempts for letter in await router.deadletters()]
    assert queued > 0
    assert len(before.attempts) == begun
    assert len(after.attempts) == queued + 1
    assert dead == [1]
    assert "0" in after.got
    assert all(event.data == {"new": True} for event in after.events)


async def test_unsubscribing_ends_it(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock, *[Retry("no", after=50)] * 3)
    async with router:
        await router.subscribe(to(sink))
        await router.publish(*events("a"))
        await settle(clock)
        await router.unsubscribe("s")
        await router.publish(*events("b"))
        assert await idle(router, clock) == 0
        with pytest.raises(UnknownSubscription, match="there is no subscription 's'"):
            await router.unsubscribe("s")
    assert len(sink.attempts) == 1


async def test_a_paused_subscription_keeps_its_place(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        await router.subscribe(to(sink, filters=ORDER))
        await router.publish(*events("a"))
        await idle(router, clock)
        await router.pause("s", "holiday")
        await router.publish(*events("b", "c"), *events("x", type="other"))
        await clock.advance(100)
        assert sink.got == ["a"]
        assert await idle(router, clock) == 2
        assert [stored.paused for stored in await router.subscriptions()] == ["holiday"]
        assert (await router.subscription((await router.subscriptions())[0].id)).paused == "holiday"
        await router.resume("s")
        assert await idle(router, clock) == 0
        for call in (router.pause, router.resume):
            with pytest.raises(UnknownSubscription):
                await call("nobody")
    assert sink.got == ["a", "b", "c"]


async def test_the_time_of_a_pause_counts_for_no_age(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock, Retry("busy", after=50), Retry("busy", after=50))
    async with router:
        await router.subscribe(to(sink, policy=DeliveryPolicy(max_age=100)))
        await router.publish(*events("a"))
        await clock.advance(1)
        await router.pause("s")
        await clock.advance(1_000)
        await router.resume("s")
        await clock.advance(200)
        assert await router.deadletters() == []
    assert sink.got == ["a"]


async def test_every_subscription_tells_whether_it_wants_an_event(storage: MemoryStorage, clock: VirtualClock) -> None:
    async with Router(storage, clock=clock, push=False) as router:
        await router.subscribe(to(Sink(clock), "orders", filters=ORDER))
        await router.subscribe(to(Sink(clock), "all"))
        why = await router.explain(events("a", type="other")[0])
        assert {subscription: one.matched for subscription, one in why.items()} == {"all": True, "orders": False}
        assert "other" in str(why["orders"])


# -- attempts ------------------------------------------------------------------------------------------------------


async def test_a_failed_attempt_is_repeated_after_a_growing_wait(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock, Retry("busy"), ValueError("oops"), Retry("busy"))
    async with router:
        await router.subscribe(to(sink, policy=DeliveryPolicy(backoff=Backoff(first=10, limit=40))))
        await router.publish(*events("a"))
        await clock.advance(200)
        assert await idle(router, clock) == 0
    times = [at for _, at in sink.attempts]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert sink.got == ["a"]
    assert len(waits) == 3
    assert all(wait <= ceiling + 1.1 for wait, ceiling in zip(waits, [10, 20, 40], strict=True))


async def test_what_failed_together_does_not_come_back_together(router: Router, clock: VirtualClock) -> None:
    """Full jitter: anywhere from at once to the whole of the backoff."""
    sink = Sink(clock, *[Retry("busy")] * 50)
    policy = DeliveryPolicy(concurrency=50, backoff=Backoff(100, 100), breaker=None)
    async with router:
        await router.subscribe(to(sink, policy=policy))
        await router.publish(*events(*range(50)))
        await clock.advance(101)
        assert await router.idle() == 0
    again = sorted(at for _, at in sink.attempts[50:])
    assert len(again) == 50
    assert len({round(at) for at in again}) > 20
    assert again[1] < 50 < again[-2]


async def test_a_sink_is_not_tried_again_before_it_said(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock, Retry("busy", after=500))
    async with router:
        await router.subscribe(to(sink))
        await router.publish(*events("a"))
        await clock.advance(499)
        assert len(sink.attempts) == 1
        await clock.advance(5)
        assert sink.got == ["a"]


async def test_a_clock_that_jumps_forward_is_noticed_by_retries_within_a_second(
    router: Router, clock: VirtualClock
) -> None:
    sink = Sink(clock, Retry("busy", after=3_600))
    async with router:
        await router.subscribe(to(sink))
        await router.publish(*events("a"))
        await clock.advance(5)
        clock.jump(3_601)
        await clock.advance(1.01)
        assert sink.got == ["a"]


async def test_an_attempt_that_takes_too_long_is_cut_off_and_repeated(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock, 1_000.0)
    async with router:
        await router.subscribe(to(sink, policy=DeliveryPolicy(timeout=5)))
        await router.publish(*events("a"))
        await clock.advance(4.9)
        assert sink.got == []
        await clock.advance(5)
        assert sink.got == ["a"]
    assert len(sink.attempts) == 2


async def test_what_is_rejected_is_dead_at_once(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock, Reject("malformed"))
    async with router:
        await router.subscribe(to(sink))
        [offset] = await router.publish(*events("a"))
        assert await idle(router, clock) == 0
        [letter] = await router.deadletters()
        assert (letter.subscription, letter.offset, letter.reason, letter.error, letter.attempts) == (
            "s",
            offset,
            "rejected",
            "malformed",
            1,
        )
        assert Event.from_json(letter.event).id == "a"


async def test_attempts_run_out_and_the_event_can_be_redriven(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock, *[Retry("busy")] * 3, Reject("no"))
    async with router:
        await router.subscribe(to(sink, policy=DeliveryPolicy(max_attempts=3, backoff=Backoff(1, 1))))
        await router.publish(*events("a", "b"))
        await clock.advance(30)
        await idle(router, clock)
        reasons = sorted(letter.reason for letter in await router.deadletters())
        assert "retries-exhausted" in reasons or "rejected" in reasons
        dead = len(reasons)
        assert await router.redrive(reason="no-such-reason") == 0
        assert await router.redrive() == dead
        await clock.advance(30)
        await idle(router, clock)
        assert await router.deadletters() == []
    assert sorted(sink.got) == ["a", "b"]


async def test_an_expired_event_is_dead_where_it_was_due(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        await router.subscribe(to(sink))
        await router.publish(
            *events("late", expirytime="2001-01-01T00:00:00Z"), *events("a", expirytime="2100-01-01T00:00:00Z")
        )
        with pytest.raises(InvalidEvent, match="expirytime: 'whenever' is not an RFC 3339 date-time"):
            await router.publish(*events("b", expirytime="whenever"))
        await idle(router, clock)
        assert [(letter.reason, letter.attempts) for letter in await router.deadletters()] == [("expired", 0)]
    assert sink.got == ["a"]


async def test_a_transform_that_fails_is_dead_and_nothing_is_sent(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        template = {"define": {"n": "$.data.n"}, "template": '{"number": ${n}}'}
        await router.subscribe(to(sink, transformer=template))
        await router.publish(*events("a"))
        await idle(router, clock)
    assert [event.data for event in sink.events] == [{"number": 1}]


async def test_an_application_adds_words_of_its_own(storage: MemoryStorage, clock: VirtualClock) -> None:
    def shop(value: Any, where: str) -> Filter:
        return Filter.parse({"exact": {"source": f"/{value}"}})

    shout = Command(lambda text: f"{text}!", arguments=(Argument("text", casts.text, Use.EDIT),))
    sink = Sink(clock)
    async with Router(storage, clock=clock, dialects={"shop": shop}, commands={"shout": shout}) as router:
        pipeline = {"pipeline": [{"command": ["shout", "$.subject"]}]}
        await router.subscribe(to(sink, filters=[{"shop": "shop"}], transformer=pipeline))
        await router.publish(Event.create(type="order", source="/shop", subject="sold"))
        await router.publish(Event.create(type="order", source="/other", subject="sold"))
        await idle(router, clock)
    assert [event.subject for event in sink.events] == ["sold!"]


async def test_sinks_do_not_see_what_others_do_to_an_event(router: Router, clock: VirtualClock) -> None:
    seen = []

    async def vandal(event: Event) -> None:
        seen.append(event.data["n"])
        event.data["n"] = 666

    async with router:
        for number in range(3):
            await router.subscribe(to(vandal, f"s{number}"))
        await router.publish(*events("a"))
        await idle(router, clock)
    assert seen == [1, 1, 1]


async def test_no_more_attempts_at_once_than_allowed(router: Router, clock: VirtualClock) -> None:
    running = most = 0

    async def sink(_event: Event) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await clock.sleep(1)
        running -= 1

    async with router:
        await router.subscribe(to(sink, policy=DeliveryPolicy(concurrency=3)))
        await router.publish(*events(*range(20)))
        await clock.advance(10)
        assert await idle(router, clock) == 0
    assert most == 3


# -- one sink beside another -----------------------------------------------------------------------------------------


async def test_a_dead_sink_does_not_delay_a_live_one_and_its_backlog_waits(
    router: Router, storage: MemoryStorage, clock: VirtualClock
) -> None:
    dead = Sink(clock, *[Retry("down")] * 100_000)
    live = Sink(clock)
    policy = DeliveryPolicy(max_waiting=100, backoff=Backoff(first=1_000, limit=1_000))
    async with router:
        await router.subscribe(to(dead, "dead", policy=policy))
        await router.subscribe(to(live, "live"))
        for batch in range(50):
            await router.publish(*events(*(f"{batch}-{one}" for one in range(100))))
            await settle(clock, 0.01)
            assert len(live.got) == (batch + 1) * 100
        await settle(clock, 1)
        [summary] = await storage.waiting("default")
        assert summary.subscription == "dead"
        assert summary.count <= 100 + 1_000  # one claimed range may come on top
        dead.script.clear()
        await clock.advance(3_000)
        assert await idle(router, clock) == 0
        await clock.advance(10)
        assert [reader.name for reader in await storage.readers("default")] == [LIVE]
    assert sorted(dead.got) == sorted(live.got)


async def test_a_sink_that_is_down_is_only_probed_and_its_outage_counts_for_no_age(
    router: Router, storage: MemoryStorage, clock: VirtualClock
) -> None:
    sink = Sink(clock, *[Retry("down")] * 100_000)
    policy = DeliveryPolicy(max_age=600, backoff=Backoff(1, 10), breaker=Breaker(10, Backoff(1, 60)))
    async with router:
        await router.subscribe(to(sink, policy=policy))
        await router.publish(*events(*range(200)))
        await clock.advance(30)
        before = len(sink.attempts)
        assert before < 60
        await clock.advance(6_000)
        assert len(sink.attempts) - before <= 101
        assert await router.deadletters() == []
        sink.script.clear()
        assert await idle(router, clock) == 0
    assert sorted(map(int, sink.got)) == list(range(200))


# -- stopping, and going on ------------------------------------------------------------------------------------------


async def test_leaving_lets_attempts_in_flight_end_and_keeps_the_rest(
    storage: MemoryStorage, clock: VirtualClock
) -> None:
    sink = Sink(clock, *[1.0] * 50)
    policy = DeliveryPolicy(concurrency=2)
    async with anyio.create_task_group() as tasks, Router(storage, clock=clock) as router:
        await router.subscribe(to(sink, policy=policy))
        await router.publish(*events(*range(10)))
        await settle(clock, 0.5)
        assert len(sink.attempts) == 2
        tasks.start_soon(clock.advance, 5)
    assert router.clean
    assert len(sink.got) == 2
    async with Router(storage, clock=clock) as again:
        await again.subscribe(to(sink, policy=policy))
        await clock.advance(20)
        assert await idle(again, clock) == 0
    assert sorted(map(int, sink.got)) == list(range(10))
    assert len(sink.attempts) == 10


async def test_an_attempt_that_outlasts_grace_is_cut_off_said_and_repeated(
    storage: MemoryStorage, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    sink = Sink(clock, 100.0)
    async with anyio.create_task_group() as tasks, Router(storage, clock=clock, grace=3) as router:
        await router.subscribe(to(sink, policy=DeliveryPolicy(timeout=200)))
        await router.publish(*events("a"))
        await settle(clock)
        tasks.start_soon(clock.advance, 4)
    assert not router.clean
    assert "1 attempts were cut off after 3 s" in caplog.text
    assert sink.got == []
    async with storage:
        session = await storage.open_session(1.0)
        [cut] = await storage.claim_waiting("default", "s", session, now=clock.time(), limit=9)
        assert (cut.attempts, cut.first_attempt) == (0, None)  # it counts when its outcome is written
        await storage.close_session(session)
    async with Router(storage, clock=clock) as again:
        await again.subscribe(to(sink))
        await idle(again, clock)
    assert sink.got == ["a"]


async def test_cancelling_the_block_still_loses_nothing(storage: MemoryStorage, clock: VirtualClock) -> None:
    sink = Sink(clock, 1.0)
    async with anyio.create_task_group() as outside:
        with anyio.CancelScope() as scope:
            async with Router(storage, clock=clock) as router:
                await router.subscribe(to(sink, policy=DeliveryPolicy(concurrency=1)))
                await router.publish(*events("a", "b"))
                await settle(clock)
                outside.start_soon(clock.advance, 5)
                scope.cancel()
                await anyio.sleep(3_600)
    assert scope.cancelled_caught
    assert sink.got == ["a"]
    assert router.clean
    async with Router(storage, clock=clock) as again:
        await again.subscribe(to(sink))
        assert await idle(again, clock) == 0
    assert sink.got == ["a", "b"]


async def test_without_its_function_a_subscription_waits(storage: MemoryStorage, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with Router(storage, clock=clock) as router:
        await router.subscribe(to(sink))
    async with Router(storage, clock=clock) as router:
        await router.publish(*events("a", "b"))
        await settle(clock)
        assert await idle(router, clock) == 2
        await router.subscribe(to(sink))
        assert await idle(router, clock) == 0
    assert sink.got == ["a", "b"]


async def test_retries_survive_a_restart(storage: MemoryStorage, clock: VirtualClock) -> None:
    sink = Sink(clock, Retry("busy"), Retry("busy"))
    policy = DeliveryPolicy(max_attempts=3, backoff=Backoff(100, 100))
    async with Router(storage, clock=clock) as router:
        await router.subscribe(to(sink, policy=policy))
        await router.publish(*events("a"))
        await settle(clock)
    await clock.advance(1_000)
    async with Router(storage, clock=clock) as router:
        await router.subscribe(to(sink, policy=policy))
        await settle(clock)
        assert len(sink.attempts) == 2  # overdue: at once
        await clock.advance(200)
        assert sink.got == ["a"]
    assert len(sink.attempts) == 3


async def test_the_work_of_a_worker_that_died_is_taken_over(storage: MemoryStorage, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with storage:
        async with Router(storage, clock=clock) as router:
            await router.subscribe(to(sink))
        async with Router(storage, clock=clock, push=False) as publisher:
            await publisher.publish(*events("a", "b"))
        dead = await storage.open_session(5.0)
        assert await storage.claim("default", LIVE, dead, limit=1) is not None
        async with Router(storage, clock=clock) as router:
            await router.subscribe(to(sink))
            await settle(clock)
            assert sink.got == ["b"]
            await clock.advance(10)
            assert sorted(sink.got) == ["a", "b"]


@pytest.mark.parametrize("lease", [0, -1.0, float("nan"), 86_401])
async def test_a_lease_is_a_day_at_most(lease: float) -> None:
    with pytest.raises(InvalidConfiguration, match="lease"):
        Router(MemoryStorage(), lease=lease)


async def test_a_router_whose_lease_was_lost_begins_anew(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    class Forgetful(MemoryStorage):
        forgets = True

        async def extend_session(self, session: Session) -> None:
            if self.forgets:
                self.forgets = False
                await self.close_session(session)
            await super().extend_session(session)

    storage = Forgetful(clock=clock)
    sink = Sink(clock, 4.0)
    async with Router(storage, clock=clock, lease=5.0) as router:
        await router.subscribe(to(sink))
        await router.publish(*events("a"))
        await clock.advance(10)
        assert "the lease was lost" in caplog.text
        assert not storage.forgets
        await router.publish(*events("b"))
        assert await idle(router, clock) == 0
    assert sorted(sink.got) == ["a", "b"]
    assert not router.clean


async def test_two_routers_share_the_work(storage: MemoryStorage, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with Router(storage, clock=clock) as one, Router(storage, clock=clock) as two:
        await one.subscribe(to(sink))
        await two.subscribe(to(sink))
        for batch in range(20):
            await (one if batch % 2 else two).publish(*events(*(f"{batch}-{number}" for number in range(50))))
            await settle(clock, 0.01)
        await settle(clock, 5)
        assert await idle(one, clock) == 0
        assert await idle(two, clock) == 0
    assert len(sink.got) == len(set(sink.got)) == 1_000


# -- a storage that fails ----------------------------------------------------------------------------------------------

FAILING = ("append", "read", "claim", "claim_waiting", "write", "changes", "readers", "waiting", "bounds", "leave_live")


class Flaky(MemoryStorage):
    """Fails now and then, before or after it did what it was asked."""

    def __init__(self, clock: Clock, seed: int) -> None:
        super().__init__(clock=clock)
        self.draw = random.Random(seed)
        self.failures = 0.0
        for name in FAILING:
            setattr(self, name, self.failing(getattr(self, name)))

    def failing(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def fail(*args: Any, **kwargs: Any) -> Any:
            if self.draw.random() < self.failures:
                raise StorageError("fails before")
            answer = await call(*args, **kwargs)
            if self.draw.random() < self.failures and not call.__name__.startswith("claim"):
                raise StorageError("fails after")  # a claim that nobody is told of is given back: so the interface
            return answer

        return fail


@pytest.mark.parametrize("seed", range(20))
async def test_a_storage_that_fails_now_and_then_loses_nothing(clock: VirtualClock, seed: int) -> None:
    storage = Flaky(clock, seed)
    draw = random.Random(seed)
    script = [draw.choice([None, None, 0.01, 0.2, Retry("busy"), ValueError("oops")]) for _ in range(300)]
    sinks = [Sink(clock, *script), Sink(clock)]
    policy = DeliveryPolicy(backoff=Backoff(0.1, 1), max_waiting=20, concurrency=4)
    accepted: set[str] = set()
    async with anyio.create_task_group() as tasks, Router(storage, clock=clock) as router:
        for number, sink in enumerate(sinks):
            await router.subscribe(to(sink, f"s{number}", policy=policy))
        storage.failures = 0.1
        for number in range(40):
            batch = [f"{number}-{one}" for one in range(draw.randrange(1, 9))]
            tasks.start_soon(publish, router, batch, accepted)
            await clock.advance(draw.random())
        await clock.advance(5)
        storage.failures = 0.0
        assert await idle(router, clock) == 0
        assert await router.deadletters() == []
        tasks.start_soon(clock.advance, 60)  # who waits out a failure ends that first
    for sink in sinks:
        assert set(sink.got) >= accepted


async def publish(router: Router, ids: list[str], accepted: set[str]) -> None:
    try:
        await router.publish(*events(*ids))
    except StorageError:
        return  # not accepted
    accepted.update(ids)
