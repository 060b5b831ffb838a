"""What the simulator has found, each told again by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from attrs import define, evolve, field

from eventroute.errors import StorageError
from eventroute.event import Event
from eventroute.push.lane import room
from eventroute.push.outcome import Delivered, Outcome, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.backoff import Backoff
from eventroute.push.policy.breaker import Breaker
from eventroute.push.sinks.base import Sink
from eventroute.router import Router
from eventroute.storage.base import (
    Bury,
    Changes,
    Claim,
    Complete,
    Entry,
    Session,
    Settle,
    Wait,
    Waiting,
    WaitingSummary,
)
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock
from eventroute.testing.faults import FaultyStorage
from tests.pushing import FakeProvider

pytestmark = pytest.mark.anyio


@define(eq=False)
class Sinks(FakeProvider):
    """A provider of `fake:` sinks, and the sink."""

    down: bool = False
    delivered: list[str] = field(factory=list)

    def sink(self, address: str, policy: DeliveryPolicy) -> Sink | None:
        return self

    async def send(self, event: Event) -> Outcome:
        await checkpoint()
        if self.down:
            return RetryLater("down")
        self.delivered.append(event.id)
        return Delivered()


def events(count: int) -> list[Event]:
    return [Event.create(type="t", source="/s", id=str(number)) for number in range(count)]


def subscription(**policy: object) -> Subscription:
    return Subscription(id="s", sink="fake:s", policy=DeliveryPolicy(**policy))  # type: ignore[arg-type]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


async def test_what_others_have_settled_does_not_keep_a_subscription_from_reading(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process went on counting rows that another one had settled, and read no further, for ever."""
    monkeypatch.setattr(room, "QUEUE_EVENTS", 1)
    storage, sinks = MemoryStorage(clock), Sinks()
    async with Router(storage, clock=clock, sinks=[sinks]) as one, Router(storage, clock=clock, sinks=[sinks]):
        await one.subscribe(subscription(concurrency=1, max_waiting=2))
        await one.publish(*events(12))
        await clock.advance(5)
        await one.publish(*events(12))
        await clock.advance(60)
        assert len(sinks.delivered) == 24


