"""Order by key, through routers: one process or several on one storage, failures, stuck keys, takeovers."""

from __future__ import annotations

from collections import defaultdict
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest
from attrs import define, field

from eventroute.errors import InvalidSubscription, Reject, Retry
from eventroute.event import Event
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.backoff import Backoff
from eventroute.router import Router
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock
from tests.pushing import idle

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@define(eq=False)
class Receiver:
    """Watches over what it gets: of a key one event at a time. `script` tells what becomes of an event, try by try."""

    clock: VirtualClock
    seconds: float = 0.0
    script: dict[str, list[Exception]] = field(factory=dict)
    began: list[str] = field(factory=list)
    got: list[str] = field(factory=list)
    most: int = 0
    by: dict[str, str] = field(factory=dict)
    _now: dict[str | None, str] = field(factory=dict)

    def sink(self, process: str = "") -> Any:
        async def take(event: Event) -> None:
            key = event.subject
            assert key is None or key not in self._now, f"{event.id} beside {self._now[key]}"
            self._now[key] = event.id
            self.most = max(self.most, len(self._now))
            self.began.append(event.id)
            self.by[event.id] = process
            try:
                if self.seconds:
                    await self.clock.sleep(self.seconds)
                if self.script.get(event.id):
                    raise self.script[event.id].pop(0)
                self.got.append(event.id)
            finally:
                self._now.pop(key, None)

        return take

    def by_key(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for name in self.got:
            found[name[0]].append(int(name[1:]))
        return found


def events(*names: str) -> list[Event]:
    """Events whose key is the first letter of their name; `-` for none."""
    return [Event.create(id=name, type="t", source="/s", subject=None if name[0] == "-" else name[0]) for name in names]


def ordered(**more: Any) -> DeliveryPolicy:
    return DeliveryPolicy(order_by="subject", backoff=Backoff(first=1.0, limit=1.0), **more)


async def subscribed(router: Router, receiver: Receiver, policy: DeliveryPolicy, process: str = "") -> None:
    await router.subscribe(Subscription(id="s", sink=receiver.sink(process), policy=policy))


async def test_events_of_one_key_go_one_at_a_time_and_in_order(clock: VirtualClock) -> None:
    receiver = Receiver(clock, seconds=0.02)
    names = [f"{key}{number}" for number in range(30) for key in "abcd"]
    async with Router(MemoryStorage(clock), clock=clock) as router:
        await subscribed(router, receiver, ordered())
        await router.publish(*events(*names))
        assert await idle(router, clock) == 0
    assert receiver.by_key() == {key: list(range(30)) for key in "abcd"}
    assert receiver.most == 4
    assert sorted(receiver.began) == sorted(names)


async def test_a_failing_event_holds_its_key_only(clock: VirtualClock) -> None:
    receiver = Receiver(clock, script={"a1": [Retry("busy", after=1.0), Retry("busy", after=1.0)]})
    async with Router(MemoryStorage(clock), clock=clock) as router:
        await subscribed(router, receiver, ordered())
        await router.publish(*events("a1", "b1", "a2", "b2", "-1"))
        await clock.advance(0.3)
        await router.publish(*events("a3", "b3"))
        await clock.advance(0.3)
        assert sorted(receiver.got) == ["-1", "b1", "b2", "b3"]
        assert await idle(router, clock) == 0
    assert receiver.by_key()["a"] == [1, 2, 3]
    assert receiver.began.count("a1") == 3
    assert receiver.began.count("a2") == 1


async def test_a_dead_letter_lets_its_key_go_on(clock: VirtualClock) -> None:
    receiver = Receiver(clock, script={"a1": [Reject("no")]})
    async with Router(MemoryStorage(clock), clock=clock) as router:
        await subscribed(router, receiver, ordered())
        await router.publish(*events("a1", "a2"))
        assert await idle(router, clock) == 0
        assert receiver.got == ["a2"]
        assert await router.redrive() == 1
        assert await idle(router, clock) == 0
    assert receiver.got == ["a2", "a1"]


async def test_a_dead_letter_may_hold_its_key(clock: VirtualClock) -> None:
    receiver = Receiver(clock, script={"a1": [Reject("no"), Reject("no")], "b1": [Reject("no")]})
    async with Router(MemoryStorage(clock), clock=clock) as router:
        await subscribed(router, receiver, ordered(when_stuck="hold"))
        await router.publish(*events("a1", "b1", "c1", "a2", "b2", "c2"))
        assert await idle(router, clock) == 4
        assert [(one.letter.offset, one.behind) for one in await router.held_keys("s")] == [(1, 1), (2, 1)]
        [stats] = await router.stats()
        assert (stats.waiting, stats.stuck, stats.dead_letters) == (4, 4, 2)
        assert receiver.got == ["c1", "c2"]
        await router.publish(*events("a3"))
        assert await idle(router, clock) == 5
        assert await router.purge(subscription="s", offset=2) == 1
        assert await idle(router, clock) == 3
        assert await router.redrive(offset=1) == 1
        assert await idle(router, clock) == 3
        assert receiver.began.count("a1") == 2
        assert await router.redrive(offset=1) == 1
        assert await idle(router, clock) == 0
    assert receiver.got == ["c1", "c2", "b2", "a1", "a2", "a3"]


async def test_a_stuck_key_fills_its_rows_and_reading_stops(clock: VirtualClock) -> None:
    receiver = Receiver(clock, script={"a0": [Reject("no")]})
    storage = MemoryStorage(clock)
    async with Router(storage, clock=clock) as router:
        await subscribed(router, receiver, ordered(when_stuck="hold", max_waiting=10))
        await router.publish(*events(*[f"a{number}" for number in range(40)], "b1"))
        assert await idle(router, clock) == 41
        [summary] = await storage.waiting("default")
        assert 10 <= summary.count <= 20
        assert summary.stuck == summary.count
        assert await router.purge() == 1
        assert await idle(router, clock) == 0
    assert receiver.by_key() == {"a": list(range(1, 40)), "b": [1]}


async def test_a_key_goes_on_once_the_bound_has_taken_away_the_letter_that_held_it(clock: VirtualClock) -> None:
    receiver = Receiver(clock, script={"a1": [Reject("no")]})
    async with Router(MemoryStorage(clock), clock=clock) as router:
        await router.update_bus("default", dead_letter_age=100)
        await subscribed(router, receiver, ordered(when_stuck="hold"))
        await router.publish(*events("a1", "a2", "a3"))
        await clock.advance(90)
        assert receiver.got == []
        await clock.advance(20)
        assert receiver.got == ["a2", "a3"]
        assert await router.held_keys("s") == []
        assert (await router.describe_bus()).dead_letters_dropped == 1


async def test_order_holds_within_a_replay_and_within_what_is_new(clock: VirtualClock) -> None:
    receiver = Receiver(clock, seconds=0.01)
    old, new = [[f"{key}{number}" for number in numbers for key in "abc"] for numbers in (range(20), range(20, 40))]
    async with Router(MemoryStorage(clock), clock=clock) as router:
        await subscribed(router, receiver, ordered())
        await router.publish(*events(*old))
        assert await idle(router, clock) == 0
        receiver.got.clear()
        receiver.script = {"a3": [Retry("busy", after=2)], "b21": [Retry("busy", after=1)], "c7": [Reject("no")]}
        await router.replay("s")
        await router.publish(*events(*new[:30]))
        await clock.advance(0.1)
        await router.publish(*events(*new[30:]))
        assert await idle(router, clock) == 0
    for key, numbers in receiver.by_key().items():
        again = [number for number in numbers if number < 20]
        assert again == [number for number in range(20) if (key, number) != ("c", 7)]
        assert [number for number in numbers if number >= 20] == list(range(20, 40))


@pytest.mark.parametrize("processes", [2, 4])
async def test_processes_share_the_work_at_once_and_keep_the_order(clock: VirtualClock, processes: int) -> None:
    receiver = Receiver(clock, seconds=0.05)
    storage = MemoryStorage(clock)
    names = [f"{key}{number}" for number in range(20) for key in "abcdefgh"]
    async with AsyncExitStack() as stack:
        routers = [await stack.enter_async_context(Router(storage, clock=clock)) for _ in range(processes)]
        for process, router in enumerate(routers):
            await subscribed(router, receiver, ordered(concurrency=1), f"p{process}")
        await clock.advance(1.0)
        await routers[0].publish(*events(*names))
        began = clock.monotonic()
        assert await idle(routers[0], clock) == 0
        took = clock.monotonic() - began
    assert receiver.by_key() == {key: list(range(20)) for key in "abcdefgh"}
    assert len(receiver.began) == len(names)
    shares = [sum(process == f"p{number}" for process in receiver.by.values()) for number in range(processes)]
    assert min(shares) > 0.7 * len(names) / processes, shares
    assert took < len(names) * 0.05 / processes + 0.3


async def test_who_takes_over_goes_on_with_the_oldest(clock: VirtualClock) -> None:
    receiver = Receiver(clock, script={"a1": [Retry("busy")]})
    storage = MemoryStorage(clock)
    hung = anyio.Event()

    async def hang(event: Event) -> None:
        receiver.began.append(event.id)
        if event.id == "b1":
            await hung.wait()
        await receiver.sink()(event)

    async with anyio.create_task_group() as tasks, Router(storage, clock=clock, grace=1.0) as first:
        await first.subscribe(Subscription(id="s", sink=hang, policy=ordered()))
        await first.publish(*events("a1", "b1", "a2", "b2"))
        await clock.advance(0.3)
        tasks.start_soon(clock.advance, 3.0)
    assert not first.clean
    async with Router(storage, clock=clock) as second:
        await subscribed(second, receiver, ordered())
        await second.publish(*events("a3", "b3"))
        assert await idle(second, clock) == 0
    assert receiver.by_key() == {"a": [1, 2, 3], "b": [1, 2, 3]}


async def test_order_by_has_to_name_a_field() -> None:
    for wrong in ("", "data.items[*]", "Not a field", "$.subject"):
        with pytest.raises(InvalidSubscription, match="order_by"):
            DeliveryPolicy(order_by=wrong)
    with pytest.raises(InvalidSubscription, match="when_stuck"):
        DeliveryPolicy(when_stuck="hold")
    with pytest.raises(InvalidSubscription, match=r"config\.when_stuck"):
        DeliveryPolicy.from_dict({"order_by": "subject", "when_stuck": "wait"})
