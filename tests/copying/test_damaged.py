"""A source with events that cannot be read: it is not copied, or without them, and nobody misses one unawares."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventroute.copying.bus import copy_bus, copy_buses
from eventroute.copying.log import NO_EVENT
from eventroute.errors import DamagedEvent, StorageError
from eventroute.router import Router
from eventroute.storage.base import Complete, Record, Wait, Waiting
from eventroute.storage.memory import MemoryStorage
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.ledger import take
from eventroute.testing.storage.log import put, read_all
from tests.copying.draining import BUS
from tests.push.worker.test_unread import DamagedStorage
from tests.pushing import Sink, events, idle, to

pytestmark = pytest.mark.anyio

copy = partial(copy_bus, patience=0, skip_damaged=True)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


async def source_of(clock: VirtualClock, count: int, *damaged: int) -> DamagedStorage:
    source = DamagedStorage(clock=clock)
    async with Router(source, push=False, clock=clock) as router:
        for number in range(1, count + 1):
            await clock.advance(1.0)
            await router.publish(*events(number))
    source.damaged = frozenset(damaged)
    return source


async def sound(source: DamagedStorage) -> list[Record]:
    """What the source would have, were nothing damaged."""
    damaged, source.damaged = source.damaged, frozenset()
    records = await read_all(source)
    source.damaged = damaged
    return records


async def test_it_is_refused(clock: VirtualClock) -> None:
    async with await source_of(clock, 5, 3) as source, MemoryStorage(clock) as target:
        await source.put_subscription(BUS, "s", b"d", start="earliest")
        with pytest.raises(DamagedEvent) as caught:
            await copy_bus(source, target, patience=0)
        assert caught.value.offset == 3
        assert [one.paused for one in (await target.changes(BUS, 0)).subscriptions] in ([], ["being-copied"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 8), lot=st.sets(st.integers(1, 8)), first=st.booleans())
async def test_all_others_are_there_and_where_they_were(
    clock: VirtualClock, count: int, lot: set[int], first: bool
) -> None:
    """Also where a copy that refused them went before."""
    damaged = sorted(offset for offset in lot if offset <= count)
    async with await source_of(clock, count, *damaged) as source, MemoryStorage(clock) as target:
        if first and damaged:
            with pytest.raises(DamagedEvent):
                await copy_bus(source, target, patience=0)
        (copied,) = await copy_buses(source, target, patience=0, skip_damaged=True)
        assert copied.damaged == tuple(damaged)
        assert copied.events == count - len(damaged)
        expected, there = await sound(source), await read_all(target)
        assert [record.offset for record in there] == [record.offset for record in expected]
        for ours, record in zip(expected, there, strict=True):
            assert record.event == (NO_EVENT if ours.offset in damaged else ours.event)
            assert record.time <= ours.time
            assert record.offset in damaged or record.time == ours.time
        assert await copy(source, target) == copied  # it finds all done


async def test_who_had_it_still_before_it_gets_a_dead_letter(clock: VirtualClock) -> None:
    """Whatever the filter, and also where its delivery waits for a retry; who was past it does not."""
    source, target = await source_of(clock, 6, 2, 4), MemoryStorage(clock)
    async with source:
        for name in ("all", "filtered", "past"):
            more = {"filters": [{"exact": {"type": "other"}}]} if name == "filtered" else {}
            async with Router(source, push=False, clock=clock) as router:
                await router.subscribe(to(Sink(clock), name, start="earliest", **more))
        session = await source.open_session(1e6)
        reader = (await source.subscription("past")).reader
        claim = await take(source, session, limit=9, reader=reader)
        waits = Wait(Waiting("past", 4, 0.0, 1, 0.0, "busy"), held=False)
        await source.write(BUS, session, [Complete(claim), waits])
        await source.close_session(session)
        await copy(source, target)
    sinks = {name: Sink(clock) for name in ("all", "filtered", "past")}
    async with Router(target, clock=clock) as router:
        for name, sink in sinks.items():
            more = {"filters": [{"exact": {"type": "other"}}]} if name == "filtered" else {}
            await router.subscribe(to(sink, name, start="earliest", **more))
        assert await idle(router, clock) == 0
        letters = [(one.subscription, one.offset, one.reason) for one in await router.deadletters()]
    assert letters == [
        ("all", 2, "invalid-event"),
        ("all", 4, "invalid-event"),
        ("filtered", 2, "invalid-event"),
        ("filtered", 4, "invalid-event"),
        ("past", 4, "invalid-event"),
    ]
    assert [sinks[name].got for name in sinks] == [["1", "3", "5", "6"], [], []]


async def test_what_is_damaged_between_copying_and_comparing_is_told(clock: VirtualClock) -> None:
    """The target has the event, then, and the source has it no longer."""
    async with await source_of(clock, 4) as source, MemoryStorage(clock) as target:

        def progress(what: str, _done: int, _total: int) -> None:
            if what == "copying events":
                source.damaged = frozenset({2})

        with pytest.raises(StorageError, match="the event at offset 2 is another one there"):
            await copy(source, target, progress=progress)


async def test_what_else_a_storage_raises_stops_it(clock: VirtualClock) -> None:
    async with await source_of(clock, 2) as source, MemoryStorage(clock) as target:
        await put(target, b"another")
        with pytest.raises(StorageError, match="no copy that could be gone on with"):
            await copy(source, target)
