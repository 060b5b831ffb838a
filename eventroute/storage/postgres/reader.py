"""A thread that reads from PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg

from eventroute.errors import StorageClosed, StorageError
from eventroute.storage.jobs import Call, Job, fail
from eventroute.storage.postgres.patience import LinkThread
from eventroute.storage.postgres.server import Link
from eventroute.storage.postgres.tables import PostgresTables

__all__ = ["ReadCall", "ReadThread"]

_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_PATH = "SELECT set_config('search_path', quote_ident($1), true)"


class ReadCall(Call[Any]):
    """A call that reads; with `snapshot` by several statements that must see one state."""

    __slots__ = ("snapshot",)

    def __init__(self, work: Callable[[Any], Any], *, snapshot: bool) -> None:
        super().__init__(work, cost=1_000)
        self.snapshot = snapshot


class ReadThread(LinkThread):
    """Owns a connection that reads, call by call; what failed because the server was lost is read again."""

    def tell(self, buses: list[str]) -> None:
        """Tell other processes that these buses got further, soon; called from threads that write, which need not wait.

        That is a transaction of its own, which writes nothing: those that tell something wait for each other while they
        commit, and this one is soon over. What is not told, since the server is away, others see for themselves.
        """
        with suppress(StorageClosed):
            self.post(ReadCall(lambda tables: tables.tell(self._server.schema, buses), snapshot=False))

    def _connected(self, tables: PostgresTables) -> None:
        self._tables = tables

    def _work(self, jobs: list[Job[Any]]) -> None:
        for job in jobs:
            try:
                self._persist(lambda link, job=job: self._read(link, job))  # type: ignore[misc]
            except StorageError as error:
                fail([job], error)

    def _read(self, link: Link, job: Any) -> None:
        job.error = None
        try:
            if not job.snapshot and not self._server.pooled:
                job.result = job.work(self._tables)
                return
            with link.pipeline():
                link.execute(_SNAPSHOT)
                link.execute(_PATH, (self._server.schema,))
                job.result = job.work(self._tables)
                link.execute("COMMIT")
        except psycopg.Error:
            self._roll_back(link)
            raise
        except Exception as error:  # noqa: BLE001 - the task that asked gets it
            self._roll_back(link)
            fail([job], error)

    def _roll_back(self, link: Link) -> None:
        with suppress(psycopg.Error):  # the error that counts is the one before
            if not link.closed and link.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                link.execute("ROLLBACK")