class _Slow(MemoryStorage):
    """Takes some time to count what waits."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.takes = 0.0
        self.counted: list[float] = []

    async def waiting(self, bus: str, *, before: int | None = None) -> tuple[WaitingSummary, ...]:
        self.counted.append(self._clock.monotonic())
        await self._clock.sleep(self.takes)
        return await super().waiting(bus, before=before)


async def test_a_storage_that_failed_for_a_while_is_not_left_alone_for_hours(clock: VirtualClock) -> None:
    """Counting may take a share of the time; the time that it took to fail was counted, and it was put off for long."""
    storage = _Slow(clock)
    async with Router(storage, clock=clock, sinks=[Sinks()]) as router:
        await router.subscribe(subscription())
        await clock.advance(5)
        storage.takes = 60.0
        await clock.advance(10)
        storage.takes = 0.0
        del storage.counted[:]
        await clock.advance(60 + 31)
        assert storage.counted[:1] == [96.0]


async def test_a_bus_that_is_found_while_changes_are_taken_in(clock: VirtualClock) -> None:
    """It was `dictionary changed size during iteration`."""
    storage, sinks = _Finding(clock), Sinks()
    async with Router(storage, clock=clock, sinks=[sinks]) as router:
        await router.subscribe(subscription())
        await router.create_bus("second")
        await clock.advance(1)
        storage.router = router
        await router.pause("s")
        assert storage.router is None


class _Finding(MemoryStorage):
    router: Router | None = None

    async def changes(self, bus: str, after: int) -> Changes:
        router, self.router = self.router, None
        if router is not None:
            await router.create_bus("found")
        return await super().changes(bus, after)


class _Deaf(MemoryStorage):
    """Does not tell what has changed while `deaf`."""

    deaf = False
    watched = 0

    async def changes(self, bus: str, after: int) -> Changes:
        if self.deaf:
            raise StorageError("not now")
        return await super().changes(bus, after)

    async def watch(self, bus: str, *, end: int, version: int, timeout: float) -> None:
        self.watched += 1
        assert self.watched < 1_000, "it watches in circles"
        await super().watch(bus, end=end, version=version, timeout=timeout)


async def test_a_reader_of_its_own_does_not_run_in_circles_while_changes_are_not_told(clock: VirtualClock) -> None:
    """Where only the shared reader took changes in, others were told of them at once, again and again."""
    storage, sinks = _Deaf(clock), Sinks(down=True)
    async with Router(storage, clock=clock, sinks=[sinks]) as router:
        await router.publish(*events(2))
        await router.subscribe(
            evolve(subscription(concurrency=1, max_waiting=3, backoff=Backoff(1.0, 1.0)), start="earliest")
        )
        await clock.advance(5)
        assert [reader.subscription for reader in await storage.readers("default")] == [None, "s"]
        storage.deaf = True
        await storage.put_subscription("default", "other", b"{}", start="latest")
        await clock.advance(30)
        storage.deaf, sinks.down = False, False
        await clock.advance(100)
        assert len(sinks.delivered) == 2


class _Claiming(MemoryStorage):
    """Takes its time to give out what waits, and then somebody removes all other subscriptions."""

    router: Router | None = None

    async def claim_waiting(
        self, bus: str, subscription: str, session: Session, *, now: float, limit: int, known: int | None = None
    ) -> list[Waiting]:
        if self.router is None:
            await self._clock.sleep(5.0)
        else:
            for stored in await self.router.subscriptions():
                if stored.id != subscription:
                    await self.router.unsubscribe(stored.id)
        return await super().claim_waiting(bus, subscription, session, now=now, limit=limit, known=known)


async def test_a_subscription_goes_while_what_waits_for_another_is_looked_for(clock: VirtualClock) -> None:
    """It was a KeyError: several were due."""
    storage, sinks = _Claiming(clock), Sinks(down=True)
    async with Router(storage, clock=clock, sinks=[sinks]) as router:
        for name in ("a", "b", "c"):
            policy = DeliveryPolicy(backoff=Backoff(0.001, 0.001))
            await router.subscribe(Subscription(id=name, sink="fake:s", policy=policy))
        await router.publish(*events(1))
        await clock.advance(4.0)
        storage.router, sinks.down = router, False
        await clock.advance(30.0)
        assert sinks.delivered


async def test_another_subscription_of_the_same_id_does_not_get_what_was_queued_for_the_one_before(
    clock: VirtualClock,
) -> None:
    """A process that learned of the removal and of the new one at once took them for one."""
    storage, sinks = MemoryStorage(clock), Sinks(down=True)
    async with Router(storage, clock=clock, sinks=[sinks]) as router:
        stored = await router.subscribe(subscription(concurrency=1, breaker=Breaker(1, Backoff(5.0, 5.0))))
        await router.publish(*events(3))
        await clock.advance(1.0)
        sinks.down = False
        await storage.remove_subscription("s")
        await storage.put_subscription("default", "s", stored.definition, start="latest")
        await clock.advance(60.0)
        assert sinks.delivered == []
        await router.publish(Event.create(type="t", source="/s", id="new"))
        await clock.advance(1.0)
        assert sinks.delivered == ["new"]


class _Unaware(MemoryStorage):
    """Where a delivery has come to its end, the subscription is removed and another one made of its id, of which nobody
    hears for a while.
    """

    done = False
    deaf = False

    async def write(self, bus: str, session: Session, entries: Sequence[Entry], **given: Any) -> None:
        if not self.done and any(isinstance(entry, Settle | Bury) for entry in entries):
            self.done = self.deaf = True
            stored = await self.subscription("s")
            await self.remove_subscription("s")
            await self.put_subscription(bus, "s", stored.definition, start="earliest")
            new = await self.open_session(60.0)
            (mine,) = [reader for reader in await self.readers(bus) if reader.subscription == "s"]
            claim = await self.claim(bus, mine.name, new, limit=1)
            assert claim is not None
            await super().write(bus, new, [Wait(Waiting("s", claim.start, self._clock.time() + 5.0), held=False)])
            await super().write(bus, new, [Complete(claim)])
        await super().write(bus, session, entries, **given)

    async def changes(self, bus: str, after: int) -> Changes:
        if self.deaf:
            raise StorageError("not now")
        return await super().changes(bus, after)


@pytest.mark.parametrize("fails", [1, 2])
async def test_what_came_of_an_attempt_is_not_taken_for_another_subscription_of_the_same_id(
    clock: VirtualClock, fails: int
) -> None:
    """Of one that was removed it was written down as of the one that had its id by then: what that was owed at the same
    offset was settled or buried, and so lost.
    """
    storage, sinks = _Unaware(clock), _Failing(fails=fails)
    async with Router(storage, clock=clock, sinks=[sinks]) as router:
        await router.subscribe(subscription(max_attempts=2, backoff=Backoff(2.0, 2.0)))
        await router.publish(*events(1))
        await clock.advance(4.0)
        assert storage.deaf
        assert len(sinks.delivered) == 2 - fails
        storage.deaf = False
        await clock.advance(20.0)
        assert len(sinks.delivered) == 3 - fails
        assert await router.deadletters() == []


@define(eq=False)
class _Failing(Sinks):
    fails: int = field(kw_only=True)

    async def send(self, event: Event) -> Outcome:
        self.fails -= 1
        self.down = self.fails >= 0
        return await super().send(event)


async def test_what_is_kept_back_with_a_range_is_not_written_of_a_subscription_that_is_gone(
    clock: VirtualClock,
) -> None:
    """It waited for the range's completion, and was taken for what the next one of that id was owed."""
    storage, sinks = MemoryStorage(clock), _Halves(anyio.Event())
    async with Router(storage, clock=clock, sinks=[sinks]) as router:
        stored = await router.subscribe(subscription())
        await router.subscribe(Subscription(id="slow", sink="fake:slow", policy=DeliveryPolicy()))
        await router.publish(*events(1))
        await clock.advance(0.01)
        before = await storage.waiting("default")
        await storage.remove_subscription("s")
        await storage.put_subscription("default", "s", stored.definition, start="latest")
        await clock.advance(5.0)
        after = await storage.waiting("default")
        sinks.answer.set()
        await clock.advance(5.0)
        assert before == ()
        assert [summary.subscription for summary in after] == ["slow"]


