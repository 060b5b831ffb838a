"""The scheduler with sinks that answer as they are told: what holds a lane, pauses a subscription, or is at fault."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

import anyio
import pytest
from anyio.lowlevel import checkpoint
from attrs import define, evolve, field

from eventroute.errors import BackendUnsupported, StorageClosed, StorageError
from eventroute.event import Event
from eventroute.hooks import Happening, Paused
from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.backoff import Backoff
from eventroute.push.policy.batch import Batch
from eventroute.push.policy.breaker import Breaker
from eventroute.push.policy.rate import Rate
from eventroute.push.sinks.base import Message, Sink
from eventroute.push.worker.recording import RECORD_AFTER
from eventroute.router import Router
from eventroute.storage.base import Claim, Entry, Record, Session
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock
from tests.pushing import FakeProvider, idle

pytestmark = pytest.mark.anyio

Step = Outcome | Exception | anyio.Event


@define(eq=False)
class Scripted:
    """A provider of `scripted:NAME` sinks, that answer with what stands in their script, and then deliver."""

    scripts: dict[str, list[Step]] = field(factory=dict)
    attempts: list[tuple[str, str]] = field(factory=list)
    opening: Exception | None = None
    schemes: frozenset[str] = frozenset({"scripted"})

    async def open(self) -> None:
        if self.opening is not None:
            raise self.opening

    async def aclose(self) -> None:
        await checkpoint()

    def check(self, address: str, policy: DeliveryPolicy) -> None:
        """Any address will do."""

    def sink(self, address: str, policy: DeliveryPolicy) -> Sink | None:
        return None if address == "scripted:unreachable" else _ScriptedSink(self, address)


@define(eq=False)
class _ScriptedSink:
    provider: Scripted
    address: str

    async def send(self, event: Event) -> Outcome:
        await checkpoint()
        self.provider.attempts.append((self.address.partition(":")[2], event.id))
        script = self.provider.scripts.get(self.address.partition(":")[2], [])
        step = script.pop(0) if script else Delivered()
        if isinstance(step, anyio.Event):
            await step.wait()
            step = script.pop(0)
        if isinstance(step, Exception):
            raise step
        assert not isinstance(step, anyio.Event)
        return step


@define(eq=False)
class _Lasting(FakeProvider):
    """A provider of `lasting:` sinks and the one sink that it has: a tenth of a second, and what it says by turns."""

    clock: VirtualClock
    script: list[Outcome]
    schemes: frozenset[str] = frozenset({"lasting"})
    rate: Rate | None = None
    began: list[float] = field(factory=list)
    under_way: int = 0
    most: int = 0

    def sink(self, address: str, policy: DeliveryPolicy) -> Sink:
        return self

    async def send(self, event: Event) -> Outcome:
        said = self.script[len(self.began)] if len(self.began) < len(self.script) else Delivered()
        self.began.append(self.clock.monotonic())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.clock.sleep(0.1)
        self.under_way -= 1
        return said

    async def send_messages(self, messages: Sequence[Message]) -> Outcome:
        return await self.send(messages[0].event)


def events(*ids: object, type: str = "order") -> list[Event]:
    return [Event.create(type=type, source="/shop", id=str(one)) for one in ids]


def to(name: str, **policy: object) -> Subscription:
    return Subscription(id=name, sink=f"scripted:{name}", policy=DeliveryPolicy(**policy))  # type: ignore[arg-type]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def storage(clock: VirtualClock) -> MemoryStorage:
    return MemoryStorage(clock=clock)


@pytest.fixture
def sinks() -> Scripted:
    return Scripted()


@pytest.fixture
def router(storage: MemoryStorage, clock: VirtualClock, sinks: Scripted) -> Router:
    return Router(storage, clock=clock, sinks=[sinks])


async def test_a_sink_that_asks_for_time_gets_it_for_everything(
    router: Router, clock: VirtualClock, sinks: Scripted
) -> None:
    sinks.scripts["a"] = [RetryLater("http-503", after=100.0, hold_lane=True)]
    async with router:
        await router.subscribe(to("a", concurrency=1))
        await router.publish(*events(1, 2, 3))
        await clock.advance(99)
        assert sinks.attempts == [("a", "1")]
        await clock.advance(5)
        assert sorted(sinks.attempts[1:]) == [("a", "1"), ("a", "2"), ("a", "3")]


async def test_of_two_waits_that_are_asked_for_the_longer_one_holds(
    storage: MemoryStorage, clock: VirtualClock
) -> None:
    sink = _Lasting(clock, [RetryLater("http-429", after=after, hold_lane=True) for after in (100.0, 5.0)])
    async with Router(storage, clock=clock, sinks=[sink]) as router:
        await router.subscribe(Subscription(id="a", sink="lasting:a", policy=DeliveryPolicy(concurrency=2)))
        await router.publish(*events(1, 2, 3))
        await clock.advance(99)
        early = len(sink.began)
        await clock.advance(5)
        assert await idle(router, clock) == 0
    assert (early, len(sink.began)) == (2, 5)


@pytest.mark.parametrize("mode", ["binary", "batch"])
async def test_an_open_breaker_lets_one_attempt_probe_when_it_is_due_whatever_was_in_flight(
    storage: MemoryStorage, clock: VirtualClock, mode: Literal["batch", "binary"]
) -> None:
    """Of 16 that fail together the third opens it, and the others say nothing new."""
    sink = _Lasting(clock, [RetryLater("http-500")] * 20)
    breaker = Breaker(3, Backoff(1, 1_000))
    policy = DeliveryPolicy(mode=mode, batch=Batch(events=1), backoff=Backoff(0.5, 0.5), breaker=breaker)
    async with Router(storage, clock=clock, sinks=[sink]) as router:
        await router.subscribe(Subscription(id="a", sink="lasting:a", policy=policy))
        await router.publish(*events(*range(16)))
        await clock.advance(0.9)
        together, sink.most = sink.most, 0
        await clock.advance(15)
        probing = sink.most
        await clock.advance(17)
        assert await idle(router, clock) == 0
    assert (together, probing) == (16, 1)
    assert [round(began) for began in sink.began[16:20]] == [1, 3, 7, 15]
    assert len(sink.began) == 36


async def test_an_answer_that_is_final_closes_the_breaker(router: Router, clock: VirtualClock, sinks: Scripted) -> None:
    failure, final = RetryLater("http-500"), Rejected("http-400")
    sinks.scripts["a"] = [failure, final, failure, final, failure, failure, final]
    policy = {"concurrency": 1, "breaker": Breaker(2, Backoff(100, 100)), "backoff": Backoff(1, 1)}
    async with router:
        await router.subscribe(to("a", **policy))
        await router.publish(*events(*range(9)))
        await clock.advance(99)
        assert len(sinks.attempts) == 6
        await clock.advance(5)
        assert await router.idle() == 0
        assert len(await router.deadletters()) == 3


async def test_a_sink_that_is_gone_pauses_its_subscription(
    router: Router, storage: MemoryStorage, clock: VirtualClock, sinks: Scripted
) -> None:
    sinks.scripts["a"] = [Rejected("gone", pause="gone")]
    async with router:
        await router.subscribe(to("a", concurrency=1))
        await router.publish(*events(1))
        await clock.advance(1)
        await router.publish(*events(2))
        await clock.advance(100)
        assert [stored.paused for stored in await router.subscriptions()] == ["gone"]
        assert [letter.reason for letter in await router.deadletters()] == ["gone"]
        assert sinks.attempts == [("a", "1")]
        await router.resume("a")
        await clock.advance(1)
        assert sinks.attempts[1:] == [("a", "2")]


async def test_nothing_more_goes_to_a_sink_that_is_gone_while_the_pause_is_written_down(
    storage: MemoryStorage, clock: VirtualClock, sinks: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause, told = storage.pause_subscription, list[Happening]()

    async def slowly(subscription: str, reason: str, *, known: tuple[str, int]) -> None:
        await clock.sleep(10)
        await pause(subscription, reason, known=known)

    monkeypatch.setattr(storage, "pause_subscription", slowly)
    sinks.scripts["a"] = [Rejected("gone", pause="gone") for _ in range(50)]
    async with Router(storage, clock=clock, sinks=[sinks], hooks=[told.append]) as router:
        await router.subscribe(to("a", concurrency=4))
        await router.publish(*events(*range(50)))
        await clock.advance(5)
        await router.subscribe(to("a", concurrency=4, timeout=9))  # who changes something does not have it go on
        await router.publish(*events("new"))
        await clock.advance(100)
        assert len(sinks.attempts) <= 4
        assert [one.reason for one in told if isinstance(one, Paused)] == ["gone"]
        sinks.scripts["a"].clear()
        await router.resume("a")
        await clock.advance(5)
        assert len(sinks.attempts) == 51


async def test_who_resumes_before_the_pause_is_known_is_heard(
    storage: MemoryStorage, clock: VirtualClock, sinks: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause = storage.pause_subscription

    async def in_vain(subscription: str, reason: str, *, known: tuple[str, int]) -> None:
        await pause(subscription, reason, known=known)
        await storage.resume_subscription(subscription)

    monkeypatch.setattr(storage, "pause_subscription", in_vain)
    sinks.scripts["a"] = [Rejected("gone", pause="gone")]
    async with Router(storage, clock=clock, sinks=[sinks]) as router:
        await router.subscribe(to("a", concurrency=1))
        await router.publish(*events(1, 2, 3))
        await clock.advance(5)
        assert sinks.attempts == [("a", "1"), ("a", "2"), ("a", "3")]


def going(to: str, **policy: object) -> Subscription:
    return Subscription(id="s", sink=f"scripted:{to}", policy=DeliveryPolicy(**policy))  # type: ignore[arg-type]


def pause_behind(patch: pytest.MonkeyPatch, storage: MemoryStorage, change: Callable[[str], Awaitable[object]]) -> None:
    """What is to be paused is so only once it has been changed; `change` gets its id."""
    pause = storage.pause_subscription

    async def late(subscription: str, reason: str, *, known: tuple[str, int]) -> None:
        await change(subscription)
        await pause(subscription, reason, known=known)

    patch.setattr(storage, "pause_subscription", late)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["known to its process", "by another process"])
@pytest.mark.parametrize("new", ["old", "new"], ids=["another subscription of the same id", "another address"])
async def test_a_sink_that_is_gone_pauses_nothing_that_has_taken_its_place(
    storage: MemoryStorage,
    clock: VirtualClock,
    sinks: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    new: str,
    elsewhere: bool,
) -> None:
    told = list[Happening]()

    async def replace(subscription: str) -> None:
        by = other if elsewhere else router
        if new == "old":
            await by.unsubscribe(subscription)
        await by.subscribe(going(new))

    pause_behind(monkeypatch, storage, replace)
    sinks.scripts["old"] = [Rejected("gone", pause="gone")]
    other = Router(storage, clock=clock, sinks=[sinks], push=False)
    async with Router(storage, clock=clock, sinks=[sinks], hooks=[told.append]) as router, other:
        await router.subscribe(going("old"))
        await router.publish(*events(1))
        await clock.advance(5)
        assert [stored.paused for stored in await router.subscriptions()] == [None]
        assert not [one for one in told if isinstance(one, Paused)]
        await router.publish(*events(2))
        await clock.advance(5)
        assert sinks.attempts == [("old", "1"), (new, "2")]


async def test_a_sink_that_is_gone_pauses_what_has_changed_otherwise(
    storage: MemoryStorage, clock: VirtualClock, sinks: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[Happening]()
    changes = ["leaves the live reader", "gets another policy"]

    async def change(subscription: str) -> None:
        if changes and changes.pop() == "gets another policy":
            await subscribing.subscribe(going("old", timeout=9))
        else:
            await storage.leave_live(subscription)

    pause_behind(monkeypatch, storage, change)
    sinks.scripts["old"] = [Rejected("gone", pause="gone")]
    subscribing = Router(storage, clock=clock, sinks=[sinks], push=False)
    async with Router(storage, clock=clock, sinks=[sinks], hooks=[told.append]) as router, subscribing:
        await router.subscribe(going("old"))
        await router.publish(*events(1))
        await clock.advance(5)
        assert not changes
        assert [stored.paused for stored in await router.subscriptions()] == ["gone"]
        assert [one.reason for one in told if isinstance(one, Paused)] == ["gone"]
        await router.publish(*events(2))
        await clock.advance(5)
        assert sinks.attempts == [("old", "1")]


@pytest.mark.parametrize("policy", [{}, {"rate": Rate(100.0, 100)}], ids=["", "in measure"])
@pytest.mark.parametrize(
    "answer",
    [
        Rejected("gone", pause="gone"),
        RetryLater("http-503", after=100.0, hold_lane=True),
        RetryLater("http-500"),
        None,
    ],
    ids=["gone", "asks for time", "fails", "hangs"],
)
async def test_what_a_sink_says_after_a_subscription_has_left_it_is_not_about_the_one_it_has(
    router: Router, clock: VirtualClock, sinks: Scripted, answer: Outcome | None, policy: dict[str, Any]
) -> None:
    """With it, ten failures would open the breaker."""
    answered = anyio.Event()
    sinks.scripts["old"] = [*[answered] * 12, *[answer or Delivered()] * 12]
    policy = {**policy, "timeout": 20.0, "backoff": Backoff(50, 50), "concurrency": 12}
    async with router:
        await router.subscribe(going("old", **policy))
        await router.publish(*events(*range(12)))
        await clock.advance(5)
        assert len(sinks.attempts) == 12
        await router.subscribe(going("new", **policy))
        await clock.advance(5)
        if answer is not None:
            answered.set()
        await clock.advance(0.1 if answer is not None else 10.1)
        await router.publish(*events("now"))
        await clock.advance(0.5)
        assert ("new", "now") in sinks.attempts
        assert {name for name, _ in sinks.attempts[12:]} == {"new"}
        assert [stored.paused for stored in await router.subscriptions()] == [None]


async def test_what_a_sink_has_taken_late_does_not_close_the_breaker_of_the_one_that_came_after_it(
    router: Router, clock: VirtualClock, sinks: Scripted
) -> None:
    answered = anyio.Event()
    sinks.scripts = {"old": [answered, Delivered()], "new": [RetryLater("http-500")] * 99}
    policy = {"timeout": 200.0, "backoff": Backoff(50, 50), "concurrency": 12}
    async with router:
        await router.subscribe(going("old", **policy))
        await router.publish(*events("old"))
        await clock.advance(1)
        await router.subscribe(going("new", **policy))
        await router.publish(*events(*range(12)))
        await clock.advance(1)
        attempts = len(sinks.attempts)
        answered.set()
        await clock.advance(0.1)
        await router.publish(*events(*range(12, 24)))
        await clock.advance(0.1)
        assert len(sinks.attempts) <= attempts + 1


async def test_a_sink_with_a_fault_of_its_own_takes_nobody_down(
    router: Router, clock: VirtualClock, sinks: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    sinks.scripts["a"] = [ZeroDivisionError("oops")]
    async with router:
        await router.subscribe(to("a", backoff=Backoff(1, 1)))
        await router.subscribe(to("b"))
        await router.publish(*events(1))
        await clock.advance(5)
    assert sorted(sinks.attempts) == [("a", "1"), ("a", "1"), ("b", "1")]
    assert "subscription a: its sink has a fault" in caplog.text


async def test_a_provider_that_cannot_work_here_is_refused_when_subscribing(router: Router, sinks: Scripted) -> None:
    sinks.opening = BackendUnsupported("not on this loop")
    async with router:
        with pytest.raises(BackendUnsupported, match="not on this loop"):
            await router.subscribe(to("a"))
        assert await router.subscriptions() == []


async def test_a_stored_subscription_that_cannot_work_here_ends_the_router_aloud(
    storage: MemoryStorage, clock: VirtualClock, sinks: Scripted
) -> None:
    async with storage:
        async with Router(storage, clock=clock, sinks=[sinks]) as router:
            await router.subscribe(to("a"))
        unsupported = Scripted(opening=BackendUnsupported("not on this loop"))
        with pytest.RaisesGroup(pytest.RaisesExc(BackendUnsupported), flatten_subgroups=True):
            async with Router(storage, clock=clock, sinks=[unsupported]) as router:
                await router.publish(*events(1))
                await clock.advance(1)


async def test_what_cannot_be_understood_is_paused_and_loses_nothing(
    storage: MemoryStorage, clock: VirtualClock, sinks: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    async with storage:
        for name, definition in (
            ("broken", b'{"id":"broken","sink":"scripted:broken","filters":[{"newer":{}}]}'),
            ("foreign", b'{"id":"foreign","sink":"pigeon:coop"}'),
        ):
            await storage.put_subscription("default", name, definition, start="latest")
        async with Router(storage, clock=clock, push=False) as publisher:
            await publisher.publish(*events(1, 2))
        async with Router(storage, clock=clock, sinks=[sinks]) as router:
            await clock.advance(1)
            paused = {stored.id: stored.paused or "" for stored in await router.subscriptions()}
            assert paused["broken"].startswith("invalid: filters[0]")
            assert paused["foreign"].startswith("invalid: sink: nothing here sends to 'pigeon'")
            assert await router.idle() == 4
            assert "subscription broken is paused" in caplog.text
            await router.subscribe(to("broken"))
            await router.resume("broken")
            await clock.advance(1)
            assert sorted(sinks.attempts) == [("broken", "1"), ("broken", "2")]


async def test_one_that_no_process_can_reach_waits(router: Router, clock: VirtualClock, sinks: Scripted) -> None:
    async with router:
        await router.subscribe(to("unreachable"))
        await router.publish(*events(1))
        await clock.advance(1)
        assert await router.idle() == 1


async def test_more_waits_than_fits_into_memory_at_once(
    router: Router, storage: MemoryStorage, clock: VirtualClock, sinks: Scripted
) -> None:
    sinks.scripts["a"] = [RetryLater("http-500")] * 500
    policy = {"backoff": Backoff(100, 100), "breaker": None, "max_waiting": 5_000, "concurrency": 1}
    async with router:
        await router.subscribe(to("a", **policy))
        await router.publish(*events(*range(3_000)))
        await clock.advance(500)
        assert await router.idle() == 0
    assert len(sinks.attempts) == 3_500
    assert {one for _, one in sinks.attempts} == {str(one) for one in range(3_000)}


async def test_a_dead_letter_is_delivered_again_from_its_own_copy(
    router: Router, storage: MemoryStorage, clock: VirtualClock, sinks: Scripted
) -> None:
    sinks.scripts["a"] = [Rejected("http-400")] * 3
    async with router:
        await router.subscribe(to("a"))
        await router.publish(*events(1, 2, 3))
        await clock.advance(1)
        letters = await router.deadletters()
        assert len(letters) == 3
        assert await router.redrive(offset=letters[1].offset) == 1
        await clock.advance(2)
        assert await router.redrive(subscription="a", reason="http-400") == 2
        await clock.advance(2)
        assert await router.idle() == 0
    assert len(sinks.attempts) == 6


async def test_an_event_that_the_log_lost_is_said_to_be_missing(clock: VirtualClock, sinks: Scripted) -> None:
    class Forgetful(MemoryStorage):
        forgets = False

        async def read(self, bus: str, start: int, end: int, *, limit: int, max_bytes: int):  # type: ignore[no-untyped-def]
            return [] if self.forgets else await super().read(bus, start, end, limit=limit, max_bytes=max_bytes)

    storage = Forgetful(clock=clock)
    sinks.scripts["a"] = [RetryLater("http-500", after=10.0)]
    async with Router(storage, clock=clock, sinks=[sinks]) as router:
        await router.subscribe(to("a"))
        await router.publish(*events(1))
        await clock.advance(1)
        storage.forgets = True
        await clock.advance(20)
        assert [(letter.reason, letter.attempts) for letter in await router.deadletters()] == [("event-missing", 1)]


async def test_a_retry_that_is_due_before_it_is_written_is_made_once_it_is(
    clock: VirtualClock, sinks: Scripted
) -> None:
    class Slow(MemoryStorage):
        takes = 0.3

        async def write(self, bus: str, session: Session, entries: Sequence[Entry], **given: Any) -> None:
            await clock.sleep(self.takes)
            await super().write(bus, session, entries, **given)

    sinks.scripts["a"] = [RetryLater("http-500")]
    storage = Slow(clock)
    async with Router(storage, clock=clock, sinks=[sinks]) as router:
        await router.subscribe(to("a", backoff=Backoff(first=0.001, limit=0.001)))
        await router.publish(*events(1))
        await clock.advance(0.5)  # less than a second, after which it would be found in any case
        assert sinks.attempts == [("a", "1")] * 2
        storage.takes = 0
        await clock.advance(1)


@pytest.mark.parametrize(("takes", "clean"), [(0.5, True), (60.0, False)])
async def test_a_stop_that_cuts_nothing_off_is_clean_however_little_time_attempts_get(
    storage: MemoryStorage,
    clock: VirtualClock,
    sinks: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    takes: float,
    clean: bool,
) -> None:
    claim, pause = storage.claim, 0.0

    async def slowly(*arguments: Any, **more: Any) -> Claim | None:
        await clock.sleep(pause)
        return await claim(*arguments, **more)

    monkeypatch.setattr(storage, "claim", slowly)
    router = Router(storage, clock=clock, sinks=[sinks], grace=0)
    async with anyio.create_task_group() as tasks, router:
        await router.subscribe(to("a"))
        await clock.advance(1)
        pause = takes
        await router.publish(*events(1))
        await clock.advance(takes / 10)  # the reader waits for the storage
        tasks.start_soon(clock.advance, 100)
    assert router.clean is clean
    assert "attempts were cut off" not in caplog.text
    assert ("the storage gave no answer" in caplog.text) is not clean


async def test_what_is_no_event_is_dead_lettered_and_stops_nobody(clock: VirtualClock, sinks: Scripted) -> None:
    storage = MemoryStorage(clock)
    async with Router(storage, clock=clock, sinks=[sinks]) as router:
        await router.subscribe(to("a"))
        await storage.append("default", [b"", b"no JSON"], append_id="from elsewhere")
        await router.publish(*events(1))
        await router.idle()
        assert [letter.reason for letter in await router.deadletters()] == ["invalid-event"] * 2
        assert sinks.attempts == [("a", "1")]


@pytest.mark.parametrize("member", [b'"x":"\xff"', b'"subject":"\xff"', b'"\xff":1', b'"x":' + b"9" * 5_000])
async def test_what_cannot_be_read_but_for_its_name_is_dead_lettered_and_stops_nobody(
    clock: VirtualClock, sinks: Scripted, member: bytes
) -> None:
    storage = MemoryStorage(clock)
    async with Router(storage, clock=clock, sinks=[sinks]) as router:
        await router.subscribe(to("a", rate=Rate(1_000, burst=10)))
        hostile = b'{"specversion":"1.0","id":"h","source":"/s","type":"t",%b}' % member
        await storage.append("default", [hostile], append_id="from elsewhere")
        await router.publish(*events(1))
        await router.idle()
        assert [letter.reason for letter in await router.deadletters()] == ["invalid-event"]
        assert sinks.attempts == [("a", "1")]


@pytest.mark.parametrize("policy", [{}, {"order_by": "data.n"}, {"mode": "batch"}])
@pytest.mark.parametrize(
    "members",
    [
        b'"datacontenttype":"text/plain","data":"\xff"',
        b'"data_base64":"\xff"',
        b'"data":"\xff"',
        b'"data":' + b"9" * 5_000,
    ],
)
async def test_data_that_cannot_be_decoded_is_dead_lettered_and_stops_nobody(
    clock: VirtualClock, sinks: Scripted, members: bytes, policy: dict[str, object]
) -> None:
    storage = MemoryStorage(clock)
    async with Router(storage, clock=clock, sinks=[sinks]) as router:
        transformer = {"template": '{"data": ${$.data}}'}
        await router.subscribe(evolve(to("a", **policy), transformer=transformer))
        hostile = b'{"specversion":"1.0","id":"h","source":"/s","type":"t",%b}' % members
        await storage.append("default", [hostile], append_id="from elsewhere")
        await router.publish(*events(1))
        await router.idle()
        assert [letter.reason for letter in await router.deadletters()] == ["invalid-event"]
        assert sinks.attempts == [("a", "1")]


async def test_a_stop_does_not_wait_for_ever_for_a_storage_that_fails(
    clock: VirtualClock, sinks: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(MemoryStorage):
        broken = False

        async def write(self, bus: str, session: Session, entries: Sequence[Entry], **given: Any) -> None:
            if self.broken:
                raise StorageError("the disk is gone")
            await super().write(bus, session, entries, **given)

    storage = Broken(clock=clock)
    async with anyio.create_task_group() as tasks:
        async with Router(storage, clock=clock, sinks=[sinks]) as router:
            await router.subscribe(to("a"))
            storage.broken = True
            await router.publish(*events(1))
            await clock.advance(1)
            tasks.start_soon(clock.advance, 60)
        assert not router.clean
    assert "the storage took no more for 10 s" in caplog.text


async def test_an_append_that_keeps_failing_is_the_callers_matter(clock: VirtualClock) -> None:
    class Broken(MemoryStorage):
        tried = 0

        async def append(self, *_args: object, **_more: object) -> tuple[int, ...]:
            self.tried += 1
            raise StorageError("the disk is gone")

    storage = Broken(clock=clock)
    async with anyio.create_task_group() as tasks, Router(storage, clock=clock, push=False) as router:
        tasks.start_soon(clock.advance, 5)
        with pytest.raises(StorageError, match="the disk is gone"):
            await router.publish(*events(1))
    assert storage.tried == 3


async def test_a_router_that_cannot_begin_leaves_nothing_open(clock: VirtualClock) -> None:
    class Broken(MemoryStorage):
        async def buses(self) -> tuple[str, ...]:
            raise StorageError("the disk is gone")

    storage = Broken(clock=clock)
    with pytest.raises(StorageError, match="the disk is gone"):
        async with Router(storage, clock=clock):
            pytest.fail("it is open")  # pragma: no cover
    with pytest.raises(StorageClosed):
        await storage.bounds("default")


async def test_a_change_while_a_range_is_matched_loses_nothing(clock: VirtualClock, sinks: Scripted) -> None:
    class Slow(MemoryStorage):
        async def read(self, bus: str, start: int, end: int, *, limit: int, max_bytes: int) -> list[Record]:
            page = await super().read(bus, start, end, limit=1, max_bytes=max_bytes)
            await clock.sleep(0.1)
            return page

    async with Router(Slow(clock=clock), clock=clock, sinks=[sinks]) as router:
        await router.subscribe(to("a"))
        await router.publish(*events(*range(20)))
        for timeout in range(10, 20):
            await clock.advance(0.15)
            await router.subscribe(to("a", timeout=timeout))
        await clock.advance(10)
        assert await router.idle() == 0
    assert {one for _, one in sinks.attempts} == {str(one) for one in range(20)}


async def test_a_sink_that_is_cancelled_from_within_is_tried_again_alone(
    router: Router, clock: VirtualClock, sinks: Scripted, anyio_backend: str
) -> None:
    if anyio_backend != "asyncio":
        pytest.skip("only on asyncio can a task that nobody cancelled raise its cancellation")

    async def stray(_event: Event) -> None:
        raise asyncio.CancelledError

    async with router:
        policy = DeliveryPolicy(max_attempts=2, backoff=Backoff(1, 1))
        await router.subscribe(Subscription(id="stray", sink=stray, policy=policy))
        await router.subscribe(to("a"))
        await router.publish(*events(1))
        await clock.advance(5)
        assert [(letter.subscription, letter.attempts) for letter in await router.deadletters()] == [("stray", 2)]
    assert sinks.attempts == [("a", "1")]
    assert router.clean


async def test_another_sink_does_not_wait_for_what_the_one_before_asked(
    router: Router, clock: VirtualClock, sinks: Scripted
) -> None:
    sinks.scripts["a"] = [RetryLater("http-503", after=5_000.0, hold_lane=True)]
    async with router:
        await router.subscribe(to("a"))
        await router.publish(*events(1))
        await clock.advance(1)
        await router.subscribe(Subscription(id="a", sink="scripted:b"))
        await router.publish(*events(2))
        await clock.advance(1)
    assert sinks.attempts == [("a", "1"), ("b", "2")]


async def test_what_cannot_be_encoded_is_stored_all_the_same(
    router: Router, clock: VirtualClock, sinks: Scripted
) -> None:
    sinks.scripts["a"] = [Rejected("http-400", "no such file: \udcff")]
    async with router:
        await router.subscribe(to("a"))
        await router.publish(*events(1))
        await clock.advance(1)
        assert [letter.error for letter in await router.deadletters()] == ["no such file: \\udcff"]
        await router.pause("a", "because \udcff")
        assert [stored.paused for stored in await router.subscriptions()] == ["because \\udcff"]


async def test_removing_a_subscription_forgets_what_was_on_its_way(
    router: Router, storage: MemoryStorage, clock: VirtualClock, sinks: Scripted
) -> None:
    sinks.scripts["a"] = [RetryLater("http-503", after=50.0, hold_lane=True)]
    async with router:
        await router.subscribe(to("a", concurrency=1))
        await router.publish(*events(*range(10)))
        await clock.advance(0.01)
        await router.unsubscribe("a")
        await clock.advance(100)
        assert await router.idle() == 0
        [live] = await storage.readers("default")
        assert live.position == live.claimed
    assert len(sinks.attempts) == 1


class _Naps(VirtualClock):
    """Counts the short waits."""

    taken = 0

    async def sleep(self, seconds: float) -> None:
        self.taken += seconds <= RECORD_AFTER
        await super().sleep(seconds)


@define(eq=False)
class _Slow(Scripted):
    """Its sink takes its time, until it may answer."""

    may_answer: anyio.Event = field(factory=anyio.Event)

    def sink(self, address: str, policy: DeliveryPolicy) -> Sink:
        return self

    async def send(self, event: Event) -> Outcome:
        await self.may_answer.wait()
        self.attempts.append((event.id, event.id))
        return Delivered()


async def test_what_waits_behind_a_slow_attempt_is_not_looked_at_over_and_over() -> None:
    clock = _Naps()
    storage, sinks = MemoryStorage(clock=clock), _Slow()
    async with Router(storage, clock=clock, sinks=[sinks]) as router:
        await router.publish(*events(1, 2, 3))
        policy = DeliveryPolicy(concurrency=1, timeout=3_600.0)
        await router.subscribe(Subscription(id="s", sink="scripted:s", start="earliest", policy=policy))
        await clock.advance(1)
        clock.taken = 0
        await clock.advance(1)
        assert clock.taken == 0
        sinks.may_answer.set()
        await clock.advance(1)
        assert [name for name, _ in sinks.attempts] == ["1", "2", "3"]
        assert (await storage.readers("default"))[0].position == 4
