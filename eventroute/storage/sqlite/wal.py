"""Whether SQLite, when it opened a file, found less in the write-ahead log than had been committed to it.

A process that dies leaves the log for the next one to read. SQLite reads it up to the first page that is torn, since
after a power loss that is where it ends, and so takes a log that was cut, damaged or removed for a shorter one. But the
index of the log, the `-shm` file, outlives a process too, and tells how far it went, as long as the machine stays up.
After a power loss it tells nothing.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import threading
from pathlib import Path

from attrs import frozen

__all__ = ["WalMark", "beside", "lost_pages", "remember_boot", "wal_mark"]

_HEADER = struct.Struct(
    "=12xBxHI12x2I8x"
)  # SQLite's WalIndexHdr: isInit, szPage, mxFrame, aSalt; of its version 3007000
_SIZE = 136  # two copies of the header, then how far the log was taken over into the file
_BACKFILLED = 96
_BOOT = Path("/proc/sys/kernel/random/boot_id")

_descriptors: dict[tuple[int, int], int] = {}
_lock = threading.Lock()


@frozen
class WalMark:
    """How far the log had got, by its index."""

    pages: int
    salts: tuple[int, int]
    """They tell one beginning of the log from the next; 0 where SQLite found none."""
    taken_over: int
    """Of the pages, how many are in the file too."""
    index: tuple[int, int] = (0, 0)
    """The index's own file, as the system knows it."""


def beside(path: Path, end: str) -> Path:
    """One of the files that SQLite has beside a file: where that is, not where a link to it is."""
    return Path(f"{os.path.realpath(path)}{end}")


def wal_mark(path: Path) -> WalMark | None:
    """What the index of the file's log says; None where there is none, or one that cannot be relied on."""
    try:
        key, index = _read_index(beside(path, "-shm"))
    except OSError:
        return None
    if len(index) < _SIZE or index[:48] != index[48:96]:  # it was being written
        return None
    ready, _page_size, pages, *salts = _HEADER.unpack_from(index)
    (taken_over,) = struct.unpack_from("=I", index, _BACKFILLED)
    return WalMark(pages, (salts[0], salts[1]), taken_over, key) if ready else None


def lost_pages(before: WalMark, after: WalMark | None) -> int:
    """How many committed pages SQLite did not find, where `before` was read before it opened the file."""
    if after is None or before.taken_over >= before.pages:
        return 0
    if after.index != before.index:
        return 0  # who removes the index with the log, since nobody else has the file open, has taken all of it over
    if after.salts in (before.salts, (0, 0)):
        return max(0, before.pages - after.pages)
    return 0  # another process has begun the log anew, after all of it was taken over


def remember_boot(connection: sqlite3.Connection) -> bool:
    """Whether the file was opened before since the machine was started; from now on it was. Raises sqlite3.Error."""
    try:
        boot = _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return False  # a system that does not tell
    if connection.execute("SELECT boot FROM host").fetchall() == [(boot,)]:
        return True
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM host")
    connection.execute("INSERT INTO host (boot) VALUES (?)", (boot,))
    connection.execute("COMMIT")
    return False


def _read_index(path: Path) -> tuple[tuple[int, int], bytes]:
    """Which file it is, and its beginning. The descriptor stays open: to close it would drop the locks that SQLite
    holds on the file in this process, if it does; and no other file gets its number. There is one for each index that
    was there at an opening.
    """
    with _lock:
        found = path.stat()
        key = (found.st_dev, found.st_ino)
        if key not in _descriptors:
            _descriptors[key] = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        return key, os.pread(_descriptors[key], _SIZE, 0) if hasattr(os, "pread") else b""
