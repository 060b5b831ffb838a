"""Copies of a file that is in use, and room that is given back."""

from __future__ import annotations

import sys
import threading
from functools import partial
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from eventroute.errors import StorageError
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.storage.sqlite.check import check_storage
from eventroute.storage.sqlite.upkeep import PARTIAL, backup_storage
from eventroute.testing.storage.log import BUS, put, read_all, subscribe


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


EVENT = b'{"data":"%s"}' % (b"x" * 500)


@pytest.mark.anyio
async def test_a_copy_is_of_one_moment_and_appends_go_on(path: Path, tmp_path: Path) -> None:
    target, started, go_on = tmp_path / "copy.db", threading.Event(), threading.Event()
    seen: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        seen.append((done, total))
        started.set()
        assert go_on.wait(10)

    async with SQLiteStorage(path) as storage:
        await subscribe(storage, "s")
        for _ in range(8):
            await put(storage, *[EVENT] * 500)
        before = await read_all(storage)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(storage.backup, target, progress=progress))
            await anyio.to_thread.run_sync(started.wait, 10)
            await put(storage, b'{"late":1}')  # while the copy is being made
            assert not target.exists()
            go_on.set()
        assert len(await read_all(storage)) == len(before) + 1
    assert seen[-1][0] == seen[-1][1] > 256
    assert len(seen) > 1
    assert names(tmp_path) == ["copy.db", "events.db"]
    assert target.stat().st_mode & 0o777 == 0o600
    assert check_storage(target) == []
    async with SQLiteStorage(target) as storage:
        assert await read_all(storage) == before
        await put(storage, b"{}")


@pytest.mark.anyio
async def test_a_copy_that_is_cancelled_leaves_nothing(path: Path, tmp_path: Path) -> None:
    async with SQLiteStorage(path) as storage:
        await put(storage, *[EVENT] * 2_000)
        with anyio.CancelScope() as scope:
            await storage.backup(tmp_path / "copy.db", progress=lambda *_: anyio.from_thread.run_sync(scope.cancel))
        assert scope.cancelled_caught
        assert len(await read_all(storage)) == 2_000
    assert names(tmp_path) == ["events.db"]


def test_a_copy_goes_nowhere_else(path: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"events\.db: there is no such file"):
        backup_storage(path, tmp_path / "copy.db")
    path.touch()
    with pytest.raises(StorageError, match="this is no storage: the file is empty"):
        backup_storage(path, tmp_path / "copy.db")
    path.write_bytes(b"nothing" * 1_000)
    with pytest.raises(StorageError, match="not an SQLite database"):
        backup_storage(path, tmp_path / "copy.db")
    with pytest.raises(StorageError, match=r"events\.db: there is a file already: remove it"):
        backup_storage(path, path)
    with pytest.raises(StorageError, match=r"no/copy\.db\.partial: the copy cannot be made: No such file"):
        backup_storage(path, tmp_path / "no" / "copy.db")
    (tmp_path / "copy.db-wal").touch()
    with pytest.raises(StorageError, match=r"copy\.db-wal: there is a file already"):
        backup_storage(path, tmp_path / "copy.db")
    assert names(tmp_path) == ["copy.db-wal", "events.db"]


# Copies where no file may be larger than that, as on a disk that is full.
LIMITED = """
import resource, sys
from eventroute.errors import StorageError
from eventroute.storage.sqlite.upkeep import backup_storage

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    backup_storage(sys.argv[1], sys.argv[2])
except StorageError as error:
    print(error)
"""


@pytest.mark.anyio
@pytest.mark.skipif(sys.platform == "win32", reason="this system does not limit files")
@pytest.mark.parametrize("limit", [64 * 4_096, 64 * 4_096 + 1])
async def test_a_copy_for_which_there_is_no_room_is_told_by_its_name(path: Path, tmp_path: Path, limit: int) -> None:
    async with SQLiteStorage(path) as storage:
        await put(storage, *[EVENT] * 2_000)
    copying = [sys.executable, "-c", LIMITED, str(path), str(tmp_path / "copy.db"), str(limit)]
    done = await anyio.run_process(copying)
    assert "copy.db.partial: " in done.stdout.decode()
    assert names(tmp_path) == ["events.db"]


@pytest.mark.anyio
async def test_what_a_copy_that_was_killed_has_left_is_in_nobodys_way(path: Path, tmp_path: Path) -> None:
    (tmp_path / f"copy.db{PARTIAL}").write_bytes(b"half a copy")
    async with SQLiteStorage(path) as storage:
        await put(storage, EVENT)
        await storage.backup(tmp_path / "copy.db")
    assert check_storage(tmp_path / "copy.db") == []


@pytest.mark.anyio
async def test_room_is_given_back_in_steps(path: Path) -> None:
    async with SQLiteStorage(path) as storage:
        await put(storage, *[EVENT] * 4_000)
        assert await storage.vacuum() == 0
        while (await storage.trim(BUS, 4_000, limit=1_000)).events:
            pass
        await put(storage, EVENT)
        freed = await storage.vacuum()
        assert freed > 1_900_000
        assert await storage.vacuum() == 0
        assert len(await read_all(storage)) == 2
    assert path.stat().st_size < 300_000  # noqa: ASYNC240
    assert check_storage(path) == []
