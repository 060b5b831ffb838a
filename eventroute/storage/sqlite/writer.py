"""The one thread that writes to an SQLite file: what is queued shares a transaction, and so a wait for the disk."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from eventroute.clock import Clock
from eventroute.errors import EventrouteError, StorageError
from eventroute.storage.base import DEFAULT_BUS
from eventroute.storage.jobs import AppendJob, Call, Job, JobThread, fail
from eventroute.storage.sqlite.check import glance
from eventroute.storage.sqlite.room import FileRoom
from eventroute.storage.sqlite.schema import FAILURES, WAL_BYTES, connect, is_locked_out, prepare, storage_error
from eventroute.storage.sqlite.tables import SqliteTables
from eventroute.storage.threads import Watchers

__all__ = ["WriteThread"]

_CHECKPOINT_PAGES = 1_000.0  # about as many pages of the log are then taken over into the file
_COMMITS_A_LOOK = 256  # at the size of the write-ahead log
_PATIENCE = 0.05  # seconds, for readers, when the write-ahead log is cut back
_TURN = (0.0003, 0.001)  # seconds between two looks whether the file is free: about as long as a transaction takes
_TURN_SHARE = 0.05  # of the time that was waited: who waits for long looks less often


class WriteThread(JobThread):
    """Owns the write connection. Each job is all or nothing, whatever else is in its transaction."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        watchers: Watchers,
        *,
        synchronous: str,
        busy_timeout: float,
        as_is: bool = False,
    ) -> None:
        super().__init__("eventroute-sqlite-writer")
        self.locked_out = False
        """Whether the thread has ended since nothing can be written."""
        self._as_is = as_is
        self._path = path
        self._clock = clock
        self._watchers = watchers
        self._durable_mode = synchronous
        self._mode = ""
        self._busy_timeout = busy_timeout
        self._connection: sqlite3.Connection | None = None
        self._commits = 0
        self._pages = 0.0
        self._unsettled = False

    def _begin(self) -> None:
        try:
            prepare(self._path, busy_timeout=self._busy_timeout, as_is=self._as_is)
        except StorageError as error:
            self.locked_out = is_locked_out(error.__cause__)
            raise
        try:
            self._connection = connect(self._path, busy_timeout=self._busy_timeout)
            glance(self._connection, self._path)
        except FAILURES as error:
            raise storage_error(error, self._path) from error
        room = FileRoom(self._path, self._connection, self._clock)
        self._tables = SqliteTables(self._connection, room=room)
        self._connection.execute("PRAGMA busy_timeout = 0")  # see `_take_turn`
        first: Call[None] = Call(lambda tables: tables.create_bus(DEFAULT_BUS, None, self._clock.time()))
        self._work([first])
        if first.error is not None:
            raise first.error

    def _work(self, jobs: list[Job[Any]]) -> None:
        if self._attempt(jobs) or len(jobs) == 1:
            return
        # One of them failed halfway: nobody else's matter, so each has a transaction of its own.
        for job in jobs:
            job.error = None
            try:
                self._attempt([job])
            except EventrouteError as error:
                job.error = error

    def _end(self) -> None:
        if self._connection is None:
            return
        with suppress(sqlite3.Error), _waiting(self._connection, _PATIENCE):  # else it is read at the next opening
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    def _attempt(self, jobs: list[Job[Any]]) -> bool:
        """Do the jobs in one transaction; false where one failed halfway, and nothing was changed.

        Raises StorageError where the file failed them all.
        """
        connection = self._tables.connection
        try:
            if self._unsettled:
                self._settle(connection)
            mode = self._durable_mode if any(job.durable for job in jobs) else "NORMAL"
            if mode != self._mode:  # claims need not outlive a power loss, and do not wait for the disk
                connection.execute(f"PRAGMA synchronous = {mode}")
                self._mode = mode
            self._take_turn(connection)
            if not self._run_all(connection, jobs):
                connection.execute("ROLLBACK")
                self._tables.forget()
                return False
            connection.execute("COMMIT")
        except FAILURES as error:
            self._tables.forget()
            self._unsettled = self._unsettled or _primary(error) == sqlite3.SQLITE_IOERR
            with suppress(sqlite3.Error):  # the error that counts is the one before
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            raise storage_error(error, self._path) from error
        news = self._tables.take_news()
        if news:
            self._watchers.advance(news)
        self._commits += 1
        self._pages += 3 + sum(map(_pages, jobs))
        return True

    def _take_turn(self, connection: sqlite3.Connection) -> None:
        """Begin to write, once no other process does. SQLite itself would look ever more seldom, and be passed by those
        who came later.
        """
        began = time.monotonic()
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                waited = time.monotonic() - began
                if _primary(error) != sqlite3.SQLITE_BUSY or waited >= self._busy_timeout:
                    raise
            time.sleep(max(random.uniform(*_TURN), _TURN_SHARE * waited))  # noqa: S311 - jitter

    def _run_all(self, connection: sqlite3.Connection, jobs: list[Job[Any]]) -> bool:
        """Do the jobs in order, appends that stand together at once. False: one failed halfway."""
        for kind, run in groupby(jobs, type):
            some = list(run)
            if not (self._append(some) if kind is AppendJob else all(self._run(connection, job) for job in some)):
                return False
        return True

    def _append(self, jobs: list[Any]) -> bool:
        try:
            self._tables.append(jobs, self._clock.time())
        except sqlite3.OperationalError:
            raise
        except FAILURES as error:
            fail(jobs, storage_error(error, self._path))
            return False
        except Exception as error:  # noqa: BLE001 - the task that asked gets it
            fail(jobs, error)
            return False
        return True

    def _run(self, connection: sqlite3.Connection, job: Any) -> bool:
        before = connection.total_changes
        try:
            job.result = job.work(self._tables)
        except sqlite3.OperationalError:
            raise
        except FAILURES as error:  # a damaged page, say, which others need not meet
            fail([job], storage_error(error, self._path))
            return connection.total_changes == before
        except Exception as error:  # noqa: BLE001 - the task that asked gets it
            fail([job], error)
            return connection.total_changes == before
        return True

    def _settle(self, connection: sqlite3.Connection) -> None:
        """After a failed write or sync the system may count as written what the disk never got, and later syncs are
        silent about it: so all that the log holds is written once more, into the file.
        """
        with _waiting(connection, self._busy_timeout):
            (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError("after a failed write, others read what has to be written again")
        self._unsettled = False

    def _tidy(self) -> None:
        """Take the log over into the file now and then; SQLite would do so inside a commit, and be silent of errors."""
        connection = self._tables.connection
        try:
            if self._pages >= _CHECKPOINT_PAGES:
                self._pages = 0.0
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            if self._commits >= _COMMITS_A_LOOK:
                self._commits = 0
                self._bound_wal(connection)
        except sqlite3.Error as error:  # nobody waits for this, and there is always another time
            self._unsettled = self._unsettled or _primary(error) == sqlite3.SQLITE_IOERR

    def _bound_wal(self, connection: sqlite3.Connection) -> None:
        """Readers that overlap all the time keep the log from being begun anew: then wait for them, a little."""
        with suppress(FileNotFoundError):
            if self._path.with_name(f"{self._path.name}-wal").stat().st_size > WAL_BYTES:
                with _waiting(connection, _PATIENCE):
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def _waiting(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Have SQLite wait for others, but no longer than that."""
    connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000):d}")
    try:
        yield
    finally:
        connection.execute("PRAGMA busy_timeout = 0")


def _pages(job: Job[Any]) -> float:
    """About how many pages the job has written."""
    return job.size / 4_000 if isinstance(job, AppendJob) else job.cost / 50


def _primary(error: Exception) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF
