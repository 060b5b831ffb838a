"""What a storage promises of a bus's settings, of deduplication, and of deleting; a part of `StorageContract`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import anyio
import pytest
from anyio.lowlevel import checkpoint

from eventroute.errors import BusExists, StorageConflict, StorageFull, UnknownBus
from eventroute.storage.base import (
    LIVE,
    Bounds,
    Bury,
    BusInfo,
    BusSettings,
    Complete,
    DeadLetter,
    Delayed,
    Retention,
    Storage,
    Wait,
    Waiting,
)
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.log import BUS, LogContract, put, read_all

__all__ = ["BusesContract"]

OTHER = BusSettings(
    retention=Retention(max_age=None, max_bytes=1_000, max_events=7, until_settled=True, hard=True),
    dedup=60.0,
    dedup_limit=5,
    max_bytes=2_000,
)


class BusesContract(LogContract):
    """Buses: what is set of them, what is told of them, and how they go."""

    # -- settings --------------------------------------------------------------------------------------------------

    async def test_a_bus_keeps_its_settings(self, storage: Storage) -> None:
        assert (await storage.describe_bus(BUS)).settings == BusSettings()
        await storage.create_bus("other", OTHER)
        assert (await storage.describe_bus("other")).settings == OTHER
        await storage.update_bus("other", BusSettings(dedup=1.5))
        assert (await storage.describe_bus("other")).settings == BusSettings(dedup=1.5)
        assert (await storage.describe_bus(BUS)).settings == BusSettings()

    async def test_a_bus_is_made_again_only_alike(self, storage: Storage) -> None:
        await storage.create_bus("other", OTHER)
        await storage.create_bus("other", OTHER)
        await storage.create_bus("other")
        with pytest.raises(BusExists) as caught:
            await storage.create_bus("other", BusSettings())
        assert caught.value.bus == "other"
        assert (await storage.describe_bus("other")).settings == OTHER

    async def test_settings_outlive_the_storage(self, clock: VirtualClock) -> None:
        if not self.persistent:
            pytest.skip("this storage goes with its object")
        async with self.make_storage(clock) as storage:
            await storage.create_bus("other", OTHER)
            await storage.update_bus(BUS, OTHER)
            await put(storage, b"1", bus="other")
            before = await storage.describe_bus("other", oldest=5)
        async with self.make_storage(clock) as storage:
            assert await storage.describe_bus("other", oldest=5) == before
            assert (await storage.describe_bus(BUS)).settings == OTHER

    async def test_settings_count_in_every_storage_object(self, storage: Storage, clock: VirtualClock) -> None:
        if not self.persistent:
            pytest.skip("this storage goes with its object")
        async with self.make_storage(clock) as other:
            await put(storage, b"1")
            await other.update_bus(BUS, BusSettings(max_bytes=1))
            with pytest.raises(StorageFull):
                await put(storage, b"2")

    # -- describing ------------------------------------------------------------------------------------------------

    async def test_what_is_told_of_a_bus_is_what_there_is(self, storage: Storage, clock: VirtualClock) -> None:
        begin = clock.time()
        await storage.create_bus("other", OTHER)
        bounds = await storage.bounds("other")
        empty = BusInfo(
            name="other",
            settings=OTHER,
            created=pytest.approx(begin, abs=1e-5),  # type: ignore[arg-type]
            bounds=bounds,
            events=0,
            size=0,
            oldest=None,
            newest=None,
            needed=bounds.end,
            held_by=None,
            subscriptions=0,
            remembered=0,
            dedup_window=60.0,
            lost=(),
        )
        assert await storage.describe_bus("other", oldest=3) == empty
        clock.jump(10.0)
        offsets = await put(storage, b"12345", bus="other")
        clock.jump(10.0)
        offsets += await put(storage, b"123", b"", bus="other")
        info = await storage.describe_bus("other", oldest=2)
        records = await read_all(storage, "other")
        assert (info.bounds, info.events, info.size) == (Bounds(offsets[0], offsets[-1] + 1), 3, 8)
        assert (info.oldest, info.newest) == (records[0].time, records[-1].time)
        assert list(info.marks) == [(each.offset, each.time, len(each.event)) for each in records[:2]]
        await storage.put_subscription("other", "s", b"d", start="earliest")
        info = await storage.describe_bus("other")
        assert (info.subscriptions, info.needed, info.held_by, info.marks) == (1, offsets[0], "s", ())

    async def test_nobody_holds_a_log_that_everybody_has_settled(self, storage: Storage) -> None:
        await put(storage, b"1")
        await storage.put_subscription(BUS, "late", b"d", start="latest")
        await storage.put_subscription(BUS, "far", b"d", start=1_000)
        session = await storage.open_session(60.0)
        claim = await storage.claim(BUS, LIVE, session, limit=9)
        assert claim is not None
        await storage.write(BUS, session, [Complete(claim)])
        info = await storage.describe_bus(BUS)
        assert (info.needed, info.held_by) == (info.bounds.end, None)

    # -- being full ------------------------------------------------------------------------------------------------

    async def test_a_full_bus_takes_nothing_and_says_who_holds_it(self, storage: Storage) -> None:
        await storage.create_bus("other", BusSettings(max_bytes=10))
        await put(storage, b"x" * 6, bus="other")
        with pytest.raises(StorageFull, match="max_bytes of the bus 'other', which is 10") as caught:
            await put(storage, b"x", b"x" * 4, bus="other")
        assert (caught.value.bus, caught.value.subscription) == ("other", None)
        await storage.put_subscription("other", "slow", b"d", start="earliest")
        with pytest.raises(StorageFull, match="the subscription 'slow' holds the log") as caught:
            await put(storage, b"x" * 5, bus="other")
        assert caught.value.subscription == "slow"
        await put(storage, b"x" * 4, bus="other")
        await put(storage, bus="other")
        assert [len(record.event) for record in await read_all(storage, "other")] == [6, 4]
        await put(storage, b"another bus is not full")
        await storage.trim("other", 1 << 40, limit=1, hard=True)
        await put(storage, b"x" * 6, bus="other")
        assert (await storage.describe_bus("other")).size == 10

    async def test_delayed_events_count_for_a_bus_to_be_full(self, storage: Storage) -> None:
        await storage.create_bus("other", BusSettings(max_bytes=10))
        later = [Delayed(1.0, b"x" * 6)]
        assert await storage.append("other", [], append_id="a", delayed=later) == ()
        with pytest.raises(StorageFull, match="which is 10 and has 6 of delayed events in it") as caught:
            await storage.append("other", [], append_id="b", delayed=later)
        assert caught.value.bus == "other"
        with pytest.raises(StorageFull):
            await put(storage, b"x" * 5, bus="other")
        await put(storage, b"x" * 4, bus="other")
        await storage.update_bus("other", BusSettings(max_bytes=1))
        assert (await storage.fire_timers("other", now=2.0, limit=9)).count == 1  # it was accepted
        await storage.update_bus("other", BusSettings(max_bytes=16))
        await storage.append("other", [], append_id="c", delayed=later)
        (timer,) = await storage.timers("other")
        assert await storage.cancel_timer("other", timer.id)
        await put(storage, b"x" * 6, bus="other")
        assert [len(record.event) for record in await read_all(storage, "other")] == [4, 6, 6]

    async def test_a_refused_append_can_be_repeated_once_there_is_room(self, storage: Storage) -> None:
        await storage.update_bus(BUS, BusSettings(max_bytes=1, dedup=60.0))
        with pytest.raises(StorageFull):
            await storage.append(BUS, [b"12"], append_id="a", identities=[b"i"])
        await storage.update_bus(BUS, BusSettings(max_bytes=2, dedup=60.0))
        offsets = await storage.append(BUS, [b"12"], append_id="a", identities=[b"i"])
        assert [record.event for record in await read_all(storage)] == [b"12"]
        assert [record.offset for record in await read_all(storage)] == list(offsets)

    # -- duplicates ------------------------------------------------------------------------------------------------

    async def test_an_identity_seen_before_gives_the_first_offset(self, storage: Storage) -> None:
        await storage.update_bus(BUS, BusSettings(dedup=60.0))
        first = await self._once(storage, b"a", b"b")
        assert await self._once(storage, b"b", b"a", b"b") == (first[1], first[0], first[1])
        mixed = await self._once(storage, b"c", b"a", b"d", b"c")
        assert mixed[1] == first[0]
        assert mixed[0] == mixed[3] < mixed[2]
        assert [record.event for record in await read_all(storage)] == [b"a", b"b", b"c", b"d"]

    async def test_identities_count_only_where_deduplication_is_on(self, storage: Storage) -> None:
        assert len({*await self._once(storage, b"a"), *await self._once(storage, b"a")}) == 2
        await storage.create_bus("other", BusSettings(dedup=60.0))
        assert len({*await put(storage, b"a", bus="other"), *await put(storage, b"a", bus="other")}) == 2
        first = await self._once(storage, b"a", bus="other")
        assert await self._once(storage, b"a", bus="other") == first
        await storage.update_bus("other", BusSettings())
        assert await self._once(storage, b"a", bus="other") != first

    async def test_an_identity_counts_for_the_window_and_no_longer(self, storage: Storage, clock: VirtualClock) -> None:
        await storage.update_bus(BUS, BusSettings(dedup=60.0))
        first = await self._once(storage, b"a")
        for _ in range(2):
            clock.jump(30.0)
            assert await self._once(storage, b"a") == first  # a duplicate does not make it younger
        clock.jump(0.1)
        second = await self._once(storage, b"a")
        assert second > first
        clock.jump(59.0)
        assert await self._once(storage, b"a") == second

    async def test_at_the_bound_the_window_shrinks_and_says_so(self, storage: Storage, clock: VirtualClock) -> None:
        await storage.update_bus(BUS, BusSettings(dedup=600.0, dedup_limit=3))
        offsets: list[int] = []
        for identity in (b"a", b"b", b"c"):
            offsets += await self._once(storage, identity)
            clock.jump(10.0)
        assert await self._once(storage, b"a") == (offsets[0],)
        info = await storage.describe_bus(BUS)
        assert info.remembered == 3
        assert info.dedup_window == pytest.approx(30.0, abs=1e-4)
        await self._once(storage, b"d")
        info = await storage.describe_bus(BUS)
        assert info.remembered == 3
        assert info.dedup_window == pytest.approx(20.0, abs=1e-4)
        assert await self._once(storage, b"b", b"c") == tuple(offsets[1:])
        assert await self._once(storage, b"a") > tuple(offsets)

    async def test_identities_outside_the_window_are_forgotten(self, storage: Storage, clock: VirtualClock) -> None:
        await storage.update_bus(BUS, BusSettings(dedup=60.0))
        await self._once(storage, *[b"%d" % number for number in range(50)])
        clock.jump(61.0)
        assert (await storage.describe_bus(BUS)).remembered == 0
        await storage.trim(BUS, 0, limit=1)
        await self._once(storage, b"0", b"x")
        assert (await storage.describe_bus(BUS)).remembered == 2

    async def test_a_batch_beyond_the_bound_forgets_as_it_goes(self, storage: Storage) -> None:
        await storage.update_bus(BUS, BusSettings(dedup=60.0, dedup_limit=2))
        offsets = await self._once(storage, b"a", b"b", b"c", b"a", b"c")
        assert offsets[4] == offsets[2]
        assert len(set(offsets)) == 4
        assert (await storage.describe_bus(BUS)).remembered == 2

    async def test_a_repeat_gives_the_same_offsets_whatever_is_remembered(
        self, storage: Storage, clock: VirtualClock
    ) -> None:
        await storage.update_bus(BUS, BusSettings(dedup=60.0))
        await self._once(storage, b"a")
        call = ([b"n", b"a", b"m"], [b"n", b"a", b"m"])
        offsets = await storage.append(BUS, call[0], append_id="x", identities=call[1])
        clock.jump(1_000.0)
        assert await storage.append(BUS, call[0], append_id="x", identities=call[1]) == offsets
        await storage.update_bus(BUS, BusSettings())
        assert await storage.append(BUS, call[0], append_id="x", identities=call[1]) == offsets
        assert len(await read_all(storage)) == 3

    async def test_many_who_publish_the_same_store_it_once(self, storage: Storage) -> None:
        await storage.update_bus(BUS, BusSettings(dedup=60.0))
        answers: set[tuple[int, ...]] = set()

        async def publish() -> None:
            answers.add(await self._once(storage, b"a", b"b"))

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(publish)
        assert len(answers) == 1
        assert len(await read_all(storage)) == 2

    async def test_what_was_seen_outlives_the_storage(self, clock: VirtualClock) -> None:
        if not self.persistent:
            pytest.skip("this storage goes with its object")
        async with self.make_storage(clock) as storage:
            await storage.update_bus(BUS, BusSettings(dedup=60.0))
            first = await self._once(storage, b"a", b"b")
            mixed = await storage.append(BUS, [b"c", b"a"], append_id="x", identities=[b"c", b"a"])
        async with self.make_storage(clock) as storage:
            assert await self._once(storage, b"a", b"b") == first
            assert await storage.append(BUS, [b"c", b"a"], append_id="x", identities=[b"c", b"a"]) == mixed

    # -- deleting --------------------------------------------------------------------------------------------------

    async def test_a_deleted_bus_is_gone_with_all_it_had(self, storage: Storage) -> None:
        await self._full_bus(storage)
        await storage.delete_bus("other", subscriptions=True)
        assert await storage.buses() == (BUS,)
        with pytest.raises(UnknownBus):
            await storage.bounds("other")
        with pytest.raises(UnknownBus):
            await storage.delete_bus("other")
        await storage.create_bus("other")
        info = await storage.describe_bus("other")
        assert (info.events, info.size, info.subscriptions, info.settings) == (0, 0, 0, BusSettings())
        assert await storage.dead_letters("other") == []
        assert await storage.waiting("other") == ()
        assert await storage.count_timers("other") == 0
        assert [reader.name for reader in await storage.readers("other")] == [LIVE]
        assert (await storage.put_subscription("other", "s", b"d", start="latest")).revision == 1
        assert len(await read_all(storage)) == 1

    async def test_a_bus_with_subscriptions_is_deleted_only_when_asked(self, storage: Storage) -> None:
        await storage.create_bus("other")
        await storage.put_subscription("other", "s", b"d", start="latest")
        with pytest.raises(StorageConflict, match="has 1 subscriptions, 's' for one"):
            await storage.delete_bus("other")
        assert await storage.buses() == (BUS, "other")
        await storage.remove_subscription("s")
        await storage.delete_bus("other")
        assert await storage.buses() == (BUS,)

    async def test_a_bus_made_again_begins_beyond_the_deleted_one(self, storage: Storage) -> None:
        await self._full_bus(storage)
        end, version = (await storage.bounds("other")).end, (await storage.changes("other", 0)).version
        await storage.delete_bus("other", subscriptions=True)
        await storage.create_bus("other", BusSettings(dedup=60.0))
        bounds = await storage.bounds("other")
        assert bounds.first == bounds.end >= end
        changes = await storage.changes("other", version)
        assert changes.reset
        assert changes.version > version
        assert (await self._once(storage, b"a", bus="other")) >= (end,)
        assert (await self._once(storage, b"a", bus="other")) >= (end,)

    async def test_a_watch_of_a_bus_that_goes_ends(self, storage: Storage) -> None:
        await storage.create_bus("other")

        async def watch() -> None:
            with suppress(UnknownBus):  # where it had not quite begun
                await storage.watch("other", end=100, version=100, timeout=1e6)

        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watch)
                for _ in range(5):
                    await checkpoint()
                await storage.delete_bus("other")
        with pytest.raises(UnknownBus):
            await storage.watch("other", end=100, version=100, timeout=1e6)

    # -- what the tests above begin with ---------------------------------------------------------------------------

    async def _once(self, storage: Storage, *identities: bytes, bus: str = BUS) -> tuple[int, ...]:
        """Append under an id of its own; each event is its identity."""
        self.serial = getattr(self, "serial", 0) + 1
        return await storage.append(bus, identities, append_id=f"once-{self.serial}", identities=identities)

    async def _full_bus(self, storage: Storage) -> Sequence[int]:
        """The bus `other`, with something of everything, beside the default one."""
        await put(storage, b"stays")
        await storage.create_bus("other", BusSettings(dedup=60.0))
        await storage.put_subscription("other", "s", b"d", start="latest")
        offsets = await self._once(storage, *[b"%d" % number for number in range(30)], bus="other")
        await storage.put_subscription("other", "t", b"d", start="earliest")
        session = await storage.open_session(10.0)
        assert await storage.claim("other", LIVE, session, limit=5) is not None
        await storage.append("other", (), append_id="later", delayed=[Delayed(1e12, b"later")])
        letter = DeadLetter("s", offsets[0], 1.0, "reason", "error", 1, b"event")
        await storage.write("other", session, [Bury(letter), Wait(Waiting("s", offsets[1], 0.0), held=True)])
        return offsets
