"""Reading the log in SQL: every event is compared with its seal.

sqlite3 gives the interpreter lock away at each step of a statement, and a busy event loop gives it back late. So a page
is read as few rows, each of which has many events in it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from zlib import crc32

import msgspec

from eventroute.errors import DamagedEvent
from eventroute.storage.base import Record
from eventroute.storage.sql.buses import BusLog
from eventroute.storage.sqlite.buses import SqliteBuses, key_base
from eventroute.storage.tables import micros

__all__ = ["SqliteRecords"]

# A chunk of events of some hundred bytes stays within the processor's cache, and within 128 KB, for more of which the
# system is asked anew each time. A large event never takes memory unasked.
_CHUNK = 200
_LARGE = 65_536

# The events come as one, with their lengths as a format of `struct` that takes them apart. Where some have no seal the
# sum is another than theirs all, where none has, it is none. As reals, since a sum of integers fails where one is
# damaged; what was written is below 2 ** 53, and so exact.
_TOGETHER = (
    "SELECT group_concat(time), group_concat(length(event), 's') || 's',"
    " CAST(group_concat(CASE WHEN length(event) < ?1 THEN CAST(event AS TEXT) END, '') AS BLOB),"
    " sum(seal - time + 0.0)"
    " FROM event WHERE key >= ?2 AND key < ?3"
)

# One statement, since each would cost more than all that this one does. Of one event in 32, the index finds the last
# that is too early; halving what is up to the next one finds the first event that is not. One that is missing ends it
# with no row.
_KEY_AT = """
WITH RECURSIVE span (low, high) AS (
    SELECT max(:low, begin), min(:high, (begin + 31) & ~31) FROM (
        SELECT coalesce((
            SELECT key + 1 FROM event INDEXED BY event_moment
            WHERE key >> 40 = :bus AND time < :time AND key & 31 = 0 ORDER BY time DESC, key DESC LIMIT 1
        ), :low) AS begin
    )
    UNION ALL
    SELECT CASE WHEN time < :time THEN key + 1 ELSE low END, CASE WHEN time < :time THEN high ELSE key END
    FROM span JOIN event ON key = (low + high) / 2
    WHERE low < high
)
SELECT low FROM span WHERE low = high
"""

_decode_numbers = msgspec.json.Decoder(list[int]).decode
_record: Callable[[tuple[int, float, bytes]], Record] = partial(tuple.__new__, Record)  # `_make` takes twice as long


class SqliteRecords(SqliteBuses):
    """The events of the buses on one connection, inside a transaction of its owner."""

    def offset_at(self, bus: str, time: float) -> int:
        """The first record of that time or later, by halving: times never go back."""
        log = self._log(bus)
        base = key_base(log)
        sought = {"bus": log.number, "low": base + log.first, "high": base + log.end, "time": micros(time)}
        (key,) = self._row(_KEY_AT, sought)
        return int(key) - base

    def read(self, bus: str, start: int, end: int, limit: int, max_bytes: int) -> list[Record]:
        """See `Storage.read`. Inside a transaction: all its statements must see the same rows."""
        log = self._log(bus)
        begin = max(start, log.first)
        stop = min(end, log.end, begin + limit)
        records: list[Record] = []
        while begin < stop:
            offsets = range(begin, min(begin + _CHUNK, stop))
            chunk, size = self._read_together(log, offsets)
            if len(chunk) < len(offsets) or size > max_bytes:
                chunk, size = self._read_singly(bus, log, offsets, max_bytes, must=not records)
            records += chunk
            if len(chunk) < len(offsets):
                break
            max_bytes -= size
            begin = offsets.stop
        return records

    def _read_together(self, log: BusLog, offsets: range) -> tuple[list[Record], int]:
        """A chunk and its bytes; an empty one where it has to be read one by one: an event is large or damaged, or
        only some have a seal.
        """
        keys = (_LARGE, key_base(log) + offsets.start, key_base(log) + offsets.stop)
        times, lengths, joined, seals = self._row(_TOGETHER, keys)
        try:
            moments = [time / 1e6 for time in _decode_numbers(f"[{times or ''}]")]
            events = struct.Struct(lengths or "").unpack(joined or b"")
        except (msgspec.DecodeError, struct.error):  # a time that is no integer; a length that is not that of the bytes
            return [], 0
        if not len(moments) == len(events) == len(offsets):
            return [], 0
        if seals is not None and sum(map(crc32, events, offsets)) != seals:
            return [], 0
        return list(map(_record, zip(offsets, moments, events, strict=True))), len(joined or b"")

    def _read_singly(
        self, bus: str, log: BusLog, offsets: range, max_bytes: int, *, must: bool
    ) -> tuple[list[Record], int]:
        """Those of a chunk before the first that is damaged or for which there is no room, and their bytes; `must`: at
        least one. Raises DamagedEvent.
        """
        records: list[Record] = []
        used = 0
        for offset in offsets:
            key = (key_base(log) + offset,)
            must = must and not records
            (size,) = self._one("SELECT length(event) FROM event WHERE key = ?", key) or (None,)
            if not must and used + (size or 0) > max_bytes:
                break
            time, event, seal = self._one("SELECT time, event, seal FROM event WHERE key = ?", key) or (None,) * 3
            fault = _fault(offset, time, event, seal)
            if fault and must:
                raise DamagedEvent(self._file(), bus, offset, fault)
            if fault:
                break
            records.append(Record(offset, time / 1e6, event))
            used += size
        return records, used

    def _file(self) -> str:
        (_, _, path) = self._row("PRAGMA database_list")
        return str(path)


def _fault(offset: int, time: object, event: object, seal: object) -> str:
    """What is wrong with a row of the log, or nothing."""
    if time is None and event is None:
        return "it is missing"
    if not isinstance(time, int) or not isinstance(event, bytes):
        return "its row holds what nobody wrote"
    if seal is not None and crc32(event, offset) + time != seal:
        return "it is not what was written"
    return ""
