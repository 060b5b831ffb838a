from __future__ import annotations

import random
import sqlite3
import threading
from contextlib import closing
from functools import partial
from pathlib import Path

import anyio
import pytest

from eventroute.errors import (
    DamagedEvent,
    StorageError,
    UnknownBus,
)
from eventroute.storage.base import DEFAULT_BUS, LIVE, Storage
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.storage.sqlite.log import SqliteLog
from eventroute.storage.tables import LONGEST_LEASE
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage import StorageContract
from eventroute.testing.storage.log import put, read_all

BUS = DEFAULT_BUS


@pytest.mark.anyio
class TestContract(StorageContract):
    persistent = True

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "events.db"

    def make_storage(self, clock: VirtualClock) -> Storage:
        return SQLiteStorage(self.path, clock=clock)


@pytest.mark.anyio
async def test_a_process_that_died_while_the_clock_was_ahead_holds_nothing_back(path: Path) -> None:
    clock = VirtualClock()
    async with SQLiteStorage(path, clock=clock) as storage:
        await put(storage, b"1")
        clock.jump(LONGEST_LEASE + 60)
        dead = await storage.open_session(10.0)
        assert await storage.claim(BUS, LIVE, dead, limit=5) is not None
    clock.jump(-LONGEST_LEASE - 60)
    async with SQLiteStorage(path, clock=clock) as storage:
        session = await storage.open_session(10.0)
        assert await storage.sessions() == 1
        claim = await storage.claim(BUS, LIVE, session, limit=5)
        assert claim is not None
        assert claim.session == session.id


def test_event_loops_of_several_threads_may_share_it(path: Path) -> None:
    storage = SQLiteStorage(path)

    async def work() -> None:
        async with storage:
            for _ in range(10):
                with anyio.fail_after(10):
                    end = (await storage.bounds(BUS)).end
                    await put(storage, b"1")
                    await storage.watch(BUS, end=end, version=0, timeout=60)

    threads = [
        threading.Thread(target=partial(anyio.run, work, backend=backend)) for backend in ("asyncio", "trio") * 2
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    async def check() -> None:
        async with storage:
            assert len(await read_all(storage)) == 40

    anyio.run(check)


def test_a_loop_that_ended_keeps_nobody_else_waiting(path: Path) -> None:
    storage = SQLiteStorage(path)

    async def leave() -> None:
        await storage.open()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(put, storage, *[b"1"] * 1_000)
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()

    async def stay() -> None:
        with anyio.fail_after(10):
            await put(storage, b"2")
            assert len(await read_all(storage)) % 1_000 == 1
            await storage.aclose()

    anyio.run(leave)
    anyio.run(stay, backend="trio")


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_fault_in_the_writer_leaves_nobody_waiting(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(_log: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(SqliteLog, "take_news", fault)
    storage = SQLiteStorage(path)
    with anyio.fail_after(10), pytest.raises(StorageError, match="a thread of the storage has died"):
        await storage.open()
    for thread in threading.enumerate():
        if thread.name == "eventroute-sqlite-writer":
            thread.join(10)  # else its error is told in the next test
    monkeypatch.undo()
    async with storage:
        await put(storage, b"1")


@pytest.mark.anyio
async def test_who_watches_a_file_that_fails_is_woken(path: Path) -> None:
    async with SQLiteStorage(path) as storage:
        await storage.bounds(BUS)
        await put(storage, b"1")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(storage.watch, BUS, end=99, version=99, timeout=1e6))
            await anyio.lowlevel.checkpoint()
            await storage._read(lambda tables: tables.connection.close())
        with pytest.raises(StorageError):
            await storage.bounds(BUS)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE event SET event = CAST(replace(event, 'x', 'y') AS BLOB) WHERE key % 256 = {}",
        "UPDATE event SET time = time + 1 WHERE key % 256 = {}",
        "UPDATE event SET seal = seal + 1 WHERE key % 256 = {}",
        "UPDATE event SET seal = (1 << 62) WHERE key % 256 = {}",
        "UPDATE event SET time = 'soon' WHERE key % 256 = {}",
        "UPDATE event SET event = 'text' WHERE key % 256 = {}",
        "DELETE FROM event WHERE key % 256 = {}",
    ],
)
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("mixed", [False, True])
async def test_a_damaged_event_is_not_handed_out(path: Path, damage: str, large: bool, mixed: bool) -> None:
    async with SQLiteStorage(path) as storage:
        await put(storage, *[b"x" * 70_000 if large else b"x"] * 9)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            if mixed:  # as in a file whose first events have no seal yet
                other.execute("UPDATE event SET seal = NULL WHERE key % 256 = 2")
            assert len(await read_all(storage)) == 9
            other.execute(damage.format(5))
        page = await storage.read(BUS, 1, 10, limit=10, max_bytes=1 << 30)
        assert [record.offset for record in page] == [1, 2, 3, 4]
        for _ in range(2):
            with pytest.raises(DamagedEvent, match=r"events\.db: the event 5 of .* is damaged: it") as told:
                await storage.read(BUS, 5, 10, limit=10, max_bytes=1 << 30)
            assert (told.value.bus, told.value.offset) == (BUS, 5)
        page = await storage.read(BUS, 6, 10, limit=10, max_bytes=1 << 30)
        assert [record.offset for record in page] == [6, 7, 8, 9]


