from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventroute.errors import (
    DamagedEvent,
    StorageError,
    StorageFull,
    UnknownBus,
    UnknownSubscription,
)
from eventroute.storage.base import DEFAULT_BUS, LIVE, Storage, Wait, Waiting
from eventroute.storage.sqlite import SQLiteStorage, writer
from eventroute.storage.sqlite.tables import SqliteTables
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.log import put, read_all, subscribe

BUS = DEFAULT_BUS
Shell = Callable[[str], list[tuple[Any, ...]]]


class Watched:
    """The statements that a storage's writer does."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    async def start(self, storage: SQLiteStorage) -> None:
        def trace(tables: SqliteTables) -> None:
            tables.connection.set_trace_callback(self.statements.append)

        await storage._write(trace)
        self.statements.clear()

    def count(self, word: str) -> int:
        return sum(statement.startswith(word) for statement in self.statements)


@pytest.mark.anyio
async def test_many_publishers_share_commits(path: Path) -> None:
    watched = Watched()
    async with SQLiteStorage(path) as storage:
        await watched.start(storage)
        async with anyio.create_task_group() as tasks:
            for _ in range(200):
                tasks.start_soon(put, storage, b"1", b"2")
        assert len(await read_all(storage)) == 400
    assert 1 <= watched.count("COMMIT") <= 20


@pytest.mark.anyio
async def test_only_what_must_be_durable_waits_for_the_disk(path: Path) -> None:
    watched = Watched()
    async with SQLiteStorage(path) as storage:
        await watched.start(storage)
        session = await storage.open_session(10)
        await storage.claim(BUS, LIVE, session, limit=1)
        assert watched.statements.count("PRAGMA synchronous = FULL") == 0
        await put(storage, b"1")
        assert watched.statements.count("PRAGMA synchronous = FULL") == 1
    async with SQLiteStorage(path, synchronous="NORMAL") as storage:
        await watched.start(storage)
        await put(storage, b"1")
        assert watched.statements.count("PRAGMA synchronous = FULL") == 0


@pytest.mark.anyio
async def test_a_job_that_fails_harms_no_other(path: Path) -> None:
    def halfway(tables: SqliteTables) -> None:
        tables.create_bus("half", None, 0.0)
        raise UnknownSubscription("s")

    outcomes: list[str] = []

    async def note(call: Callable[[], object]) -> None:
        try:
            await call()  # type: ignore[misc]
            outcomes.append("done")
        except (UnknownSubscription, UnknownBus, TypeError) as error:
            outcomes.append(type(error).__name__)

    async with SQLiteStorage(path) as storage:
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(note, partial(put, storage, b"1"))
                tasks.start_soon(note, partial(storage._write, halfway))
                tasks.start_soon(note, partial(put, storage, b"1", bus="no"))
                tasks.start_soon(note, partial(put, storage, b"1", (1, 2)))  # type: ignore[arg-type]
                tasks.start_soon(note, partial(storage.create_bus, "whole"))
        assert sorted(outcomes)[-10:] == ["done"] * 10
        assert outcomes.count("UnknownSubscription") == outcomes.count("UnknownBus") == 5
        assert len(outcomes) == 25
        assert len(await read_all(storage)) == 5
        assert await storage.buses() == (BUS, "whole")


def nowhere(tables: SqliteTables) -> None:
    tables.connection.execute("SELECT * FROM nowhere")


@pytest.mark.anyio
async def test_what_fails_the_file_fails_its_transaction(path: Path) -> None:
    def halfway(tables: SqliteTables) -> None:
        tables.create_bus("half", None, 0.0)
        raise UnknownSubscription("s")

    failures: list[str] = []

    async def note(work: Callable[[SqliteTables], None]) -> None:
        with pytest.raises((StorageError, UnknownSubscription)) as caught:
            await storage._write(work)
        failures.append(str(caught.value))

    async with SQLiteStorage(path) as storage:
        for works in ([nowhere], [halfway], [halfway, nowhere], [nowhere, halfway]):
            async with anyio.create_task_group() as tasks:
                for work in works:
                    tasks.start_soon(note, work)
        assert sum("SQLite failed (no such table: nowhere; SQLITE_ERROR)" in failure for failure in failures) >= 3
        await put(storage, b"1")
        assert await storage.buses() == (BUS,)


@pytest.mark.anyio
async def test_a_full_disk_loses_nothing_and_can_be_cleared(path: Path, shell: Shell) -> None:
    def limit(tables: SqliteTables, pages: int) -> None:
        tables.connection.execute(f"PRAGMA max_page_count = {pages}")

    async with SQLiteStorage(path) as storage:
        (used,) = shell("PRAGMA page_count")[0]
        assert isinstance(used, int)
        await storage._write(lambda tables: limit(tables, used + 10))
        accepted: list[int] = []

        async def fill() -> None:
            while True:
                accepted.extend(await storage.append(BUS, [b"x" * 1_000] * 3, append_id=str(len(accepted))))

        for _ in range(2):
            with pytest.raises(StorageFull, match="no room is left"):
                await fill()
        assert [record.offset for record in await read_all(storage)] == accepted
        await storage._write(lambda tables: limit(tables, used + 1_000))
        accepted += await storage.append(BUS, [b"x" * 1_000] * 3, append_id=str(len(accepted)))
        assert [record.offset for record in await read_all(storage)] == accepted


@pytest.mark.anyio
async def test_a_failed_commit_is_told_to_all_that_shared_it(path: Path) -> None:
    failures: list[StorageError] = []

    async def publish(storage: Storage) -> None:
        try:
            await put(storage, b"1")
        except StorageError as error:
            failures.append(error)

    async with SQLiteStorage(path, busy_timeout=0.05) as storage:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(publish, storage)
            assert len(failures) == len(set(map(id, failures))) == 20
            assert all("another process has held the file for too long" in str(error) for error in failures)
            assert all(isinstance(error.__cause__, sqlite3.OperationalError) for error in failures)
            other.execute("ROLLBACK")
        await put(storage, b"2")
        assert [record.event for record in await read_all(storage)] == [b"2"]


@pytest.mark.anyio
async def test_who_waits_for_another_process_looks_often_and_in_the_end_more_seldom(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a process that comes later is served first."""
    pauses: list[float] = []

    class Time:
        now = 0.0

        def monotonic(self) -> float:
            return self.now

        def sleep(self, seconds: float) -> None:
            pauses.append(seconds)
            self.now += seconds
            if self.now >= 1.0 and other.in_transaction:
                other.execute("ROLLBACK")

    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        async with SQLiteStorage(path) as storage:
            other.execute("BEGIN IMMEDIATE")
            monkeypatch.setattr(writer, "time", Time())
            await put(storage, b"1")
            assert [record.event for record in await read_all(storage)] == [b"1"]
    assert 0 < min(pauses) <= max(pauses[:10]) <= 0.001
    assert 0.02 < max(pauses) <= 0.06


