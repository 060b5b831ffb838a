"""The process that is killed: a server that forks one for each job, since a fork is ready in no time.

Reads `MODE RUN SINCE SECONDS PATH` line by line, lets a fork work for so many seconds, counted from its beginning
(`begun`) or from its first answer (`told`), and kills it. Meanwhile that says what its storage tells it; `end` is said
once it is dead. An argument names a mutation: then the storage does it wrong (`benchmarks.crash.mutants`).
"""

from __future__ import annotations

import os
import random
import select
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

import anyio

from benchmarks.crash.mutants import mutate
from benchmarks.crash.work import BUS, SUBSCRIPTION, delay, publish, settle, trim
from eventroute.storage.sqlite import SQLiteStorage

Mode = Callable[[Path, str], Awaitable[None]]


_TOLD, _FIRST = os.pipe()
_told: list[bool] = []
_PATIENCE = 10.0  # seconds for the first answer


def tell(kind: str, name: str, offset: int) -> None:
    """One line at once, as soon as it is known."""
    os.write(1, f"{kind} {name or '-'} {offset}\n".encode())
    if not _told:
        os.write(_FIRST, b"!")
        _told.append(True)


async def _work(path: Path, run: str, *, trims: bool, settles: bool) -> None:
    lot = random.Random(run)
    async with SQLiteStorage(path) as storage:
        await storage.put_subscription(BUS, SUBSCRIPTION, b"{}", start="latest")
        async with anyio.create_task_group() as tasks:
            for task in range(2):
                tasks.start_soon(publish, storage, f"{run}.{task}", lot, tell)
            if settles:
                tasks.start_soon(settle, storage, lot, tell)
                tasks.start_soon(delay, storage, f"{run}.later", lot, tell)
            if trims:
                tasks.start_soon(partial(trim, storage, tell, keep=20))


async def _open(path: Path, _run: str) -> None:
    """Which migrates an old file."""
    async with SQLiteStorage(path):
        tell("opened", "", 0)


async def _backup(path: Path, run: str) -> None:
    """Copy the file beside itself, again and again, while events are appended."""
    lot = random.Random(run)
    async with SQLiteStorage(path) as storage, anyio.create_task_group() as tasks:
        tasks.start_soon(publish, storage, f"{run}.0", lot, tell)
        for number in range(1 << 30):
            await storage.backup(path.with_name(f"copy-{run}-{number}.db"))


MODES: Mapping[str, Mode] = {
    "append": partial(_work, trims=False, settles=False),
    "commit": partial(_work, trims=False, settles=True),
    "trim": partial(_work, trims=True, settles=True),
    "migrate": _open,
    "backup": _backup,
}


def serve() -> None:
    """Fork for each line."""
    for line in sys.stdin:
        mode, run, since, seconds, path = line.rstrip("\n").split(" ", 4)
        pid = os.fork()
        if not pid:
            anyio.run(MODES[mode], Path(path), run)
            os._exit(0)
        if since == "told":
            select.select([_TOLD], [], [], _PATIENCE)
        time.sleep(float(seconds))
        os.kill(pid, signal.SIGKILL)  # one that has ended by itself is still there until it is waited for
        os.waitpid(pid, 0)
        os.write(1, b"end\n")
        if select.select([_TOLD], [], [], 0)[0]:
            os.read(_TOLD, 1)


if __name__ == "__main__":
    if sys.argv[1:]:
        mutate(sys.argv[1])
    serve()
