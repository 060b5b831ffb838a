"""The thread that reads an SQLite file, and meanwhile looks whether another process has written to it."""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from eventroute.errors import UnknownBus
from eventroute.storage.jobs import Call, Job, JobThread, fail
from eventroute.storage.sqlite.reading import ReadOnly, check_version, open_to_read
from eventroute.storage.sqlite.schema import FAILURES, storage_error
from eventroute.storage.sqlite.tables import SqliteTables
from eventroute.storage.threads import Watchers

__all__ = ["ReadThread"]


class ReadThread(JobThread):
    """Owns the read connection; a read sees one state of the file and is over before the next begins.

    SQLite wakes nobody in another process. So while somebody watches a bus, the thread looks every `poll_interval`
    seconds at a counter that changes with each commit of any connection, and at the buses only when it has changed.
    """

    def __init__(self, path: Path, watchers: Watchers, *, busy_timeout: float, poll_interval: float) -> None:
        super().__init__("eventroute-sqlite-reader")
        self._path = path
        self._watchers = watchers
        self._busy_timeout = busy_timeout
        self._poll_interval = poll_interval
        self._opened: ReadOnly | None = None
        self._polled = time.monotonic()
        self._seen = (0, 0)
        self._parked = False

    def look_out(self) -> None:
        """Somebody has begun to watch. Raises StorageClosed."""
        if self._parked or self.closed:  # it waits for a job and for nothing else
            self.post(Call(_nothing))

    def _begin(self) -> None:
        try:
            self._opened = open_to_read(self._path, busy_timeout=self._busy_timeout)
            check_version(self._opened.connection, self._path)
        except FAILURES as error:
            raise storage_error(error, self._path) from error
        self._tables = SqliteTables(self._opened.connection)
        self._check_still = self._opened.check_still

    def _work(self, jobs: list[Job[Any]]) -> None:
        for job in jobs:
            self._run(job)
        if time.monotonic() - self._polled >= self._poll_interval:
            self._idle()

    def _end(self) -> None:
        if self._opened is not None:
            self._opened.close()

    def _run(self, job: Any) -> None:
        connection = self._tables.connection
        try:
            connection.execute("BEGIN")
            job.result = job.work(self._tables)
            self._check_still()
        except FAILURES as error:
            fail([job], storage_error(error, self._path))
        except Exception as error:  # noqa: BLE001 - the task that asked gets it
            fail([job], error)
        finally:
            with suppress(sqlite3.Error):  # nothing was written
                connection.execute("ROLLBACK")

    def _patience(self) -> float | None:
        self._parked = True  # said before the look at who watches, so that nobody slips in between
        if not self._watchers.buses():
            return None
        self._parked = False
        return self._poll_interval

    def _idle(self) -> None:
        """Tell those who watch what has happened, here or in another process."""
        self._polled = time.monotonic()
        added = self._watchers.added
        try:
            (changes,) = self._tables.connection.execute("PRAGMA data_version").fetchone()
            if (changes, added) == self._seen:
                return
            for bus in self._watchers.buses():
                self._tell(bus)
            self._seen = (changes, added)
        except FAILURES:
            self._watchers.stir()  # their next call gets the error

    def _tell(self, bus: str) -> None:
        try:
            self._watchers.advance({bus: self._tables.head(bus)})
        except UnknownBus:
            self._watchers.forget(bus)  # another process has deleted it


def _nothing(_tables: SqliteTables) -> None:
    """For a job that only wakes the thread."""