@define(eq=False)
class _Halves(FakeProvider):
    """`fake:slow` waits for an answer, the others fail."""

    answer: anyio.Event

    def sink(self, address: str, policy: DeliveryPolicy) -> Sink | None:
        return _Hanging(answer=self.answer) if address == "fake:slow" else Sinks(down=True)


async def test_what_is_queued_for_a_paused_subscription_does_not_keep_the_shared_reader(clock: VirtualClock) -> None:
    """Its range stayed open, and so did the log, and idle() did not return."""
    storage, sinks = MemoryStorage(clock), Sinks(down=True)
    async with Router(storage, clock=clock, sinks=[sinks]) as router:
        await router.subscribe(subscription(concurrency=1, breaker=Breaker(1, Backoff(600.0, 600.0))))
        await router.publish(*events(3))
        await clock.advance(0.01)
        await router.pause("s")
        await clock.advance(5.0)
        live, *_ = await storage.readers("default")
        assert live.position == live.claimed == 4
        assert await router.idle() == 3


async def test_what_is_gone_is_known_while_no_lane_has_use_for_more(clock: VirtualClock) -> None:
    """The shared reader waited for the lanes, and heard nothing: what was queued began when the sink had answered."""
    storage, sinks = MemoryStorage(clock), _Hanging(answer=anyio.Event())
    async with Router(storage, clock=clock, sinks=[sinks]) as router:
        await router.subscribe(subscription(concurrency=1, timeout=30.0))
        await router.publish(*events(10))
        await clock.advance(5)
        await storage.remove_subscription("s")
        await clock.advance(5)
        sinks.answer.set()
        await clock.advance(5)
        assert sinks.tried == ["0"]


