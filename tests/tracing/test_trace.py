from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Literal

import anyio
import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from eventroute.definitions import Vocabulary, restore_filter
from eventroute.errors import Reject, Retry, UnknownSubscription
from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.filters.explain import Explanation
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.breaker import Breaker
from eventroute.router import Router
from eventroute.storage.base import DEFAULT_BUS, Bury, Entry, Trip, Wait, Waiting
from eventroute.storage.memory import MemoryStorage
from eventroute.storage.values import BreakerState
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock
from eventroute.tracing import roster
from eventroute.tracing.history import AttemptHistory
from eventroute.tracing.trace import DeliveryTrace, EventTrace
from eventroute.transform import Argument, Command, Use, casts
from tests.pushing import Sink, events, settle, to
from tests.test_deadletters import letter

BACKENDS = ["asyncio", "trio"]


async def traced(router: Router, offset: int) -> EventTrace:
    (found,) = (await router.trace(offset=offset)).events
    return found


async def one(router: Router, offset: int, subscription: str = "s") -> DeliveryTrace:
    return next(each for each in (await traced(router, offset)).deliveries if each.subscription == subscription)


# -- whatever happened, the trace says what the model knows ------------------------------------------------------------

Fate = Literal["deliver", "reject", "retry"]
FATES: dict[Fate, str] = {"deliver": "settled", "reject": "dead-letter", "retry": "waiting"}


@frozen
class Step:
    """One thing that is done: an event is published, or a subscription is paused, resumed, made, changed."""

    what: Literal["publish", "pause", "resume", "make"]
    type: str = "a"
    fate: Fate = "deliver"
    name: str = "s"


NAMES = st.sampled_from(["s", "t", "u"])
STEPS = st.lists(
    st.one_of(
        st.builds(
            Step,
            what=st.just("publish"),
            type=st.sampled_from("ab"),
            fate=st.sampled_from(["deliver", "reject", "retry"]),
        ),
        st.builds(Step, what=st.sampled_from(["pause", "resume", "make"]), name=NAMES),
    ),
    max_size=12,
)


class Model:
    """What each subscription has been asked to do, and what became of it."""

    def __init__(self) -> None:
        self.made: dict[str, int] = {}
        self.paused: set[str] = set()
        self.left: dict[str, list[int]] = {}
        """What lies in the log for those that are paused."""
        self.events: list[tuple[int, str, Fate]] = []

    def state(self, name: str, offset: int, type: str, fate: Fate) -> set[str]:
        """The states that are true."""
        if type != TYPES.get(name, type):
            return {"not-matched"}
        if offset < self.made[name]:
            return {"forgotten"}
        if offset in self.left[name]:
            return {"unreached"}
        return {FATES[fate]} | ({"forgotten"} if fate == "deliver" else set())


TYPES = {"s": "a", "t": "b"}


@pytest.mark.parametrize("backend", BACKENDS)
@given(steps=STEPS)
def test_the_trace_says_what_became_of_each_event(backend: str, steps: list[Step]) -> None:
    anyio.run(partial(_play, steps), backend=backend)


async def _play(steps: list[Step]) -> None:
    clock, model = VirtualClock(), Model()
    attempts: dict[tuple[str, str], int] = {}

    def sink(name: str) -> Callable[[Event], Any]:
        async def send(event: Event) -> None:
            attempts[name, event.id] = attempts.get((name, event.id), 0) + 1
            if event.subject == "reject":
                raise Reject("no")
            if event.subject == "retry":
                raise Retry("busy", after=3_600)

        return send

    async with Router(MemoryStorage(clock), clock=clock, grace=0) as router:
        for number, step in enumerate([Step("make"), *steps]):
            await _take(router, model, step, sink(step.name), str(number))
            await settle(clock, 1.0)
        for offset, kind, fate in model.events:
            found = await traced(router, offset)
            assert found.event is not None
            assert found.kept
            told = {each.subscription: each for each in found.deliveries}
            assert set(told) == set(model.made)
            for name, each in told.items():
                assert each.state in model.state(name, offset, kind, fate), (name, offset, each)
                assert each.matched == (kind == TYPES.get(name, kind))
                assert (each.paused is not None) == (name in model.paused)
                if each.state in ("waiting", "dead-letter"):
                    assert each.attempts == attempts[name, found.event.id] == 1
                    assert each.reason == ("rejected" if fate == "reject" else each.reason)
                if each.state == "waiting":
                    assert each.due is not None
                    assert each.due > clock.time()


