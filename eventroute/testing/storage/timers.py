"""What a storage promises of delayed events; a part of `StorageContract`."""

from __future__ import annotations

import itertools

import anyio
import pytest
from anyio.lowlevel import checkpoint

from eventroute.errors import UnknownBus
from eventroute.storage.base import BusSettings, Delayed, Fired, Storage, Timer
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.log import BUS, LogContract, put, read_all

__all__ = ["TimersContract"]

_serial = itertools.count()


class TimersContract(LogContract):
    """Events that are accepted now and appended when they are due."""

    async def test_a_delayed_event_comes_once_where_duplicates_are_told(self, storage: Storage) -> None:
        await storage.update_bus(BUS, BusSettings(dedup=60.0))
        twice = [Delayed(5.0, b"a", b"A"), Delayed(6.0, b"a again", b"A"), Delayed(7.0, b"b", b"B")]
        for append_id in ("1", "1", "2"):  # again after a lost answer, then from somebody else
            assert await storage.append(BUS, [], append_id=append_id, delayed=twice) == ()
        assert [timer.event for timer in await storage.timers(BUS)] == [b"a", b"b"]
        assert (await storage.fire_timers(BUS, now=6.0, limit=9)).count == 1
        # Now it is in the log: neither at once nor delayed does it come a second time.
        [offset] = await storage.append(BUS, [b"a"], append_id="3", delayed=twice[:1], identities=[b"A"])
        assert (await storage.read(BUS, 1, 1_000, limit=9, max_bytes=999))[0].offset == offset
        assert [timer.event for timer in await storage.timers(BUS)] == [b"b"]
        # What comes at once while it is delayed is not appended again when its time has come.
        await storage.append(BUS, [b"b at once"], append_id="4", identities=[b"B"])
        assert (await storage.fire_timers(BUS, now=9.0, limit=9)).count == 1
        assert await storage.count_timers(BUS) == 0
        assert [record.event for record in await read_all(storage)] == [b"a", b"b at once"]

    async def test_a_delayed_event_that_was_taken_back_can_come_again(self, storage: Storage) -> None:
        await storage.update_bus(BUS, BusSettings(dedup=60.0))
        for number in range(2):
            await storage.append(BUS, [], append_id=str(number), delayed=[Delayed(5.0, b"a", b"A")])
            [timer] = await storage.timers(BUS)
            assert await storage.cancel_timer(BUS, timer.id)

    async def test_delayed_events_are_all_kept_where_duplicates_are_not_told(self, storage: Storage) -> None:
        for number in range(2):
            await storage.append(BUS, [], append_id=str(number), delayed=[Delayed(5.0, b"a", b"A")] * 2)
        assert (await storage.fire_timers(BUS, now=9.0, limit=9)).count == 4
        assert len(await read_all(storage)) == 4

    async def test_a_delayed_event_is_kept_and_not_in_the_log(self, storage: Storage) -> None:
        assert await storage.next_timer(BUS) is None
        assert await storage.count_timers(BUS) == 0
        assert await delay(storage, (20.0, b"late"), (10.5, b"\x00soon")) == ()
        assert await read_all(storage) == []
        assert await listed(storage) == [(10.5, b"\x00soon"), (20.0, b"late")]
        assert await storage.next_timer(BUS) == 10.5
        assert await storage.count_timers(BUS) == 2

    async def test_a_mixed_batch_is_one(self, storage: Storage) -> None:
        batch = [Delayed(10.0, b"late"), Delayed(5.0, b"later than the others")]
        offsets = await storage.append(BUS, [b"1", b"2"], append_id="a", delayed=batch)
        for _ in range(2):
            assert [record.offset for record in await read_all(storage)] == list(offsets)
            assert await storage.count_timers(BUS) == 2
            assert await storage.append(BUS, [b"1", b"2"], append_id="a", delayed=batch) == offsets
        assert await fire_all(storage, 100.0) == [b"1", b"2", b"later than the others", b"late"]
        assert await storage.append(BUS, [b"1", b"2"], append_id="a", delayed=batch) == offsets
        assert await storage.count_timers(BUS) == 0

    async def test_a_repeat_of_a_batch_of_none_but_delayed_does_nothing(self, storage: Storage) -> None:
        for _ in range(3):
            assert await storage.append(BUS, [], append_id="a", delayed=[Delayed(1.0, b"1")]) == ()
        assert await fire_all(storage, 9.0) == [b"1"]
        assert await storage.append(BUS, [], append_id="a", delayed=[Delayed(1.0, b"1")]) == ()
        assert await storage.next_timer(BUS) is None

    async def test_timers_fire_when_due_and_never_before(self, storage: Storage) -> None:
        await delay(storage, (30.0, b"3"), (10.0, b"1"), (20.0, b"2"))
        assert await storage.fire_timers(BUS, now=9.999, limit=10) == Fired(0, 10.0)
        assert await fire_all(storage, 10.0) == [b"1"]
        assert await storage.next_timer(BUS) == 20.0
        assert await fire_all(storage, 29.9) == [b"1", b"2"]
        assert await listed(storage) == [(30.0, b"3")]
        assert await fire_all(storage, 30.0) == [b"1", b"2", b"3"]
        assert await storage.fire_timers(BUS, now=1e9, limit=10) == Fired(0, None)

    async def test_what_is_due_together_keeps_the_order_in_which_it_was_put(self, storage: Storage) -> None:
        for number in range(20):
            await delay(storage, (float(number % 3), b"%d" % number), (1.0, b"again %d" % number))
        wanted = [event for _, event in await listed(storage)]
        assert wanted[:7] == [b"0", b"3", b"6", b"9", b"12", b"15", b"18"]
        assert wanted[7:10] == [b"again 0", b"1", b"again 1"]
        assert await fire_all(storage, 5.0, limit=7) == wanted

    async def test_no_more_are_fired_than_asked_for(self, storage: Storage) -> None:
        await delay(storage, *((1.0, b"%d" % number) for number in range(10)))
        fired = await storage.fire_timers(BUS, now=1.0, limit=4)
        assert 1 <= fired.count <= 4
        assert fired.next_due == 1.0
        assert len(await read_all(storage)) == fired.count
        assert await storage.count_timers(BUS) == 10 - fired.count

    async def test_large_events_fire_too(self, storage: Storage) -> None:
        events = [bytes([number]) * 700_000 for number in range(5)]
        await delay(storage, *((1.0, event) for event in events))
        assert await fire_all(storage, 1.0) == events

    async def test_a_fired_event_is_an_ordinary_one(self, storage: Storage, clock: VirtualClock) -> None:
        await put(storage, b"1")
        await delay(storage, (5.0, b"2"))
        clock.jump(50.0)
        end = (await storage.bounds(BUS)).end
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: storage.watch(BUS, end=end, version=0, timeout=1e6))
            for _ in range(5):
                await checkpoint()
            assert await fire_all(storage, 5.0) == [b"1", b"2"]
        first, second = await read_all(storage)
        assert second.offset > first.offset
        assert second.time == pytest.approx(clock.time(), abs=2e-6)

    async def test_any_distance_will_do(self, storage: Storage) -> None:
        far = 253_402_300_799.0  # the end of the year 9999
        await delay(storage, (far, b"far"), (-62_135_596_800.0, b"long past"))
        assert await fire_all(storage, 4e9) == [b"long past"]
        assert await storage.next_timer(BUS) == far
        assert await fire_all(storage, far) == [b"long past", b"far"]

    async def test_buses_have_timers_of_their_own(self, storage: Storage) -> None:
        await storage.create_bus("other")
        await delay(storage, (1.0, b"here"))
        await delay(storage, (2.0, b"there"), bus="other")
        assert await listed(storage) == [(1.0, b"here")]
        (timer,) = await storage.timers("other")
        assert await storage.next_timer("other") == timer.due == 2.0
        assert not await storage.cancel_timer(BUS, timer.id)
        assert await fire_all(storage, 9.0) == [b"here"]
        assert await read_all(storage, "other") == []
        assert await storage.count_timers("other") == 1

    async def test_a_cancelled_timer_never_fires(self, storage: Storage) -> None:
        await delay(storage, (1.0, b"1"), (2.0, b"2"), (1.0, b"3"))
        timers = await storage.timers(BUS)
        assert len({timer.id for timer in timers}) == 3
        assert await storage.cancel_timer(BUS, timers[1].id)
        for unknown in (timers[1].id, "", "0", "no such timer", "9" * 40, "²"):
            assert not await storage.cancel_timer(BUS, unknown)
        assert await fire_all(storage, 9.0) == [b"1", b"2"]
        assert not await storage.cancel_timer(BUS, timers[0].id)

    async def test_ids_are_never_used_twice(self, storage: Storage) -> None:
        ids = []
        for _ in range(5):
            await delay(storage, (1.0, b"1"))
            ids += [timer.id for timer in await storage.timers(BUS)]
            await fire_all(storage, 2.0)
        assert len(set(ids)) == len(ids) == 5

    async def test_timers_are_listed_by_page(self, storage: Storage) -> None:
        await delay(storage, *((float(number % 4), b"%d" % number) for number in range(11)))
        everything = await storage.timers(BUS)
        pages: list[Timer] = []
        after: tuple[float, str] | None = None
        while page := await storage.timers(BUS, after=after, limit=3):
            pages += page
            after = (page[-1].due, page[-1].id)
        assert pages == everything
        assert len(pages) == 11

    async def test_a_refused_append_leaves_no_timer(self, storage: Storage) -> None:
        with pytest.raises(UnknownBus):
            await delay(storage, (1.0, b"1"), bus="later")
        await storage.create_bus("later")
        assert await storage.count_timers("later") == 0

    async def test_a_cancelled_append_makes_timers_and_events_or_neither(self, storage: Storage) -> None:
        for pause in range(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(mixed, storage)
                for _ in range(pause):
                    await checkpoint()
                tasks.cancel_scope.cancel()
        await put(storage, b"end")
        assert await storage.count_timers(BUS) == len(await read_all(storage)) - 1

    async def test_each_timer_fires_once_whoever_fires(self, storage: Storage, clock: VirtualClock) -> None:
        other = self.make_storage(clock) if self.persistent else storage
        await delay(storage, *((1.0, b"%d" % number) for number in range(60)))

        async def fire(by: Storage) -> None:
            while (await by.fire_timers(BUS, now=1.0, limit=7)).count:
                await checkpoint()

        async with other, anyio.create_task_group() as tasks:
            for number in range(6):
                tasks.start_soon(fire, (storage, other)[number % 2])
        assert [record.event for record in await read_all(storage)] == [b"%d" % number for number in range(60)]

    async def test_timers_outlive_the_storage(self, clock: VirtualClock) -> None:
        if not self.persistent:
            pytest.skip("this storage goes with its object")
        async with self.make_storage(clock) as storage:
            await delay(storage, (2.0, b"2"), (1.0, b"1"))
            await fire_all(storage, 1.0)
            timers = await storage.timers(BUS)
        async with self.make_storage(clock) as storage:
            assert await storage.timers(BUS) == timers
            assert await fire_all(storage, 2.0) == [b"1", b"2"]


async def delay(storage: Storage, *timers: tuple[float, bytes], bus: str = BUS) -> tuple[int, ...]:
    """Make timers, in one append of its own."""
    delayed = [Delayed(due, event) for due, event in timers]
    return await storage.append(bus, [], append_id=f"delay-{next(_serial)}", delayed=delayed)


async def mixed(storage: Storage) -> None:
    """Append one event and one delayed one."""
    await storage.append(BUS, [b"1"], append_id=f"mixed-{next(_serial)}", delayed=[Delayed(9.0, b"2")])


async def listed(storage: Storage) -> list[tuple[float, bytes]]:
    """When each timer is due, and its event."""
    return [(timer.due, timer.event) for timer in await storage.timers(BUS)]


async def fire_all(storage: Storage, now: float, *, limit: int = 100) -> list[bytes]:
    """Fire all that is due; the events of the log then."""
    while (await storage.fire_timers(BUS, now=now, limit=limit)).count:
        pass
    return [record.event for record in await read_all(storage)]
