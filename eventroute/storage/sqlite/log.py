"""The log in SQLite's tables, where events are appended.

sqlite3 gives the interpreter lock away at each step of a statement, and a busy event loop gives it back late; so many
rows are written by one statement, and a group of appends by few.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

from eventroute.errors import StorageFull
from eventroute.storage.sql.appends import Appending, SqlAppends
from eventroute.storage.sql.buses import BusLog
from eventroute.storage.sqlite.buses import key_base
from eventroute.storage.sqlite.records import SqliteRecords
from eventroute.storage.sqlite.room import FileRoom
from eventroute.storage.sqlite.statements import chunks
from eventroute.storage.tables import micros

__all__ = ["SqliteLog"]

_BUSES_KEPT = 1_000

# What is kept of a bus is right if all of this is as it was, whoever has changed it, or rolled a change back.
_ADVANCE = (
    'UPDATE bus SET "end" = ?, newest = ?, bytes = ? WHERE number = ? AND name = ? AND NOT going'
    ' AND "end" = ? AND newest = ? AND bytes = ? AND later = ? AND settings = ?'
)
_REPLACE_ID = "UPDATE appended SET id = ?, time = ?, start = ?, count = ?, offsets = NULL WHERE id = ?"


class SqliteLog(SqlAppends, SqliteRecords):
    """The log on one connection, inside a transaction of its owner."""

    def __init__(
        self, connection: sqlite3.Connection, *, max_append_ids: int = 100_000, room: FileRoom | None = None
    ) -> None:
        SqlAppends.__init__(self, max_append_ids)
        SqliteRecords.__init__(self, connection)
        self._room = room
        self._kept: dict[str, BusLog] = {}

    def append(self, group: Sequence[Appending], now: float) -> None:
        """Append each of the group, in order; each gets its result, or UnknownBus or StorageFull as its error."""
        if not self._append_plainly(group, now):
            super().append(group, now)

    # -- the ordinary case -----------------------------------------------------------------------------------------

    def _append_plainly(self, group: Sequence[Appending], now: float) -> bool:
        """Append all of a group to one bus, without dedup, that is as the last append left it, each under an id that is
        new; false: that is not so, and nothing was done.
        """
        log = self._kept.get(group[0].bus)
        if log is None:
            return False
        moment = max(log.newest, micros(now))
        end, size = log.end, log.size
        events: list[bytes] = []
        ids: list[Any] = []
        for each in group:
            if each.bus != group[0].bus or not each.events or each.delayed or each.moved:
                return False
            ids += (each.append_id, moment, end, len(each.events), None)
            events += each.events
            end += len(each.events)
        size += sum(map(len, events))
        if not self._has_room(log, size - log.size) or not self._advance(group[0].bus, log, end, moment, size):
            return False
        if not self._exchange_ids(group, ids):
            self._write_log(log)
            return False
        self._insert_events(self._rows(log, events, moment))
        log.end, log.newest, log.size = end, moment, size
        self._ends[group[0].bus] = end
        for each, start, count in zip(group, ids[2::5], ids[3::5], strict=True):
            each.result = tuple(range(start, start + count))
        self._bound_ids(len(group))
        return True

    def _has_room(self, log: BusLog, size: int) -> bool:
        if log.settings.max_bytes is not None:
            return log.size + log.later + size <= log.settings.max_bytes
        try:
            self._make_room(size)
        except StorageFull:
            return False
        return True

    def _advance(self, bus: str, log: BusLog, end: int, moment: int, size: int) -> bool:
        """Write down how far the log will be, if it is as it was."""
        before = (log.number, bus, log.end, log.newest, log.size, log.later, log.written)
        if self.connection.execute(_ADVANCE, (end, moment, size, *before)).rowcount:
            return True
        del self._kept[bus]
        return False

    def _exchange_ids(self, group: Sequence[Appending], ids: list[Any]) -> bool:
        """Remember ids and forget those that were acknowledged; false where one was there, and nothing was done."""
        done = [append_id for each in group for append_id in each.acknowledged]
        new: list[str] = []
        try:
            if len(group) == len(done) == 1 and done[0] != ids[0] and self._replace_id(ids, done[0]):
                return True
            for chunk in chunks(ids, 5):
                self._insert("appended", "id, time, start, count, offsets", list(chunk))
                new += chunk[::5]
        except sqlite3.IntegrityError:
            self._acknowledge(new)
            return False
        self._acknowledge(done)
        return True

    def _replace_id(self, row: Sequence[Any], done: str) -> bool:
        return bool(self.connection.execute(_REPLACE_ID, (*row[:4], done)).rowcount)

    # -- all cases -------------------------------------------------------------------------------------------------

    def _make_room(self, size: int) -> None:
        if self._room is not None:
            self._room.take(size)

    def _rows(self, log: BusLog, events: Sequence[bytes], time: int) -> list[Any]:
        base, offsets = key_base(log), range(log.end, log.end + len(events))
        rows: list[Any] = [time] * (4 * len(events))
        rows[0::4] = range(base + offsets.start, base + offsets.stop)
        rows[2::4] = events
        rows[3::4] = [crc + time for crc in map(crc32, events, offsets)]
        return rows

    def _insert_events(self, rows: list[Any]) -> None:
        self._insert("event", "key, time, event, seal", rows)

    def _write_logs(self, logs: Mapping[str, BusLog]) -> None:
        super()._write_logs(logs)
        if len(self._kept) + len(logs) > _BUSES_KEPT:
            self._kept.clear()
        self._kept.update((bus, log) for bus, log in logs.items() if log.settings.dedup is None)

    def _write_log(self, log: BusLog) -> None:
        self._do(
            'UPDATE bus SET "end" = ?, newest = ?, bytes = ? WHERE number = ?',
            (log.end, log.newest, log.size, log.number),
        )

    def _begin_log(self, log: BusLog, first: int) -> None:
        self._do('UPDATE bus SET first = ?, "end" = ? WHERE number = ?', (first, first, log.number))