async def _take(router: Router, model: Model, step: Step, sink: Callable[[Event], Any], number: str) -> None:
    match step.what:
        case "publish":
            event = Event.create(type=step.type, source="/s", id=number, subject=step.fate)
            (offset,) = await router.publish(event)
            assert offset is not None
            model.events.append((offset, step.type, step.fate))
            for name in model.paused:
                model.left[name].append(offset)
        case "make" if step.name not in model.made:
            types = [TYPES[step.name]] if step.name in TYPES else []
            policy = DeliveryPolicy(breaker=Breaker(failures=1_000))
            await router.subscribe(Subscription(id=step.name, sink=sink, types=types, policy=policy))
            model.made[step.name] = (await router.describe_bus()).bounds.end
            model.left[step.name] = []
        case "pause" if step.name in model.made:
            await router.pause(step.name, "by hand")
            model.paused.add(step.name)
        case "resume" if step.name in model.made:
            await router.resume(step.name)
            model.paused.discard(step.name)
            model.left[step.name] = []


# -- who has looked before says the same as who looks for the first time, however subscriptions change -----------------

FILTERS = st.lists(
    st.sampled_from(
        [{"exact": {"type": "a"}}, {"prefix": {"subject": "x"}}, "data.n > 1", {"not": {"exact": {"type": "a"}}}]
    ),
    max_size=2,
)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("stu"), FILTERS),
        st.tuples(st.sampled_from(["pause", "resume", "remove", "claim", "publish", "replay"]), st.sampled_from("stu")),
    ),
    max_size=12,
)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("push", [False, True])
@given(changes=CHANGES)
def test_a_change_of_a_subscription_shows_at_once(backend: str, push: bool, changes: list[Any]) -> None:
    anyio.run(partial(_look_again_and_again, push, changes), backend=backend)


async def _look_again_and_again(push: bool, changes: list[Any]) -> None:
    clock = VirtualClock()
    storage = MemoryStorage(clock)
    async with Router(storage, push=False, clock=clock) as other:
        await other.subscribe(to(Sink(clock)))
        await other.publish(Event.create(type="a", source="/s", subject="xy", data={"n": 2}))
        async with Router(storage, push=push, clock=clock, grace=0) as looking:
            for what, name, *rest in [("publish", "s"), *changes]:
                with suppress(UnknownSubscription):
                    await _change(other, clock, what, name, *rest)
                assert _filters(await _all(looking)) == _filters(await _all_fresh(storage, clock))
                await settle(clock)  # now nothing moves between one look and the other
                assert await _all(looking) == await _all_fresh(storage, clock)


async def _all_fresh(storage: MemoryStorage, clock: VirtualClock) -> list[dict[str, Any]]:
    async with Router(storage, push=False, clock=clock) as router:
        return await _all(router)


async def _all(router: Router) -> list[dict[str, Any]]:
    """What is told of every subscription, but for what only a router that pushes knows."""
    told = []
    for offset in (1, 2):
        deliveries = (await traced(router, offset)).deliveries
        assert deliveries.states == {one.subscription: one.state for one in deliveries}
        assert all(one.explanation is None or one.explanation.matched == one.matched for one in deliveries)
        told += [{**one.to_dict(), "no_sink": None} for one in deliveries]
    return told


def _filters(told: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(one["subscription"], one["matched"], one.get("why"), one.get("paused")) for one in told]


async def _change(router: Router, clock: VirtualClock, what: str, name: str, *rest: Any) -> None:
    match what:
        case "put":  # the function is held by this router alone, which does not push: so nothing is sent
            await router.subscribe(Subscription(id=name, sink=Sink(clock), filters=rest[0]))
        case "pause":
            await router.pause(name, "by hand")
        case "resume":
            await router.resume(name)
        case "remove":
            await router.unsubscribe(name)
        case "replay":
            await router.replay(name, start="earliest")
        case "publish":
            await router.publish(Event.create(type="b", source="/s", data={"n": 1}))
        case "claim":
            session = await router.storage.open_session(5.0)
            await router.storage.claim(DEFAULT_BUS, "live", session, limit=1)


