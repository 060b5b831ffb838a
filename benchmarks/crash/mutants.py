"""Ways to get it wrong that the killing of processes must notice, each on the connection that writes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from eventroute.storage.sqlite import writer
from eventroute.storage.sqlite.schema import connect

__all__ = ["MUTATIONS", "mutate"]

_PARTED_BEFORE = {"torn-append": "INSERT INTO event", "torn-firing": "DELETE FROM timer"}
"""The statement before which the transaction is ended, and another begun."""

MUTATIONS = ("early-answer", *_PARTED_BEFORE)
"""Answers before the commit; an append, the firing of timers, in two transactions."""

_PAUSE = 0.001
"""Seconds between two parts: long enough to be killed in."""


class _Mutant:
    """A connection of sqlite3 that does one thing wrong."""

    def __init__(self, connection: sqlite3.Connection, mutation: str) -> None:
        self._connection = connection
        self._late = mutation == "early-answer"
        self._before = _PARTED_BEFORE.get(mutation)
        self._owes = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction and not self._owes

    def execute(self, statement: str, arguments: Sequence[Any] = ()) -> sqlite3.Cursor:
        self._err(statement)
        if statement == "COMMIT" and self._late:
            self._owes = True
            statement = "SELECT 1"
        return self._connection.execute(statement, arguments)

    def executemany(self, statement: str, arguments: Iterable[Sequence[Any]]) -> sqlite3.Cursor:
        self._err(statement)
        return self._connection.executemany(statement, arguments)

    def _err(self, statement: str) -> None:
        if self._owes:
            self._owes = False
            self._connection.execute("COMMIT")
        if self._before is not None and statement.startswith(self._before):
            self._connection.execute("COMMIT")
            time.sleep(_PAUSE)
            self._connection.execute("BEGIN IMMEDIATE")


def mutate(mutation: str) -> None:
    """From now on the storages of this process do it wrong."""

    def connect_wrongly(path: Path, *, busy_timeout: float) -> Any:
        return _Mutant(connect(path, busy_timeout=busy_timeout), mutation)

    mock.patch.object(writer, "connect", connect_wrongly).start()
