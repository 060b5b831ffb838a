"""Dead letters go where the policy wants them, once each for a bus, and stay in the ledger until they are there."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidSubscription, Reject
from eventroute.event import Event
from eventroute.hooks import DeadLetterForwarded, DeadLetterHeldUp, Happening
from eventroute.push.forwarding import AT_ONCE, BACKOFF
from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.backoff import Backoff
from eventroute.router import Router
from eventroute.storage.base import DEFAULT_BUS, Bury, DeadLetter, Forward
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock
from eventroute.testing.faults import FaultyStorage
from tests.pushing import FakeProvider, Sink, events, idle, settle, to

NO = Reject("no")
LOOK = 2.0
"""Long enough for what is due to be seen, and handed over."""


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@define(eq=False)
class Targets(FakeProvider):
    """A provider of `fake:` sinks, and the sink: it answers as told, and then takes everything."""

    script: list[Outcome] = field(factory=list)
    taken: list[Event] = field(factory=list)
    tried: int = 0
    takes: float = 0.0
    clock: VirtualClock | None = None

    def sink(self, address: str, policy: DeliveryPolicy) -> Targets | None:
        return None if address == "fake:away" else self

    async def send(self, event: Event) -> Outcome:
        self.tried += 1
        await checkpoint()
        if self.clock is not None:
            await self.clock.sleep(self.takes)
        outcome = self.script.pop(0) if self.script else Delivered()
        if isinstance(outcome, Delivered):
            self.taken.append(event)
        return outcome


def rejecting(clock: VirtualClock, target: str | None, id: str = "s", times: int = 99, **more: Any) -> Subscription:
    return to(Sink(clock, *[NO] * times), id=id, policy=DeliveryPolicy(dead_letter=target), **more)


@pytest.mark.anyio
async def test_a_letter_goes_to_a_bus_with_its_attributes(clock: VirtualClock) -> None:
    audit = Sink(clock)
    async with Router(MemoryStorage(clock), clock=clock) as router:
        await router.create_bus("audit")
        await router.subscribe(to(audit, id="audit", bus="audit"))
        await router.subscribe(rejecting(clock, "bus:audit"))
        await router.publish(*events("a", "b"))
        await settle(clock, LOOK)
        assert await router.deadletters() == []
        assert (await router.stats())[0].forwarding == 0
    assert sorted(audit.got) == ["a", "b"]
    attributes = audit.events[0].attributes
    assert attributes["deadletterreason"] == "rejected"
    assert attributes["deadlettererror"] == "no"
    assert attributes["deadlettersub"] == "s"
    assert attributes["deadletterattempts"] == 1
    assert attributes["eventroutehops"] == 1
    assert str(attributes["deadlettertime"]).endswith("Z")


@pytest.mark.anyio
async def test_a_target_that_is_down_is_tried_again_and_delays_no_other(clock: VirtualClock) -> None:
    down, told = Targets([RetryLater("http-503", "busy")] * (AT_ONCE + 3)), list[Happening]()
    audit = Sink(clock)
    async with Router(MemoryStorage(clock), clock=clock, sinks=[down], hooks=[told.append]) as router:
        await router.create_bus("audit")
        await router.subscribe(to(audit, id="audit", bus="audit"))
        await router.subscribe(rejecting(clock, "fake:down", id="one"))
        await router.subscribe(rejecting(clock, "bus:audit", id="other"))
        await router.publish(*events(*range(20)))
        await settle(clock, LOOK)
        assert len(audit.got) == 20
        assert down.taken == []
        stats = {each.subscription: each for each in await router.stats()}
        assert (stats["one"].forwarding, stats["one"].forward_error) == (20, "http-503: busy")
        assert (stats["other"].forwarding, stats["other"].forward_error) == (0, "")
        assert AT_ONCE <= down.tried <= AT_ONCE + 3  # then one tries for all
        await settle(clock, 5 * BACKOFF.ceiling(4))
        assert len(down.taken) == 20
        assert down.tried == 20 + AT_ONCE + 3
        assert await router.deadletters() == []
    held = [one for one in told if isinstance(one, DeadLetterHeldUp)]
    assert held[0].target == "fake:down"
    assert held[0].error == "http-503: busy"
    assert held[0].due is not None
    there = [one for one in told if isinstance(one, DeadLetterForwarded)]
    assert sorted((one.subscription, one.offset) for one in there) == sorted(
        (name, offset) for name in ("one", "other") for offset in range(1, 21)
    )


@pytest.mark.anyio
async def test_one_that_a_target_rejects_is_tried_again_and_delays_none(clock: VirtualClock) -> None:
    target = Targets([Rejected("http-400")])
    async with Router(MemoryStorage(clock), clock=clock, sinks=[target]) as router:
        await router.subscribe(rejecting(clock, "fake:x"))
        await router.publish(*events("a", "b"))
        await settle(clock, 1.5)
        assert len(target.taken) >= 1
        await settle(clock, 5.0)
        assert sorted(event.id for event in target.taken) == ["a", "b"]


@pytest.mark.anyio
async def test_what_hangs_is_cut_off(clock: VirtualClock) -> None:
    target = Targets(clock=clock, takes=1e6)
    async with Router(MemoryStorage(clock), clock=clock, sinks=[target], grace=1.0) as router:
        await router.subscribe(rejecting(clock, "fake:x"))
        await router.publish(*events("a"))
        await settle(clock, 32.0)
        (letter,) = await router.deadletters()
        assert letter.forward is not None
        assert letter.forward.error == "timeout: no answer within 30 s"
        target.takes = 0.0
        await settle(clock, 60.0)
        assert await router.deadletters() == []


@pytest.mark.anyio
async def test_on_a_bus_it_is_once_however_often_the_answer_is_lost(clock: VirtualClock) -> None:
    storage = FaultyStorage.around(MemoryStorage(clock))
    async with Router(storage, clock=clock) as router:
        await router.create_bus("audit")
        await router.subscribe(rejecting(clock, "bus:audit"))
        await router.publish(*events("a"))
        for _ in range(7):  # the append is made again, and the letter comes again
            storage.fail("append", "after")
        await settle(clock, 30.0)
        assert storage.happened.count(("append", "after")) == 7
        assert await router.deadletters() == []
        assert (await router.describe_bus("audit")).events == 1


@pytest.mark.anyio
async def test_circles_end(clock: VirtualClock) -> None:
    """Each bus's dead letters go to the other one, whose subscription rejects them too."""
    storage = MemoryStorage(clock)
    async with Router(storage, clock=clock) as router:
        await router.create_bus("other")
        few = DeliveryPolicy(dead_letter="bus:other", max_hops=3)
        await router.subscribe(to(Sink(clock, *[NO] * 99), id="one", policy=few))
        few = DeliveryPolicy(dead_letter="bus:default", max_hops=3)
        await router.subscribe(to(Sink(clock, *[NO] * 99), id="two", bus="other", policy=few))
        await router.publish(*events("a"))
        await settle(clock, 30.0)
        assert (await storage.bounds("default")).end - (await storage.bounds("other")).end == 0
        (letter,) = await router.deadletters("other")
        assert letter.forward is None
        assert Event.from_log(letter.event).attributes["eventroutehops"] == 3
        assert await router.deadletters() == []


