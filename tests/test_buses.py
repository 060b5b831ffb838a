"""Buses by a router: making, setting, deleting them, and reading what they hold."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from eventroute.buses import LoggedEvent
from eventroute.errors import (
    BusExists,
    DamagedEvent,
    InvalidConfiguration,
    InvalidSubscription,
    OffsetTrimmed,
    StorageClosed,
    StorageConflict,
    StorageFull,
    UnknownBus,
)
from eventroute.event import Event
from eventroute.router import Router
from eventroute.storage.base import BusSettings, Retention
from eventroute.storage.memory import MemoryStorage
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.log import put
from tests.pushing import Sink, events, idle, settle, to

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


@pytest.fixture
async def log(storage: MemoryStorage, clock: VirtualClock) -> AsyncIterator[Router]:
    """A router that pushes nothing, so that nothing but the tests moves."""
    async with Router(storage, clock=clock, push=False) as router:
        yield router


# -- making and setting --------------------------------------------------------------------------------------------


async def test_a_bus_has_the_settings_it_was_made_with(log: Router) -> None:
    month = Retention(max_age=30 * 86_400.0)
    await log.create_bus("audit", retention=month, dedup=600)
    await log.create_bus("plain")
    assert (await log.describe_bus("audit")).settings == BusSettings(retention=month, dedup=600)
    assert (await log.describe_bus("plain")).settings == (await log.describe_bus()).settings == BusSettings()
    await log.create_bus("audit")
    await log.create_bus("audit", retention=month, dedup=600)
    with pytest.raises(BusExists, match="'audit' exists already, with other settings"):
        await log.create_bus("audit", retention=month)


async def test_settings_are_changed_one_by_one(log: Router) -> None:
    await log.create_bus("audit", dedup=600, max_bytes=1_000)
    assert await log.update_bus("audit", dedup=None) == BusSettings(max_bytes=1_000)
    await log.update_bus("audit", retention=Retention(max_events=5), max_bytes=None)
    assert (await log.describe_bus("audit")).settings == BusSettings(retention=Retention(max_events=5))


async def test_what_cannot_be_set_is_refused(log: Router) -> None:
    with pytest.raises(InvalidSubscription):
        await log.create_bus("")
    with pytest.raises(InvalidConfiguration, match="dedup: must be more than 0"):
        await log.create_bus("audit", dedup=-1)
    with pytest.raises(InvalidConfiguration, match="max_bytes"):
        await log.update_bus("default", max_bytes=0)
    with pytest.raises(UnknownBus):
        await log.update_bus("audit", dedup=1)
    assert await log.buses() == ("default",)


async def test_a_closed_router_refuses(router: Router) -> None:
    for call in (
        lambda: router.create_bus("b"),
        lambda: router.update_bus("b"),
        router.describe_bus,
        lambda: router.delete_bus("b"),
        router.read,
        lambda: router.offset_at(datetime.now(UTC)),
    ):
        with pytest.raises(StorageClosed):
            await call()
    with pytest.raises(StorageClosed):
        await anext(router.events())


# -- duplicates and being full -------------------------------------------------------------------------------------


async def test_what_was_published_before_is_not_stored_again(log: Router) -> None:
    await log.create_bus("audit", dedup=600)
    first = await log.publish(*events("a", "b"), bus="audit")
    assert await log.publish(*events("b", "c", "a"), bus="audit") == [first[1], 3, first[0]]
    elsewhere = Event.create(type="order", source="/another", id="a")
    assert await log.publish(elsewhere, bus="audit") == [4]
    assert [logged.event.id for logged in await log.read("audit")] == ["a", "b", "c", "a"]
    assert len({*await log.publish(*events("a")), *await log.publish(*events("a"))}) == 2


async def test_a_full_bus_refuses_and_names_who_holds_it(log: Router, clock: VirtualClock) -> None:
    await log.create_bus("audit", max_bytes=1_000)
    await log.subscribe(to(Sink(clock), "slow", bus="audit"))
    await log.publish(*events("a"), bus="audit")
    with pytest.raises(StorageFull, match=r"max_bytes of the bus 'audit'.*'slow' holds the log") as caught:
        await log.publish(*events(*range(20)), bus="audit")
    assert len(await log.read("audit")) == 1
    assert (caught.value.bus, caught.value.subscription) == ("audit", "slow")


# -- deleting ------------------------------------------------------------------------------------------------------


async def test_a_bus_with_subscriptions_is_deleted_only_when_asked(router: Router, clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with router:
        await router.create_bus("audit")
        await router.subscribe(to(sink, bus="audit"))
        await router.publish(*events("a"), bus="audit")
        assert await idle(router, clock) == 0
        with pytest.raises(StorageConflict):
            await router.delete_bus("audit")
        await router.delete_bus("audit", subscriptions=True)
        assert await router.buses() == ("default",)
        assert await router.subscriptions() == []
        with pytest.raises(UnknownBus):
            await router.publish(*events("b"), bus="audit")
        await settle(clock, 5.0)
        await router.create_bus("audit")
        await router.subscribe(to(sink, bus="audit"))
        await router.publish(*events("c"), bus="audit")
        assert await idle(router, clock) == 0
    assert sink.got == ["a", "c"]
    assert router.clean


async def test_a_bus_that_another_deletes_is_let_go_of(
    router: Router, storage: MemoryStorage, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    sink = Sink(clock, 1e6)
    async with router:
        await router.create_bus("audit")
        await router.subscribe(to(sink, bus="audit"))
        await router.subscribe(to(sink, "t"))
        await router.publish(*events("a"), bus="audit")
        await settle(clock)
        await storage.delete_bus("audit", subscriptions=True)
        await settle(clock, 10.0)
        assert "bus audit was deleted" in caplog.text
        await router.publish(*events("b"))
        assert await idle(router, clock) == 0
        await storage.create_bus("audit")
        await settle(clock, 2.0)
        await router.subscribe(to(sink, bus="audit"))
        await router.publish(*events("c"), bus="audit")
        assert await idle(router, clock) == 0
    assert sink.got == ["b", "c"]


async def test_a_bus_may_go_at_any_moment(router: Router, storage: MemoryStorage, clock: VirtualClock) -> None:
    """And come again: what is pushed is what was published to it since."""
    sink = Sink(clock)
    async with router:
        for number in range(20):
            await router.create_bus("audit")
            await router.subscribe(to(sink, f"s{number}", bus="audit"))
            await router.publish(*events(*range(number)), bus="audit")
            await settle(clock, number * 0.01)
            await storage.delete_bus("audit", subscriptions=True)
        await router.create_bus("audit")
        await router.subscribe(to(sink, bus="audit"))
        await settle(clock, 10.0)
        await router.publish(*events("last"), bus="audit")
        assert await idle(router, clock) == 0
    assert sink.got[-1] == "last"


# -- reading -------------------------------------------------------------------------------------------------------


async def three(log: Router, clock: VirtualClock) -> list[datetime]:
    """Three events, ten seconds apart; their times."""
    times = []
    for name in "abc":
        times.append(datetime.fromtimestamp(clock.time(), UTC))
        await log.publish(*events(name))
        clock.jump(10.0)
    return times


async def ids(found: AsyncIterator[LoggedEvent]) -> list[str]:
    return [logged.event.id async for logged in found]


async def test_the_log_is_read_by_offset_and_by_time(log: Router, clock: VirtualClock) -> None:
    times = await three(log, clock)
    page = await log.read()
    assert [(logged.offset, logged.event.id) for logged in page] == [(1, "a"), (2, "b"), (3, "c")]
    assert [abs(logged.time - time) < timedelta(milliseconds=1) for logged, time in zip(page, times, strict=True)]
    assert [logged.event.id for logged in await log.read(start=2)] == ["b", "c"]
    assert [logged.event.id for logged in await log.read(start=times[1])] == ["b", "c"]
    assert [logged.event.id for logged in await log.read(limit=2)] == ["a", "b"]
    assert await log.read(start="latest") == await log.read(start=4) == []
    assert await log.offset_at(times[2]) == 3
    assert await log.offset_at(times[2] + timedelta(seconds=1)) == 4


async def test_events_are_read_one_by_one(log: Router, clock: VirtualClock) -> None:
    times = await three(log, clock)
    assert await ids(log.events()) == ["a", "b", "c"]
    assert await ids(log.events(start=2)) == ["b", "c"]
    assert await ids(log.events(end=3)) == ["a", "b"]
    assert await ids(log.events(start=times[1], end=times[2])) == ["b"]
    assert await ids(log.events(start=0, end=100)) == ["a", "b", "c"]
    assert await ids(log.events(start="latest")) == []
    assert await ids(log.events(start=3, end=2)) == []


async def test_many_events_are_read_by_pages(log: Router) -> None:
    await log.publish(*events(*range(1_234)))
    assert await ids(log.events()) == [str(number) for number in range(1_234)]


async def test_what_is_no_event_is_told_by_its_offset(log: Router) -> None:
    await log.publish(*events("a"))
    await put(log.storage, b'{"specversion": "1.0"}')
    await log.publish(*events("c"))
    assert [logged.event.id for logged in await log.read()] == ["a"]
    with pytest.raises(
        DamagedEvent, match="the event 2 of the bus 'default' is damaged: it is no CloudEvent: "
    ) as read:
        await log.read(start=2)
    assert (read.value.bus, read.value.offset) == ("default", 2)
    found = log.events()
    assert (await anext(found)).event.id == "a"
    with pytest.raises(DamagedEvent, match="read on from offset 3"):
        await anext(found)
    assert await ids(log.events(start=3)) == ["c"]


async def test_a_log_is_followed_as_it_grows(log: Router, clock: VirtualClock) -> None:
    await log.publish(*events("a"))
    got: list[str] = []

    async def follow() -> None:
        async for logged in log.events(follow=True, end=4):
            got.append(logged.event.id)  # noqa: PERF401 - it may take its time

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            for name in "bc":
                await settle(clock, 30.0)
                await log.publish(*events(name))
    assert got == ["a", "b", "c"]


async def test_following_ends_at_a_time(log: Router, clock: VirtualClock) -> None:
    end = datetime.fromtimestamp(clock.time() + 60, UTC)
    got: list[str] = []

    async def follow() -> None:
        got.extend(await ids(log.events(start="latest", follow=True, end=end)))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            await settle(clock, 1.0)
            await log.publish(*events("a"))
            await settle(clock, 70.0)
    assert got == ["a"]


async def test_what_retention_has_taken_away_is_not_passed_over(
    log: Router, storage: MemoryStorage, clock: VirtualClock
) -> None:
    times = await three(log, clock)
    reading = log.events()
    assert (await anext(reading)).event.id == "a"
    await storage.trim("default", 3, limit=10)
    for start in (1, 2):
        with pytest.raises(OffsetTrimmed, match=rf"no longer has the event at offset {start}: it begins at") as caught:
            await log.read(start=start)
        assert caught.value.first == 3
    assert [logged.event.id for logged in await log.read()] == ["c"]
    assert [logged.event.id for logged in await log.read(start=times[0])] == ["c"]
    await storage.trim("default", 4, limit=10)
    with pytest.raises(OffsetTrimmed):
        await log.read(start=3)
    assert await log.read(start=4) == []
    with pytest.raises(OffsetTrimmed, match="offset 4: it begins at offset 5"):
        await _overtaken(log, storage)
    await reading.aclose()


async def _overtaken(log: Router, storage: MemoryStorage) -> None:
    """Retention overtakes who follows."""
    async with aclosing(log.events(start=4, follow=True)) as found:
        async with anyio.create_task_group() as tasks:
            await log.publish(*events("d", "e"))
            await storage.trim("default", 5, limit=10)
            tasks.cancel_scope.cancel()
        await anext(found)


async def test_a_place_that_is_none_is_refused(log: Router) -> None:
    with pytest.raises(ValueError, match="start is 'earliest', 'latest', an offset or a time, not 'first'"):
        await log.read(start="first")
    with pytest.raises(ValueError, match="has no time zone"):
        await log.read(start=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="has no time zone"):
        await log.offset_at(datetime(2026, 1, 1))  # noqa: DTZ001
