# ruff: noqa: ASYNC240 - these loops have nothing better to do than to wait for a file
from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from eventroute.errors import (
    InvalidConfiguration,
    StorageClosed,
    StorageError,
)
from eventroute.storage.base import DEFAULT_BUS, Delayed
from eventroute.storage.sqlite import SQLiteStorage, reading, schema, writer
from eventroute.storage.sqlite.migrations import APPLICATION_ID, SCHEMA_VERSION
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.log import put, read_all

BUS = DEFAULT_BUS
Shell = Callable[[str], list[tuple[Any, ...]]]


@pytest.mark.anyio
async def test_the_file_is_its_owners_alone(path: Path) -> None:
    async with SQLiteStorage(path) as storage:
        await put(storage, b"1")
        modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
        assert modes == dict.fromkeys(("events.db", "events.db-wal", "events.db-shm"), 0o600)
    assert [each.name for each in path.parent.iterdir()] == ["events.db"]


@pytest.mark.anyio
async def test_a_person_can_read_the_file(path: Path, shell: Shell) -> None:
    clock = VirtualClock(1_700_000_000.25)
    async with SQLiteStorage(path, clock=clock) as storage:
        await storage.create_bus("other")
        await put(storage, '{"é": 1}'.encode(), b"{}")
        await put(storage, b"[]", bus="other")
        assert shell("SELECT * FROM events") == [
            (BUS, 1, "2023-11-14T22:13:20.250Z", '{"é": 1}'),
            (BUS, 2, "2023-11-14T22:13:20.250Z", "{}"),
            ("other", 1, "2023-11-14T22:13:20.250Z", "[]"),
        ]
        await storage.append(BUS, [], append_id="a", delayed=[Delayed(1_700_000_001.5, b"{}")])
        assert shell("SELECT * FROM timers") == [(BUS, 1, "2023-11-14T22:13:21.500Z", "{}")]
    assert shell("PRAGMA integrity_check") == [("ok",)]
    assert shell("PRAGMA application_id") == [(APPLICATION_ID,)]
    assert shell("PRAGMA user_version") == [(SCHEMA_VERSION,)]


@pytest.mark.anyio
async def test_a_file_that_does_no_write_ahead_logging_does_so_from_the_next_opening_on(
    path: Path, shell: Shell
) -> None:
    """It comes so from a power loss while it was made, and from programs that copy it. All that is promised of failed
    writes is promised of that log.
    """
    async with SQLiteStorage(path) as storage:
        await put(storage, b"1")
    assert shell("PRAGMA journal_mode = DELETE") == [("delete",)]
    async with SQLiteStorage(path) as storage:
        assert shell("PRAGMA journal_mode") == [("wal",)]
        await put(storage, b"2")
        assert [record.event for record in await read_all(storage)] == [b"1", b"2"]
        assert path.with_name("events.db-wal").exists()


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
    with pytest.raises(StorageError, match=r"is too old: 3\.32 or later"):
        await SQLiteStorage(path).open()


@pytest.mark.anyio
async def test_a_file_system_without_write_ahead_logging_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Old(sqlite3.Connection):
        def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
            return super().execute("SELECT 'delete'" if "journal_mode" in statement else statement, *arguments)

    monkeypatch.setattr(schema, "connect", lambda path, busy_timeout: sqlite3.connect(path, factory=Old))
    with pytest.raises(StorageError, match="cannot do write-ahead logging: use a local disk"):
        await SQLiteStorage(path).open()


@pytest.mark.anyio
@pytest.mark.parametrize("module", [writer, reading])
async def test_a_connection_that_fails_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    def refuse(_path: Path, *, busy_timeout: float, immutable: bool = False) -> sqlite3.Connection:
        raise sqlite3.OperationalError("no")

    monkeypatch.setattr(module, "connect", refuse)
    with pytest.raises(StorageError, match=r"events\.db: SQLite failed \(no; OperationalError\)"):
        await SQLiteStorage(path).open()
