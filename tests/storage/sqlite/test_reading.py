"""Files that can only be read: those on a read-only file system, say."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from eventroute.errors import StorageError
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.storage.sqlite.check import check_storage
from eventroute.storage.sqlite.reading import open_to_read
from eventroute.storage.sqlite.upkeep import backup_storage
from eventroute.testing.storage.log import put, read_all
from tests.storage.sqlite.locking_out import lock_out

EVENTS = [b'{"id":"1"}', b'{"id":"2"}']
CANNOT_WRITE = r"events\.db: .* folder cannot be written: .*`eventroute log backup` copies it"
CANNOT_READ = r"events\.db: nothing can be written beside it, .*: copy events\.db and events\.db-wal into a folder"

Shut = Callable[[], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the storage is, and nothing else."""
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


@pytest.fixture
def path(folder: Path) -> Path:
    """A storage of two events, closed cleanly."""

    async def make() -> None:
        async with SQLiteStorage(folder / "events.db") as storage:
            await put(storage, *EVENTS)

    anyio.run(make)
    return folder / "events.db"


@pytest.fixture(params=["mounted", "fault"])
def shut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Shut]:
    """What takes it away that anything can be written in the folder: by a file system, and by what SQLite says."""
    if request.param == "fault":
        yield lambda: lock_out(monkeypatch, folder / "events.db")
        return
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    if subprocess.run([mount, "-t", "tmpfs", "tmpfs", folder], check=False).returncode:
        pytest.skip("this system does not let us mount a file system")

    def remount() -> None:
        subprocess.run([mount, "-o", "remount,ro", folder], check=True)

    yield remount
    subprocess.run(["umount", folder], check=True)


def test_a_file_that_lies_still_is_checked_and_copied(shut: Shut, path: Path, tmp_path: Path) -> None:
    shut()
    assert check_storage(path) == []
    backup_storage(path, tmp_path / "copy.db")
    assert check_storage(tmp_path / "copy.db") == []
    assert [each.name for each in path.parent.iterdir()] == ["events.db"]


@pytest.mark.anyio
async def test_as_it_is_it_is_read_and_not_written(shut: Shut, path: Path) -> None:
    shut()
    with pytest.raises(StorageError, match=CANNOT_WRITE):
        await SQLiteStorage(path).open()
    storage = SQLiteStorage(path)
    storage.as_is = True
    async with storage:
        async with storage:
            assert [record.event for record in await read_all(storage)] == EVENTS
        for _ in range(2):
            with pytest.raises(StorageError, match=CANNOT_WRITE):
                await put(storage, b"{}")
        assert [record.event for record in await read_all(storage)] == EVENTS


@pytest.mark.anyio
@pytest.mark.parametrize("end", ["-wal", "-journal"])
async def test_what_was_not_closed_is_not_read_without_what_is_beside_it(
    shut: Shut, path: Path, tmp_path: Path, end: str
) -> None:
    path.with_name(f"{path.name}{end}").write_bytes(b"pages")
    shut()
    with pytest.raises(StorageError, match=CANNOT_READ):
        check_storage(path)
    with pytest.raises(StorageError, match=CANNOT_READ):
        backup_storage(path, tmp_path / "copy.db")
    storage = SQLiteStorage(path)
    storage.as_is = True
    with pytest.raises(StorageError, match=CANNOT_READ):
        await storage.open()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder"]  # noqa: ASYNC240


@pytest.mark.parametrize("shut", ["mounted"], indirect=True)
def test_what_was_not_closed_is_seen_behind_a_link(shut: Shut, path: Path, tmp_path: Path) -> None:
    path.with_name("events.db-wal").write_bytes(b"pages")
    shut()
    (tmp_path / "link.db").symlink_to(path)
    with pytest.raises(StorageError, match="nothing can be written beside it"):
        check_storage(tmp_path / "link.db")


def test_an_empty_log_beside_it_holds_nothing(shut: Shut, path: Path) -> None:
    path.with_name("events.db-wal").touch()
    shut()
    assert check_storage(path) == []


@pytest.mark.parametrize("shut", ["fault"], indirect=True)
def test_who_writes_meanwhile_is_noticed(shut: Shut, path: Path, tmp_path: Path) -> None:
    """Somebody whom the folder is open to."""
    shut()

    def write(_done: int, _total: int) -> None:
        path.with_name("events.db-wal").write_bytes(b"pages")

    with pytest.raises(StorageError, match="somebody has written to it meanwhile"):
        check_storage(path, progress=write)
    path.with_name("events.db-wal").unlink()
    with pytest.raises(StorageError, match="somebody has written to it meanwhile"):
        backup_storage(path, tmp_path / "copy.db", progress=lambda *_: os.utime(path))
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.anyio
@pytest.mark.parametrize("shut", ["fault"], indirect=True)
async def test_a_storage_notices_who_writes_meanwhile(shut: Shut, path: Path) -> None:
    shut()
    storage = SQLiteStorage(path)
    storage.as_is = True
    async with storage:
        assert len(await read_all(storage)) == 2
        os.utime(path)
        with pytest.raises(StorageError, match="somebody has written to it meanwhile"):
            await read_all(storage)


@pytest.mark.anyio
async def test_as_it_is_none_is_made(tmp_path: Path) -> None:
    storage = SQLiteStorage(tmp_path / "none.db")
    storage.as_is = True
    with pytest.raises(StorageError, match=r"none\.db: there is no such file"):
        await storage.open()
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


def test_what_cannot_be_opened_at_all_says_so(folder: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        open_to_read(folder, busy_timeout=1.0)
