"""Copying a bus: what is refused, what a copy that was cut short leaves, and that routers go on."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import evolve

import eventroute
from eventroute.clock import SystemClock
from eventroute.copying.bus import copy_bus, copy_buses
from eventroute.copying.places import BEING_COPIED
from eventroute.errors import (
    InvalidConfiguration,
    LeaseLost,
    StorageConflict,
    StorageError,
    UnknownBus,
    UnknownSubscription,
)
from eventroute.storage.base import (
    STUCK,
    BreakerState,
    Bury,
    BusSettings,
    Complete,
    DeadLetter,
    Delayed,
    Entry,
    Forward,
    Retention,
    Storage,
    Trip,
    Wait,
    Waiting,
)
from eventroute.storage.memory import MemoryStorage
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.testing.clock import VirtualClock
from eventroute.testing.faults import FaultyStorage
from eventroute.testing.storage.ledger import take
from eventroute.testing.storage.log import put
from tests.copying.draining import BUS, drained, waiting
from tests.pushing import Sink, events, settle, to

pytestmark = pytest.mark.anyio

copy = partial(copy_bus, patience=0)
TTL = 1e6
SETTINGS = BusSettings(retention=Retention(max_age=60.0), dedup=1e6, dead_letter_limit=100)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


async def fill(storage: Storage, *, trimmed: int = 3) -> None:
    """Something of everything."""
    await storage.update_bus(BUS, SETTINGS)
    first, *_ = await put(storage, *[b"%d" % number for number in range(trimmed + 20)])
    if trimmed:
        await storage.trim(BUS, first + trimmed, limit=100)
    first += trimmed
    session = await storage.open_session(TTL)
    await storage.put_subscription(BUS, "gone", b"gone", start="latest")
    await storage.write(BUS, session, [Bury(letter("gone", 1))])
    await storage.remove_subscription("gone")
    await storage.put_subscription(BUS, "a", b"old", start="latest")
    own = (await storage.put_subscription(BUS, "b", b"b", start="earliest", apart=True)).reader
    await storage.put_subscription(BUS, "c", b"c", start="earliest")
    await storage.pause_subscription("c", "because")
    await put(storage, *[b"later %d" % number for number in range(9)])
    await take(storage, session, limit=first + 17)
    claims = [await take(storage, session, limit=2, reader=own) for _ in range(4)]
    await storage.put_subscription(BUS, "a", b"new", start="latest")
    await storage.start_replay("a", start=first + 2, end=first + 6)
    entries: list[Entry] = [
        Complete(claims[1]),
        Complete(claims[3]),
        Wait(Waiting("b", 1, 5.0, 2, 1.0, "busy", b"trimmed"), held=True),
        Wait(Waiting("b", first + 3, 6.0, 1, 2.0, "busy", key=7), held=False),
        Wait(Waiting("b", first + 4, 4.0, key=7), held=False),
        Bury(letter("b", first + 5), 9),
        Bury(evolve(letter("c", first), forward=Forward(5.0, 1, "no"))),
        Trip(BreakerState("b", 3, 4.0, 5.0, 1, 6.0)),
    ]
    await storage.write(BUS, session, entries)
    delayed = [Delayed(1e9 + due, b"due %d" % due) for due in (5, 3, 4)]
    await storage.append(BUS, [], append_id="delayed", delayed=delayed)
    await storage.close_session(session)


def letter(subscription: str, offset: int) -> DeadLetter:
    return DeadLetter(subscription, offset, 12.5, "reason", "error", 3, b"dead %d" % offset)


async def test_all_of_it_is_there(clock: VirtualClock, tmp_path: Path) -> None:
    source, target = MemoryStorage(clock), SQLiteStorage(tmp_path / "target.db", clock=clock)
    async with source, target:
        await fill(source)
        copied = await copy(source, target)
        assert (copied.events, copied.subscriptions, copied.waiting, copied.dead_letters, copied.timers) == (
            *((await source.describe_bus(BUS)).events, 3, 4, 3, 3),
        )
        assert (await target.describe_bus(BUS)).settings == SETTINGS
        stored = {each.id: each for each in (await target.changes(BUS, 0)).subscriptions}
        assert {name: each.paused for name, each in stored.items()} == {"a": None, "b": None, "c": "because"}
        assert stored["c"].paused_at == (await source.subscription("c")).paused_at
        assert stored["a"].reader.startswith("a@")  # something of its own is left to do
        assert await drained(target) == await drained(source)


async def test_one_that_has_caught_up_shares_the_live_reader_at_once(clock: VirtualClock) -> None:
    source, target = MemoryStorage(clock), MemoryStorage(clock)
    async with source, target:
        await put(source, b"1")
        await source.put_subscription(BUS, "s", b"d", start="latest")
        session = await source.open_session(TTL)
        await source.write(BUS, session, [Complete(await take(source, session, limit=9))])
        await source.close_session(session)
        await copy(source, target)
        assert (await target.subscription("s")).reader == "live"
        assert len(await target.readers(BUS)) == 1


async def test_offsets_stay_what_they_were_in_a_storage_that_can(clock: VirtualClock) -> None:
    source, target = MemoryStorage(clock), MemoryStorage(clock)
    async with source, target:
        await source.create_bus("gone")
        await put(source, *[b"1"] * 40, bus="gone")
        await source.delete_bus("gone")
        await source.create_bus("b")
        (offset,) = await put(source, b"1", bus="b")
        await copy(source, target, bus="b")
        assert (await target.bounds("b")).first == offset == 41


async def test_offsets_are_mapped_where_they_differ(clock: VirtualClock) -> None:
    """A bus of the target begins beyond all that a deleted one had."""
    source, target = MemoryStorage(clock), MemoryStorage(clock)
    async with source, target:
        await target.create_bus("gone")
        await put(target, *[b"1"] * 100, bus="gone")
        await target.delete_bus("gone")
        await target.delete_bus(BUS)
        await fill(source)
        await copy(source, target)
        moved = (await target.bounds(BUS)).first - (await source.bounds(BUS)).first
        assert moved == 97
        ours, theirs = await drained(source), await drained(target)
        assert [evolve(one, offset=one.offset + moved) for one in ours["waiting"]] == theirs["waiting"]
        assert {(name, offset + moved, *rest) for name, offset, *rest in ours["read"]} == {*theirs["read"]}
        assert ours["redriven"] == theirs["redriven"]


async def test_every_bus(clock: VirtualClock) -> None:
    source, target = MemoryStorage(clock), MemoryStorage(clock)
    async with source, target:
        await source.create_bus("audit", BusSettings(dedup=5.0))
        await put(source, b"1", bus="audit")
        copied = await copy_buses(source, target, patience=0)
        assert [(one.bus, one.events) for one in copied] == [("audit", 1), ("default", 0)]
        assert await target.buses() == ("audit", "default")
        with pytest.raises(UnknownBus):
            await copy(source, target, bus="no")


async def test_duplicates_are_told_in_the_copy_too(clock: VirtualClock) -> None:
    source, target = MemoryStorage(clock), MemoryStorage(clock)
    event = eventroute.Event.create(type="t", source="/s", id="1", data={})
    due = {"deliverafter": (datetime.now(UTC) + timedelta(days=9)).isoformat().replace("+00:00", "Z")}
    later = eventroute.Event.create(type="t", source="/s", id="2", data={}, extensions=due)
    async with eventroute.Router(source, push=False) as router:
        await router.update_bus("default", dedup=600.0)
        offsets = await router.publish(event)
        await router.publish(later)
    await copy(source, target)  # both are closed: what they hold stays
    async with eventroute.Router(target, push=False) as router:
        assert await router.publish(event) == offsets
        await router.publish(later)
        assert await router.count_timers() == 1


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("busy", ["source", "target"])
async def test_nobody_may_work_on_either(clock: VirtualClock, busy: str) -> None:
    storages = {"source": MemoryStorage(clock), "target": MemoryStorage(clock)}
    async with storages["source"], storages["target"]:
        await storages[busy].open_session(10.0)
        with pytest.raises(StorageConflict, match=f"works on the {busy}, under 1 living sessions: stop every router"):
            await copy(storages["source"], storages["target"])
        await clock.advance(11.0)
        await copy(storages["source"], storages["target"])


async def test_one_storage_is_not_two(clock: VirtualClock, tmp_path: Path) -> None:
    source = SQLiteStorage(tmp_path / "events.db", clock=clock)
    for target in (source, SQLiteStorage(tmp_path / "events.db", clock=clock)):
        async with source:
            with pytest.raises(InvalidConfiguration, match="the same storage"):
                await copy(source, target)


async def test_what_is_there_already_is_not_touched(clock: VirtualClock) -> None:
    async def other_events(target: Storage) -> None:
        await put(target, b"another")

    async def another_time(target: Storage) -> None:
        clock.jump(1.0)
        await put(target, b"0")

    async def subscription(target: Storage) -> None:
        await target.put_subscription(BUS, "mine", b"d", start="latest")

    async def delayed(target: Storage) -> None:
        await target.append(BUS, [], append_id="1", delayed=[Delayed(1e9, b"1")])

    for change in (other_events, another_time, subscription, delayed):
        source, target = MemoryStorage(clock), MemoryStorage(clock)
        async with source, target:
            await put(source, b"0")
            await source.put_subscription(BUS, "s", b"d", start="latest")
            await change(target)
            before = await target.describe_bus(BUS)
            with pytest.raises(StorageConflict, match="delete it there"):
                await copy(source, target)
            assert await target.describe_bus(BUS) == before


async def test_a_second_copy_finds_all_done(clock: VirtualClock) -> None:
    source, target = MemoryStorage(clock), MemoryStorage(clock)
    async with source, target:
        await fill(source)
        first = await copy(source, target)
        version = (await target.changes(BUS, 0)).version
        assert await copy(source, target) == first
        assert (await target.changes(BUS, 0)).version == version
        await put(target, b"gone on")
        with pytest.raises(StorageConflict, match="it has events that the source has not"):
            await copy(source, target)
        await put(source, b"gone on, too")
        with pytest.raises(StorageConflict, match="another one there"):
            await copy(source, target)
        await target.remove_subscription("a")
        with pytest.raises(StorageConflict, match="not the subscriptions of the source"):
            await copy(source, target)


async def test_what_is_published_meanwhile_is_told(clock: VirtualClock) -> None:
    source, target = MemoryStorage(clock), MemoryStorage(clock)
    async with source, target:
        await fill(source)
        late: list[Awaitable[Any]] = [put(source, b"late")]

        class Late(FaultyStorage):
            async def _pass_on(self, call: str, act: Callable[[], Awaitable[Any]]) -> Any:
                if call == "place_subscription" and late:
                    await late.pop()
                return await super()._pass_on(call, act)

        with pytest.raises(StorageConflict, match="changed while it was copied"):
            await copy(source, Late.around(target))
        assert {one.paused for one in (await target.changes(BUS, 0)).subscriptions} == {BEING_COPIED}
        await copy(source, target)
        assert await drained(target) == await drained(source)


async def test_a_copy_that_was_resumed_by_hand_is_not_gone_on_with(clock: VirtualClock) -> None:
    source, target = MemoryStorage(clock), MemoryStorage(clock)
    async with source, target:
        await fill(source)
        faulty = FaultyStorage.around(target)
        faulty.fail("update_bus", "slow", "before")
        faulty.delay = 0
        with pytest.raises(StorageError):
            await copy(source, faulty)
        await target.resume_subscription("a")
        with pytest.raises(StorageConflict, match="'a' was resumed"):
            await copy(source, target)


@pytest.mark.parametrize("call", ["place_subscription", "write", "import_events", "append"])
async def test_a_comparison_that_fails_is_told(clock: VirtualClock, call: str) -> None:
    """A target that says yes and does nothing, once. The first import only says where the log begins."""
    source, target = MemoryStorage(clock), MemoryStorage(clock)
    async with source, target:
        await fill(source)
        called: list[str] = []

        class Liar(FaultyStorage):
            async def _pass_on(self, name: str, act: Callable[[], Awaitable[Any]]) -> Any:
                called.append(name)
                if name == call and called.count(name) == (2 if name == "import_events" else 1):
                    return None
                return await super()._pass_on(name, act)

        with pytest.raises((StorageError, UnknownSubscription)) as caught:
            await copy(source, Liar.around(target))
        assert not isinstance(caught.value, LeaseLost)
        for stored in (await target.changes(BUS, 0)).subscriptions:
            assert stored.paused == BEING_COPIED


# -- what is cut short ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_it_goes_on_after_an_end_at_any_call(clock: VirtualClock, fault: Any) -> None:
    """Each call to the target is the last one of a copy; the next goes on, and is the same as one in one go."""
    place, ended = 0, True
    while ended:
        source, target = MemoryStorage(clock), MemoryStorage(clock)
        async with source, target:
            await fill(source)
            ended = await _cut_short(source, target, clock, fault, {place})
            await clock.advance(10.0)  # the lease of what was cut short
            await copy(source, target)
            assert await drained(target) == await drained(source)
        place += 1
    assert place > 40


async def test_it_goes_on_after_many_ends(clock: VirtualClock) -> None:
    for seed in range(20):
        source, target = MemoryStorage(clock), MemoryStorage(clock)
        async with source, target:
            await fill(source, trimmed=seed % 4)
            ends = {seed * 3 % 29 + 1, seed * 7 % 53 + 30}
            while ends and await _cut_short(source, target, clock, "after" if seed % 2 else "before", ends):
                await clock.advance(10.0)
                ends = {max(ends)} - {min(ends)} if len(ends) > 1 else set()
            await clock.advance(10.0)
            await copy(source, target)
            assert await drained(target) == await drained(source)


async def _cut_short(source: Storage, target: Storage, clock: VirtualClock, fault: Any, places: set[int]) -> bool:
    """Whether it was."""
    calls: list[str] = []

    def draw(call: str) -> Any:
        if call in ("open", "aclose"):
            return None
        calls.append(call)
        return fault if len(calls) - 1 in places or len(calls) - 1 > max(places) else None

    try:
        await copy(source, FaultyStorage(target, clock, 0.0, draw))  # type: ignore[abstract]
    except StorageError:
        return True
    return False


async def test_a_copy_that_is_not_complete_delivers_nothing(clock: VirtualClock) -> None:
    for place in range(10, 60, 3):
        source, target = MemoryStorage(clock), MemoryStorage(clock)
        async with source, target:
            await fill(source)
            if not await _cut_short(source, target, clock, "before", {place}):
                break
            await clock.advance(10.0)
            if (await target.describe_bus(BUS)).settings == SETTINGS:
                continue
            session = await target.open_session(TTL)
            for reader in await target.readers(BUS):
                assert await target.claim(BUS, reader.name, session, limit=100) is None
            for name in ("a", "b", "c"):
                assert await target.claim_waiting(BUS, name, session, now=1e12, limit=9) == []
    assert STUCK > 1e12


# -- routers -------------------------------------------------------------------------------------------------------


async def test_routers_go_on_in_the_copy(tmp_path: Path) -> None:
    """What was delivered is not delivered again; what failed is tried on, with its attempts."""
    clock = VirtualClock(time.time() - 100.0)  # what waits there is due by the clock of the machine
    source, target = MemoryStorage(clock), SQLiteStorage(tmp_path / "target.db")
    policy = eventroute.DeliveryPolicy(backoff=eventroute.Backoff(first=60.0))
    before, after = Sink(clock, RuntimeError("busy")), Sink(SystemClock())
    async with eventroute.Router(source, clock=clock) as router:
        await router.subscribe(to(before, policy=policy))
        await router.publish(*events(1, 2, 3, 4))
        await settle(clock, 0.0)
        assert len(before.got) == 3
    async with source:
        (row,) = await waiting(source, "s")
        assert (row.attempts, row.first_attempt is None) == (1, False)
    async with eventroute.Router(source, push=False, clock=clock) as router:
        await router.publish(*events(5))
    await copy(source, target)
    async with eventroute.Router(target) as router:
        await router.subscribe(to(after, policy=policy))
        with anyio.fail_after(60):
            assert await router.idle() == 0
        (stats,) = await router.stats()
        assert stats.waiting == 0
    assert sorted(before.got + after.got) == ["1", "2", "3", "4", "5"]
    assert len(after.attempts) == 2
