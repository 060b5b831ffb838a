# ruff: noqa: ASYNC240 - these loops have nothing better to do than to wait for a file
from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest

from eventroute.errors import (
    InvalidConfiguration,
    StorageClosed,
    StorageError,
    StorageFull,
    UnknownBus,
    UnknownSubscription,
)
from eventroute.storage import sqlite_reader, sqlite_schema, sqlite_writer
from eventroute.storage.base import DEFAULT_BUS, LIVE, Storage, Wait, Waiting
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.storage.sqlite_log import SqliteLog
from eventroute.storage.sqlite_schema import APPLICATION_ID, SCHEMA_VERSION
from eventroute.storage.sqlite_tables import SqliteTables
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage import StorageContract
from eventroute.testing.storage_log import put, read_all, subscribe

BUS = DEFAULT_BUS


@pytest.mark.anyio
class TestContract(StorageContract):
    persistent = True

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "events.db"

    def make_storage(self, clock: VirtualClock) -> Storage:
        return SQLiteStorage(self.path, clock=clock)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


def shell(path: Path, statement: str) -> list[tuple[object, ...]]:
    """What a person with the sqlite3 shell does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement).fetchall()


# -- the file ----------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_the_file_is_its_owners_alone(path: Path) -> None:
    async with SQLiteStorage(path) as storage:
        await put(storage, b"1")
        modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
        assert modes == dict.fromkeys(("events.db", "events.db-wal", "events.db-shm"), 0o600)
    assert [each.name for each in path.parent.iterdir()] == ["events.db"]


@pytest.mark.anyio
async def test_a_person_can_read_the_file(path: Path) -> None:
    clock = VirtualClock(1_700_000_000.25)
    async with SQLiteStorage(path, clock=clock) as storage:
        await storage.create_bus("other")
        await put(storage, '{"é": 1}'.encode(), b"{}")
        await put(storage, b"[]", bus="other")
        assert shell(path, "SELECT * FROM events") == [
            (BUS, 1, "2023-11-14T22:13:20.250Z", '{"é": 1}'),
            (BUS, 2, "2023-11-14T22:13:20.250Z", "{}"),
            ("other", 1, "2023-11-14T22:13:20.250Z", "[]"),
        ]
    assert shell(path, "PRAGMA integrity_check") == [("ok",)]
    assert shell(path, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert shell(path, "PRAGMA user_version") == [(SCHEMA_VERSION,)]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("CREATE TABLE other (x)", "belongs to another program"),
        ("PRAGMA application_id = 7", "belongs to another program"),
        (f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 99", "version 99 is newer than"),
    ],
)
async def test_a_file_that_is_not_ours_is_refused_and_left_alone(path: Path, statement: str, message: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statement)
    before = path.read_bytes()
    with pytest.raises(StorageError, match=message):
        async with SQLiteStorage(path):
            pass
    assert path.read_bytes() == before


@pytest.mark.anyio
async def test_what_is_no_database_is_refused(tmp_path: Path, path: Path) -> None:
    path.write_bytes(b"no database" * 1_000)
    for place, message in (
        (path, "not an SQLite database"),
        (tmp_path, "this is a folder"),
        (tmp_path / "no" / "events.db", "there is no folder .*no; make it first"),
    ):
        storage = SQLiteStorage(place)
        for _ in range(2):
            with pytest.raises(StorageError, match=message):
                await storage.open()
        with pytest.raises(StorageClosed):
            await storage.buses()
    assert path.read_bytes() == b"no database" * 1_000


@contextmanager
def powerless() -> Iterator[None]:
    """As a user who may not do everything; root may write wherever it likes."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(was)


@pytest.mark.anyio
async def test_a_place_that_cannot_be_written_says_so() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "events.db")
        async with SQLiteStorage(path) as storage:
            await put(storage, b"1")
        path.chmod(0o444)
        Path(folder).chmod(0o555)
        with powerless():
            with pytest.raises(StorageError, match=r"new\.db: the file cannot be made: Permission denied"):
                await SQLiteStorage(Path(folder, "new.db")).open()
            with pytest.raises(StorageError, match=r"events\.db: .*cannot be (written|opened)"):
                await SQLiteStorage(path).open()
        Path(folder).chmod(0o755)
        async with SQLiteStorage(path) as storage:
            assert len(await read_all(storage)) == 1


@pytest.mark.parametrize("path", ["", ":memory:", "file:x.db", "a\0b"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(InvalidConfiguration, match="is not the path of a file"):
        SQLiteStorage(path)


def test_settings_are_checked(path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="synchronous: 'OFF' is neither FULL nor NORMAL"):
        SQLiteStorage(path, synchronous="OFF")  # type: ignore[arg-type]
    with pytest.raises(InvalidConfiguration, match=r"poll_interval: 0 is not 0\.001 to 3600 seconds"):
        SQLiteStorage(path, poll_interval=0)
    with pytest.raises(InvalidConfiguration, match="busy_timeout: nan"):
        SQLiteStorage(path, busy_timeout=float("nan"))


@pytest.mark.anyio
async def test_an_sqlite_that_is_too_old_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 20, 0))
    with pytest.raises(StorageError, match=r"is too old: 3\.24 or later"):
        await SQLiteStorage(path).open()


