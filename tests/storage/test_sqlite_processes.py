"""Several processes on one file, and processes that die."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import anyio
import pytest

from eventroute.storage.base import DEFAULT_BUS, LIVE, Complete, Delayed, Record, Session
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.testing.storage_log import put, read_all

BUS = DEFAULT_BUS
TASKS = 5
BATCH = 3

# Publishes as fast as it can and says what was accepted, as soon as it was.
PUBLISH = """
import os, sys, anyio
from eventroute.storage.sqlite import SQLiteStorage

async def publish(storage, task):
    number, before = 0, []
    while True:
        name = f"{sys.argv[2]}.{task}.{number}"
        events = [f"{name}.{part}".encode() for part in range(%d)]
        offsets = await storage.append("default", events, append_id=name, acknowledged=before)
        os.write(1, f"{name} {offsets[0]}\\n".encode())
        number, before = number + 1, [name]

async def main():
    async with SQLiteStorage(sys.argv[1]) as storage, anyio.create_task_group() as tasks:
        for task in range(%d):
            tasks.start_soon(publish, storage, task)

anyio.run(main)
""" % (BATCH, TASKS)  # noqa: UP031 - the program has braces of its own

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


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system that can kill -9")
def test_killed_at_any_moment_it_keeps_all_that_it_accepted(tmp_path: Path) -> None:
    lot = random.Random(5)
    path = tmp_path / "events.db"
    accepted: dict[str, int] = {}
    for round_ in range(20):
        process = run(PUBLISH, path, round_)
        assert process.stdout is not None
        lines = [process.stdout.readline()]  # from here on it is at work
        reader = threading.Thread(target=lambda out=process.stdout, lines=lines: lines.extend(out))
        reader.start()
        time.sleep(lot.uniform(0, 0.08))  # the test is of moments, so it must let some pass
        process.kill()
        reader.join()
        process.wait()
        process.stdout.close()
        accepted.update((name, int(offset)) for name, offset in (line.split() for line in lines if line.endswith("\n")))
        check(anyio.run(log_of, path), accepted)
    assert len(accepted) > 200


async def log_of(path: Path) -> list[Record]:
    async with SQLiteStorage(path) as storage:
        return await read_all(storage)


def check(log: list[Record], accepted: dict[str, int]) -> None:
    """Nothing accepted is lost, nothing torn, doubled or invented, and each task's order is kept."""
    starts: dict[str, int] = {}
    for place in range(0, len(log), BATCH):
        batch = log[place : place + BATCH]
        name = batch[0].event.decode().rpartition(".")[0]
        assert [record.event.decode() for record in batch] == [f"{name}.{part}" for part in range(BATCH)]
        assert name not in starts
        starts[name] = batch[0].offset
    assert accepted.items() <= starts.items()
    numbers: dict[str, list[int]] = {}
    for name in starts:
        task, _, number = name.rpartition(".")
        numbers.setdefault(task, []).append(int(number))
    for task, found in numbers.items():
        assert found == list(range(len(found)))
        told = sum(name.rpartition(".")[0] == task for name in accepted)
        assert told <= len(found) <= told + 1  # one may have been accepted that nobody heard of


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system that can kill -9")
def test_killed_while_it_fires_timers_each_is_in_the_log_once(tmp_path: Path) -> None:
    lot = random.Random(8)
    path = tmp_path / "events.db"
    events = [b"%d" % number for number in range(6_000)]
    anyio.run(delay, path, events)
    kills, log = 0, list[Record]()
    for _ in range(30):
        process = run(FIRE, path)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(lot.uniform(0, 0.05))  # the test is of moments, so it must let some pass
        kills += process.poll() is None
        process.kill()
        process.wait()
        process.stdout.close()
        log = anyio.run(log_of, path)
        assert [record.event for record in log] == events[: len(log)]
        assert anyio.run(timers_of, path) == len(events) - len(log)
    assert kills > 3
    assert log


async def delay(path: Path, events: list[bytes]) -> None:
    async with SQLiteStorage(path) as storage:
        await storage.append(BUS, [], append_id="a", delayed=[Delayed(0.5, event) for event in events])


async def timers_of(path: Path) -> int:
    async with SQLiteStorage(path) as storage:
        return await storage.count_timers(BUS)


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
