"""The log in SQLite's tables, where events are appended.

sqlite3 gives the interpreter lock away at each step of a statement, and a busy event loop gives it back late; so many
rows are written by one statement.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any
from zlib import crc32

from eventroute.storage.sql_appends import SqlAppends
from eventroute.storage.sql_buses import BusLog
from eventroute.storage.sqlite_buses import key_base
from eventroute.storage.sqlite_records import SqliteRecords
from eventroute.storage.sqlite_room import FileRoom

__all__ = ["SqliteLog"]


class SqliteLog(SqlAppends, SqliteRecords):
    """The log on one connection, inside a transaction of its owner."""

    def __init__(
        self, connection: sqlite3.Connection, *, max_append_ids: int = 100_000, room: FileRoom | None = None
    ) -> None:
        SqlAppends.__init__(self, max_append_ids)
        SqliteRecords.__init__(self, connection)
        self._room = room

    def _make_room(self, size: int) -> None:
        if self._room is not None:
            self._room.take(size)

    def _rows(self, log: BusLog, events: Sequence[bytes], time: int) -> list[Any]:
        base = key_base(log)
        rows: list[Any] = []
        for offset, event in enumerate(events, log.end):
            rows += (base + offset, time, event, crc32(event, offset) + time)
        return rows

    def _insert_events(self, rows: list[Any]) -> None:
        self._insert("event", "key, time, event, seal", rows)

    def _write_log(self, log: BusLog) -> None:
        self._do(
            'UPDATE bus SET "end" = ?, newest = ?, bytes = ? WHERE number = ?',
            (log.end, log.newest, log.size, log.number),
        )
