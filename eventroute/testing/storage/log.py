"""What a storage promises of its lifecycle, its buses and its log; a part of `StorageContract`."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial

import anyio
import pytest
from anyio.lowlevel import checkpoint

from eventroute.errors import StorageClosed, UnknownBus
from eventroute.storage.base import DEFAULT_BUS, Bounds, Record, Storage
from eventroute.testing.clock import VirtualClock

__all__ = ["LogContract"]

BUS = DEFAULT_BUS
_serial = itertools.count()


async def put(storage: Storage, *events: bytes, bus: str = BUS) -> tuple[int, ...]:
    """Append under an id of its own."""
    return await storage.append(bus, events, append_id=f"append-{next(_serial)}")


async def read_all(storage: Storage, bus: str = BUS) -> list[Record]:
    """The whole log, page by page."""
    bounds = await storage.bounds(bus)
    records: list[Record] = []
    start = bounds.first
    while page := await storage.read(bus, start, bounds.end, limit=100, max_bytes=1 << 20):
        records += page
        start = page[-1].offset + 1
    return records


class LogContract:
    """The log, the buses, opening and closing."""

    persistent = False
    """Whether a second storage made in the same test sees what the first one holds."""

    @abstractmethod
    def make_storage(self, clock: VirtualClock) -> Storage:
        """A storage that is not open yet; within one test always at the same place."""

    async def pass_time(self, clock: VirtualClock, seconds: float) -> None:
        """Let time pass for the storage; to be overridden where its leases do not run by the clock handed in."""
        await clock.advance(seconds)

    @pytest.fixture
    def clock(self) -> VirtualClock:
        """The time of the test."""
        return VirtualClock()

    @pytest.fixture
    async def storage(self, clock: VirtualClock, anyio_backend: object) -> AsyncIterator[Storage]:
        """The storage under test, open."""
        async with self.make_storage(clock) as storage:
            yield storage

    # -- lifecycle -------------------------------------------------------------------------------------------------

    async def test_openings_are_counted(self, storage: Storage) -> None:
        async with storage, storage:
            await put(storage, b"{}")
        assert len(await read_all(storage)) == 1

    async def test_a_storage_can_be_opened_again(self, clock: VirtualClock) -> None:
        storage = self.make_storage(clock)
        async with storage:
            offsets = await put(storage, b"1", b"2")
        async with storage:
            assert [record.offset for record in await read_all(storage)] == list(offsets)

    async def test_what_was_accepted_outlives_the_storage(self, clock: VirtualClock) -> None:
        if not self.persistent:
            pytest.skip("this storage goes with its object")
        async with self.make_storage(clock) as storage:
            offsets = await storage.append(BUS, [b"1", b"2"], append_id="a")
            await storage.create_bus("other")
        async with self.make_storage(clock) as storage:
            assert await storage.append(BUS, [b"1", b"2"], append_id="a") == offsets
            assert [record.event for record in await read_all(storage)] == [b"1", b"2"]
            assert await storage.buses() == (DEFAULT_BUS, "other")
            assert (await put(storage, b"3"))[0] > offsets[-1]

    # -- buses -----------------------------------------------------------------------------------------------------

    async def test_buses_are_made_once_and_listed_in_order(self, storage: Storage) -> None:
        for bus in ("z", "a", "ü b/c'\"", "a"):
            await storage.create_bus(bus)
        await put(storage, b"1", bus="a")
        await storage.create_bus("a")
        assert await storage.buses() == tuple(sorted((DEFAULT_BUS, "z", "a", "ü b/c'\"")))
        assert len(await read_all(storage, "a")) == 1

    # -- appending -------------------------------------------------------------------------------------------------

    async def test_offsets_ascend_in_the_order_given(self, storage: Storage) -> None:
        events = [b"%d" % number for number in range(50)]
        offsets = (*await put(storage, *events[:20]), *await put(storage, *events[20:]))
        assert list(offsets) == sorted(set(offsets))
        assert [(record.offset, record.event) for record in await read_all(storage)] == list(
            zip(offsets, events, strict=True)
        )

    async def test_an_event_comes_back_as_it_was(self, storage: Storage) -> None:
        events = [b"", b"\x00", b"\xff\xfe", b'{"a":"\\u00e9,\x1e"}', "é,𝄞".encode(), b"x" * 1_000_000]
        await put(storage, *events)
        bounds = await storage.bounds(BUS)
        records = await storage.read(BUS, bounds.first, bounds.end, limit=10, max_bytes=1 << 30)
        assert [record.event for record in records] == events

    async def test_an_append_of_nothing_gives_no_offset(self, storage: Storage) -> None:
        assert await put(storage) == ()
        assert await read_all(storage) == []

    async def test_a_repeated_append_gives_the_same_offsets(self, storage: Storage) -> None:
        offsets = await storage.append(BUS, [b"1", b"2"], append_id="a")
        later = await storage.append(BUS, [b"3"], append_id="b")
        assert await storage.append(BUS, [b"1", b"2"], append_id="a") == offsets
        assert await storage.append(BUS, [b"3"], append_id="b", acknowledged=["a"]) == later
        assert [record.event for record in await read_all(storage)] == [b"1", b"2", b"3"]

    async def test_many_appends_that_nobody_acknowledged_are_remembered(self, storage: Storage) -> None:
        """A hundred thousand are to be; so many would take a while."""
        told: dict[str, tuple[int, ...]] = {}

        async def publish(publisher: int) -> None:
            for number in range(20):
                append_id = f"{publisher}.{number}"
                told[append_id] = await storage.append(BUS, [b"1"], append_id=append_id)

        async with anyio.create_task_group() as tasks:
            for publisher in range(50):
                tasks.start_soon(publish, publisher)
        for append_id in list(told)[::50]:
            assert await storage.append(BUS, [b"1"], append_id=append_id) == told[append_id]
        assert len(await read_all(storage)) == 1_000

    async def test_an_acknowledged_append_id_is_forgotten(self, storage: Storage) -> None:
        (first,) = await storage.append(BUS, [b"1"], append_id="a")
        await storage.append(BUS, [b"2"], append_id="b", acknowledged=["a", "never was"])
        (again,) = await storage.append(BUS, [b"1"], append_id="a")
        assert again > first
        assert len(await read_all(storage)) == 3

    async def test_a_refused_append_leaves_nothing(self, storage: Storage) -> None:
        with pytest.raises(UnknownBus):
            await storage.append("later", [b"1"], append_id="a")
        await storage.create_bus("later")
        assert await read_all(storage, "later") == []
        await storage.append("later", [b"1"], append_id="a")
        assert len(await read_all(storage, "later")) == 1

    async def test_many_publishers_keep_their_batches_whole(self, storage: Storage) -> None:
        accepted: dict[int, bytes] = {}

        async def publish(name: int) -> None:
            for number in range(4):
                events = [b"%d.%d.%d" % (name, number, part) for part in range(3)]
                accepted.update(zip(await put(storage, *events), events, strict=True))

        async with anyio.create_task_group() as tasks:
            for name in range(50):
                tasks.start_soon(publish, name)
        records = await read_all(storage)
        assert {record.offset: record.event for record in records} == accepted
        assert len(records) == len(accepted) == 600
        for start in range(0, len(records), 3):
            assert len({record.event.rpartition(b".")[0] for record in records[start : start + 3]}) == 1

    async def test_buses_have_logs_of_their_own(self, storage: Storage) -> None:
        await storage.create_bus("other")
        for number in range(6):
            await put(storage, b"%d" % number, bus=(BUS, "other")[number % 2])
        assert [record.event for record in await read_all(storage)] == [b"0", b"2", b"4"]
        assert [record.event for record in await read_all(storage, "other")] == [b"1", b"3", b"5"]

    # -- reading ---------------------------------------------------------------------------------------------------

    async def test_bounds_are_empty_and_then_grow(self, storage: Storage) -> None:
        empty = await storage.bounds(BUS)
        assert empty.first == empty.end
        offsets = await put(storage, b"1", b"2")
        assert await storage.bounds(BUS) == Bounds(offsets[0], offsets[-1] + 1)

    async def test_pages_are_what_a_list_would_give(self, storage: Storage) -> None:
        events = [b"x" * (number * 7 % 40) for number in range(30)]
        offsets = await put(storage, *events)
        log = list(zip(offsets, events, strict=True))
        first, end = offsets[0], offsets[-1] + 1
        for start, stop, limit, most in itertools.product(
            (-5, 0, first, first + 7, end - 1, end, end + 5),
            (-1, first, first + 9, end, end + 9),
            (1, 3, 50),
            (1, 60, 9_999),
        ):
            page = await storage.read(BUS, start, stop, limit=limit, max_bytes=most)
            _check_page([(record.offset, record.event) for record in page], log, start, stop, limit=limit, most=most)

    async def test_times_are_the_clocks_and_never_go_back(self, storage: Storage, clock: VirtualClock) -> None:
        for jump in (0.0, 1.5, -100.0, 0.000_001, 200.0):
            clock.jump(jump)
            await put(storage, b"1")
        times = [record.time for record in await read_all(storage)]
        begin = times[0]
        assert times == sorted(times)
        assert times == pytest.approx([begin, begin + 1.5, begin + 1.5, begin + 1.5, clock.time()], abs=2e-6)

    async def test_offset_at_finds_the_first_at_or_after(self, storage: Storage, clock: VirtualClock) -> None:
        assert await storage.offset_at(BUS, clock.time()) == (await storage.bounds(BUS)).end
        begin = clock.time()
        offsets: list[int] = []
        for _ in range(9):
            offsets += await put(storage, b"1", b"2")
            clock.jump(10.0)
        for number in range(9):
            for time, offset in (
                (begin + 10 * number, offsets[2 * number]),
                (begin + 10 * number - 3, offsets[2 * number]),
            ):
                assert await storage.offset_at(BUS, time) == offset
        assert await storage.offset_at(BUS, -1e18) == offsets[0]
        assert await storage.offset_at(BUS, begin + 81) == await storage.offset_at(BUS, 1e18) == offsets[-1] + 1

    # -- watching --------------------------------------------------------------------------------------------------

    async def test_a_watch_ends_when_the_log_grows(self, storage: Storage) -> None:
        await put(storage, b"1")
        end = (await storage.bounds(BUS)).end
        with anyio.fail_after(5):
            await storage.watch(BUS, end=end - 1, version=0, timeout=1e6)
            await _during_watch(storage, end, 0, lambda: put(storage, b"2"))

    async def test_a_watch_ends_when_the_version_rises(self, storage: Storage) -> None:
        end = (await storage.bounds(BUS)).end
        with anyio.fail_after(5):
            await _during_watch(storage, end, 0, lambda: subscribe(storage, "s"))
            version = (await storage.changes(BUS, 0)).version
            await _during_watch(storage, end, version, lambda: storage.remove_subscription("s"))
            await storage.watch(BUS, end=end, version=version, timeout=1e6)

    async def test_a_watch_of_another_storage_object_ends_too(self, storage: Storage, clock: VirtualClock) -> None:
        if not self.persistent:
            pytest.skip("this storage goes with its object")
        async with self.make_storage(clock) as other:
            for number in range(3):
                end = (await storage.bounds(BUS)).end
                with anyio.fail_after(30):
                    await _during_watch(storage, end, 0, lambda: put(other, b"1"))
                    await _during_watch(other, end + 1, number, partial(subscribe, storage, f"s{number}"))

    async def test_a_watch_ends_when_its_time_is_up(self, storage: Storage, clock: VirtualClock) -> None:
        ended = anyio.Event()

        async def watch() -> None:
            await storage.watch(BUS, end=1_000_000, version=1_000_000, timeout=10)
            ended.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            with anyio.fail_after(5):
                while not ended.is_set():  # it may take a while to begin, where threads have a part in it
                    await clock.advance(11)
                    await checkpoint()

    async def test_a_watch_ends_when_the_storage_is_closed(self, clock: VirtualClock) -> None:
        storage = self.make_storage(clock)
        await storage.open()

        async def watch() -> None:
            with suppress(StorageClosed):  # where it had not quite begun
                await storage.watch(BUS, end=1_000_000, version=1_000_000, timeout=1e6)

        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watch)
                for _ in range(5):
                    await checkpoint()
                await storage.bounds(BUS)
                await storage.aclose()
        with pytest.raises(StorageClosed):
            await storage.aclose()

    async def test_a_watch_can_be_cancelled(self, storage: Storage) -> None:
        with anyio.move_on_after(0.01) as scope:
            await storage.watch(BUS, end=1_000_000, version=1_000_000, timeout=1e6)
        assert scope.cancelled_caught
        await put(storage, b"1")

    async def test_a_cancelled_append_happens_or_not_as_a_whole(self, storage: Storage) -> None:
        for pause in range(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(put, storage, b"1", b"2", b"3")
                for _ in range(pause):
                    await checkpoint()
                tasks.cancel_scope.cancel()
        await put(storage, b"end")
        events = [record.event for record in await read_all(storage)]
        assert events == [b"1", b"2", b"3"] * (len(events) // 3) + [b"end"]


async def subscribe(storage: Storage, subscription: str, definition: bytes = b"d") -> None:
    """A subscription on what comes."""
    await storage.put_subscription(BUS, subscription, definition, start="latest")


def _check_page(
    page: list[tuple[int, bytes]], log: list[tuple[int, bytes]], start: int, stop: int, *, limit: int, most: int
) -> None:
    """A page is a beginning of what is there, within its bounds, and empty only where nothing is there."""
    there = [entry for entry in log if start <= entry[0] < stop]
    assert page == there[: len(page)]
    assert bool(page) == bool(there)
    assert len(page) <= limit
    assert len(page) <= 1 or sum(len(event) for _, event in page) <= most


async def _during_watch(storage: Storage, end: int, version: int, act: Callable[[], Awaitable[object]]) -> None:
    """A watch that has begun ends when something is done."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(storage.watch, BUS, end=end, version=version, timeout=1e6))
        for _ in range(5):
            await checkpoint()
        await act()
    assert (await storage.bounds(BUS)).end > end or (await storage.changes(BUS, 0)).version > version
