"""A thread's connection to the server, made anew where it is lost, with bounds."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import psycopg

from eventroute.errors import StorageError
from eventroute.storage.jobs import JobThread
from eventroute.storage.postgres.server import Link, Server, is_away, storage_error
from eventroute.storage.postgres.silence import Wire
from eventroute.storage.postgres.starting import Answer
from eventroute.storage.postgres.tables import MovedElsewhere, PostgresTables

__all__ = ["LinkThread", "StillUnknown"]

T = TypeVar("T")

_FIRST_WAIT = 0.02
_LONGEST_WAIT = 1.0  # seconds between two tries to reach the server; it doubles from the first to the longest
_CLASHES = (
    MovedElsewhere,
    psycopg.errors.UniqueViolation,
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
)
"""Somebody else was first: what was to be done is decided anew."""
_MOST_CLASHES = 20


class StillUnknown(Exception):
    """How a transaction ended is not known yet."""


class LinkThread(JobThread):
    """A thread that owns a connection.

    While the server is away it is tried again for the server's `patience`, counted from when it was lost: so the first
    call waits that long, and those behind it do not wait as long once more. One that is there and does not answer is
    away since it was asked: see `silence`, for which `wire` is.
    """

    def __init__(self, name: str, server: Server) -> None:
        super().__init__(name)
        self._server = server
        self.wire = Wire()
        self._link: Link | None = None
        self._away_since: float | None = None

    @property
    def pid(self) -> int:
        """Of the server's process; 0 where there is none."""
        link = self._link
        return 0 if link is None or link.closed else link.info.backend_pid

    @abstractmethod
    def _connected(self, tables: PostgresTables) -> None:
        """There is a new connection."""

    def _begin(self) -> None:
        """Who opens a storage is told at once where the server is away, but waits for one that is about to be there."""
        wait, tried = _FIRST_WAIT, False
        while True:
            try:
                self._connect()
            except psycopg.Error as error:
                answer = self._server.ask(error)
                # Where it takes connections by now, it may have begun to just after this one was refused.
                starts = answer is Answer.STARTS or (answer is Answer.TAKES and not tried)
                tried = answer is Answer.TAKES
                if not starts or self._is_impatient():
                    raise storage_error(error, self._server.where) from error
                time.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
            else:
                self._away_since = None
                return

    def _end(self) -> None:
        self._drop()

    def _persist(self, attempt: Callable[[Link], T], *, bounded: bool = True) -> T:
        """Try until it is done. Raises StorageError where the server is away for too long, or fails otherwise; unless
        `bounded`, one try may take as long as it takes.
        """
        wait, clashes = _FIRST_WAIT, 0
        while True:
            try:
                link = self._connect()
                self.wire.began = time.monotonic() if bounded else None
                done = attempt(link)
            except _CLASHES as error:
                clashes += 1
                if clashes > _MOST_CLASHES:
                    raise StorageError(f"{self._server.where}: others were first each time: {error}") from error
                continue
            except (psycopg.Error, StillUnknown) as error:
                self.wire.began = None  # what is waited for now is its turn
                self._wait_or_raise(error, wait)
                wait = min(2 * wait, _LONGEST_WAIT)
            else:
                self._away_since = None
                return done
            finally:
                self.wire.began = None

    def _wait_or_raise(self, error: psycopg.Error | StillUnknown, wait: float) -> None:
        if isinstance(error, psycopg.Error):
            if not is_away(error, self._link):
                raise storage_error(error, self._server.where) from error
            self._drop()
        silent_since = self.wire.take_cut()
        if silent_since is not None:
            self._away_since = min(silent_since, self._away_since or silent_since)
        if self._is_impatient():
            if silent_since is not None:
                raise StorageError(
                    f"{self._server.where}: the server has not answered for {self._server.silence:g} s: see whether"
                    " it hangs, its disk, or a standby that it waits for"
                ) from error
            raise storage_error(error, self._server.where) from error
        time.sleep(wait)

    def _connect(self) -> Link:
        if self._link is None or self._link.closed:
            self._drop()
            self.wire.began = time.monotonic()  # for what is asked as soon as there is a connection
            try:
                self._link = self._server.connect(self.wire)
            finally:
                self.wire.began = None
            self._connected(PostgresTables(self._link, self._server.where))
        return self._link

    def _drop(self) -> None:
        if self._link is not None:
            with suppress(psycopg.Error):  # it is of no use any more
                self._link.close()
            self._link = None
        self.wire.part()

    def _is_impatient(self) -> bool:
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
        return self.closed or now - self._away_since >= self._server.patience
