"""The SQLite file: how it is opened, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import msgspec

from eventroute.errors import InvalidConfiguration, StorageError, StorageFull
from eventroute.storage.sqlite.migrations import APPLICATION_ID, SCHEMA_VERSION, migrate
from eventroute.storage.sqlite.wal import lost_pages, remember_boot, wal_mark
from eventroute.storage.text import replaced

__all__ = [
    "FAILURES",
    "WAL_BYTES",
    "connect",
    "file_path",
    "is_damage",
    "is_locked_out",
    "lost_message",
    "prepare",
    "primary_code",
    "read_version",
    "storage_error",
]

WAL_BYTES = 64 << 20
"""The write-ahead log is cut back to this size once it has been larger."""

_OLDEST_SQLITE = (3, 32, 0)  # enough arguments for a statement that inserts many rows


FAILURES = (sqlite3.Error, UnicodeDecodeError, msgspec.DecodeError)
"""What is raised where a file fails, or where it holds what nobody wrote."""


def primary_code(error: BaseException | None) -> int:
    """The kind of an error, as SQLite tells it; what is raised without one tells of damage."""
    code: int = getattr(error, "sqlite_errorcode", 0)  # absent where sqlite3 itself, or this package, found fault
    if not code and (type(error) is sqlite3.DatabaseError or not isinstance(error, sqlite3.Error)):
        return sqlite3.SQLITE_CORRUPT
    return code & 0xFF


def is_damage(error: Exception) -> bool:
    """Whether it says that a file which is SQLite's is damaged."""
    return primary_code(error) == sqlite3.SQLITE_CORRUPT


def storage_error(error: Exception, path: Path) -> StorageError:
    """What an error of SQLite means to who uses the storage, and what can be done."""
    primary = primary_code(error)
    if primary == sqlite3.SQLITE_FULL:
        found: StorageError = StorageFull(
            f"{path}: no room is left on the file system (or the file has reached its limit): make room, and it goes on"
        )
    else:
        meaning = _MEANINGS.get(primary, "SQLite failed")
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        found = StorageError(f"{path}: {meaning} ({error}; {name})")
    found.__cause__ = error
    return found


_HELD = "another process has held the file for too long: see what it does, or give a longer busy_timeout"
_READ_ONLY = (
    "the file or its folder cannot be written: see whose they are, and how the file system is mounted; `eventroute log"
    " backup` copies it to where it can be"
)
_LOCKED_OUT = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN)
_MEANINGS = {
    sqlite3.SQLITE_BUSY: _HELD,
    sqlite3.SQLITE_LOCKED: _HELD,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: f"the file cannot be opened, or {_READ_ONLY.removeprefix('the file or ')}",
    sqlite3.SQLITE_IOERR: "reading or writing the file failed: look at the disk, and at the limits of this process",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: `eventroute log check` tells how far; go on with a backup",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database: choose another path, or go on with a backup",
}


def is_locked_out(error: BaseException | None) -> bool:
    """Whether an error of SQLite says that the file, or what it needs beside it, may not be opened or written."""
    return primary_code(error) in _LOCKED_OUT


class _Connection(sqlite3.Connection):
    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """What is looked for by a name that is no text is not there."""
        try:
            return super().execute(sql, parameters)
        except UnicodeEncodeError:
            return super().execute(sql, replaced(parameters))


def connect(path: Path, *, busy_timeout: float, immutable: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode. `immutable`: nobody writes to the file. Raises sqlite3.Error."""
    connection = sqlite3.connect(
        f"{path.as_uri()}?immutable=1" if immutable else path,
        timeout=busy_timeout,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
        factory=_Connection,
        uri=immutable,
    )
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # see checkpoints.py
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES:d}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def prepare(path: Path, *, busy_timeout: float, as_is: bool = False) -> None:
    """Make or check the file; with `as_is` it must be there. Raises StorageError."""
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StorageError(f"SQLite {sqlite3.sqlite_version} is too old: 3.32 or later is needed")
    if as_is and not os.path.exists(path):  # noqa: PTH110 - a path's own method raises where it may not look
        raise StorageError(f"{path}: there is no such file")
    _create_file(path)
    deadline = time.monotonic() + busy_timeout
    while True:
        try:
            _prepare(path, busy_timeout, as_is)
        except FAILURES as error:
            # Two processes that open a new file at once can meet in the change to WAL, for which SQLite does not wait.
            busy = primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if not busy or time.monotonic() > deadline:
                raise storage_error(error, path) from error
            time.sleep(0.02)
        else:
            return


def _create_file(path: Path) -> None:
    """Events may be secret, so a new file is its owner's alone; SQLite gives the files beside it the same mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if path.is_dir():
            raise StorageError(f"{path}: this is a folder; give the path of a file in it") from None
    except FileNotFoundError as error:
        raise StorageError(f"{path}: there is no folder {path.parent}; make it first") from error
    except OSError as error:
        raise StorageError(f"{path}: the file cannot be made: {error.strerror}") from error


def _prepare(path: Path, busy_timeout: float, as_is: bool) -> None:
    before = wal_mark(path)
    connection = connect(path, busy_timeout=busy_timeout)
    try:
        version = read_version(connection, path)
        if as_is and not version:
            raise StorageError(f"{path}: this is no storage: the file is empty")
        lost = 0 if before is None else lost_pages(before, wal_mark(path))
        if not version:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only a file without tables takes it
        # A file keeps the mode, but one that power left half made has none, nor has what VACUUM INTO wrote.
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StorageError(f"{path}: its file system cannot do write-ahead logging: use a local disk")
        while version < SCHEMA_VERSION:
            version = migrate(connection)
        if remember_boot(connection) and lost:
            raise StorageError(lost_message(path, lost))
    finally:
        connection.close()


def lost_message(path: Path, pages: int) -> str:
    """What is said once, when committed pages of the log were not found; the log is then what was found."""
    return (
        f"{path}: its write-ahead log {path.name}-wal was damaged, cut or removed: {pages} pages that had been"
        " committed are gone, and with them the latest events, perhaps; go on with a backup, or open the file again"
        " to go on with what is left"
    )


def read_version(connection: sqlite3.Connection, path: Path) -> int:
    """Of the tables; 0: the file is empty. Raises StorageError where it is another's, or newer than this code."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not tables and not application:
        return 0
    if application != APPLICATION_ID:
        raise StorageError(f"{path}: this SQLite file belongs to another program: choose another path")
    if version > SCHEMA_VERSION:
        raise StorageError(
            f"{path}: the file's version {version} is newer than {SCHEMA_VERSION}, the newest that this release of "
            "eventroute knows: upgrade eventroute"
        )
    if version < 1:
        raise StorageError(f"{path}: the file is damaged: it has tables, but says that its version is {version}")
    return int(version)


def file_path(path: str | os.PathLike[str]) -> Path:
    """The path of a storage's file. Raises InvalidConfiguration where it cannot be one."""
    text = os.fspath(path)
    if not text or text.startswith((":", "file:")) or "\0" in text:
        raise InvalidConfiguration(f"{text!r} is not the path of a file; for a storage in memory use memory:")
    return Path(text).absolute()
