"""Delayed events and events that expire, on virtual time: never early, never lost, whatever the clock does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from eventroute.errors import InvalidEvent, Retry, StorageError, UnknownBus
from eventroute.event import Event
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.backoff import Backoff
from eventroute.router import Router
from eventroute.storage.base import Fired
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock
from tests.pushing import Sink, events, idle, settle, to

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def storage(clock: VirtualClock) -> MemoryStorage:
    return MemoryStorage(clock=clock)


@pytest.fixture
def router(storage: MemoryStorage, clock: VirtualClock) -> Router:
    return Router(storage, clock=clock)


def later(clock: VirtualClock, seconds: float) -> datetime:
    return datetime.fromtimestamp(clock.time(), UTC) + timedelta(seconds=seconds)


async def test_a_delayed_event_arrives_when_it_is_due(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        await router.subscribe(to(sink))
        assert await router.publish(*events("a", deliverafter=later(clock, 100)), *events("b")) == [None, 1]
        assert await idle(router, clock) == 0
        await clock.advance(99 - clock.monotonic())
        assert sink.got == ["b"]
        assert await router.count_timers() == 1
        await clock.advance(1.01)
        assert sink.got == ["b", "a"]
        assert await router.timers() == []
    assert sink.attempts[1][1] == pytest.approx(100, abs=0.01)
    assert sink.events[1].attributes["deliverafter"] == "2023-11-14T22:15:00Z"  # as it was published


async def test_the_alias_delays_too_and_both_must_agree(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    due = later(clock, 10)
    async with router:
        await router.subscribe(to(sink))
        assert await router.publish(*events("a", xvanusdeliverytime=due)) == [None]
        assert await router.publish(*events("b", xvanusdeliverytime=due, deliverafter=due)) == [None]
        with pytest.raises(InvalidEvent, match="xvanusdeliverytime: it is another time than in deliverafter"):
            await router.publish(*events("c", xvanusdeliverytime=due, deliverafter=later(clock, 11)))
        await clock.advance(11)
    assert sink.got == ["a", "b"]


@pytest.mark.parametrize("value", ["soon", "2030-01-01", "2030-01-01T00:00:00", 7, True, "2030-02-30T00:00:00Z"])
@pytest.mark.parametrize("name", ["deliverafter", "xvanusdeliverytime", "expirytime"])
async def test_a_time_that_is_none_is_refused_with_the_whole_batch(router: Router, name: str, value: object) -> None:
    async with router:
        with pytest.raises(InvalidEvent) as caught:
            await router.publish(*events("a"), *events("b", **{name: value}))  # type: ignore[arg-type]
        assert caught.value.where == name
        assert (await router.storage.bounds("default")).end == 1
        assert await router.count_timers() == 0


async def test_a_time_that_has_passed_is_no_delay(router: Router, clock: VirtualClock) -> None:
    async with router:
        now, past = later(clock, 0), later(clock, -1e9)
        assert await router.publish(*events("a", deliverafter=now), *events("b", deliverafter=past)) == [1, 2]


async def test_any_distance_will_do(router: Router, clock: VirtualClock) -> None:
    async with router:
        [none] = await router.publish(*events("a", deliverafter="9999-12-31T23:59:59.999999Z"))
        assert none is None
        await clock.advance(100)
        [timer] = await router.timers()
        assert timer.due == pytest.approx(253_402_300_800, abs=1)
        assert Event.from_json(timer.event).id == "a"


async def test_events_fire_in_the_order_of_time_and_then_of_publishing(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        await router.subscribe(to(sink, policy=DeliveryPolicy(concurrency=1)))
        for number in range(300):
            await router.publish(*events(number, deliverafter=later(clock, 30 - number % 3)))
        await clock.advance(40)
        assert await idle(router, clock) == 0
    wanted = sorted(range(300), key=lambda number: (-(number % 3), number))
    assert [int(one) for one in sink.got] == wanted


async def test_a_timer_can_be_cancelled(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        await router.subscribe(to(sink))
        await router.publish(*events("a", "b", "c", deliverafter=later(clock, 10)))
        [_, second, third] = await router.timers()
        assert await router.cancel_timer(second.id)
        assert not await router.cancel_timer(second.id)
        assert await router.timers(after=(second.due, second.id)) == [third]
        await clock.advance(11)
        with pytest.raises(UnknownBus):
            await router.timers("no-such-bus")
    assert sink.got == ["a", "c"]


async def test_what_is_overdue_is_fired_at_once_at_the_start(storage: MemoryStorage, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with storage:
        async with Router(storage, clock=clock) as router:
            await router.subscribe(to(sink))
        async with Router(storage, clock=clock, push=False) as publisher:
            await publisher.publish(*events("a", deliverafter=later(clock, 10)))
        await clock.advance(1_000)
        assert (await storage.bounds("default")).end == 1
        async with Router(storage, clock=clock) as router:
            await router.subscribe(to(sink))
            await settle(clock, 0.1)
            assert sink.got == ["a"]


async def test_a_timer_of_another_process_fires_within_a_second(storage: MemoryStorage, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with Router(storage, clock=clock) as router, Router(storage, clock=clock, push=False) as other:
        await router.subscribe(to(sink))
        await router.publish(*events("far", deliverafter=later(clock, 1_000)))
        await clock.advance(0.5)
        await other.publish(*events("a", deliverafter=later(clock, 0.1)))
        await clock.advance(1.0)
        assert sink.got == ["a"]


async def test_a_clock_that_jumps_back_fires_nothing_early(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        await router.subscribe(to(sink))
        await router.publish(*events("a", deliverafter=later(clock, 10)))
        await clock.advance(9)
        clock.jump(-3_600)
        due = clock.time() + 3_601
        while clock.time() < due - 1:
            await clock.advance(100 if clock.time() < due - 200 else 0.9)
            assert clock.time() >= due or sink.got == []
        await clock.advance(2)
        assert sink.got == ["a"]


async def test_a_clock_that_jumps_forward_is_noticed_within_a_second(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        await router.subscribe(to(sink))
        await router.publish(*events("a", deliverafter=later(clock, 86_400)))
        await clock.advance(9)
        clock.jump(86_400)
        await clock.advance(1.01)
        assert sink.got == ["a"]


async def test_many_timers_due_at_once_all_fire(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        await router.subscribe(to(sink))
        await router.publish(*events(*range(700), deliverafter=later(clock, 5)))
        await clock.advance(6)
        assert await idle(router, clock) == 0
    assert len(sink.got) == len(set(sink.got)) == 700


async def test_several_routers_fire_each_timer_once(storage: MemoryStorage, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with Router(storage, clock=clock) as one, Router(storage, clock=clock) as two:
        await one.subscribe(to(sink))
        await two.subscribe(to(sink))
        await one.publish(*events(*range(500), deliverafter=later(clock, 5)))
        await clock.advance(10)
        assert await idle(one, clock) == 0
    assert sorted(map(int, sink.got)) == list(range(500))


class Lossy(MemoryStorage):
    """Whose answer to `fire_timers` is lost now and then, or which fails before."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock=clock)
        self.script = ["before", "after", "after", "before"] * 3

    async def fire_timers(self, bus: str, *, now: float, limit: int) -> Fired:
        step = self.script.pop() if self.script else ""
        if step == "before":
            raise StorageError("fails before")
        fired = await super().fire_timers(bus, now=now, limit=limit)
        if step == "after":
            raise StorageError("fails after")
        return fired