@pytest.mark.anyio
async def test_matched_is_what_the_filter_says_and_only_what_is_asked_for_is_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []
    explain = Filter.explain

    def counted(chosen: Filter, event: Event) -> Explanation:
        asked.append(chosen)
        return explain(chosen, event)

    monkeypatch.setattr(Filter, "explain", counted)
    async with Router(MemoryStorage(), push=False) as router:
        for number in range(20):
            await router.subscribe(
                Subscription(id=f"s{number:02}", sink="https://example.com/", filters=[f"data.n > {number}"])
            )
        await router.publish(Event.create(type="a", source="/s", data={"n": 5}))
        deliveries = (await traced(router, 1)).deliveries
        assert asked == []
        assert deliveries.ids() == [f"s{number:02}" for number in range(5)]
        assert deliveries.ids({"not-matched"}, containing="1") == [f"s{number}" for number in range(10, 20)]
        assert deliveries.counts() == {"unreached": 5, "not-matched": 15}
        assert str(deliveries.of("s07").explanation).startswith("✗ data.n > 7")
        assert len(asked) == 1
        assert [one.matched for one in deliveries[4:6]] == [True, False]
        assert deliveries[-1].subscription == "s19"
        assert len(deliveries) == 20
        with pytest.raises(UnknownSubscription):
            deliveries.of("nobody")


