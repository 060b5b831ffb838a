"""Another bus as a sink: forwarded once, however often it is tried, and not round in circles."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from anyio.lowlevel import checkpoint

from eventroute.errors import InvalidEvent, InvalidSubscription, StorageError, StorageFull, UnknownBus
from eventroute.event import Event
from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.credentials import HeaderCredential
from eventroute.push.policy.reply import HOPS, Reply, hops_of
from eventroute.push.sinks.base import Message
from eventroute.push.sinks.bus import BusSink, BusSinks
from eventroute.router import Router
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock
from tests.pushing import Sink, events, to

pytestmark = pytest.mark.anyio
POLICY = DeliveryPolicy()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def forward(id: str, bus: str, target: str, **policy: int) -> Subscription:
    return Subscription(id=id, bus=bus, sink=f"bus:{target}", policy=DeliveryPolicy(**policy))  # type: ignore[arg-type]


async def test_an_event_is_forwarded_with_one_more_hop(clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with Router(MemoryStorage(clock=clock), clock=clock) as router:
        await router.create_bus("audit")
        await router.subscribe(forward("f", "default", "audit"))
        await router.subscribe(to(sink, "s", bus="audit"))
        sent = events(1)[0]
        await router.publish(sent)
        await clock.advance(1)
        assert await router.idle() == 0
    assert sink.events == [sent.replace({HOPS: 1})]


async def test_two_subscriptions_forward_twice_and_equal_events_are_two(clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with Router(MemoryStorage(clock=clock), clock=clock) as router:
        await router.create_bus("audit")
        await router.subscribe(forward("a", "default", "audit"))
        await router.subscribe(forward("b", "default", "audit"))
        await router.subscribe(to(sink, "s", bus="audit"))
        await router.publish(*events(1), *events(1))
        await clock.advance(1)
    assert sink.got == ["1"] * 4


class Forgetful(MemoryStorage):
    """Loses the answers of the first appends to `audit`, after they are done."""

    lost = 3

    async def append(self, bus: str, *args: object, **named: object) -> tuple[int, ...]:
        offsets = await super().append(bus, *args, **named)  # type: ignore[arg-type]
        if bus == "audit" and self.lost:
            self.lost -= 1
            raise StorageError("the answer was lost")
        return offsets


async def test_a_repeat_appends_nothing(clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with Router(Forgetful(clock=clock), clock=clock) as router:
        await router.create_bus("audit")
        await router.subscribe(forward("f", "default", "audit"))
        await router.subscribe(to(sink, "s", bus="audit"))
        await router.publish(*events(1))
        await clock.advance(10)
        assert await router.idle() == 0
    assert sink.got == ["1"]


async def test_a_circle_ends_in_a_dead_letter(clock: VirtualClock) -> None:
    async with Router(MemoryStorage(clock=clock), clock=clock) as router:
        await router.create_bus("other")
        await router.subscribe(forward("there", "default", "other", max_hops=5))
        await router.subscribe(forward("back", "other", "default", max_hops=5))
        await router.publish(*events(1))
        await clock.advance(5)
        assert await router.idle() == 0
        letters = [*await router.deadletters("default"), *await router.deadletters("other")]
    assert [(letter.reason, letter.subscription) for letter in letters] == [("too-many-hops", "back")]
    assert letters[0].error == "it went from bus to bus 5 times, and max_hops is 5"


async def test_a_transformer_that_takes_the_count_away_does_not_make_a_circle(clock: VirtualClock) -> None:
    policy = DeliveryPolicy(max_hops=3)
    pipeline = {"pipeline": [{"command": ["delete", f"$.{HOPS}"]}]}
    async with Router(MemoryStorage(clock=clock), clock=clock) as router:
        await router.subscribe(Subscription(id="round", sink="bus:default", policy=policy, transformer=pipeline))
        await router.publish(*events(1))
        await clock.advance(5)
        assert await router.idle() == 0
        assert [letter.reason for letter in await router.deadletters()] == ["too-many-hops"]
        assert (await router.storage.bounds("default")).end == 5


async def test_a_bus_that_is_made_later_gets_what_was_sent_before(clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with Router(MemoryStorage(clock=clock), clock=clock) as router:
        await router.subscribe(forward("f", "default", "later"))
        await router.publish(*events(1))
        await clock.advance(1)
        await router.create_bus("later")
        await router.subscribe(to(sink, "s", bus="later"))
        await clock.advance(30)
    assert sink.got == ["1"]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (UnknownBus("b"), RetryLater("append-failed", "there is no bus 'b': make it with create_bus('b')")),
        (StorageFull("full"), RetryLater("append-failed", "full")),
        (InvalidEvent("too large", where="data"), Rejected("bad-event", "data: too large")),
    ],
    ids=["unknown", "full", "invalid"],
)
async def test_what_goes_wrong_is_an_outcome(error: Exception, outcome: Outcome) -> None:
    async def append(_bus: str, _events: Sequence[Event], _append_id: str) -> None:
        await checkpoint()
        raise error

    assert await BusSink(append, "b", 9).send(events(1)[0]) == outcome


async def test_of_several_messages_each_has_its_own_id() -> None:
    ids: list[str] = []

    async def append(bus: str, events: Sequence[Event], append_id: str) -> None:
        await checkpoint()
        ids.append(append_id)

    sink = BusSinks(append).sink("bus:b", POLICY)
    one, two = events(1, 2)
    assert await sink.send_messages([Message(one, one, "1"), Message(two, two, "2")]) == Delivered()
    assert await sink.send(one) == Delivered()
    assert len(set(ids)) == 3
    assert sink.rate is None


@pytest.mark.parametrize("address", ["bus:", "bus:a b", "bus:-a", "bus:" + "a" * 129, "bus://a"])
def test_an_address_is_a_bus_by_name(address: str) -> None:
    async def append(_bus: str, _events: Sequence[Event], _append_id: str) -> None:
        await checkpoint()

    with pytest.raises(InvalidSubscription, match="another bus is bus:NAME"):
        BusSinks(append).check(address, POLICY)


@pytest.mark.parametrize(
    ("policy", "place"),
    [
        (DeliveryPolicy(credential=HeaderCredential(name="x", value="env:A")), "policy.credential"),
        (DeliveryPolicy(reply=Reply(bus="b")), "policy.reply"),
        (DeliveryPolicy(mode="batch"), "policy.mode"),
    ],
    ids=["credential", "reply", "batch"],
)
async def test_what_a_bus_and_a_function_cannot_heed_is_refused(policy: DeliveryPolicy, place: str) -> None:
    async def sink(_event: Event) -> None:
        await checkpoint()

    async with Router(MemoryStorage()) as router:
        for target in ("bus:b", sink):
            with pytest.raises(InvalidSubscription) as refused:
                await router.subscribe(Subscription(id="s", sink=target, policy=policy))
            assert refused.value.where == place
        assert await router.subscriptions() == []


@pytest.mark.parametrize(
    ("value", "hops"),
    [(None, 0), (3, 3), ("4", 4), (0, 0), (-1, 0), (True, 0), ("x", 0), ("1" * 10, 0), ("\u0661", 0)],
    ids=str,
)
def test_a_count_of_hops_is_a_number_or_none(value: object, hops: int) -> None:
    assert hops_of(events(1)[0].replace({HOPS: value})) == hops
