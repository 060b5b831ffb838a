"""Replays on virtual time: a part of the log again, beside what is new."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from eventroute.errors import InvalidSubscription, Reject, Retry, StorageConflict, UnknownSubscription
from eventroute.event import Event
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.backoff import Backoff
from eventroute.push.policy.rate import Rate
from eventroute.push.replayed import REPLAY, is_marked, marked
from eventroute.router import Router
from eventroute.storage.base import LIVE
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock
from tests.pushing import Sink, events, idle, settle, to

pytestmark = pytest.mark.anyio

ORDER = [{"exact": {"type": "order"}}]
ONE_BY_ONE = DeliveryPolicy(concurrency=1)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def storage(clock: VirtualClock) -> MemoryStorage:
    return MemoryStorage(clock=clock)


@pytest.fixture
def router(storage: MemoryStorage, clock: VirtualClock) -> Router:
    return Router(storage, clock=clock)


async def test_a_part_of_the_log_comes_again_and_what_is_new_once(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        await router.subscribe(to(sink, policy=ONE_BY_ONE))
        await router.publish(*events(*"abcdef"))
        await idle(router, clock)
        replay = await router.replay("s", start=2, end=5)
        assert (replay.position, replay.until, replay.replayed_from) == (2, 5, 2)
        assert await idle(router, clock) == 0
        assert await router.replays("s") == []
        await router.publish(*events("g"))
        await idle(router, clock)
        assert [reader.name for reader in await router.storage.readers("default")] == [LIVE]
    assert "".join(sink.got) == "abcdef" + "bcd" + "g"


async def test_replays_go_by_time_too(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    moments = []
    async with router:
        await router.subscribe(to(sink, policy=ONE_BY_ONE))
        for one in "abcd":
            await clock.advance(60)
            moments.append(datetime.fromtimestamp(clock.time(), UTC))
            await router.publish(*events(one))
        await idle(router, clock)
        await router.replay("s", start=moments[1], end=moments[3])
        await idle(router, clock)
    assert "".join(sink.got) == "abcdbc"


async def test_a_replay_goes_by_the_present_filter(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        await router.subscribe(to(sink, filters=ORDER, policy=ONE_BY_ONE))
        await router.publish(*events("a"), *events("b", type="other"), *events("c"))
        await idle(router, clock)
        await router.subscribe(to(sink, filters=[{"exact": {"type": "other"}}], policy=ONE_BY_ONE))
        await router.replay("s")
        await idle(router, clock)
    assert "".join(sink.got) == "acb"


async def test_what_the_subscription_has_still_to_get_is_not_replayed(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        await router.publish(*events(*"ab"))
        await router.subscribe(to(sink, policy=ONE_BY_ONE))
        await router.publish(*events(*"cd"))
        await idle(router, clock)
        await router.pause("s")
        await router.publish(*events(*"ef"))
        replay = await router.replay("s")
        assert replay.until == 5
        assert [each.name for each in await router.replays("s")] == [replay.name]
        assert await idle(router, clock) == 4 + 2  # what is replayed and what is new
        await router.resume("s")
        await idle(router, clock)
    assert sorted(sink.got) == sorted("cd" + "abcd" + "ef")


async def test_new_events_are_not_held_up_by_a_long_replay(
    router: Router, storage: MemoryStorage, clock: VirtualClock
) -> None:
    sink = Sink(clock)
    async with router:
        await router.subscribe(to(sink, policy=ONE_BY_ONE))
        for _ in range(3):
            await router.publish(*events(*range(1_000)))
        await idle(router, clock)
        before = len(sink.got)
        sink.script = [0.01] * 100_000
        replay = await router.replay("s")
        await clock.advance(5)
        [under_way] = await router.replays("s")
        assert replay.position < under_way.position < 3_001
        await router.publish(*events("new"))
        await clock.advance(5)  # at most what is queued before it comes first
        assert "new" in sink.got[before:]
        assert await storage.waiting("default") == ()
        await clock.advance(40)
        assert await idle(router, clock) == 0
    assert len(sink.got) == 2 * 3_000 + 1


async def test_a_replay_of_little_that_matches_does_not_take_long(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        await router.subscribe(to(sink, filters=[{"exact": {"type": "rare"}}], policy=ONE_BY_ONE))
        await router.publish(*events(*range(5_000)), *events("a", type="rare"))
        await idle(router, clock)
        await router.replay("s")
        await settle(clock, 1)
        assert await router.replays("s") == []
    assert sink.got == ["a", "a"]


async def test_a_replay_that_fails_is_tried_again(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    policy = DeliveryPolicy(concurrency=1, backoff=Backoff(5, 5), max_waiting=50, breaker=None)
    async with router:
        await router.subscribe(to(sink, policy=policy))
        await router.publish(*events(*range(300)))
        await idle(router, clock)
        sink.script = [Retry("busy")] * 80
        await router.replay("s")
        await router.publish(*events("new"))
        await clock.advance(600)
        assert await idle(router, clock) == 0
        assert await router.deadletters() == []
    assert sorted(sink.got) == sorted([*map(str, range(300))] * 2 + ["new"])


async def test_a_replay_can_be_cancelled(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        await router.subscribe(to(sink, policy=ONE_BY_ONE))
        await router.publish(*events(*range(2_000)))
        await idle(router, clock)
        sink.script = [0.01] * 10_000
        replay = await router.replay("s")
        await clock.advance(2)
        assert await router.cancel_replay(replay)
        assert not await router.cancel_replay(replay)
        await clock.advance(20)
        assert await idle(router, clock) == 0
        again = len(sink.got) - 2_000
        assert 150 < again < 700
        await router.publish(*events("new"))
        await idle(router, clock)
    assert sink.got[-1] == "new"


async def test_several_replays_at_once_and_no_more(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        await router.subscribe(to(sink))
        await router.publish(*events(*"abc"))
        await idle(router, clock)
        await router.pause("s")
        for _ in range(10):
            await router.replay("s")
        with pytest.raises(StorageConflict, match="10 replays"):
            await router.replay("s")
        await router.resume("s")
        await idle(router, clock)
    assert sorted(sink.got) == sorted("abc" * 11)


async def test_a_replay_goes_on_after_a_restart_without_a_duplicate(
    storage: MemoryStorage, clock: VirtualClock
) -> None:
    sink = Sink(clock)
    async with storage:
        async with anyio.create_task_group() as tasks, Router(storage, clock=clock) as router:
            await router.subscribe(to(sink, policy=ONE_BY_ONE))
            await router.publish(*events(*range(1_000)))
            await idle(router, clock)
            sink.script = [0.01] * 300
            await router.replay("s")
            await clock.advance(2)
            tasks.start_soon(clock.advance, 5)
        assert router.clean
        async with Router(storage, clock=clock) as again:
            await again.subscribe(to(sink, policy=ONE_BY_ONE))
            await clock.advance(10)
            assert await idle(again, clock) == 0
    assert len(sink.got) == 2_000


async def test_another_process_takes_part_in_a_replay(storage: MemoryStorage, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with Router(storage, clock=clock) as one, Router(storage, clock=clock, push=False) as other:
        await one.subscribe(to(sink))
        await one.publish(*events(*"abc"))
        await idle(one, clock)
        await other.replay("s")
        await settle(clock, 1)
        assert sorted(sink.got) == sorted("abc" * 2)


async def test_unsubscribing_ends_its_replays(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        await router.subscribe(to(sink, policy=ONE_BY_ONE))
        await router.publish(*events(*range(1_000)))
        await idle(router, clock)
        sink.script = [0.1] * 1_000
        await router.replay("s")
        await clock.advance(1)
        await router.unsubscribe("s")
        assert await idle(router, clock) == 0
        with pytest.raises(UnknownSubscription):
            await router.replays("s")
        with pytest.raises(UnknownSubscription):
            await router.replay("s")
        await clock.advance(1)
    assert len(sink.got) < 1_020


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": "latest"}, "a replay starts at 'earliest', an offset or a time"),
        ({"start": "first"}, "start: 'first' is none of"),
        ({"start": -1}, "start: -1 is none of"),
        ({"start": datetime(2030, 1, 1)}, "start: a time needs its time zone"),  # noqa: DTZ001
        ({"end": "latest"}, "ends at one of the two"),
        ({"end": datetime(2030, 1, 1)}, "end: a time needs its time zone"),  # noqa: DTZ001
        ({"end": True}, "end: True is none of"),
    ],
)
async def test_a_place_that_is_none_is_refused(router: Router, arguments: dict[str, Any], message: str) -> None:
    async with router:
        with pytest.raises(InvalidSubscription, match=message):
            await router.replay("s", **arguments)


@pytest.mark.parametrize("end", [2, 3])
async def test_a_replay_that_ends_before_it_begins_is_refused(router: Router, clock: VirtualClock, end: int) -> None:
    moments = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 5)]
    async with router:
        await router.subscribe(to(Sink(clock)))
        await router.publish(*events(*range(6)))
        for start, before in ((3, end), (moments[3], moments[end])):
            with pytest.raises(InvalidSubscription, match="ends behind its start"):
                await router.replay("s", start=start, end=before)
        assert await router.replays("s") == []


# -- marked ------------------------------------------------------------------------------------------------------------

MARKED = DeliveryPolicy(concurrency=1, mark_replays=True, backoff=Backoff(5, 5))


def names(sink: Sink) -> list[tuple[str, object]]:
    return [(event.id, event.attributes.get(REPLAY)) for event in sink.events]


async def test_what_a_replay_delivers_has_its_name_where_the_policy_says_so(
    router: Router, clock: VirtualClock
) -> None:
    sink, plain = Sink(clock), Sink(clock)
    async with router:
        await router.subscribe(to(sink, policy=MARKED))
        await router.subscribe(to(plain, id="plain", policy=ONE_BY_ONE))
        await router.publish(*events("a"), *events("b", replayname="another's"), *events("c"))
        await idle(router, clock)
        replay = await router.replay("s", end=3)
        await router.replay("plain", end=3)
        await router.publish(*events("d"))
        await idle(router, clock)
    new = [("a", None), ("b", "another's"), ("c", None), ("d", None)]
    assert sorted(names(sink), key=str) == sorted([*new, ("a", replay.name), ("b", replay.name)], key=str)
    assert sorted(names(plain), key=str) == sorted([*new, *new[:2]], key=str)
    again = next(event for event in sink.events if event.id == "a" and REPLAY in event.attributes)
    assert again.replace({REPLAY: None}).to_json() == sink.events[0].to_json()


async def test_the_mark_outlives_retries_restarts_and_a_redriven_dead_letter(
    storage: MemoryStorage, clock: VirtualClock
) -> None:
    sink = Sink(clock)
    async with storage:
        async with Router(storage, clock=clock) as router:
            await router.subscribe(to(sink, policy=MARKED))
            await router.publish(*events("a"))
            await idle(router, clock)
            sink.script = [Retry("busy", after=1)]
            replay = await router.replay("s")
            await settle(clock)
        sink.script = [Retry("still busy"), Reject("never")]
        async with Router(storage, clock=clock) as router:
            await router.subscribe(to(sink, policy=MARKED))
            await idle(router, clock)
            (letter,) = await router.deadletters()
            assert letter.reason == "rejected"
            assert Event.from_log(letter.event).attributes[REPLAY] == replay.name
            assert await router.redrive() == 1
            await idle(router, clock)
    assert names(sink) == [("a", None), ("a", replay.name)]


@pytest.mark.parametrize("rate", [None, Rate(1_000.0, 1_000)], ids=["", "in measure"])
@pytest.mark.parametrize("mark", [False, True])
async def test_another_bus_gets_what_is_marked_once_for_each_replay(
    router: Router, clock: VirtualClock, mark: bool, rate: Rate | None
) -> None:
    sink, policy = Sink(clock), DeliveryPolicy(concurrency=1, mark_replays=mark, rate=rate)
    async with router:
        await router.create_bus("other")
        await router.subscribe(Subscription(id="s", sink="bus:other", policy=policy))
        await router.subscribe(to(sink, id="behind", bus="other"))
        await router.publish(*events("a", "b"))
        await idle(router, clock)
        replays = [await router.replay("s") for _ in range(2)]
        await idle(router, clock)
    expected: list[tuple[str, object]] = [("a", None), ("b", None)]
    if mark:
        expected += [(one, replay.name) for replay in replays for one in "ab"]
    assert sorted(names(sink), key=str) == sorted(expected, key=str)


async def test_a_transformer_sees_the_mark_and_may_take_it_away(router: Router, clock: VirtualClock) -> None:
    sink, other = Sink(clock), Sink(clock)
    template = {"template": "${$.replayname}"}
    deleting = {"pipeline": [{"command": ["delete", "$.replayname"]}]}
    async with router:
        await router.publish(*events("a"))
        await router.subscribe(to(sink, policy=MARKED, transformer=template))
        await router.subscribe(to(other, id="other", policy=MARKED, transformer=deleting))
        replay = await router.replay("s")
        await router.replay("other")
        await idle(router, clock)
    assert [(event.data, event.attributes[REPLAY]) for event in sink.events] == [(replay.name, replay.name)]
    assert names(other) == [("a", None)]


async def test_the_policy_as_it_is_when_an_event_is_read_decides(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        await router.subscribe(to(sink, policy=ONE_BY_ONE))
        await router.publish(*events("a"))
        await idle(router, clock)
        await router.pause("s")
        replay = await router.replay("s")
        await router.subscribe(to(sink, policy=MARKED))
        await router.resume("s")
        await idle(router, clock)
    assert names(sink) == [("a", None), ("a", replay.name)]


async def test_what_is_no_event_is_replayed_as_it_is(
    router: Router, storage: MemoryStorage, clock: VirtualClock
) -> None:
    sink = Sink(clock)
    async with router:
        await router.subscribe(to(sink, policy=MARKED))
        await storage.append("default", [b"{}"], append_id="by another hand")
        await idle(router, clock)
        await router.purge()
        await router.replay("s")
        await idle(router, clock)
        assert [(one.reason, one.event) for one in await router.deadletters()] == [("invalid-event", b"{}")]


def test_marks_are_told_from_what_only_looks_like_one() -> None:
    (event,) = events("a")
    raw = event.replace(data={REPLAY: "data"}).to_json()
    assert is_marked(raw)  # it may be
    assert not is_marked(event.to_json())
    assert is_marked(marked(event.to_json(), "s@1"))
    assert Event.from_log(marked(raw, "s@1")).attributes[REPLAY] == "s@1"
