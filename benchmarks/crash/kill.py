"""A process is killed with signal 9 while it works on a storage; another looks at what it left."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio

from benchmarks.crash.work import Tally, Told, faults, look
from eventroute.errors import StorageError
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.storage.sqlite.check import check_storage
from eventroute.storage.sqlite.migrations import SCHEMA_VERSION, migrate
from eventroute.storage.sqlite.upkeep import PARTIAL

MODES = ("append", "commit", "trim", "migrate", "backup")

_KILLS_A_FILE = 5
_LATEST = 0.03
"""How many seconds after its beginning, or its first answer, a process is killed, at the latest."""

_OLD_EVENTS = 2_000


def fast_folder() -> str | None:
    """Where files are written fastest; None: anywhere. What is killed leaves the same behind on any file system."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108


class Victims:
    """The server that forks the processes which are killed."""

    def __init__(self, mutation: str) -> None:
        command = [sys.executable, "-m", "benchmarks.crash.victim", *([mutation] if mutation else [])]
        self._server = subprocess.Popen(  # noqa: S603 - it is of our own
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.communicate()

    def kill(self, mode: str, run: str, lot: random.Random, path: Path, told: Told) -> None:
        """Let one work for a while and kill it; `told` hears what it was told."""
        since = lot.choice(["begun", "told", "told"])
        print(mode, run, since, lot.uniform(0, _LATEST), path, file=self._server.stdin, flush=True)
        for line in self._server.stdout or ():
            if line == "end\n":
                break
            kind, name, offset = line.split()
            told.hear(kind, name, int(offset))


def kill(mode: str, times: int, *, seed: int, folder: Path, mutation: str = "") -> Tally:
    """Kill so many processes in one mode; with a mutation, stop at the first fault."""
    tally = Tally()
    with Victims(mutation) as victims:
        while tally.crashes < times and not (tally.faults and mutation):
            number = tally.crashes
            lot = random.Random(f"{seed} {mode} {number}")
            place = folder / f"{mode}-{number}"
            place.mkdir()
            if mode == "migrate":
                found = _kill_migration(victims, lot, place / "events.db")
                tally.crashes += 1
            else:
                found = _kill_workers(
                    victims, mode, lot, place / "events.db", min(_KILLS_A_FILE, times - number), tally
                )
            tally.faults += [f"{mode}, seed {seed}, file {number}: {fault}" for fault in found]
            shutil.rmtree(place)
    return tally


def _kill_workers(victims: Victims, mode: str, lot: random.Random, path: Path, times: int, tally: Tally) -> list[str]:
    told = Told()
    for crash in range(times):
        victims.kill(mode, str(crash), lot, path, told)
        tally.crashes += 1
        found = [*anyio.run(_after, path, told), *_copies(path)]
        if found:
            return [f"crash {crash}: {fault}" for fault in found]
    tally.accepted += len(told.accepted)
    return []


def _copies(path: Path) -> list[str]:
    """What is wrong with a copy that has its name; one that is not complete must not have it."""
    copies = [each for each in path.parent.glob("copy-*") if not each.name.endswith((PARTIAL, "-journal"))]
    found = [f"the copy {copy.name}: {finding}" for copy in copies[-3:] for finding in _checked(copy)]
    for each in path.parent.glob("copy-*"):
        each.unlink()
    return found


def _checked(copy: Path) -> list[str]:
    try:
        return check_storage(copy)
    except StorageError as error:
        return [str(error)]


async def _after(path: Path, told: Told) -> list[str]:
    try:
        async with SQLiteStorage(path) as storage:
            return faults(told, await look(storage))
    except StorageError as error:
        return [f"it does not open: {error}"]


def _kill_migration(victims: Victims, lot: random.Random, path: Path) -> list[str]:
    before = _make_old(path)
    victims.kill("migrate", "0", lot, path, Told())
    with closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if not 1 <= version <= SCHEMA_VERSION or _events(connection) != before:
            return [f"killed while it was migrated, it has version {version} and other events"]
    try:
        found = anyio.run(_log_of, path)
    except StorageError as error:
        return [f"it does not open: {error}"]
    return [] if found == [event for _, _, event in before] else ["migrated, it has other events"]


def _make_old(path: Path) -> list[Any]:
    """A file of version 1."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        migrate(connection)
        connection.execute("BEGIN")
        connection.execute("INSERT INTO bus (name, first, version, horizon) VALUES ('default', 1, 0, 0)")
        connection.execute("INSERT INTO reader (bus, name, position, claimed) VALUES ('default', 'live', 1, 1)")
        rows = [((1 << 40) + number, number, b"%d" % number) for number in range(1, _OLD_EVENTS + 1)]
        connection.executemany("INSERT INTO event (key, time, event) VALUES (?, ?, ?)", rows)
        connection.execute("COMMIT")
        return _events(connection)


def _events(connection: sqlite3.Connection) -> list[Any]:
    return connection.execute("SELECT key, time, event FROM event").fetchall()


async def _log_of(path: Path) -> list[bytes]:
    async with SQLiteStorage(path) as storage:
        return [record.event for record in (await look(storage)).log]