@define(eq=False)
class _Hanging(Sinks):
    answer: anyio.Event = field(kw_only=True)
    tried: list[str] = field(factory=list)

    async def send(self, event: Event) -> Outcome:
        self.tried.append(event.id)
        await self.answer.wait()
        return Delivered()


class _Dawdling(MemoryStorage):
    """The next call for changes takes so long, in seconds."""

    takes = 0.0
    session: Session | None = None

    async def open_session(self, ttl: float) -> Session:
        self.session = await super().open_session(ttl)
        return self.session

    async def changes(self, bus: str, after: int) -> Changes:
        takes, self.takes = self.takes, 0.0
        await self._clock.sleep(takes)
        return await super().changes(bus, after)


async def test_a_change_is_asked_for_while_the_lease_is_lost(clock: VirtualClock) -> None:
    """The call ended with a RuntimeError: an attempt was to begin where the worker had ended meanwhile."""
    storage, sinks = _Dawdling(clock), _Hanging(answer=anyio.Event())
    errors: list[RuntimeError] = []

    async def change(router: Router) -> None:
        try:
            await router.subscribe(subscription(concurrency=2, timeout=30.0))
        except RuntimeError as error:  # kept for later: the sink must not hang at the end
            errors.append(error)

    async with Router(storage, clock=clock, sinks=[sinks], lease=3.0) as router, anyio.create_task_group() as tasks:
        await router.subscribe(subscription(concurrency=1, timeout=30.0))
        await router.publish(*events(3))
        await clock.advance(0.5)
        storage.takes = 10.0
        tasks.start_soon(change, router)
        await clock.advance(0.1)
        assert storage.session is not None
        await storage.close_session(storage.session)
        await clock.advance(20.0)
        tried, sinks.tried = sinks.tried, []
        sinks.answer.set()
        await clock.advance(5.0)
    assert errors == []
    assert tried == ["0", "0", "1"]
    assert sinks.tried == ["2"]


class _Turning(_Dawdling):
    """When something is claimed next, a subscription of this definition and an event for it have come just before."""

    definition = b""
    dawdles = 0.0

    async def claim(self, bus: str, reader: str, session: Session, *, limit: int, alone: bool = False) -> Claim | None:
        definition, self.definition = self.definition, b""
        if definition:
            await self.put_subscription(bus, "s", definition, start="latest")
            await self.append(bus, [b'{"specversion":"1.0","id":"1","source":"/s","type":"t"}'], append_id="1")
            self.takes = self.dawdles
        return await super().claim(bus, reader, session, limit=limit, alone=alone)


@pytest.mark.parametrize("takes", [1.0, 1000.0])
async def test_nothing_is_passed_over_by_a_stop_while_changes_are_asked_for(clock: VirtualClock, takes: float) -> None:
    """What is claimed is matched by all that it has to go by, or left to the next process."""
    storage, sinks = _Turning(clock), Sinks()
    router = Router(storage, clock=clock, sinks=[sinks], grace=10.0)
    async with anyio.create_task_group() as tasks, router:
        stored = await router.subscribe(subscription())
        await router.unsubscribe("s")
        await clock.advance(5.0)
        storage.definition, storage.dawdles = stored.definition, takes
        await router.publish(*events(1))
        await clock.advance(0.1)
        tasks.start_soon(clock.advance, 100.0)
    async with Router(storage, clock=clock, sinks=[sinks]):
        await clock.advance(10.0)
    assert sinks.delivered == ["1"]


@define(eq=False)
class _Scripted(Sinks):
    """Does with each attempt what comes next: fails, or hangs until it is cut off; then delivers."""

    script: list[Outcome | None] = field(factory=list)
    hanging: int = 0
    answer: anyio.Event = field(kw_only=True)

    async def send(self, event: Event) -> Outcome:
        await checkpoint()
        outcome = self.script.pop(0) if self.script else Delivered()
        if outcome is None:
            self.hanging += 1
            try:
                await self.answer.wait()
            finally:
                self.hanging -= 1
            outcome = Delivered()
        if isinstance(outcome, Delivered):
            self.delivered.append(event.id)
        return outcome