@pytest.mark.anyio
async def test_without_a_target_and_without_its_subscription_it_stays(clock: VirtualClock) -> None:
    target = Targets([RetryLater("down")] * 9)
    async with Router(MemoryStorage(clock), clock=clock, sinks=[target]) as router:
        for name in ("changed", "gone"):
            await router.subscribe(rejecting(clock, "fake:x", id=name))
        await router.publish(*events("a"))
        await settle(clock, LOOK)
        await router.subscribe(rejecting(clock, None, id="changed"))
        await router.unsubscribe("gone")
        await settle(clock, 60.0)
        tried = target.tried
        assert [(each.subscription, each.forward) for each in await router.deadletters()] == [
            ("changed", None),
            ("gone", None),
        ]
        await settle(clock, 600.0)
        assert target.tried == tried


@pytest.mark.anyio
async def test_what_this_process_cannot_reach_is_left_to_others(clock: VirtualClock) -> None:
    target = Targets()
    async with Router(MemoryStorage(clock), clock=clock, sinks=[target]) as router:
        await router.subscribe(rejecting(clock, "fake:away"))
        await router.publish(*events("a"))
        await settle(clock, 60.0)
        assert (await router.stats())[0].forwarding == 1
        await router.subscribe(rejecting(clock, "fake:here"))
        await settle(clock, LOOK)
        assert [event.id for event in target.taken] == ["a"]


@pytest.mark.anyio
async def test_two_processes_hand_each_over_once_and_a_restart_goes_on(clock: VirtualClock) -> None:
    storage, target = MemoryStorage(clock), Targets([RetryLater("down")])
    subscription = rejecting(clock, "fake:x")
    async with Router(storage, clock=clock, sinks=[target]) as router:
        await router.subscribe(subscription)
        await router.publish(*events(*range(30)))
        await settle(clock, 0.5)
    async with (
        Router(storage, clock=clock, sinks=[target]) as one,
        Router(storage, clock=clock, sinks=[target]),
    ):
        await one.subscribe(subscription)
        await settle(clock, 20.0)
        assert await one.deadletters() == []
    assert sorted(int(event.id) for event in target.taken) == list(range(30))


