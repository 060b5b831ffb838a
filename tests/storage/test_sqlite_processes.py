"""Several processes on one file, and processes that die."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventroute.storage import sqlite_writer
from eventroute.storage.base import DEFAULT_BUS, LIVE, Complete, Record, Session
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.storage.sqlite_log import MOST_BYTES, MOST_RECORDS
from eventroute.storage.sqlite_tables import SqliteTables
from eventroute.testing.storage_log import put, read_all

BUS = DEFAULT_BUS

# Publishes 100 events and works on what there is until 200 are done, by whomever; says which it got.
SHARE = """
import sys, anyio
from eventroute.storage.base import Complete
from eventroute.storage.sqlite import SQLiteStorage

async def main():
    async with SQLiteStorage(sys.argv[1]) as storage:
        session = await storage.open_session(60)
        for number in range(100):
            await storage.append("default", [b"child"], append_id=f"child-{number}")
            claim = await storage.claim("default", "live", session, limit=3)
            if claim is not None:
                print(*range(claim.start, claim.end), flush=True)
                await storage.write("default", session, [Complete(claim)])
        await storage.close_session(session)

anyio.run(main)
"""

# Fires timers, a few at a time, until none is left; says so when it begins.
FIRE = """
import sys, anyio
from eventroute.storage.sqlite import SQLiteStorage

async def main():
    async with SQLiteStorage(sys.argv[1]) as storage:
        print("begun", flush=True)
        while (await storage.fire_timers("default", now=1.0, limit=3)).next_due is not None:
            pass

anyio.run(main)
"""

# Meets the largest file that it may write, and goes on once it may write more.
LIMITED = """
import resource, sys, anyio
from eventroute.errors import StorageError
from eventroute.storage.sqlite import SQLiteStorage

async def main():
    async with SQLiteStorage(sys.argv[1]) as storage:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        number = 0
        try:
            while True:
                await storage.append("default", [b"x" * 5_000] * 3, append_id=str(number))
                number += 1
        except StorageError as error:
            print(number, error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await storage.append("default", [b"x" * 5_000] * 3, append_id=str(number))

anyio.run(main)
"""


def run(program: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


async def log_of(path: Path) -> list[Record]:
    async with SQLiteStorage(path) as storage:
        return await read_all(storage)


@pytest.mark.anyio
async def test_two_processes_share_the_work(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    done: list[int] = []
    async with SQLiteStorage(path) as storage:
        session = await storage.open_session(60)
        process = run(SHARE, path)
        try:
            for number in range(100):
                await put(storage, b"parent")
                await storage.watch(BUS, end=number, version=0, timeout=5)
                done += await work(storage, session, limit=2)
            out, _ = await anyio.to_thread.run_sync(process.communicate)
        finally:
            process.kill()
            process.wait()
        theirs = [int(offset) for offset in out.split()]
        while more := await work(storage, session, limit=50):
            done += more
        log = await read_all(storage)
    assert sorted([*done, *theirs]) == [record.offset for record in log] == list(range(1, 201))
    assert [record.event for record in log].count(b"child") == 100
    assert theirs
    assert done


async def work(storage: SQLiteStorage, session: Session, limit: int) -> list[int]:
    claim = await storage.claim(BUS, LIVE, session, limit=limit)
    if claim is None:
        return []
    await storage.write(BUS, session, [Complete(claim)])
    return list(range(claim.start, claim.end))


@pytest.mark.anyio
@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
async def test_a_file_that_may_not_grow_is_an_error_that_passes(tmp_path: Path) -> None:
    process = run(LIMITED, tmp_path / "events.db")
    out, _ = await anyio.to_thread.run_sync(process.communicate)
    assert process.returncode == 0
    number, _, message = out.partition(" ")
    assert "events.db: reading or writing the file failed" in message
    log = await log_of(tmp_path / "events.db")
    assert len(log) == 3 * (int(number) + 1)
    assert len({record.event for record in log}) == 1


# Reads all that there is, again and again.
READ = """
import sys, anyio
from eventroute.storage.sqlite import SQLiteStorage

async def main():
    async with SQLiteStorage(sys.argv[1]) as storage:
        print("begun", flush=True)
        while True:
            end = (await storage.bounds("default")).end
            start = 1
            while page := await storage.read("default", start, end, limit=1_000_000, max_bytes=1 << 40):
                start = page[-1].offset + 1

anyio.run(main)
"""


@pytest.mark.anyio
async def test_readers_in_other_processes_do_not_let_the_log_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = 500_000
    monkeypatch.setattr(sqlite_writer, "WAL_BYTES", bound)
    monkeypatch.setattr(sqlite_writer, "_COMMITS_A_LOOK", 4)
    monkeypatch.setattr(sqlite_writer, "_CHECKPOINT_PAGES", 50)
    path = tmp_path / "events.db"
    async with SQLiteStorage(path) as storage:
        readers = [run(READ, path) for _ in range(2)]
        try:
            for reader in readers:
                assert reader.stdout is not None
                assert await anyio.to_thread.run_sync(reader.stdout.readline) == "begun\n"
            sizes = []
            for _ in range(110):
                await put(storage, *[b"x" * 1_000] * 20)
                sizes.append(path.with_name("events.db-wal").stat().st_size)
        finally:
            for reader in readers:
                reader.kill()
                reader.communicate()
    assert max(sizes) < 3 * bound


@pytest.mark.anyio
async def test_a_page_is_bounded_however_much_is_asked_for(tmp_path: Path) -> None:
    """So that no transaction holds the log up for a second."""
    async with SQLiteStorage(tmp_path / "events.db") as storage:
        await put(storage, *[b"x"] * (MOST_RECORDS + 10))
        page = await storage.read(BUS, 1, 1 << 40, limit=1 << 40, max_bytes=1 << 40)
        assert len(page) == MOST_RECORDS
        large = await put(storage, *[b"x" * (MOST_BYTES // 3)] * 4)
        page = await storage.read(BUS, large[0], 1 << 40, limit=1 << 40, max_bytes=1 << 40)
        assert len(page) == 3


@pytest.mark.anyio
async def test_write_transactions_are_short(tmp_path: Path) -> None:
    spent: list[float] = []

    class Timed:
        def __init__(self, connection: sqlite3.Connection) -> None:
            self.connection = connection
            self.begun = 0.0

        def __getattr__(self, name: str) -> Any:
            return getattr(self.connection, name)

        def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
            if statement == "BEGIN IMMEDIATE":
                self.begun = time.thread_time()
            done = self.connection.execute(statement, *arguments)
            if statement == "COMMIT":
                spent.append(time.thread_time() - self.begun)
            return done

    def measure(tables: SqliteTables) -> None:
        tables.connection = Timed(tables.connection)  # type: ignore[assignment]

    async def work_on(storage: SQLiteStorage) -> None:
        session = await storage.open_session(60)
        for _ in range(10):
            await put(storage, *[b"x" * 500] * 10)
            await work(storage, session, limit=20)

    async with SQLiteStorage(tmp_path / "events.db") as storage:
        await storage._write(measure)
        async with anyio.create_task_group() as tasks:
            for _ in range(30):
                tasks.start_soon(work_on, storage)
    spent.sort()
    assert len(spent) > 10
    assert spent[int(len(spent) * 0.9)] < 0.01
