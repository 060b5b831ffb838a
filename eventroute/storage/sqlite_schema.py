"""The SQLite file: its tables, how it is opened, and what its errors mean.

To be read with the sqlite3 shell: `SELECT * FROM events` shows the log as text, and the ledger's tables are named after
what they hold.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from eventroute.errors import InvalidConfiguration, StorageError, StorageFull

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "connect", "file_path", "prepare", "storage_error"]

APPLICATION_ID = 0x65767274
SCHEMA_VERSION = 1

WAL_BYTES = 64 << 20
"""The write-ahead log is cut back to this size once it has been larger."""

_OLDEST_SQLITE = (3, 24, 0)  # upsert

# An event's key is its bus's number and its offset in one integer, since a table whose rows are ordered by an integer
# takes appends and reads fastest (benchmarks/workloads/append.py).
_SCHEMA = """
CREATE TABLE bus (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    first INTEGER NOT NULL,
    version INTEGER NOT NULL,
    horizon INTEGER NOT NULL
);
CREATE TABLE event (key INTEGER PRIMARY KEY, time INTEGER NOT NULL, event BLOB NOT NULL);
CREATE TABLE appended (
    id TEXT PRIMARY KEY, time INTEGER NOT NULL, start INTEGER NOT NULL, count INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE subscription (
    id TEXT PRIMARY KEY,
    bus TEXT NOT NULL,
    definition BLOB NOT NULL,
    revision INTEGER NOT NULL,
    paused TEXT,
    paused_at REAL,
    reader TEXT NOT NULL,
    version INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX subscription_version ON subscription (bus, version);
CREATE TABLE removed (
    bus TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (bus, id)
) WITHOUT ROWID;
CREATE TABLE span (
    subscription TEXT NOT NULL,
    reader TEXT NOT NULL,
    start INTEGER NOT NULL,
    until INTEGER,
    definition BLOB,
    PRIMARY KEY (subscription, reader, start)
) WITHOUT ROWID;
CREATE TABLE reader (
    bus TEXT NOT NULL,
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    claimed INTEGER NOT NULL,
    until INTEGER,
    subscription TEXT,
    PRIMARY KEY (bus, name)
) WITHOUT ROWID;
CREATE INDEX reader_subscription ON reader (subscription) WHERE subscription IS NOT NULL;
CREATE TABLE claim (
    bus TEXT NOT NULL,
    reader TEXT NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    version INTEGER NOT NULL,
    session TEXT NOT NULL,
    PRIMARY KEY (bus, reader, start)
) WITHOUT ROWID;
CREATE TABLE session (id TEXT PRIMARY KEY, lapses REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE waiting (
    subscription TEXT NOT NULL,
    "offset" INTEGER NOT NULL,
    due REAL NOT NULL,
    attempts INTEGER NOT NULL,
    first_attempt REAL,
    reason TEXT NOT NULL,
    event BLOB,
    session TEXT,
    PRIMARY KEY (subscription, "offset")
) WITHOUT ROWID;
CREATE INDEX waiting_due ON waiting (subscription, due, "offset");
CREATE TABLE dead_letter (
    bus TEXT NOT NULL,
    subscription TEXT NOT NULL,
    "offset" INTEGER NOT NULL,
    time REAL NOT NULL,
    reason TEXT NOT NULL,
    error TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    event BLOB NOT NULL,
    PRIMARY KEY (bus, subscription, "offset")
) WITHOUT ROWID;
CREATE INDEX dead_letter_reason ON dead_letter (bus, subscription, reason);
CREATE VIEW events AS
    SELECT bus.name AS bus,
        event.key & ((1 << 40) - 1) AS "offset",
        strftime('%Y-%m-%dT%H:%M:%fZ', event.time / 1e6, 'unixepoch') AS time,
        CAST(event.event AS TEXT) AS event
    FROM event JOIN bus ON bus.number = event.key >> 40;
"""


def storage_error(error: sqlite3.Error, path: Path) -> StorageError:
    """What an error of SQLite means to who uses the storage."""
    code = getattr(error, "sqlite_errorcode", 0)  # absent where sqlite3 itself found fault
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return StorageFull(f"{path}: no room is left on the file system (or the file has reached its limit)")
    meaning = _MEANINGS.get(primary, "SQLite failed")
    return StorageError(f"{path}: {meaning} ({error}; {getattr(error, 'sqlite_errorname', type(error).__name__)})")


_MEANINGS = {
    sqlite3.SQLITE_BUSY: "another process has held the file for too long",
    sqlite3.SQLITE_LOCKED: "another process has held the file for too long",
    sqlite3.SQLITE_READONLY: "the file or its folder cannot be written",
    sqlite3.SQLITE_PERM: "the file or its folder cannot be written",
    sqlite3.SQLITE_CANTOPEN: "the file, or a file beside it, cannot be opened",
    sqlite3.SQLITE_IOERR: "reading or writing the file failed",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database",
}


def connect(path: Path, *, busy_timeout: float) -> sqlite3.Connection:
    """A connection in autocommit mode. Raises sqlite3.Error."""
    connection = sqlite3.connect(
        path, timeout=busy_timeout, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES:d}")
    return connection


def prepare(path: Path, *, busy_timeout: float) -> None:
    """Make or check the file. Raises StorageError."""
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StorageError(f"SQLite {sqlite3.sqlite_version} is too old: 3.24 or later is needed")
    _create_file(path)
    deadline = time.monotonic() + busy_timeout
    while True:
        try:
            _prepare(path, busy_timeout)
        except sqlite3.Error as error:
            # Two processes that open a new file at once can meet in the change to WAL, for which SQLite does not wait.
            busy = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
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


def _prepare(path: Path, busy_timeout: float) -> None:
    connection = connect(path, busy_timeout=busy_timeout)
    try:
        if not _is_ours(connection, path):
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                raise StorageError(f"{path}: its file system cannot do write-ahead logging: use a local disk")
            connection.execute("BEGIN IMMEDIATE")
            if not _is_ours(connection, path):
                for statement in _SCHEMA.strip().split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION:d}")
            connection.execute("COMMIT")
    finally:
        connection.close()


def _is_ours(connection: sqlite3.Connection, path: Path) -> bool:
    """False: the file is empty. Raises StorageError where it is another's, or newer than this code."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not tables and not application:
        return False
    if application != APPLICATION_ID:
        raise StorageError(f"{path}: this SQLite file belongs to another program: choose another path")
    if version > SCHEMA_VERSION:
        raise StorageError(
            f"{path}: the file's version {version} is newer than {SCHEMA_VERSION}, the newest that this release of "
            "eventroute knows: upgrade eventroute"
        )
    return True


def file_path(path: str | os.PathLike[str]) -> Path:
    """The path of a storage's file. Raises InvalidConfiguration where it cannot be one."""
    text = os.fspath(path)
    if not text or text.startswith((":", "file:")) or "\0" in text:
        raise InvalidConfiguration(f"{text!r} is not the path of a file; for a storage in memory use memory:")
    return Path(text).absolute()