@pytest.mark.parametrize("last", [False, True])
async def test_a_late_failure_says_nothing_of_what_another_has_settled(clock: VirtualClock, last: bool) -> None:
    """A replay had delivered it, and it was trimmed: a dead letter without an event came of it."""
    storage, sinks = MemoryStorage(clock), _Scripted(script=[None], answer=anyio.Event())
    async with Router(storage, clock=clock, sinks=[sinks]) as router:
        await router.subscribe(subscription(timeout=10.0, max_attempts=1 if last else None))
        await router.publish(*events(1))
        await clock.advance(5.0)
        (row,) = await storage.waiting("default")
        assert (row.count, row.unheld) == (1, 0)
        other = await storage.open_session(5.0)
        await storage.write("default", other, [Wait(Waiting("s", 1, 0.0), held=True)])
        await storage.write("default", other, [Settle("s", 1)])
        assert (await storage.trim("default", 2, limit=9)).events == 1
        await clock.advance(60.0)
        assert sinks.hanging == 0
        assert await storage.waiting("default") == ()
        assert await storage.dead_letters("default") == []


@pytest.mark.parametrize("order_by", [None, "type"])
async def test_what_is_in_hand_is_not_freed_by_a_write_that_is_repeated(
    clock: VirtualClock, order_by: str | None
) -> None:
    """The answer to a write was lost; what it had set free was taken again, and set free once more by its repeat."""
    storage = FaultyStorage.around(MemoryStorage(clock), clock=clock)
    sinks = _Scripted(script=[RetryLater("down"), RetryLater("down"), None], answer=anyio.Event())
    async with Router(storage, clock=clock, sinks=[sinks]) as router:
        await router.subscribe(subscription(backoff=Backoff(0.01, 0.01), breaker=None, order_by=order_by))
        await router.publish(*events(1))
        storage.fail("write", "after", "after", "after", "after")
        for _ in range(200):
            await clock.advance(0.01)
            (row,) = await storage.inner.waiting("default") or (None,)
            assert row is None or sinks.hanging + row.unheld <= 1
        assert storage.happened == [("write", "after")] * 4
        assert sinks.hanging == 1
        sinks.answer.set()
        await clock.advance(1.0)


class _Stalling(MemoryStorage):
    """Keeps writes waiting until it `goes_on`."""

    goes_on: anyio.Event | None = None

    async def write(self, bus: str, session: Session, entries: Sequence[Entry], **given: Any) -> None:
        if self.goes_on is not None:
            await self.goes_on.wait()
        await super().write(bus, session, entries, **given)


@define(eq=False)
class _Timed(Sinks):
    """Takes its time with each event; the first attempt at the event `x` fails."""

    clock: VirtualClock = field(kw_only=True)
    seconds: dict[str, float] = field(kw_only=True)
    began: list[str] = field(factory=list)

    async def send(self, event: Event) -> Outcome:
        self.began.append(event.id)
        await self.clock.sleep(self.seconds.get(event.id, 0.0))
        return RetryLater("down", after=60.0) if self.began == ["x"] else Delivered()


async def test_what_goes_back_to_the_ledger_behind_a_row_that_is_no_more_does_not_begin(clock: VirtualClock) -> None:
    """Its turn had come, and then the ledger was said to have a row before it, whose end was not written yet."""
    storage, sinks = _Stalling(clock), _Timed(clock=clock, seconds={"a1": 0.2, "c": 5.0})
    began = clock.monotonic()
    async with Router(storage, clock=clock, sinks=[sinks]) as router:

        async def publish(name: str, at: float) -> None:
            await clock.advance(began + at - clock.monotonic())
            await router.publish(Event.create(type="t", source="/s", id=name, subject=name[0]))

        await router.subscribe(subscription(concurrency=1, order_by="subject", breaker=None))
        await publish("x", 0.1)  # so that something waits in the ledger, and it is looked at each second
        await publish("a1", 1.2)
        await clock.advance(0.1)
        storage.goes_on = anyio.Event()
        await publish("c", 1.5)
        await publish("a2", 1.98)
        await clock.advance(0.1)
        storage.goes_on.set()
        await clock.advance(20.0)
    assert sinks.began == ["x", "a1", "c", "a2"]
