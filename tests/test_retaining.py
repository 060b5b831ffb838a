"""Retention by a router: what goes when, what stays for whom, and what is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventroute.errors import Reject, StorageError
from eventroute.hooks import DeadLettersDropped, EventsLost, Happening, Hooks
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.backoff import Backoff
from eventroute.retaining import LOOK_EVERY, STEP, Retaining
from eventroute.router import Router
from eventroute.storage.base import Bury, DeadLetter, Retention, Storage, Trimmed
from eventroute.storage.memory import MemoryStorage
from eventroute.storage.retention import DAY
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock
from tests.pushing import Sink, events, idle, settle, to

pytestmark = pytest.mark.anyio

BUS = "default"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture(params=["memory", "sqlite"])
def storage(request: pytest.FixtureRequest, clock: VirtualClock, tmp_path: Path) -> Storage:
    if request.param == "memory":
        return MemoryStorage(clock=clock)
    return SQLiteStorage(tmp_path / "events.db", clock=clock)


async def left(storage: Storage) -> list[int]:
    bounds = await storage.bounds(BUS)
    return list(range(bounds.first, bounds.end))


async def retain(storage: Storage, clock: VirtualClock) -> None:
    """Take steps until there is nothing more to do."""
    steps = Retaining(storage, BUS, clock)
    while await steps.step():
        pass


async def test_events_go_after_three_days(storage: Storage, clock: VirtualClock) -> None:
    async with Router(storage, clock=clock, push=False) as router:
        await router.publish(*events("a", "b"))
        clock.jump(2 * DAY)
        await router.publish(*events("c"))
        await retain(storage, clock)
        assert await left(storage) == [1, 2, 3]
        clock.jump(1.1 * DAY)
        await retain(storage, clock)
        assert await left(storage) == [3]
        clock.jump(2 * DAY)
        await retain(storage, clock)
        assert await left(storage) == []
        assert await router.publish(*events("d")) == [4]


async def test_events_go_beyond_a_number_or_a_size(storage: Storage, clock: VirtualClock) -> None:
    async with Router(storage, clock=clock, push=False) as router:
        await router.publish(*events(*range(3 * STEP)))
        await router.update_bus(BUS, retention=Retention(max_events=100))
        await retain(storage, clock)
        assert len(await left(storage)) == 100
        info = await router.describe_bus()
        await router.update_bus(BUS, retention=Retention(max_bytes=info.size // 2))
        await retain(storage, clock)
        assert len(await left(storage)) == pytest.approx(50, abs=2)
        assert (await router.describe_bus()).size <= info.size // 2


async def test_what_is_settled_goes_where_that_is_asked_for(storage: Storage, clock: VirtualClock) -> None:
    async with Router(storage, clock=clock, push=False) as router:
        await router.update_bus(BUS, retention=Retention(until_settled=True))
        await router.publish(*events("a"))
        await retain(storage, clock)
        assert await left(storage) == [1]  # nobody has asked for it yet
        await router.subscribe(to(Sink(clock), start="earliest"))
        await router.publish(*events("b"))
        await retain(storage, clock)
        assert await left(storage) == [1, 2]


async def test_a_router_takes_away_what_was_delivered_and_is_old(clock: VirtualClock) -> None:
    storage = MemoryStorage(clock=clock)
    sink = Sink(clock)
    async with Router(storage, clock=clock) as router:
        await router.update_bus(BUS, retention=Retention(max_age=100.0))
        await router.subscribe(to(sink))
        await router.publish(*events(*range(2 * STEP)))
        assert await idle(router, clock) == 0
        await settle(clock, 90.0)
        assert len(await left(storage)) == 2 * STEP
        await router.pause("s")
        await router.publish(*events("kept"))
        await settle(clock, 2 * LOOK_EVERY + 10)
        assert len(await left(storage)) == 1
        await settle(clock, 1_000.0)
        assert len(await left(storage)) == 1
        await router.resume("s")
        assert await idle(router, clock) == 0
        await settle(clock, 2 * LOOK_EVERY)
        assert await left(storage) == []
    assert sink.got[-1] == "kept"
    assert len(sink.got) == 2 * STEP + 1


async def test_hard_retention_says_what_was_lost(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    storage = MemoryStorage(clock=clock)
    sink = Sink(clock)
    told: list[Happening] = []
    async with Router(storage, clock=clock, hooks=[told.append]) as router:
        await router.update_bus(BUS, retention=Retention(max_age=100.0, hard=True))
        await router.subscribe(to(sink))
        await router.pause("s")
        await router.publish(*events(*range(STEP + 7)))
        await settle(clock, 100.0 + 2 * LOOK_EVERY)
        info = await router.describe_bus()
        assert [(lost.subscription, lost.events) for lost in info.lost] == [("s", STEP + 7)]
        assert info.events == 0
        lost = [happening for happening in told if isinstance(happening, EventsLost)]
        assert lost == [EventsLost(BUS, "s", count) for count in (STEP, 7)]
        assert caplog.text.count(f"took {STEP + 7} events away that the subscription s had not read") == 1
        await router.resume("s")
        await router.publish(*events("later"))
        assert await idle(router, clock) == 0
    assert sink.got == ["later"]


async def test_a_delivery_that_waits_outlives_hard_retention(clock: VirtualClock) -> None:
    storage = MemoryStorage(clock=clock)
    sink = Sink(clock, *[ValueError("no")] * 12)
    async with Router(storage, clock=clock) as router:
        await router.update_bus(BUS, retention=Retention(max_age=1.0, hard=True))
        await router.subscribe(to(sink, policy=DeliveryPolicy(backoff=Backoff(limit=10))))
        await router.publish(*events("a"))
        await settle(clock, 60.0)
        assert await left(storage) == []
        assert await idle(router, clock) == 0
    assert sink.got == ["a"]
    assert len(sink.attempts) == 13


async def test_two_routers_do_not_fight(clock: VirtualClock, tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with (
        Router(SQLiteStorage(path, clock=clock), clock=clock, push=False) as one,
        Router(SQLiteStorage(path, clock=clock), clock=clock, push=False) as two,
    ):
        await one.update_bus(BUS, retention=Retention(max_events=10))
        await one.publish(*events(*range(2_000)))
        async with anyio.create_task_group() as tasks:
            for router in (one, two):
                tasks.start_soon(retain, router.storage, clock)
        assert len(await left(one.storage)) == 10


async def test_a_window_that_shrinks_is_said_once(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    storage = MemoryStorage(clock=clock)
    async with Router(storage, clock=clock) as router:
        await router.update_bus(BUS, dedup=600, dedup_limit=2)
        await router.publish(*events("a", "b"))
        await settle(clock, 3 * LOOK_EVERY)
        assert caplog.text.count("it remembers 2 identities, its dedup_limit") == 1
        await router.update_bus(BUS, dedup_limit=100)
        await settle(clock, 2 * LOOK_EVERY)
        await router.update_bus(BUS, dedup_limit=2)
        await settle(clock, 2 * LOOK_EVERY)
        assert caplog.text.count("it remembers 2 identities, its dedup_limit") == 2


class Failing(MemoryStorage):
    failures = 3

    async def trim(self, *arguments: Any, **more: Any) -> Trimmed:
        if self.failures:
            self.failures -= 1
            raise StorageError("for a while")
        return await super().trim(*arguments, **more)


async def test_a_storage_that_fails_is_waited_for(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    storage = Failing(clock=clock)
    async with Router(storage, clock=clock) as router:
        await router.update_bus(BUS, retention=Retention(max_events=1))
        await router.publish(*events("a", "b"))
        await settle(clock, 5 * LOOK_EVERY)
        assert await left(storage) == [2]
    assert caplog.text.count("retention has to wait, since the storage failed: for a while") == 3


@pytest.mark.parametrize(
    "end", [lambda storage: storage.delete_bus(BUS), lambda storage: storage.aclose()], ids=["deleted", "closed"]
)
async def test_it_ends_with_its_bus_or_storage(clock: VirtualClock, end: Callable[[Storage], Any]) -> None:
    storage = MemoryStorage(clock=clock)
    await storage.open()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Retaining(storage, BUS, clock).run)
            await settle(clock)
            await end(storage)
            await settle(clock, 2 * LOOK_EVERY)


# -- dead letters ------------------------------------------------------------------------------------------------------


async def give_up(storage: Storage, *times: float) -> None:
    session = await storage.open_session(60)
    letters = [DeadLetter("s", offset, time, "gone", "", 1, b"{}") for offset, time in enumerate(times, 1)]
    await storage.write(BUS, session, [Bury(each) for each in letters])
    await storage.close_session(session)


async def test_dead_letters_go_after_thirty_days_and_are_counted(
    storage: Storage, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Happening] = []
    async with Router(storage, clock=clock, push=False) as router:
        await router.subscribe(Subscription(id="s", sink="bus:other"))
        await give_up(storage, *[clock.time()] * (STEP + 5), clock.time() + DAY)
        clock.jump(30 * DAY)
        await retain(storage, clock)
        assert await router.count_deadletters() == {("s", "gone"): STEP + 6}
        clock.jump(1.0)
        steps = Retaining(storage, BUS, clock, Hooks([told.append]))
        assert [await steps.step() for _ in range(3)] == [True, True, False]
        assert told == [DeadLettersDropped(BUS, "s", count, "age") for count in (STEP, 5)]
        info = await router.describe_bus()
        assert (info.dead_letters, info.dead_letters_dropped) == (1, STEP + 5)
        assert [each.dead_letters_dropped for each in await router.stats()] == [STEP + 5]
    assert caplog.text.count(f"its bound took {STEP + 5} dead letters of the subscription s away") == 1


async def test_of_too_many_dead_letters_the_oldest_go(storage: Storage, clock: VirtualClock) -> None:
    async with Router(storage, clock=clock, push=False) as router:
        await router.subscribe(Subscription(id="s", sink="bus:other"))
        await router.update_bus(BUS, dead_letter_limit=2, dead_letter_age=None)
        await give_up(storage, 4.0, 1.0, 3.0, 2.0)
        await retain(storage, clock)
        assert [each.offset for each in await router.deadletters()] == [1, 3]
        await router.update_bus(BUS, dead_letter_limit=None)
        await give_up(storage, *[1.0] * 9)
        await retain(storage, clock)
        assert len(await router.deadletters()) == 9


async def test_nothing_is_written_where_nothing_has_to_go(clock: VirtualClock) -> None:
    class Watched(MemoryStorage):
        async def drop_dead_letters(self, *arguments: Any, **more: Any) -> Any:
            raise AssertionError("there is nothing to drop")

    async with Watched(clock) as storage:
        await storage.put_subscription(BUS, "s", b"{}", start="latest")
        await give_up(storage, clock.time(), clock.time())
        await retain(storage, clock)


async def test_a_router_drops_dead_letters_and_tells(clock: VirtualClock) -> None:
    told: list[Happening] = []
    async with Router(MemoryStorage(clock), clock=clock, hooks=[told.append]) as router:
        await router.update_bus(BUS, dead_letter_age=10.0)
        await router.subscribe(to(Sink(clock, Reject("no"))))
        await router.publish(*events("a"))
        await settle(clock, 9.0)
        assert len(await router.deadletters()) == 1
        await settle(clock, 2 * LOOK_EVERY)
        assert await router.deadletters() == []
    assert DeadLettersDropped(BUS, "s", 1, "age") in told