@pytest.mark.anyio
async def test_a_file_that_stays_locked_cannot_be_opened(path: Path) -> None:
    async with SQLiteStorage(path):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageError, match="another process has held the file"):
            await SQLiteStorage(path, busy_timeout=0.05).open()


@pytest.mark.anyio
async def test_missing_events_are_not_passed_over(path: Path, shell: Shell) -> None:
    async with SQLiteStorage(path) as storage:
        await put(storage, *[b"1"] * 5)
        shell("DELETE FROM event WHERE key % 100 = 78")  # 1 << 40 ends in 76
        with pytest.raises(DamagedEvent, match="the event 2 of the bus 'default' is damaged: it is missing"):
            await read_all(storage)
        shell("DELETE FROM event WHERE key % 100 = 79")
        with pytest.raises(StorageError, match="a row that must be there is missing"):
            await storage.offset_at(BUS, 0.0)


@pytest.mark.anyio
async def test_a_ledger_that_has_lost_its_reader_says_so(path: Path, shell: Shell) -> None:
    async with SQLiteStorage(path) as storage:
        shell("DELETE FROM reader")
        with pytest.raises(StorageError, match="the storage is damaged: the bus 'default' has lost its reader 'live'"):
            await subscribe(storage, "s")


@pytest.mark.anyio
async def test_the_oldest_append_ids_are_forgotten_beyond_the_bound(path: Path, shell: Shell) -> None:
    def bound(tables: SqliteTables) -> None:
        tables._max_append_ids = 20

    clock = VirtualClock()
    async with SQLiteStorage(path, clock=clock) as storage:
        await storage._write(bound)
        for number in range(50):
            clock.jump(1)
            await storage.append(BUS, [b"1"], append_id=str(number))
        assert 20 <= len(shell("SELECT id FROM appended")) <= 22
        assert await storage.append(BUS, [b"1"], append_id="49") == (50,)
        assert await storage.append(BUS, [b"1"], append_id="0") == (51,)


