"""How the write-ahead log is kept short, and its file ready for what comes, between the transactions of a writer.

SQLite before 3.51.3 can lose what was committed, where one connection takes the log over into the file while another
begins it anew (the WAL-reset bug, https://sqlite.org/wal.html). Nobody begins it anew while somebody reads it, or while
nobody but the one who takes it over may write. So most of it is taken over in a thread, while others write, with a read
transaction open; and the rest, without which it cannot be begun anew, while the writer keeps others from writing.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from eventroute.storage.jobs import AppendJob, Job
from eventroute.storage.sqlite.schema import WAL_BYTES
from eventroute.storage.sqlite.wal import beside, wal_mark

__all__ = ["Checkpoints", "lengthen"]

_PAGES = 1_000.0  # about as many pages of the log are then taken over into the file
_READY_PAGES = 16.0  # of a log that is shorter, the file is not made ready
_PAGES_A_COMMIT = 3.0  # at least
_PAGE_BYTES = 4_120  # that a page takes in the log
_COMMITS_A_LOOK = 256  # at the size of the file
_PATIENCE = 0.05  # seconds, for readers of a log that has grown too long
_LOOKS = 10  # whether they have gone
_APPEND = os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0)


class Checkpoints:
    """Counts what is written to a file, and sees to its log when that is due.

    The file of the log grows ahead of what is written, by as much again, until a checkpoint is due; from then on it is
    written over. The connections are for this alone. Raises sqlite3.Error.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, reader: sqlite3.Connection) -> None:
        self._path = path
        self._log = beside(path, "-wal")
        self._connection = connection
        self._reader = reader
        connection.execute("PRAGMA synchronous = FULL")  # not whatever SQLite was built with
        for each in (connection, reader):
            each.execute("PRAGMA busy_timeout = 0")  # the caller keeps others waiting
        self._pages = 0.0
        self._ready = _READY_PAGES
        self._commits = 0
        self._held_up_at = -1
        self._asked: SimpleQueue[Future[int] | None] = SimpleQueue()
        self._aside: Future[int] | None = None
        self._thread = threading.Thread(target=self._main, name="eventroute-sqlite-checkpoint", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let what is under way end."""
        self._asked.put(None)
        self._thread.join()

    def count(self, jobs: Iterable[Job[Any]]) -> None:
        """These were committed together."""
        self._commits += 1
        self._pages += _PAGES_A_COMMIT
        appended = 0
        for job in jobs:
            if isinstance(job, AppendJob):
                appended += job.size
            else:
                self._pages += job.cost / 50
        self._pages += appended / 4_000 + min(appended / 1_000, 4.0)  # of events, and those that lead to them

    @property
    def is_due(self) -> bool:
        """Whether there is something to do."""
        if self._aside is not None:
            return self._aside.done()
        return self._pages >= min(self._ready, _PAGES) or self._commits >= _COMMITS_A_LOOK

    def do(self) -> None:
        """Do what is due, while the caller, in a transaction that has changed nothing, keeps others from writing."""
        if self._aside is not None:
            aside, self._aside = self._aside, None
            aside.result()
            self._finish()
        elif self._pages >= _PAGES or (self._commits >= _COMMITS_A_LOOK and self._is_long()):
            self._pages = 0.0
            self._commits = 0
            if self.hold():
                self._aside = Future()
                self._asked.put(self._aside)
            else:
                self._finish()
        elif self._pages >= self._ready:
            self._ready = 2 * self._pages
            lengthen(self._log, int(self._ready) * _PAGE_BYTES)
        if self._commits >= _COMMITS_A_LOOK:
            self._commits = 0

    def take_over(self) -> int:
        """Write what the log has into the file, while the caller keeps others from writing; whoever writes next begins
        the log anew, if nobody reads it. Returns how many of its pages are in the file: those that no reader holds up.
        """
        (_, _, pages) = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return int(pages)

    def hold(self) -> bool:
        """Keep the log from being begun anew, until `take_over_held` lets it go, while the caller keeps others from
        writing. False: it cannot be held, since all of it is in the file, or cannot be seen.
        """
        if not self._is_behind():
            return False
        held = False
        try:
            self._reader.execute("BEGIN")
            self._reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
            held = self._is_behind()  # else it reads the file alone
        finally:
            if not held:
                self._let_go()
        return held

    def take_over_held(self) -> int:
        """As `take_over`, up to where the log was held, while others write."""
        try:
            return self.take_over()
        finally:
            self._let_go()

    def _is_behind(self) -> bool:
        """Whether the log has what the file has not; while nobody can write, it cannot become so."""
        mark = wal_mark(self._path)
        return mark is not None and mark.pages > mark.taken_over

    def _let_go(self) -> None:
        if self._reader.in_transaction:
            self._reader.execute("ROLLBACK")

    def _main(self) -> None:
        while (asked := self._asked.get()) is not None:
            try:
                asked.set_result(self.take_over_held())
            except Exception as error:  # noqa: BLE001 - the writer gets it
                asked.set_exception(error)

    def _is_long(self) -> bool:
        with suppress(OSError):
            return self._log.stat().st_size > WAL_BYTES
        return False

    def _finish(self) -> None:
        """Take the rest over. Readers that overlap all the time keep the log from being taken over to its end, and from
        being begun anew. So once it is long wait for them, while nobody writes: those who come meanwhile find all in
        the file, once it is there. But not for who was waited for in vain and is still there, as one that copies the
        file is for minutes.
        """
        if self.take_over() != self._held_up_at and self._is_long():
            for _ in range(_LOOKS):
                time.sleep(_PATIENCE / _LOOKS)
                self._held_up_at = self.take_over()


def lengthen(log: Path, size: int) -> None:
    """Write zeros behind the end of a log's file, up to that size: SQLite reads up to what is no page of the log, and
    what is written over is synced sooner than a file that grows. Only while nobody writes to it; and should somebody,
    since the log is another file's by now, nothing is written over.
    """
    with suppress(OSError), os.fdopen(os.open(log, _APPEND), "ab", buffering=0) as file:  # else SQLite makes it grow
        end = file.seek(0, os.SEEK_END)
        try:
            done = file.write(bytes(max(0, size - end)))
        except OSError:
            done = 0
        if done < size - end:  # the disk is full, say, and what is left is not for this
            file.truncate(end)
