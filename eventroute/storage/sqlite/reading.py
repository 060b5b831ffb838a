"""Reading an SQLite file, also one where nothing can be written: on a read-only file system, say."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from attrs import frozen

from eventroute.errors import StorageError
from eventroute.storage.sqlite.migrations import SCHEMA_VERSION
from eventroute.storage.sqlite.schema import connect, is_locked_out, read_version
from eventroute.storage.sqlite.wal import beside

__all__ = ["ReadOnly", "check_version", "open_to_read"]

_BESIDE = ("-wal", "-shm", "-journal")

_Still = tuple[int, int]


@frozen
class ReadOnly:
    """A connection that reads only."""

    path: Path
    connection: sqlite3.Connection
    _still: _Still | None
    """When the file was written and how large it was, where SQLite takes it for one that nobody writes."""

    def check_still(self) -> None:
        """Raises StorageError where somebody did write: then what was read may be of two states."""
        if self._still is not None and _still(self.path) != self._still:
            raise StorageError(f"{self.path}: somebody has written to it meanwhile: read it again")

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def open_to_read(path: Path, *, busy_timeout: float) -> ReadOnly:
    """Open a file that is there. Raises sqlite3.Error, StorageError.

    To read one in WAL mode SQLite makes files beside it. Where it cannot, it can still read one that lies still, which
    all have closed: no file with anything in it is beside it.
    """
    try:
        return ReadOnly(path, _open(path, busy_timeout), None)
    except sqlite3.OperationalError as error:
        if not (is_locked_out(error) and os.access(path, os.R_OK)):
            raise
        still = _still(path)
        if still is None:
            raise StorageError(
                f"{path}: nothing can be written beside it, and it cannot be read without, since it was not closed"
                f" cleanly, or is in use: copy {path.name} and {path.name}-wal into a folder that can be written, and"
                " read it there"
            ) from error
    return ReadOnly(path, _open(path, busy_timeout, immutable=True), still)


def _open(path: Path, busy_timeout: float, *, immutable: bool = False) -> sqlite3.Connection:
    connection = connect(path, busy_timeout=busy_timeout, immutable=immutable)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()  # only now is there all that it needs
    except BaseException:
        connection.close()
        raise
    return connection


def _still(path: Path) -> _Still | None:
    """None: it does not lie still."""
    for end in _BESIDE:
        with suppress(FileNotFoundError):
            if beside(path, end).stat().st_size:
                return None
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Raises StorageError where the file is no storage, or not of this version; sqlite3.Error."""
    version = read_version(connection, path)
    if not version:
        raise StorageError(f"{path}: this is no storage: the file is empty")
    if version != SCHEMA_VERSION:
        raise StorageError(
            f"{path}: the file has version {version}, not {SCHEMA_VERSION}: open it once as a storage, where it can be"
            f" written, which takes it there: `eventroute buses list --storage sqlite:///{quote(path.as_posix())}` does"
        )
