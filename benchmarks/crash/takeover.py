"""Processes that take the write-ahead log of a file over, all the time, while another one writes and begins it anew.

SQLite before 3.51.3 loses what was committed there (the WAL-reset bug, https://sqlite.org/wal.html), once in some
million times, unless whoever takes the log over keeps it from being begun anew. Pages that are lost are found by their
rows.
"""

from __future__ import annotations

import multiprocessing
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

from attrs import Factory, define

from eventroute.storage.sqlite.checkpoints import Checkpoints
from eventroute.storage.sqlite.schema import connect

__all__ = ["TakenOver", "take_over"]

_TAKERS = 2
_ROWS = 200
_COMMITS = (1, 1, 2, 5, 20, 60)  # from one takeover of the writer to the next: so the log is long, and then short
_ROUNDS_A_LOOK = 20


@define
class TakenOver:
    """How it went."""

    commits: int = 0
    times: int = 0
    """How often the log was taken over."""
    faults: list[str] = Factory(list)

    def __str__(self) -> str:
        return (
            f"SQLite {sqlite3.sqlite_version}, {self.commits} commits, the log taken over {self.times} times,"
            f" {len(self.faults)} faults"
        )


def take_over(seconds: float, *, seed: int, careless: bool, path: Path) -> TakenOver:
    """Write to a new file for so long, while two processes take its log over; `careless`: and let others write."""
    lot, taken, written = random.Random(seed), TakenOver(), dict.fromkeys(range(_ROWS), 0)
    with _opened(path) as (connection, checkpoints):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE row (number INTEGER PRIMARY KEY, written INTEGER, page BLOB)")
        connection.executemany("INSERT INTO row VALUES (?, 0, zeroblob(3000))", ((number,) for number in written))
        with _takers(path, careless) as counts:
            end, rounds = time.monotonic() + seconds, 0
            while time.monotonic() < end:
                for _ in range(lot.choice(_COMMITS)):
                    taken.commits += 1
                    number = lot.randrange(_ROWS)
                    _begin(connection)
                    connection.execute("UPDATE row SET written = ? WHERE number = ?", (taken.commits, number))
                    connection.execute("COMMIT")
                    written[number] = taken.commits
                _take_over(connection, checkpoints, careless)
                rounds += 1
                if rounds % _ROUNDS_A_LOOK == 0:
                    taken.faults += _faults(path, written)
        taken.times = rounds + sum(count.value for count in counts)
        taken.faults += _faults(path, written)
    return taken


@contextmanager
def _opened(path: Path) -> Iterator[tuple[sqlite3.Connection, Checkpoints]]:
    with ExitStack() as opened:
        connection, *others = (opened.enter_context(closing(connect(path, busy_timeout=0))) for _ in range(3))
        connection.execute("PRAGMA synchronous = OFF")  # no power is lost here
        yield connection, opened.enter_context(closing(Checkpoints(path, *others)))


def _take_over(connection: sqlite3.Connection, checkpoints: Checkpoints, careless: bool) -> None:
    if careless:
        checkpoints.take_over()
        return
    _begin(connection)
    held = checkpoints.hold()
    connection.execute("ROLLBACK")
    if held:
        checkpoints.take_over_held()
    _begin(connection)
    checkpoints.take_over()
    connection.execute("ROLLBACK")


def _begin(connection: sqlite3.Connection) -> None:
    """Begin to write, as soon as nobody else does: SQLite's own patience sleeps for a millisecond at the least."""
    while True:
        with suppress(sqlite3.OperationalError):
            connection.execute("BEGIN IMMEDIATE")
            return


@contextmanager
def _takers(path: Path, careless: bool) -> Iterator[list[Synchronized[int]]]:
    context = multiprocessing.get_context("spawn")
    ending, counts = context.Event(), [context.Value("q", 0) for _ in range(_TAKERS)]
    takers = [context.Process(target=_take, args=(path, careless, ending, count)) for count in counts]
    for taker in takers:
        taker.start()
    try:
        yield counts
    finally:
        ending.set()
        for taker in takers:
            taker.join()


def _take(path: Path, careless: bool, ending: Any, count: Synchronized[int]) -> None:
    with _opened(path) as (connection, checkpoints):
        while not ending.is_set():
            _take_over(connection, checkpoints, careless)
            count.value += 1


def _faults(path: Path, written: dict[int, int]) -> list[str]:
    """What is wrong, which is then taken for right."""
    try:
        with closing(connect(path, busy_timeout=10)) as connection:
            found = dict(connection.execute("SELECT number, written FROM row").fetchall())
    except sqlite3.DatabaseError as error:
        return [f"the file is damaged: {error}"]
    lost = [number for number, commit in written.items() if found.get(number) != commit]
    faults = [f"{len(lost)} rows are not as they were written, {lost[0]} for one"] if lost else []
    written.update(found)
    return faults