async def test_an_answer_that_is_lost_doubles_nothing(clock: VirtualClock) -> None:
    storage = Lossy(clock)
    sink = Sink(clock)
    async with Router(storage, clock=clock) as router:
        await router.subscribe(to(sink))
        await router.publish(*events(*range(900), deliverafter=later(clock, 5)))
        await clock.advance(120)
        assert await idle(router, clock) == 0
    assert sorted(map(int, sink.got)) == list(range(900))
    assert storage.script == []


async def test_a_delayed_event_can_expire(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        await router.subscribe(to(sink))
        due = later(clock, 10)
        await router.publish(*events("a", deliverafter=due, expirytime=later(clock, 5)))
        await router.publish(*events("b", deliverafter=due, expirytime=later(clock, 60)))
        await clock.advance(11)
        assert [letter.reason for letter in await router.deadletters()] == ["expired"]
    assert sink.got == ["b"]


# -- expiry ----------------------------------------------------------------------------------------------------------


async def test_an_event_that_expires_while_it_waits_is_dead_where_it_was_due(
    router: Router, clock: VirtualClock
) -> None:
    sink = Sink(clock, Retry("busy"), Retry("busy"))
    async with router:
        await router.subscribe(to(sink, policy=DeliveryPolicy(backoff=Backoff(100, 100))))
        await router.publish(*events("a", expirytime=later(clock, 5)))
        await settle(clock)
        await router.pause("s")
        await clock.advance(1_000)
        assert await router.deadletters() == []
        await router.resume("s")
        await clock.advance(200)
        [letter] = await router.deadletters()
        assert (letter.reason, letter.attempts, letter.error) == ("expired", 1, "expirytime was 2023-11-14T22:13:25Z")
    assert len(sink.attempts) == 1


async def test_an_event_that_expires_behind_a_slow_one_is_not_attempted(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock, 20.0)
    async with router:
        await router.subscribe(to(sink, policy=DeliveryPolicy(concurrency=1)))
        await router.publish(*events("slow"), *events("a", expirytime=later(clock, 10)))
        await clock.advance(30)
        assert await idle(router, clock) == 0
        [letter] = await router.deadletters()
        assert (letter.reason, letter.attempts) == ("expired", 0)
    assert sink.got == ["slow"]


async def test_an_expiry_that_is_spelt_with_escapes_counts(router: Router, clock: VirtualClock) -> None:
    spelt = b'{"specversion":"1.0","id":"a","source":"/s","type":"t","expirytim\\u0065":"2001-01-01T00:00:00Z"}'
    async with router:
        await router.subscribe(to(Sink(clock)))
        await router.publish(Event.from_json(spelt))
        await idle(router, clock)
        assert [letter.reason for letter in await router.deadletters()] == ["expired"]


async def test_what_is_in_the_log_with_an_odd_expiry_is_delivered(
    router: Router, storage: MemoryStorage, clock: VirtualClock
) -> None:
    sink = Sink(clock)
    async with router:
        await router.subscribe(to(sink))
        await storage.append("default", [events("a", expirytime="whenever")[0].to_json()], append_id="by hand")
        await idle(router, clock)
    assert sink.got == ["a"]


async def test_an_expired_event_can_be_redriven_and_expires_again(router: Router, clock: VirtualClock) -> None:
    async with router:
        await router.subscribe(to(Sink(clock)))
        await router.publish(*events("a", expirytime=later(clock, -1)))
        await idle(router, clock)
        assert await router.redrive() == 1
        await idle(router, clock)
        assert [letter.reason for letter in await router.deadletters()] == ["expired"]


async def test_leaving_while_timers_fire_loses_none(storage: MemoryStorage, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with storage:
        async with anyio.create_task_group() as tasks, Router(storage, clock=clock) as router:
            await router.subscribe(to(sink))
            await router.publish(*events(*range(1_000), deliverafter=later(clock, 1)))
            clock.jump(2)
            tasks.start_soon(clock.advance, 5)
        async with Router(storage, clock=clock) as again:
            await again.subscribe(to(sink))
            await clock.advance(10)
            assert await idle(again, clock) == 0
    assert sorted(map(int, sink.got)) == list(range(1_000))


async def test_a_delayed_event_that_is_sent_again_comes_once(clock: VirtualClock) -> None:
    received: list[str] = []

    async def sink(event: Event) -> None:
        received.append(event.id)

    later = datetime.fromtimestamp(clock.time() + 100, UTC).isoformat()
    event = Event.create(id="once", type="t", source="/s", extensions={"deliverafter": later})
    async with Router(MemoryStorage(clock), clock=clock) as router:
        await router.update_bus("default", dedup=600)
        await router.subscribe(Subscription(id="s", sink=sink))
        assert await router.publish(event, event) == [None, None]
        assert await router.publish(event) == [None]
        assert await router.count_timers() == 1
        await clock.advance(150)
        assert received == ["once"]
        assert await router.publish(event.replace({"deliverafter": None})) == [1]
        await clock.advance(1)
        assert received == ["once"]