@pytest.mark.anyio
async def test_a_stop_waits_for_what_is_on_its_way(clock: VirtualClock) -> None:
    storage, target = MemoryStorage(clock), Targets(clock=clock, takes=5.0)

    async def serve() -> None:
        async with Router(storage, clock=clock, sinks=[target], grace=10.0) as router:
            await router.subscribe(rejecting(clock, "fake:x"))
            await router.publish(*events("a"))
            await clock.sleep(3.0)
        assert router.clean

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        await settle(clock, 20.0)
    assert [event.id for event in target.taken] == ["a"]
    async with storage:
        assert await storage.dead_letters(DEFAULT_BUS) == []


@pytest.mark.anyio
async def test_what_is_no_event_stays_and_is_told(clock: VirtualClock) -> None:
    storage, told = MemoryStorage(clock), list[Happening]()
    async with Router(storage, clock=clock, sinks=[Targets()], hooks=[told.append]) as router:
        await router.subscribe(rejecting(clock, "fake:x"))
        session = await storage.open_session(60)
        broken = DeadLetter("s", 1, 1.0, "damaged", "", 0, b"no event", Forward(0.0))
        await storage.write(DEFAULT_BUS, session, [Bury(broken)])
        await storage.close_session(session)
        await settle(clock, LOOK)
        (letter,) = await router.deadletters()
        assert letter.forward is None
    (held,) = [one for one in told if isinstance(one, DeadLetterHeldUp)]
    assert held.due is None
    assert held.error.startswith("invalid-event: ")


@pytest.mark.anyio
async def test_a_target_that_cannot_work_is_refused(clock: VirtualClock) -> None:
    async with Router(MemoryStorage(clock), clock=clock, sinks=[Targets()]) as router:
        await router.create_bus("other")
        for target, why in (
            ("bus:nowhere", "there is no bus 'nowhere'"),
            ("bus:default", "this is the bus itself"),
            ("odd:x", "nothing here sends to 'odd' addresses"),
            ("http://127.0.0.1/", "127.0.0.1"),
            ("fake:self", "this is the sink itself"),
        ):
            policy = DeliveryPolicy(dead_letter=target)
            with pytest.raises(InvalidSubscription, match=why) as refused:
                await router.subscribe(Subscription(id="s", sink="fake:self", policy=policy))
            assert refused.value.where == "policy.dead_letter"
        assert await router.subscriptions() == []
        await router.subscribe(rejecting(clock, "bus:other"))


@pytest.mark.parametrize("target", ["", "audit", "callable:s", "pull:s", "Pull:s", 7, ":x", "bus:"])
def test_what_is_no_target_is_refused(target: Any) -> None:
    with pytest.raises(InvalidSubscription, match=r"^policy\.dead_letter: "):
        DeliveryPolicy(dead_letter=target)
    with pytest.raises(InvalidSubscription, match=r"^config\.dead_letter: "):
        DeliveryPolicy.from_dict({"dead_letter": target})


def test_it_is_read_and_written_as_json() -> None:
    policy = DeliveryPolicy(dead_letter="bus:audit")
    config, settings, credential = policy.to_dict()
    assert config == {"dead_letter": "bus:audit"}
    assert DeliveryPolicy.from_dict(config, settings, credential) == policy


@given(st.integers(1, 10**9), st.floats(0, 1, exclude_max=True))
def test_waits_are_bounded(tries: int, draw: float) -> None:
    assert 0 <= BACKOFF.wait(tries, draw) <= 3_600.0


@pytest.mark.anyio
@pytest.mark.parametrize("seed", range(3))
async def test_none_is_lost_whatever_the_target_does(clock: VirtualClock, seed: int) -> None:
    answers: list[Outcome] = [RetryLater("down", after=1.0), Rejected("no"), Delivered()]
    target = Targets([answers[n * (seed + 2) % 3] for n in range(9)])
    retry = DeliveryPolicy(dead_letter="fake:x", max_attempts=1, backoff=Backoff(0.1, 0.1))
    async with Router(MemoryStorage(clock), clock=clock, sinks=[target]) as router:
        await router.subscribe(to(Sink(clock, *[ValueError("no")] * 99), policy=retry))
        await router.publish(*events(*range(15)))
        assert await idle(router, clock) == 0
        for _ in range(20):
            await settle(clock, 20.0 if await router.deadletters() else 0.0)
        assert await router.deadletters() == []
    assert sorted(int(event.id) for event in target.taken) == list(range(15))
