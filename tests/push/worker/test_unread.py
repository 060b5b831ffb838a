"""Events that can no longer be read: each becomes a dead letter, and the others are delivered."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from eventroute.clock import SystemClock
from eventroute.errors import DamagedEvent, Retry
from eventroute.router import Router
from eventroute.storage.base import Record
from eventroute.storage.memory import MemoryStorage
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.testing.clock import VirtualClock
from tests.pushing import Sink, events, idle, settle, to

pytestmark = pytest.mark.anyio


class DamagedStorage(MemoryStorage):
    """Finds the events at these offsets to be damaged."""

    damaged: frozenset[int] = frozenset()

    async def read(self, bus: str, start: int, end: int, *, limit: int, max_bytes: int) -> list[Record]:
        records = await super().read(bus, start, end, limit=limit, max_bytes=max_bytes)
        places = [place for place, record in enumerate(records) if record.offset in self.damaged]
        if places[:1] == [0]:
            raise DamagedEvent("memory", bus, records[0].offset, "a bit was flipped")
        return records[: places[0]] if places else records


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def storage(clock: VirtualClock) -> DamagedStorage:
    return DamagedStorage(clock=clock)


async def test_each_who_may_have_missed_a_damaged_event_gets_a_dead_letter(
    clock: VirtualClock, storage: DamagedStorage, caplog: pytest.LogCaptureFixture
) -> None:
    shop, none = Sink(clock), Sink(clock)
    async with Router(storage, clock=clock) as router:
        await router.publish(*events(*range(1, 6)))
        storage.damaged = frozenset({3, 5})
        await router.subscribe(to(shop, "shop", start="earliest"))
        await router.subscribe(to(none, "none", filters=[{"exact": {"type": "other"}}], start="earliest"))
        await router.subscribe(to(none, "later"))
        assert await idle(router, clock) == 0
        assert [(one.subscription, one.offset, one.reason, one.attempts) for one in await router.deadletters()] == [
            ("none", 3, "damaged", 0),
            ("none", 5, "damaged", 0),
            ("shop", 3, "damaged", 0),
            ("shop", 5, "damaged", 0),
        ]
        assert await router.redrive() == 0  # there is nothing to send
        await router.publish(*events(6))
        assert await idle(router, clock) == 0
    assert shop.got == ["1", "2", "4", "6"]
    assert none.got == ["6"]
    assert caplog.text.count("the event 3 is passed over, with a dead letter for each of 1 subscriptions") == 2


async def test_a_damaged_event_that_waits_for_a_retry_becomes_a_dead_letter(
    clock: VirtualClock, storage: DamagedStorage
) -> None:
    sink = Sink(clock, *[Retry("busy", after=60.0)] * 3)
    async with Router(storage, clock=clock) as router:
        await router.subscribe(to(sink))
        await router.publish(*events(1, 2, 3))
        await settle(clock)
        assert [one.waiting for one in await router.stats()] == [3]
        storage.damaged = frozenset({1, 2})
        assert await idle(router, clock) == 0
        letters = await router.deadletters()
        assert [(one.offset, one.reason, one.error, one.attempts) for one in letters] == [
            (1, "damaged", "a bit was flipped", 1),
            (2, "damaged", "a bit was flipped", 1),
        ]
        assert [one.waiting for one in await router.stats()] == [0]
    assert sink.got == ["3"]


async def test_what_is_held_is_counted_and_aged_across_damage(clock: VirtualClock, storage: DamagedStorage) -> None:
    async with Router(storage, clock=clock) as router:
        await router.subscribe(to(Sink(clock)))
        await router.pause("s")
        await router.publish(*events(1, 2, 3))
        storage.damaged = frozenset({1, 2})
        clock.jump(60)
        assert await router.idle() == 3
        assert [one.behind_seconds for one in await router.stats()] == [pytest.approx(60)]
        storage.damaged = frozenset({1, 2, 3})
        assert await router.idle() == 3
        assert [one.behind_seconds for one in await router.stats()] == [0.0]


async def test_a_byte_that_is_flipped_in_a_file_costs_one_event(tmp_path: Path) -> None:
    sink = Sink(SystemClock())
    async with Router(SQLiteStorage(tmp_path / "events.db")) as router:
        await router.publish(*events(1, 2, 3))
        with closing(sqlite3.connect(tmp_path / "events.db", isolation_level=None)) as disk:
            disk.execute("UPDATE event SET event = CAST(replace(event, '/shop', '/shoq') AS BLOB) WHERE key % 256 = 2")
        with pytest.raises(DamagedEvent, match=r"event 2 .* is damaged: it is not what was written"):
            await router.read(start=2)
        await router.subscribe(to(sink, start="earliest"))
        assert await router.idle() == 0
        assert [(one.offset, one.reason) for one in await router.deadletters()] == [(2, "damaged")]
    assert sink.got == ["1", "3"]