@pytest.mark.anyio
async def test_a_large_event_is_read_only_when_asked_for(path: Path) -> None:
    sizes = [10, 70_000, 0, 200_000, 5]
    async with SQLiteStorage(path) as storage:
        await put(storage, *[b"x" * size for size in sizes])
        for limit in (1, 3, 9):
            for most in (1, 70_010, 70_011, 10**9):
                page = await storage.read(BUS, 1, 9, limit=limit, max_bytes=most)
                fit = [count for count in range(1, 6) if count == 1 or sum(sizes[:count]) <= most]
                assert [len(record.event) for record in page] == sizes[: min(limit, fit[-1])]


@pytest.mark.anyio
async def test_a_claim_that_is_cancelled_on_its_way_is_given_back(path: Path) -> None:
    gates = [threading.Event(), threading.Event()]
    busy = threading.Event()

    def hold(number: int) -> Callable[[SqliteTables], bool]:
        def wait(_tables: SqliteTables) -> bool:
            busy.set()
            return gates[number].wait(10)

        return wait

    async with SQLiteStorage(path) as storage:
        await subscribe(storage, "s")
        await put(storage, b"1")
        session = await storage.open_session(1_000)
        await storage.write(BUS, session, [Wait(Waiting("s", 1, 0.0), held=False)])
        async with anyio.create_task_group() as others, anyio.create_task_group() as cancelled:
            others.start_soon(storage._write, hold(0))
            while not busy.is_set():  # else it would share a transaction with the claims
                await anyio.lowlevel.checkpoint()
            cancelled.start_soon(partial(storage.claim, BUS, LIVE, session, limit=1))
            cancelled.start_soon(partial(storage.claim_waiting, BUS, "s", session, now=1.0, limit=1))
            await anyio.wait_all_tasks_blocked()
            others.start_soon(storage._write, hold(1))  # shares a transaction with the claims, so that these wait
            await anyio.wait_all_tasks_blocked()
            gates[0].set()
            while not storage._running()[0]._queue.empty():
                await anyio.lowlevel.checkpoint()
            cancelled.cancel_scope.cancel()
            gates[1].set()
        assert await storage.claim_waiting(BUS, "s", session, now=1.0, limit=1) == [Waiting("s", 1, 0.0)]
        assert await storage.claim(BUS, LIVE, session, limit=1) is not None


@pytest.mark.anyio
async def test_nobody_is_answered_before_the_commit(path: Path) -> None:
    committing, commit = threading.Event(), threading.Event()

    class Slow:
        def __init__(self, connection: sqlite3.Connection) -> None:
            self.connection = connection

        def __getattr__(self, name: str) -> Any:
            return getattr(self.connection, name)

        def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
            if statement == "COMMIT":
                committing.set()
                assert commit.wait(10)
            return self.connection.execute(statement, *arguments)

    def slow_down(tables: SqliteTables) -> None:
        tables.connection = Slow(tables.connection)  # type: ignore[assignment]

    accepted: list[int] = []

    async def publish(storage: Storage) -> None:
        accepted.extend(await put(storage, b"1"))

    async with SQLiteStorage(path) as storage:
        await storage._write(slow_down)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(publish, storage)
            await anyio.to_thread.run_sync(committing.wait, 10)
            await anyio.wait_all_tasks_blocked()
            assert accepted == []
            assert await read_all(storage) == []  # a read does not wait for the writer
            commit.set()
        assert [record.offset for record in await read_all(storage)] == accepted == [1]