@pytest.mark.anyio
async def test_a_second_look_reads_no_definition_again(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []

    def counted(definition: bytes, words: Vocabulary) -> Filter:
        read.append(definition)
        return restore_filter(definition, words)

    monkeypatch.setattr(roster, "restore_filter", counted)
    async with Router(MemoryStorage(), push=False) as router:
        for name in ("s", "t"):
            await router.subscribe(Subscription(id=name, sink="https://example.com/", types=["order"]))
        await router.publish(*events(1))
        for _ in range(3):
            await traced(router, 1)
        assert len(read) == 2
        await router.subscribe(Subscription(id="t", sink="https://example.com/", types=["other"]))
        assert (await one(router, 1, "t")).state == "not-matched"
        assert len(read) == 3


@pytest.mark.anyio
async def test_who_cannot_reach_a_sink_can_tell_what_matches() -> None:
    """A console knows neither the sinks nor the commands of the application."""
    clock = VirtualClock()
    storage = MemoryStorage(clock)
    shout = Command(lambda text: f"{text}!", arguments=(Argument("text", casts.text, Use.EDIT),))
    async with Router(storage, push=False, clock=clock, commands={"shout": shout}) as router:
        transformer = {"pipeline": [{"command": ["shout", "$.subject"]}]}
        await router.subscribe(
            Subscription(id="s", sink="https://example.com/", types=["order"], transformer=transformer)
        )
        await router.publish(*events(1))
        async with Router(storage, push=False, clock=clock) as console:
            assert (await one(console, 1)).matched
        async with Router(storage, clock=clock, grace=0) as pushing:
            await settle(clock)
            told = await one(pushing, 1)
            assert told.paused is not None
            assert told.paused.startswith("invalid: ")
            assert told.matched
            assert told.explanation is not None


# -- single states -----------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_what_nobody_has_read_is_unreached_with_its_distance() -> None:
    async with Router(MemoryStorage(), push=False) as router:
        await router.subscribe(to(Sink(VirtualClock())))
        offsets = await router.publish(*events(1, 2, 3))
        told = await one(router, offsets[2] or 0)
        assert (told.state, told.behind, told.matched) == ("unreached", 2, True)
        assert told.facts() == ["offsets before it that have yet to be read: 2"]


@pytest.mark.anyio
async def test_a_claimed_range_is_in_hand_and_abandoned_once_its_process_is_gone() -> None:
    clock = VirtualClock()
    storage = MemoryStorage(clock)
    async with Router(storage, push=False, clock=clock) as router:
        await router.subscribe(to(Sink(clock)))
        (offset,) = await router.publish(*events(1))
        assert offset is not None
        session = await storage.open_session(5.0)
        await storage.claim(DEFAULT_BUS, "live", session, limit=9)
        told = await one(router, offset)
        assert (told.state, told.abandoned) == ("in-hand", False)
        await clock.advance(6)
        told = await one(router, offset)
        assert (told.state, told.abandoned) == ("in-hand", True)
        assert "another one takes it over" in told.facts()[0]


@pytest.mark.anyio
async def test_what_waits_is_told_with_its_attempts_key_and_outage() -> None:
    clock = VirtualClock()
    storage = MemoryStorage(clock)
    async with Router(storage, push=False, clock=clock) as router:
        await router.subscribe(to(Sink(clock)))
        offsets = [offset or 0 for offset in await router.publish(*events(1, 2, 3))]
        session = await storage.open_session(60)
        entries: list[Entry] = [
            Wait(Waiting("s", offsets[0], 90.0, attempts=3, first_attempt=30.0, reason="http-503", key=7), held=True),
            Wait(Waiting("s", offsets[1], 50.0, key=7), held=False),
            Bury(letter("s", offsets[2]), key=8),
            Trip(BreakerState("s", 1, opened=40.0, trips=1, probe=95.0)),
        ]
        await storage.write(DEFAULT_BUS, session, entries)
        first, behind, stuck = [await one(router, offset) for offset in offsets]
        assert (first.state, first.attempts, first.due, first.held) == ("waiting", 3, 90.0, True)
        assert behind.state == "waiting"
        assert behind.facts()[-2] == f"behind offset {offsets[0]}, which is of the same key"
        assert (stuck.state, stuck.reason, stuck.attempts) == ("dead-letter", "http-400", 3)
        assert first.facts() == [
            "attempts: 3",
            "last answer: http-503",
            "next attempt not before 1970-01-01T00:01:30Z",
            "a process has it in hand now",
            "its sink is down since 1970-01-01T00:00:40Z: next probe at 1970-01-01T00:01:35Z",
        ]
        told = first.to_dict()
        assert told["breaker"] == {"opened": "1970-01-01T00:00:40Z", "probe": "1970-01-01T00:01:35Z"}
        assert "letter" not in told
        await storage.write(DEFAULT_BUS, session, [Wait(Waiting("s", offsets[2] + 1, 1.0, key=8), held=False)])
        await router.publish(*events(4))
        assert (await one(router, offsets[2] + 1)).state == "stuck"


@pytest.mark.anyio
async def test_the_letter_of_a_subscription_that_is_gone_is_told_of() -> None:
    async with Router(MemoryStorage(), push=False) as router:
        await router.subscribe(Subscription(id="s", sink="https://example.com/"))
        (offset,) = await router.publish(*events(1))
        assert offset is not None
        session = await router.storage.open_session(60)
        await router.storage.write(DEFAULT_BUS, session, [Bury(letter("s", offset))])
        await router.unsubscribe("s")
        told = await one(router, offset)
        assert (told.state, told.removed) == ("dead-letter", True)
        assert "the subscription was removed" in told.facts()


@pytest.mark.anyio
async def test_the_definition_that_was_in_force_decides() -> None:
    storage = MemoryStorage()
    async with Router(storage, push=False) as router:
        await router.subscribe(Subscription(id="s", sink="https://example.com/", types=["order"]))
        (before,) = await router.publish(*events(1))
        session = await storage.open_session(60)
        await storage.claim(DEFAULT_BUS, "live", session, limit=9)
        await router.subscribe(Subscription(id="s", sink="https://example.com/", types=["other"]))
        (after,) = await router.publish(*events(2))
        told = await one(router, before or 0)
        assert (told.state, told.matched, told.earlier) == ("in-hand", True, True)
        told = await one(router, after or 0)
        assert (told.state, told.matched, told.earlier) == ("not-matched", False, False)
        assert told.explanation is not None
        assert "type is 'order'" in str(told.explanation)


@pytest.mark.anyio
async def test_a_replay_that_has_yet_to_come_is_told_of() -> None:
    async with Router(MemoryStorage(), push=False) as router:
        (old,) = await router.publish(*events(1))
        await router.subscribe(Subscription(id="s", sink="https://example.com/"))
        assert (await one(router, old or 0)).state == "forgotten"
        await router.replay("s", start="earliest")
        told = await one(router, old or 0)
        assert (told.state, len(told.replays)) == ("unreached", 1)


@pytest.mark.anyio
async def test_what_retention_took_is_traced_by_what_the_ledger_has() -> None:
    async with Router(MemoryStorage(), push=False) as router:
        await router.subscribe(Subscription(id="s", sink="https://example.com/"))
        first, second, _ = await router.publish(*events(1, 2, 3))
        session = await router.storage.open_session(60)
        await router.storage.write(DEFAULT_BUS, session, [Bury(letter("s", first or 0))])
        await router.storage.trim(DEFAULT_BUS, (second or 0) + 1, limit=9, hard=True)
        found = await traced(router, first or 0)
        assert not found.kept
        assert found.event is not None
        assert found.deliveries[0].state == "dead-letter"
        found = await traced(router, second or 0)
        assert (found.event, found.kept, found.time) == (None, False, None)
        assert found.deliveries[0].matched is None
        assert found.to_dict()["event"] is None


@pytest.mark.anyio
async def test_without_an_event_there_is_no_trace() -> None:
    async with Router(MemoryStorage(), push=False) as router:
        assert (await router.trace(offset=0)).events == ()
        assert (await router.trace(offset=7)).events == ()
        with pytest.raises(ValueError, match="one of the two"):
            await router.trace()
        with pytest.raises(ValueError, match="one of the two"):
            await router.trace(offset=1, event_id="1")


# -- by id -------------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_an_event_is_traced_by_its_id_and_source_and_found_while_it_is_delayed() -> None:
    async with Router(MemoryStorage(), push=False) as router:
        await router.publish(*events(1, 2), Event.create(id="1", source="/other", type="t"))
        await router.publish(*events(9, deliverafter="2999-01-01T00:00:00Z"))
        found = await router.trace(event_id="1")
        assert [each.event and each.event.source for each in found.events] == ["/other", "/shop"]
        found = await router.trace(event_id="1", source="/shop")
        assert len(found.events) == 1
        assert (found.scanned, found.before) == (3, None)
        found = await router.trace(event_id="9")
        assert found.events == ()
        assert [each.due.year for each in found.delayed] == [2999]
        assert found.delayed[0].to_dict()["due"] == "2999-01-01T00:00:00Z"
        found = await router.trace(event_id="1", source="/shop", scan=1)
        assert (found.events, found.before) == ((), 3)
        found = await router.trace(event_id="1", source="/shop", before=found.before)
        assert len(found.events) == 1


# -- what a process remembers ------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_the_attempts_of_this_process_are_told_with_time_and_answer() -> None:
    clock = VirtualClock()
    history = AttemptHistory()
    async with Router(MemoryStorage(clock), clock=clock, hooks=[history]) as router:
        await router.subscribe(to(Sink(clock, Retry("busy"), Retry("busy"), Reject("malformed"))))
        (offset,) = await router.publish(*events(1))
        for _ in range(40):
            await clock.advance(1)
        told = await one(router, offset or 0)
        assert [(past.what, past.attempt) for past in told.history] == [
            ("retry", 1),
            ("retry", 2),
            ("rejected", 3),
            ("dead-letter", 3),
        ]
        assert told.history[2].error == "malformed"
        assert told.to_dict()["history"][3] == {
            "what": "dead-letter",
            "attempt": 3,
            "seconds": 0.0,
            "reason": told.reason,
            "error": "malformed",
        }


@pytest.mark.anyio
async def test_a_sink_that_this_process_has_not_is_told_of() -> None:
    clock = VirtualClock()
    storage = MemoryStorage(clock)
    async with Router(storage, push=False, clock=clock) as other:
        await other.subscribe(to(Sink(clock)))
        async with Router(storage, clock=clock) as router:
            await settle(clock)
            (offset,) = await router.publish(*events(1))
            await settle(clock)
            told = await one(router, offset or 0)
            assert told.sinkless
            assert "its sink is in no router of this process" in told.facts()


@pytest.mark.anyio
async def test_what_waits_is_listed_row_by_row() -> None:
    async with Router(MemoryStorage(), push=False) as router:
        await router.subscribe(Subscription(id="s", sink="https://example.com/"))
        session = await router.storage.open_session(60)
        rows = [Waiting("s", offset, 1.0) for offset in (1, 2, 3)]
        await router.storage.write(DEFAULT_BUS, session, [Wait(row, held=False) for row in rows])
        found = await router.waiting_rows("s", after=1, limit=1)
        assert [row.waiting for row in found] == rows[1:2]
