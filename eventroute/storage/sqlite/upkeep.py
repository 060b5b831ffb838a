"""What is done for an SQLite file while others use it: a copy of it, and giving back the room that it has to spare."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import anyio.from_thread
import anyio.to_thread

from eventroute.errors import StorageError
from eventroute.storage.sqlite.reading import open_to_read
from eventroute.storage.sqlite.schema import FAILURES, file_path, read_version, storage_error

__all__ = ["PARTIAL", "VACUUM_PAGES", "Progress", "backup_in_thread", "backup_storage", "vacuum_step"]

Progress = Callable[[int, int], None]
"""Hears how much is done, and of how much."""

PARTIAL = ".partial"
"""What the name of a copy that is not complete ends in."""

VACUUM_PAGES = 64
"""So many pages are given back in one transaction."""

_WRITING = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)  # which is done to the copy alone
_PAGES_A_STEP = 256  # a megabyte: a moment between two looks at whether to go on


def backup_storage(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
) -> None:
    """Copy an SQLite storage, as it is at one moment, to a new file that can be opened as one.

    Others append and read meanwhile; only the write-ahead log cannot be cut back, and grows by what is written. The
    copy has its own name once it is complete and on the disk, before that one that ends in `.partial`, so that a crash
    leaves no half of one. `progress` hears how many pages are copied, and of how many. Raises StorageError where there
    is no such storage, or where there is something at `target` already; StorageFull where there is no room.
    """
    source, copy = file_path(path), file_path(target)
    if not os.path.isfile(source):  # noqa: PTH113 - a path's own method raises where it may not look
        raise StorageError(f"{source}: there is no such file")
    for taken in (copy, copy.with_name(f"{copy.name}-wal")):
        if os.path.lexists(taken):
            raise StorageError(f"{taken}: there is a file already: remove it, or choose another name for the copy")
    partial = copy.with_name(f"{copy.name}{PARTIAL}")
    try:
        partial.unlink(missing_ok=True)  # of a copy that was cut short
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise StorageError(f"{partial}: the copy cannot be made: {error.strerror}") from error
    try:
        _copy(source, partial, progress)
        _sync(partial)
        partial.rename(copy)
        _sync(copy.parent)
    except OSError as error:
        raise StorageError(f"{copy}: the copy cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


async def backup_in_thread(
    path: str | os.PathLike[str], target: str | os.PathLike[str], progress: Progress | None
) -> None:
    """`backup_storage` while the event loop goes on; may be cancelled, and then leaves nothing."""

    def heard(done: int, total: int) -> None:
        anyio.from_thread.check_cancelled()
        if progress is not None:
            progress(done, total)

    await anyio.to_thread.run_sync(lambda: backup_storage(path, target, progress=heard))


def _copy(source: Path, partial: Path, progress: Progress | None) -> None:
    def heard(_status: int, remaining: int, total: int) -> None:
        if progress is not None:
            progress(total - remaining, total)

    try:
        with closing(open_to_read(source, busy_timeout=10.0)) as opened:
            original = opened.connection
            if not read_version(original, source):
                raise StorageError(f"{source}: this is no storage: the file is empty")
            with closing(sqlite3.connect(partial, isolation_level=None)) as copy:
                copy.execute("PRAGMA journal_mode = OFF")
                copy.execute("PRAGMA synchronous = OFF")  # it is synced at the end
                original.execute("BEGIN")
                original.execute("SELECT count(*) FROM bus").fetchone()  # from here on it sees one state of the file
                original.backup(copy, pages=_PAGES_A_STEP, progress=heard)
                opened.check_still()
    except FAILURES as error:
        of_the_copy = getattr(error, "sqlite_errorcode", 0) in _WRITING
        raise storage_error(error, partial if of_the_copy else source) from error


def _sync(path: Path) -> None:
    """Have the disk hold it. A folder cannot be synced everywhere, and where it cannot it need not be."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def vacuum_step(connection: sqlite3.Connection) -> int:
    """Give some of the file's free pages back to the file system, inside a transaction; how many bytes. 0: there is
    none, or the file was made by a release that did not prepare it for this. Raises sqlite3.Error.
    """
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    connection.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES:d})").fetchall()
    (left,) = connection.execute("PRAGMA freelist_count").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    return int((free - left) * size)
