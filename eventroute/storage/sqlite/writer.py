"""The one thread that writes to an SQLite file: what is queued shares a transaction, and so a wait for the disk."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from eventroute.clock import Clock
from eventroute.errors import EventrouteError, StorageError
from eventroute.storage.base import DEFAULT_BUS
from eventroute.storage.jobs import AppendJob, Call, Job, JobThread, fail
from eventroute.storage.sqlite.check import glance
from eventroute.storage.sqlite.checkpoints import Checkpoints
from eventroute.storage.sqlite.room import FileRoom
from eventroute.storage.sqlite.schema import (
    FAILURES,
    connect,
    is_locked_out,
    prepare,
    primary_code,
    storage_error,
)
from eventroute.storage.sqlite.tables import SqliteTables
from eventroute.storage.threads import Watchers

__all__ = ["WriteThread"]

_PATIENCE = 0.05  # seconds, for other writers, where nobody waits
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
        self._opened = ExitStack()
        self._unsettled = False

    def _begin(self) -> None:
        try:
            prepare(self._path, busy_timeout=self._busy_timeout, as_is=self._as_is)
        except StorageError as error:
            self.locked_out = is_locked_out(error.__cause__)
            raise
        try:
            connection = self._connect()
            glance(connection, self._path)
            checkpoints = Checkpoints(self._path, self._connect(), self._connect())
            self._checkpoints = self._opened.enter_context(closing(checkpoints))
        except FAILURES as error:
            raise storage_error(error, self._path) from error
        self._tables = SqliteTables(connection, room=FileRoom(self._path, connection, self._clock))
        connection.execute("PRAGMA busy_timeout = 0")  # see `_take_turn`
        first: Call[None] = Call(lambda tables: tables.create_bus(DEFAULT_BUS, None, self._clock.time()))
        self._work([first])
        if first.error is not None:
            raise first.error

    def _connect(self) -> sqlite3.Connection:
        return self._opened.enter_context(closing(connect(self._path, busy_timeout=self._busy_timeout)))

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
        self._opened.close()

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
            self._take_turn(connection, self._busy_timeout)
            if not self._run_all(connection, jobs):
                connection.execute("ROLLBACK")
                self._tables.forget()
                return False
            connection.execute("COMMIT")
        except FAILURES as error:
            self._tables.forget()
            self._unsettled = self._unsettled or primary_code(error) == sqlite3.SQLITE_IOERR
            with suppress(sqlite3.Error):  # the error that counts is the one before
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            raise storage_error(error, self._path) from error
        news = self._tables.take_news()
        if news:
            self._watchers.advance(news)
        self._checkpoints.count(jobs)
        return True

    def _take_turn(self, connection: sqlite3.Connection, patience: float) -> None:
        """Begin to write, once no other process does, within so many seconds. SQLite itself would look ever more
        seldom, and be passed by those who came later.
        """
        began = time.monotonic()
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                waited = time.monotonic() - began
                if primary_code(error) != sqlite3.SQLITE_BUSY or waited >= patience:
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
        """See to the write-ahead log now and then; SQLite would do so inside a commit, and be silent of errors."""
        if not self._checkpoints.is_due:
            return
        connection = self._tables.connection
        try:
            self._take_turn(connection, _PATIENCE)
            try:
                self._checkpoints.do()
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:  # nobody waits for this, and there is always another time
            self._unsettled = self._unsettled or primary_code(error) == sqlite3.SQLITE_IOERR


@contextmanager
def _waiting(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Have SQLite wait for others, but no longer than that."""
    connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000):d}")
    try:
        yield
    finally:
        connection.execute("PRAGMA busy_timeout = 0")
