"""Several processes on one file, and processes that die."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from eventroute.storage.base import DEFAULT_BUS, LIVE, Complete, Record, Session
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.testing.storage.log import put, read_all

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
