"""What the simulator has found, each told again by itself."""

from __future__ import annotations

import pytest
from anyio.lowlevel import checkpoint
from attrs import define, evolve, field

from eventroute.errors import StorageError
from eventroute.event import Event
from eventroute.push import room
from eventroute.push.backoff import Backoff
from eventroute.push.breaker import Breaker
from eventroute.push.outcome import Delivered, Outcome, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.sinks.base import Sink
from eventroute.router import Router
from eventroute.storage.base import Changes, Session, Waiting, WaitingSummary
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock

pytestmark = pytest.mark.anyio


@define(eq=False)
class Sinks:
    """A provider of `fake:` sinks, and the sink."""

    down: bool = False
    delivered: list[str] = field(factory=list)
    schemes: frozenset[str] = frozenset({"fake"})

    async def open(self) -> None:
        await checkpoint()

    async def aclose(self) -> None:
        await checkpoint()

    def check(self, address: str, policy: DeliveryPolicy) -> None:
        """Any address will do."""

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
        self, bus: str, subscription: str, session: Session, *, now: float, limit: int
    ) -> list[Waiting]:
        if self.router is None:
            await self._clock.sleep(5.0)
        else:
            for stored in await self.router.subscriptions():
                if stored.id != subscription:
                    await self.router.unsubscribe(stored.id)
        return await super().claim_waiting(bus, subscription, session, now=now, limit=limit)


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
