"""A thread that writes to PostgreSQL: what is queued shares a transaction, and so a wait for the server's disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from itertools import groupby
from typing import Any

import psycopg
from attrs import define

from eventroute.clock import Clock
from eventroute.errors import EventrouteError, StorageError
from eventroute.storage.base import DEFAULT_BUS
from eventroute.storage.calls import Scope
from eventroute.storage.jobs import AppendJob, Job, fail
from eventroute.storage.postgres.patience import LinkThread, StillUnknown
from eventroute.storage.postgres.schema import prepare
from eventroute.storage.postgres.server import Link, Server
from eventroute.storage.postgres.shortcuts import QuickCall, ScopedCall
from eventroute.storage.postgres.tables import TIMELINE, MovedElsewhere, PostgresTables
from eventroute.storage.threads import Watchers

__all__ = ["ScopedAppend", "WriteThread"]

_FEW = 2  # calls: more of them are made in one transaction, which then is sooner done than one shortcut each
_TELL_EVERY = 0.01  # seconds, at the most often
_STATUS = f"SELECT CASE WHEN {TIMELINE} = $1 THEN pg_xact_status($2::xid8) ELSE 'unknown' END"


class ScopedAppend(AppendJob):
    """An append, and what it may touch."""

    COSTS = (20.0, 5.0, 10.0, 0.01)

    @property
    def scope(self) -> Scope:
        """What it may touch."""
        return Scope(self.bus, log=True, ledger=False)


@define
class _Commit:
    """What is known of a transaction whose commit was asked for."""

    transaction: str = ""


class WriteThread(LinkThread):
    """Owns a connection that writes. Each job is all or nothing, whatever else is in its transaction.

    Where the answer to a commit was lost the server is asked how it ended, as soon as it is there again. Where that
    takes longer than the server's `patience`, the calls fail; if it turns out then that they had their effect, it is
    taken back where `Job.undo` says how. With `prepares` it makes what tables are missing, and the bus `default`.
    `tell` has other processes told that buses got further, and does not wait for that.
    """

    GROUP_COST = 20_000.0

    def __init__(
        self,
        name: str,
        server: Server,
        clock: Clock | None,
        watchers: Watchers,
        *,
        tell: Callable[[list[str]], None],
        prepares: bool = False,
    ) -> None:
        super().__init__(name, server)
        self._prepares = prepares
        self._tell = tell
        self._clock = clock
        self._watchers = watchers
        self._tables: PostgresTables | None = None
        self._open_ends: list[tuple[str, list[Job[Any]]]] = []
        self._revoked: list[QuickCall] = []
        self._owed: list[Job[Any]] = []
        self._news: set[str] = set()
        self._told = 0.0

    def time(self, tables: PostgresTables) -> float:
        """The time by which leases run and records are dated: the clock's that was handed in, or the server's."""
        return tables.now if self._clock is None else self._clock.time()

    # -- what a thread does ----------------------------------------------------------------------------------------

    def _begin(self) -> None:
        super()._begin()
        if not self._prepares:
            return
        self._persist(lambda link: prepare(link, self._server), bounded=False)
        work = lambda tables: tables.create_bus(DEFAULT_BUS, None, self.time(tables))  # noqa: E731
        first = ScopedCall(Scope(buses=True), work, cost=100, durable=True, undo=None)
        self._work([first])
        if first.error is not None:
            raise first.error

    def _connected(self, tables: PostgresTables) -> None:
        self._tables = tables

    def _work_on(self) -> PostgresTables:
        if self._tables is None:
            raise StorageError("the storage has no connection: this is a fault in eventroute")
        return self._tables

    def _work(self, jobs: list[Job[Any]]) -> None:
        for is_append, run in groupby(jobs, lambda job: isinstance(job, ScopedAppend)):
            some = list(run)
            if is_append and self._append_plainly(some):
                continue
            if len(some) > _FEW:
                self._together(some)
                continue
            for job in some:
                if not self._quickly(job):
                    self._together([job])

    def _together(self, jobs: list[Job[Any]]) -> None:
        try:
            if self._change(jobs) or len(jobs) == 1:
                return
        except StorageError as error:
            if len(jobs) == 1 or self._away_since is not None:
                fail(jobs, error)
                return
        # One of them failed halfway: nobody else's matter, so each has a transaction of its own.
        for job in jobs:
            job.error = None
            try:
                self._change([job])
            except EventrouteError as error:
                job.error = error

    # -- shortcuts -------------------------------------------------------------------------------------------------

    def _quickly(self, job: Job[Any]) -> bool:
        """Make a call by its shortcut, where it has one; false: nothing was done."""
        if not isinstance(job, QuickCall) or self._server.pooled:
            return False
        links: list[Link] = []
        try:
            done = self._persist(lambda link: self._try_quickly(link, job, links))
        except StorageError as error:
            fail([job], error)
            if any(link.closed for link in links):  # else the server has said itself that it was not done
                self._revoked.append(job)
            return True
        if done is not None:
            (job.result,) = done
        return done is not None

    def _try_quickly(self, link: Link, job: QuickCall, links: list[Link]) -> tuple[Any] | None:
        self._tie_up(link)
        links.append(link)
        return job.quick(self._work_on())

    # -- appends that need no transaction --------------------------------------------------------------------------

    def _append_plainly(self, jobs: list[Any]) -> bool:
        """Append a group by one statement, where it can be; false: nothing was done."""
        ids = {job.append_id for job in jobs}
        if self._server.pooled or len(ids) < len(jobs) or any(job.delayed or job.bus != jobs[0].bus for job in jobs):
            return False
        time = None if self._clock is None else self._clock.time()
        try:
            done = self._persist(lambda _link: self._try_plainly(jobs, time))
        except StorageError as error:
            fail(jobs, error)
            return True
        self._take_news()
        return done

    def _try_plainly(self, jobs: list[Any], time: float | None) -> bool:
        try:
            return self._work_on().append_plain(jobs[0].bus, jobs, time)
        except psycopg.errors.UniqueViolation:
            return False  # one of them is a repeat

    # -- transactions ----------------------------------------------------------------------------------------------

    def _change(self, jobs: list[Job[Any]]) -> bool:
        """Do the jobs in one transaction; false where one failed halfway, and nothing was changed.

        Raises StorageError where the server failed them all.
        """
        commit = _Commit()
        try:
            done = self._persist(lambda link: self._attempt(link, jobs, commit))
        except StorageError:
            if commit.transaction:
                self._open_ends.append((commit.transaction, jobs))
            raise
        finally:
            if self._tables is not None:
                self._tables.end()
        self._take_news()
        return done

    def _attempt(self, link: Link, jobs: list[Job[Any]], commit: _Commit) -> bool:
        self._tie_up(link)
        if commit.transaction:
            ended = _how_it_ended(link, commit.transaction)
            if ended == "committed":
                return True
            if ended == "unknown":
                raise StorageError(
                    f"{self._server.where}: the server failed over in the middle of a commit: it is not known whether "
                    "the change was made"
                )
            commit.transaction = ""
        return self._transact(link, jobs, commit)

    def _transact(self, link: Link, jobs: list[Job[Any]], commit: _Commit) -> bool:
        tables = self._work_on()
        tables.forget()
        try:
            with link.pipeline():
                done = self._run_all(tables, jobs)
                if done:
                    commit.transaction = tables.transaction
                    link.execute("COMMIT", prepare=False)
            if not done:
                link.execute("ROLLBACK")
                tables.forget()
        except BaseException as error:
            tables.forget()
            if not link.closed:
                with suppress(psycopg.Error):  # the error that counts is the one before
                    link.execute("ROLLBACK")
            if isinstance(error, psycopg.errors.PipelineAborted) and error.__context__ is not None:
                raise error.__context__ from None
            raise
        commit.transaction = ""
        return done

    def _run_all(self, tables: PostgresTables, jobs: list[Any]) -> bool:
        """Do the jobs in order, appends that stand together at once. False: one failed halfway."""
        tables.begin(
            [job.scope for job in jobs],
            patience=self._server.patience,
            durable=any(job.durable for job in jobs),
            schema=self._server.schema if self._server.pooled else "",
        )
        if isinstance(jobs[0], ScopedAppend):
            for job in jobs:
                job.error = None
            tables.append(jobs, self.time(tables))
            return True
        return all(_run(tables, job) for job in jobs)

    def _tie_up(self, link: Link) -> None:
        """Take back what was done for calls that were told that it failed; first of all, since what such a call has
        taken has its turn before what the next one takes.
        """
        while self._revoked:
            quick = self._revoked.pop(0)
            if quick.revoke is not None:
                self._owed.append(ScopedCall(quick.scope, quick.revoke, cost=100, durable=False))
        while self._open_ends:
            transaction, jobs = self._open_ends[0]
            aborted = _how_it_ended(link, transaction) == "aborted"
            self._open_ends.pop(0)
            for job in () if aborted else jobs:  # to take back what was not done does nothing
                undo = job.undo() if hasattr(job, "result") else None
                if undo is not None:
                    self._owed.append(undo)
        while self._owed:
            self._transact(link, self._owed[:1], _Commit())  # a repeat has no further effect
            self._work_on().end()
            self._owed.pop(0)

    # -- telling others --------------------------------------------------------------------------------------------

    def _take_news(self) -> None:
        news = self._work_on().take_news()
        if news:
            self._watchers.advance(news)
            self._news.update(news)

    def _patience(self) -> float | None:
        return _TELL_EVERY if self._news else None

    def _idle(self) -> None:
        self._tidy()

    def _tidy(self) -> None:
        """Have other processes told which buses got further."""
        now = time.monotonic()
        if not self._news or now - self._told < _TELL_EVERY:
            return
        self._told = now
        news, self._news = sorted(self._news), set()
        self._tell(news)


def _run(tables: PostgresTables, job: Any) -> bool:
    before = tables.written
    job.error = None
    try:
        job.result = job.work(tables)
    except (psycopg.Error, MovedElsewhere):
        raise
    except Exception as error:  # noqa: BLE001 - the task that asked gets it
        fail([job], error)
        return tables.written == before
    return True


def _how_it_ended(link: Link, transaction: str) -> str:
    """Whether a transaction was `committed` or `aborted`; `unknown`: the server has failed over since. Raises
    StillUnknown while it is under way.
    """
    timeline, _, number = transaction.partition("/")
    (status,) = link.execute(_STATUS, (timeline, number)).fetchone() or (None,)
    if status == "in progress":
        raise StillUnknown(f"the transaction {number} is still under way")
    return status or "unknown"
