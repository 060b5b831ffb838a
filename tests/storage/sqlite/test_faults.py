"""Disks that are full, file systems that are read-only, pages that are damaged: what is said, and that it goes on."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from eventroute.errors import StorageError, StorageFull
from eventroute.storage.base import DEFAULT_BUS, LIVE, Bury, DeadLetter, Session, Wait, Waiting
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.storage.sqlite.checkpoints import lengthen
from eventroute.storage.sqlite.schema import storage_error
from eventroute.testing.storage.log import put, read_all, subscribe

BUS = DEFAULT_BUS
PAGE = 4_096
Call = Callable[[SQLiteStorage, Session], Awaitable[object]]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=False).returncode:
        pytest.skip("this system does not let us mount a file system")
    yield place
    subprocess.run(["umount", place], check=True)


def remount(place: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", place], check=True)


async def fill(storage: SQLiteStorage, accepted: list[int], size: int) -> None:
    while True:
        accepted += await storage.append(BUS, [b"x" * size] * 3, append_id=str(len(accepted)))


@pytest.mark.anyio
async def test_a_full_disk_says_so_and_goes_on_once_there_is_room(small_disk: Path) -> None:
    path, ballast = small_disk / "events.db", small_disk / "ballast"
    ballast.write_bytes(b"x" * 400_000)
    accepted: list[int] = []
    async with SQLiteStorage(path) as storage:
        for size in (5_000, 50, 5_000):
            with pytest.raises(StorageFull, match=r"events\.db: no room is left .*: make room, and it goes on"):
                await fill(storage, accepted, size)
            assert [record.offset for record in await read_all(storage)] == accepted
        full = len(accepted)
        ballast.unlink()
        accepted += await storage.append(BUS, [b"x" * 5_000] * 3, append_id=str(len(accepted)))
        assert [record.offset for record in await read_all(storage)] == accepted
    assert len(accepted) == full + 3
    async with SQLiteStorage(path) as storage:
        assert [record.offset for record in await read_all(storage)] == accepted
    ballast.write_bytes(b"x" * (shutil.disk_usage(small_disk).free))
    with pytest.raises(StorageError, match=r"new\.db: (the file cannot be made: No space left|no room is left)"):
        await SQLiteStorage(small_disk / "new.db").open()


def test_a_log_does_not_grow_ahead_into_the_last_room_of_a_disk(small_disk: Path) -> None:
    log = small_disk / "events.db-wal"
    log.write_bytes(b"x" * 100_000)
    lengthen(log, 2_000_000)
    assert log.read_bytes() == b"x" * 100_000
    assert shutil.disk_usage(small_disk).free > 800_000


@pytest.mark.anyio
async def test_a_read_only_file_system_says_so(small_disk: Path) -> None:
    path = small_disk / "events.db"
    async with SQLiteStorage(path) as storage:
        await put(storage, b"1")
    remount(small_disk, "ro")
    try:
        with pytest.raises(StorageError, match=r"events\.db: .*cannot be (written|opened).*: see whose"):
            await SQLiteStorage(path).open()
        with pytest.raises(StorageError, match=r"new\.db: the file cannot be made: Read-only file system"):
            await SQLiteStorage(small_disk / "new.db").open()
    finally:
        remount(small_disk, "rw")
    async with SQLiteStorage(path) as storage:
        assert len(await read_all(storage)) == 1


def spoil(path: Path, table: str) -> None:
    """The first page of a table is no page any more."""
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * PAGE)
        file.write(b"\xff" * PAGE)


async def reading(storage: SQLiteStorage, _session: Session) -> None:
    await storage.read(BUS, 1, 9, limit=9, max_bytes=1_000)


async def appending(storage: SQLiteStorage, _session: Session) -> None:
    await put(storage, b"2")


async def claiming(storage: SQLiteStorage, session: Session) -> None:
    await storage.claim(BUS, LIVE, session, limit=1)


async def claiming_waiting(storage: SQLiteStorage, session: Session) -> None:
    await storage.claim_waiting(BUS, "s", session, now=9.0, limit=1)


async def burying(storage: SQLiteStorage, session: Session) -> None:
    await storage.write(BUS, session, [Bury(DeadLetter("s", 1, 1.0, "reason", "error", 1, b"event"))])


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("table", "hurt", "well"),
    [
        ("appended", [appending], [reading, claiming, claiming_waiting, burying]),
        ("claim", [claiming], [reading, appending, claiming_waiting]),
        ("waiting", [claiming_waiting, burying], [reading, appending, claiming]),
        ("dead_letter", [burying], [reading, appending, claiming, claiming_waiting]),
    ],
)
async def test_a_damaged_page_hurts_only_who_needs_it(
    path: Path, table: str, hurt: list[Call], well: list[Call]
) -> None:
    async with SQLiteStorage(path) as storage:
        await subscribe(storage, "s")
        await put(storage, b"1")
        session = await storage.open_session(60)
        await storage.write(BUS, session, [Wait(Waiting("s", 1, 0.0), held=False)])
    spoil(path, table)
    async with SQLiteStorage(path) as storage:
        for call in [*hurt, *well, *hurt]:
            if call in hurt:
                with pytest.raises(StorageError, match=r"events\.db: the file is damaged: .* tells how far"):
                    await call(storage, session)
            else:
                await call(storage, session)


def test_an_error_of_sqlite_is_told_with_what_can_be_done(path: Path) -> None:
    for code, message in (
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "another process has held the file for too long"),
        (sqlite3.SQLITE_READONLY_DBMOVED, "cannot be written"),
        (sqlite3.SQLITE_IOERR_FSYNC, "reading or writing the file failed: look at the disk"),
        (sqlite3.SQLITE_CORRUPT_VTAB, "the file is damaged"),
        (sqlite3.SQLITE_NOTADB, "not an SQLite database"),
        (sqlite3.SQLITE_MISUSE, "SQLite failed"),
    ):
        error = sqlite3.OperationalError("why")
        error.sqlite_errorcode, error.sqlite_errorname = code, "NAME"
        found = storage_error(error, path)
        assert str(found).startswith(f"{path}: ")
        assert message in str(found)
        assert "(why; NAME)" in str(found)
        assert found.__cause__ is error
        assert not isinstance(found, StorageFull)