@pytest.mark.anyio
async def test_a_file_system_without_write_ahead_logging_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Old(sqlite3.Connection):
        def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
            return super().execute("SELECT 'delete'" if "journal_mode" in statement else statement, *arguments)

    monkeypatch.setattr(sqlite_schema, "connect", lambda path, busy_timeout: sqlite3.connect(path, factory=Old))
    with pytest.raises(StorageError, match="cannot do write-ahead logging: use a local disk"):
        await SQLiteStorage(path).open()


@pytest.mark.anyio
@pytest.mark.parametrize("module", [sqlite_writer, sqlite_reader])
async def test_a_connection_that_fails_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    def refuse(_path: Path, *, busy_timeout: float) -> sqlite3.Connection:
        raise sqlite3.OperationalError("no")

    monkeypatch.setattr(module, "connect", refuse)
    with pytest.raises(StorageError, match=r"events\.db: SQLite failed \(no; OperationalError\)"):
        await SQLiteStorage(path).open()


# -- transactions ------------------------------------------------------------------------------------------------------


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
        tables.create_bus("half")
        raise UnknownSubscription("s")

    outcomes: list[str] = []

    async def note(call: Callable[[], object]) -> None:
        try:
            await call()  # type: ignore[misc]
            outcomes.append("done")
        except (UnknownSubscription, UnknownBus, sqlite3.ProgrammingError, sqlite3.InterfaceError) as error:
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
        tables.create_bus("half")
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
async def test_a_full_disk_loses_nothing_and_can_be_cleared(path: Path) -> None:
    def limit(tables: SqliteTables, pages: int) -> None:
        tables.connection.execute(f"PRAGMA max_page_count = {pages}")

    async with SQLiteStorage(path) as storage:
        (used,) = shell(path, "PRAGMA page_count")[0]
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
async def test_a_file_that_stays_locked_cannot_be_opened(path: Path) -> None:
    async with SQLiteStorage(path):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageError, match="another process has held the file"):
            await SQLiteStorage(path, busy_timeout=0.05).open()


@pytest.mark.anyio
async def test_missing_events_are_not_passed_over(path: Path) -> None:
    async with SQLiteStorage(path) as storage:
        await put(storage, *[b"1"] * 5)
        shell(path, "DELETE FROM event WHERE key % 100 = 78")  # 1 << 40 ends in 76
        with pytest.raises(StorageError, match="of the events 1 to 5 some are missing"):
            await read_all(storage)
        shell(path, "DELETE FROM event WHERE key % 100 = 79")
        with pytest.raises(StorageError, match="a row that must be there is missing"):
            await storage.offset_at(BUS, 0.0)


@pytest.mark.anyio
async def test_a_ledger_that_has_lost_its_reader_says_so(path: Path) -> None:
    async with SQLiteStorage(path) as storage:
        shell(path, "DELETE FROM reader")
        with pytest.raises(StorageError, match="the storage is damaged: the bus 'default' has lost its reader 'live'"):
            await subscribe(storage, "s")


@pytest.mark.anyio
async def test_the_oldest_append_ids_are_forgotten_beyond_the_bound(path: Path) -> None:
    def bound(tables: SqliteTables) -> None:
        tables._max_append_ids = 20

    clock = VirtualClock()
    async with SQLiteStorage(path, clock=clock) as storage:
        await storage._write(bound)
        for number in range(50):
            clock.jump(1)
            await storage.append(BUS, [b"1"], append_id=str(number))
        assert 20 <= len(shell(path, "SELECT id FROM appended")) <= 22
        assert await storage.append(BUS, [b"1"], append_id="49") == (50,)
        assert await storage.append(BUS, [b"1"], append_id="0") == (51,)


@pytest.mark.anyio
async def test_the_write_ahead_log_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_writer, "WAL_BYTES", 100_000)
    monkeypatch.setattr(sqlite_writer, "_COMMITS_A_LOOK", 2)
    async with SQLiteStorage(path) as storage:
        for _ in range(40):
            await put(storage, b"x" * 10_000)
            assert path.with_name("events.db-wal").stat().st_size < 250_000


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

    def hold(number: int) -> Callable[[SqliteTables], bool]:
        return lambda _tables: gates[number].wait(10)

    async with SQLiteStorage(path) as storage:
        await subscribe(storage, "s")
        await put(storage, b"1")
        session = await storage.open_session(1_000)
        await storage.write(BUS, session, [Wait(Waiting("s", 1, 0.0), held=False)])
        async with anyio.create_task_group() as others, anyio.create_task_group() as cancelled:
            others.start_soon(storage._write, hold(0))  # the writer is busy
            await anyio.wait_all_tasks_blocked()
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


# -- threads and processes ---------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_forked_child_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with SQLiteStorage(path) as storage:
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: -1)
            with pytest.raises(StorageError, match="before a fork: make and open one of its own"):
                await put(storage, b"1")
            with pytest.raises(StorageError, match="before a fork"):
                await storage.open()
        await put(storage, b"1")


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
