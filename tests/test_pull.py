"""Pulling on virtual time: the consumer asks, and says of each event whether it is done."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from eventroute.errors import InvalidSubscription, UnknownSubscription
from eventroute.push.outcome import Delivered, Outcome
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.backoff import Backoff
from eventroute.push.sinks.pull import PulledEvent
from eventroute.router import Router
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock
from tests.pushing import events, idle, settle, to

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


def pulled(id: str = "s", **policy: Any) -> Subscription:
    return Subscription(id=id, sink="pull:", policy=DeliveryPolicy(**policy))


async def take(router: Router, count: int, *, ack: bool = True, batch: int = 100) -> list[str]:
    """Pull so many events and leave."""
    got: list[str] = []
    async for one in router.pull("s", batch=batch):
        got.append(one.event.id)
        if ack:
            assert await one.ack()
        if len(got) == count:
            break
    return got


async def test_what_is_pulled_and_acknowledged_is_delivered(router: Router, clock: VirtualClock) -> None:
    async with router:
        await router.subscribe(pulled())
        await router.publish(*events(*"abcde"))
        assert await take(router, 5) == list("abcde")
        await settle(clock)  # what was acknowledged last is written down
        assert await idle(router, clock) == 0
        assert await router.deadletters() == []
        await router.publish(*events("f"))
        assert await take(router, 1) == ["f"]
        await settle(clock)  # what was acknowledged last is written down
        assert await idle(router, clock) == 0


async def test_what_is_given_back_was_no_attempt(router: Router, clock: VirtualClock) -> None:
    async with router:
        await router.subscribe(pulled(max_attempts=1))
        await router.publish(*events("a"))
        for _ in range(3):
            assert await take(router, 1, ack=False) == ["a"]
            await settle(clock)
        async for one in router.pull("s"):
            assert await one.nack()
            break
        await settle(clock)
        assert [(letter.reason, letter.attempts) for letter in await router.deadletters()] == [("retries-exhausted", 1)]


async def test_what_nobody_pulls_waits(router: Router, clock: VirtualClock) -> None:
    async with router:
        await router.subscribe(pulled())
        await router.publish(*events(*range(3_000)))
        await settle(clock, 10)
        await settle(clock)  # what was acknowledged last is written down
        assert await idle(router, clock) == 3_000
        got: list[str] = []
        async with anyio.create_task_group() as tasks:

            async def pull() -> None:
                got.extend(await take(router, 3_000))

            tasks.start_soon(pull)
            await clock.advance(30)
        assert sorted(map(int, got)) == list(range(3_000))
        await settle(clock)  # what was acknowledged last is written down
        assert await idle(router, clock) == 0


async def test_no_more_are_in_hand_than_asked_for(router: Router, clock: VirtualClock) -> None:
    async with router:
        await router.subscribe(pulled())
        await router.publish(*events(*range(50)))
        async with router.pull("s", batch=7) as pull:
            hand: list[PulledEvent] = []
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:

                    async def collect() -> None:
                        async for one in pull:
                            hand.append(one)  # noqa: PERF401 - it never ends

                    tasks.start_soon(collect)
                    await settle(clock, 1)
                    assert len(hand) == 7
                    for one in hand[:3]:
                        await one.ack()
                    await settle(clock, 1)
                    assert len(hand) == 10
                    scope.cancel()
        await settle(clock)
        assert sorted(map(int, await take(router, 47))) == list(range(3, 50))


async def test_what_is_not_acknowledged_in_time_comes_again(router: Router, clock: VirtualClock) -> None:
    async with router:
        await router.subscribe(pulled(timeout=10, backoff=Backoff(1, 1)))
        await router.publish(*events("a"))
        async with router.pull("s") as pull:
            first = await anext(pull)
            await clock.advance(9)
            assert first.extend(20)
            await clock.advance(19)
            assert first.extend(5)
            await clock.advance(10)
            assert not first.extend(5)
            assert not await first.ack()
            again = await anext(pull)
            assert again.event.id == "a"
            assert await again.ack()
            assert not await again.ack()
            assert not await again.nack()
            assert not again.extend(5)
        await settle(clock)  # what was acknowledged last is written down
        assert await idle(router, clock) == 0


async def test_nack_brings_it_again_later_and_in_the_end_buries_it(router: Router, clock: VirtualClock) -> None:
    async with router:
        await router.subscribe(pulled(max_attempts=3, backoff=Backoff(1, 1)))
        await router.publish(*events("a"))
        async with router.pull("s") as pull:
            assert await (await anext(pull)).nack(100)
            await clock.advance(99)
            with anyio.move_on_after(0) as scope:
                await anext(pull)
            assert scope.cancelled_caught
            await clock.advance(3)
            assert await (await anext(pull)).nack()
            await clock.advance(3)
            assert await (await anext(pull)).nack()
            await settle(clock)
        [letter] = await router.deadletters()
        assert (letter.reason, letter.attempts, letter.error) == ("retries-exhausted", 3, "nack")


async def test_many_nacks_do_not_stop_the_rest(router: Router, clock: VirtualClock) -> None:
    async with router:
        await router.subscribe(pulled())
        await router.publish(*events(*range(40)))
        async with router.pull("s") as pull:
            for _ in range(30):
                await (await anext(pull)).nack(1_000)
            await settle(clock)
            for _ in range(10):
                assert await (await anext(pull)).ack()


async def test_leaving_the_loop_gives_back_at_once_what_is_in_hand(
    router: Router, storage: MemoryStorage, clock: VirtualClock
) -> None:
    async with router:
        await router.subscribe(pulled(max_attempts=1, backoff=Backoff(1_000, 1_000)))
        await router.publish(*events(*"abc"))
        assert await take(router, 2, ack=False) == ["a", "b"]
        await settle(clock)
        assert sorted(await take(router, 3)) == list("abc")  # an attempt that was given back does not count
        await settle(clock)  # what was acknowledged last is written down
        assert await idle(router, clock) == 0
        assert await router.deadletters() == []


async def test_a_cancelled_consumer_gives_back_too(router: Router, clock: VirtualClock) -> None:
    async with router:
        await router.subscribe(pulled())
        await router.publish(*events(*"ab"))
        with anyio.CancelScope() as scope:
            async for one in router.pull("s"):
                assert one.event.id == "a"
                scope.cancel()
                await anyio.sleep(1_000)
        await settle(clock)
        assert sorted(await take(router, 2)) == ["a", "b"]


async def test_another_process_pulls_what_one_has_left(storage: MemoryStorage, clock: VirtualClock) -> None:
    async with Router(storage, clock=clock) as one, Router(storage, clock=clock) as two:
        await one.subscribe(pulled())
        await one.publish(*events(*range(500)))
        await settle(clock, 1)
        got = await take(one, 20, batch=10)
        async with anyio.create_task_group() as tasks:

            async def pull() -> None:
                got.extend(await take(two, 480))

            tasks.start_soon(pull)
            await clock.advance(60)
        assert sorted(map(int, got)) == list(range(500))
        await settle(clock)  # what was acknowledged last is written down
        assert await idle(two, clock) == 0


async def test_leaving_the_router_gives_back_and_ends_the_pull(storage: MemoryStorage, clock: VirtualClock) -> None:
    async with storage:
        async with Router(storage, clock=clock) as router:
            await router.subscribe(pulled())
            await router.publish(*events(*"ab"))
            pull = router.pull("s")
            assert (await anext(pull)).event.id == "a"
        assert router.clean
        with pytest.raises(StopAsyncIteration):
            await anext(pull)
        async with Router(storage, clock=clock) as again:
            assert sorted(await take(again, 2)) == ["a", "b"]


async def test_a_pull_that_cannot_work_is_refused(storage: MemoryStorage, clock: VirtualClock) -> None:
    async def sink(_event: object) -> None:
        """Takes all."""

    async with Router(storage, clock=clock) as router:
        with pytest.raises(UnknownSubscription):
            await anext(router.pull("s"))
        await router.subscribe(to(sink, "f"))
        with pytest.raises(InvalidSubscription, match="only one that is 'pull:' can be pulled"):
            await anext(router.pull("f"))
        await router.subscribe(pulled())
        with pytest.raises(InvalidSubscription, match="who pulls takes one event at a time"):
            await router.subscribe(pulled(mode="batch"))
        for batch in (0, 1_025, True, "7"):
            with pytest.raises(InvalidSubscription, match="batch"):
                router.pull("s", batch=batch)  # type: ignore[arg-type]
        async with router.pull("s"):
            with pytest.raises(InvalidSubscription, match="this process pulls it already"):
                router.pull("s")
        async with router.pull("s"):
            """Free again."""
    async with Router(storage, clock=clock, push=False) as other:
        with pytest.raises(InvalidSubscription, match="pulling needs a router that pushes"):
            other.pull("s")


def test_the_address_of_what_is_pulled() -> None:
    assert pulled("x").address == "pull:x"
    assert Subscription.from_dict(pulled("x").to_dict()).address == "pull:x"
    with pytest.raises(InvalidSubscription):
        Subscription(id="x", sink="push:")


@pytest.mark.parametrize("said", [True, False])
async def test_what_was_heard_counts_though_the_attempt_is_cut_off_at_that_moment(said: bool) -> None:
    """Found by simulation, seed 508 of the profile pulls."""
    pulled, came = PulledEvent(events("a")[0], lambda seconds: None), list[Outcome]()
    async with anyio.create_task_group() as tasks:
        scope = anyio.CancelScope()

        async def attempt() -> None:
            with scope:
                came.append(await pulled.outcome())

        tasks.start_soon(attempt)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        if said:
            assert pulled.tell(Delivered())
    assert came == ([Delivered()] if said else [])
    assert not pulled.tell(Delivered())