@pytest.mark.anyio
async def test_a_time_is_found_in_a_log_of_many_events(path: Path) -> None:
    lot, clock = random.Random(1), VirtualClock()
    async with SQLiteStorage(path, clock=clock, synchronous="NORMAL") as storage:
        await storage.create_bus("other")
        for _ in range(60):
            await put(storage, *[b"x"] * lot.randint(1, 40), bus=lot.choice([BUS, "other"]))
            clock.jump(lot.choice([0, 0, 1, 2.5]))
        for trimmed in (0, 45, 64):
            await storage.trim(BUS, trimmed, limit=1_000, hard=True)
            for bus in (BUS, "other"):
                log = await read_all(storage, bus)
                times = sorted({record.time for record in log})
                for time in [times[0] - 1, *times, *(time + 0.5 for time in times)]:
                    later = [record.offset for record in log if record.time >= time]
                    assert await storage.offset_at(bus, time) == min(later, default=log[-1].offset + 1)


@pytest.mark.anyio
async def test_what_trimming_frees_is_used_again(path: Path) -> None:
    async with SQLiteStorage(path, synchronous="NORMAL") as storage:
        pages: list[int] = []
        for _ in range(6):
            await put(storage, *[b"x" * 500] * 2_000)
            pages.append(await storage._read(lambda tables: tables._row("PRAGMA page_count")[0]))
            while (await storage.trim(BUS, 1 << 39, limit=500)).events:
                pass
        assert pages[-1] <= pages[1] * 1.05


@pytest.mark.anyio
async def test_a_bus_whose_deletion_was_interrupted_goes_in_the_end(path: Path) -> None:
    async with SQLiteStorage(path) as storage:
        await storage.create_bus("other")
        await put(storage, *[b"x"] * 2_500, bus="other")
        end = (await storage.bounds("other")).end
        await storage._write(lambda tables: tables.delete_bus("other"))
    async with SQLiteStorage(path) as storage:
        assert await storage.buses() == (BUS,)
        assert (await storage._read(lambda tables: tables._row("SELECT count(*) FROM event")))[0] == 2_500
        await storage.trim(BUS, 0, limit=100)
        assert (await storage._read(lambda tables: tables._row("SELECT count(*) FROM event")))[0] == 2_400
        await storage.create_bus("other")
        assert (await storage._read(lambda tables: tables._row("SELECT count(*) FROM event")))[0] == 0
        assert (await storage.bounds("other")).first == end


@pytest.mark.anyio
async def test_large_events_go_few_at_a_time(path: Path) -> None:
    async with SQLiteStorage(path, synchronous="NORMAL") as storage:
        await storage.create_bus("other")
        for bus in (BUS, "other"):
            await put(storage, *[b"x" * 3_000_000] * 5, bus=bus)
        trimmed = await storage.trim(BUS, 1 << 39, limit=100)
        assert (trimmed.events, trimmed.size) == (2, 6_000_000)
        await storage.delete_bus("other")
        assert await storage.buses() == (BUS,)


@pytest.mark.anyio
async def test_a_watch_ends_when_another_process_deletes_the_bus(path: Path) -> None:
    async with SQLiteStorage(path) as storage, SQLiteStorage(path) as other:
        await storage.create_bus("other")
        await storage.bounds("other")
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(storage.watch, "other", end=99, version=99, timeout=1e6))
                await anyio.lowlevel.checkpoint()
                await anyio.lowlevel.checkpoint()
                await storage.bounds("other")
                await other.delete_bus("other")
        with pytest.raises(UnknownBus):
            await storage.watch("other", end=0, version=0, timeout=1)
