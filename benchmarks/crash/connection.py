"""The part of sqlite3 that the storage uses, on a connection of apsw: so the storage runs on a disk of our making."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import apsw

from benchmarks.crash.disk import DiskLayer
from eventroute.storage.sqlite import checkpoints, reading, schema, writer

# Each commit of a few events may start a checkpoint, as each of some megabytes does on a real disk; in between the file
# of the log is made longer.
_PAGES_A_CHECKPOINT = 12.0
_READY_PAGES = 4.0


class Rows(list[Any]):
    """All rows of a statement, and how many it has changed."""

    rowcount = -1

    def fetchone(self) -> Any:
        return self[0] if self else None

    def fetchall(self) -> list[Any]:
        return self


class Shared:
    """One connection of apsw, for everybody who connects: without shared memory SQLite wants the file for itself.

    `rewrite` may alter statements; with `late` a COMMIT is answered at once and done before the next statement.
    """

    def __init__(self, layer: DiskLayer, path: Path, rewrite: dict[str, str], *, late: bool) -> None:
        self.lock = threading.RLock()
        self.users = 0
        self.rewrite = rewrite
        self.late = late
        self.owed: str | None = None
        self.connection = apsw.Connection(str(path), vfs=layer.name)
        self.connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        self.connection.execute("PRAGMA wal_autocheckpoint = 0")

    def execute(self, statement: str, arguments: Sequence[Any] = ()) -> Rows:
        with _as_sqlite3():
            if self.owed is not None:
                owed, self.owed = self.owed, None
                self.connection.execute(owed)
            statement = self.rewrite.get(statement, statement)
            if "wal_checkpoint" in statement and self.connection.in_transaction:  # the writer's, which has no other
                return self._checkpoint(statement)
            if statement == "COMMIT" and self.late:
                self.owed = statement
                return Rows()
            rows = Rows(self.connection.execute(statement, arguments))
            rows.rowcount = self.connection.changes()
            return rows

    def _checkpoint(self, statement: str) -> Rows:
        self.connection.execute("ROLLBACK")
        try:
            return Rows(self.connection.execute(statement))
        finally:
            self.connection.execute("BEGIN IMMEDIATE")

    @property
    def in_transaction(self) -> bool:
        return self.owed is None and self.connection.in_transaction

    def close(self) -> None:
        with suppress(apsw.Error):  # sqlite3 says nothing either
            if self.owed is not None:
                self.connection.execute(self.owed)
        with suppress(apsw.Error):
            self.connection.close(True)


class Connection:
    """What one who connects gets. From BEGIN to the end of a transaction the others wait."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._held = False
        with shared.lock:
            shared.users += 1

    @property
    def in_transaction(self) -> bool:
        return self._held and self._shared.in_transaction

    @property
    def total_changes(self) -> int:
        return self._shared.connection.total_changes()

    def execute(self, statement: str, arguments: Sequence[Any] = ()) -> Rows:
        if "query_only" in statement:
            return Rows()
        with self._shared.lock:
            begins = statement.startswith("BEGIN")
            if begins:
                self._shared.lock.acquire()
                self._held = True
            try:
                return self._shared.execute(statement, arguments)
            finally:
                if self._held and not self._shared.in_transaction:
                    self._held = False
                    self._shared.lock.release()

    def executemany(self, statement: str, arguments: Iterable[Sequence[Any]]) -> None:
        for each in arguments:
            self.execute(statement, each)

    def close(self) -> None:
        with self._shared.lock:
            self._shared.users -= 1
            if not self._shared.users:
                self._shared.close()


@contextmanager
def storage_on(layer: DiskLayer, rewrite: dict[str, str] | None = None, *, late_commit: bool = False) -> Iterator[None]:
    """Within the block, storages open their files on the layer's disk."""
    opened: list[Shared] = []

    def connect(path: Path, *, busy_timeout: float, immutable: bool = False) -> Connection:
        if not opened or not opened[-1].users:
            with _as_sqlite3():
                opened.append(Shared(layer, path, rewrite or {}, late=late_commit))
        return Connection(opened[-1])

    def lengthen(log: Path, size: int) -> None:
        with suppress(apsw.IOError):
            layer.disk.lengthen(str(log), size)

    modules = (schema, writer, reading)
    patches: list[Any] = [mock.patch.object(module, "connect", connect) for module in modules]
    patches.append(mock.patch.object(checkpoints, "lengthen", lengthen))
    patches.append(mock.patch.object(checkpoints, "_PAGES", _PAGES_A_CHECKPOINT))
    patches.append(mock.patch.object(checkpoints, "_READY_PAGES", _READY_PAGES))
    with ExitStack() as patched:
        for patch in patches:
            patched.enter_context(patch)
        yield


_KINDS = {
    apsw.CorruptError: sqlite3.DatabaseError,
    apsw.NotADBError: sqlite3.DatabaseError,
    apsw.ConstraintError: sqlite3.IntegrityError,
}


@contextmanager
def _as_sqlite3() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        name = type(error).__name__.removesuffix("Error").upper()
        name = {"IO": "IOERR", "SQL": "ERROR"}.get(name, name)
        kind = next((kind for theirs, kind in _KINDS.items() if isinstance(error, theirs)), sqlite3.OperationalError)
        told = kind(str(error))
        told.sqlite_errorcode = getattr(error, "extendedresult", None) or getattr(apsw, f"SQLITE_{name}")
        told.sqlite_errorname = f"SQLITE_{name}"
        raise told from error
