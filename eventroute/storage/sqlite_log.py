"""The log in SQL.

Two things keep it fast beside a busy event loop. sqlite3 gives the interpreter lock away at each step of a statement,
and a busy loop gives it back late; so many rows are written by one statement, and a page is read as one row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any, Protocol
from zlib import crc32

import msgspec

from eventroute.errors import UnknownBus
from eventroute.storage.base import LIVE, Bounds, Delayed, Record
from eventroute.storage.tables import FIRST_OFFSET, micros
from eventroute.storage.threads import Head

__all__ = ["Appending", "SqliteLog"]

_SHIFT = 40
_MAX_OFFSET = (1 << _SHIFT) - 1
_ROWS_A_STATEMENT = 256

# A chunk of small events stays within the processor's cache, and a large one never takes memory unasked.
_CHUNK = 256
_LARGE = 65_536

# One statement, since each would cost more than all that this one does. An event that is missing ends it with no row.
_KEY_AT = """
WITH RECURSIVE span (low, high) AS (
    SELECT :low, :high
    UNION ALL
    SELECT CASE WHEN time < :time THEN key + 1 ELSE low END, CASE WHEN time < :time THEN high ELSE key END
    FROM span JOIN event ON key = (low + high) / 2
    WHERE low < high
)
SELECT low FROM span WHERE low = high
"""


_SEPARATOR = b"\x1e"  # between events that are read together: no JSON text has it
_decode_numbers = msgspec.json.Decoder(list[int]).decode
_record: Callable[[tuple[int, float, bytes]], Record] = partial(tuple.__new__, Record)  # `_make` takes twice as long


class Appending(Protocol):
    """One append of a group: what is to be appended, and what came of it."""

    bus: str
    events: Sequence[bytes]
    append_id: str
    acknowledged: Sequence[str]
    delayed: Sequence[Delayed]
    result: tuple[int, ...]
    error: Exception | None


class SqliteLog:
    """The buses and their events on one connection, inside a transaction of its owner."""

    def __init__(self, connection: sqlite3.Connection, *, max_append_ids: int = 100_000) -> None:
        self.connection = connection
        self._max_append_ids = max_append_ids
        self._numbers: dict[str, int] = {}
        self._ends: dict[str, int] = {}
        self._versions: dict[str, int] = {}
        self._ids_since_check = 0

    def take_news(self) -> dict[str, Head]:
        """How far the buses got that were changed since the last call (0: that half was not)."""
        if not self._ends and not self._versions:
            return {}
        names = {*self._ends, *self._versions}
        news = {bus: Head(self._ends.get(bus, 0), self._versions.get(bus, 0)) for bus in names}
        self._ends.clear()
        self._versions.clear()
        return news

    def forget(self) -> None:
        """The transaction was rolled back: what was learnt in it may be wrong."""
        self._numbers.clear()
        self._ends.clear()
        self._versions.clear()

    # -- buses -----------------------------------------------------------------------------------------------------

    def create_bus(self, bus: str) -> None:
        """Make a bus with its live reader, where there is none."""
        if self._one("SELECT 1 FROM bus WHERE name = ?", (bus,)) is None:
            self._do("INSERT INTO bus (name, first, version, horizon) VALUES (?, ?, 0, 0)", (bus, FIRST_OFFSET))
            self._do(
                "INSERT INTO reader (bus, name, position, claimed) VALUES (?, ?, ?, ?)",
                (bus, LIVE, FIRST_OFFSET, FIRST_OFFSET),
            )

    def buses(self) -> tuple[str, ...]:
        """The names, sorted."""
        return tuple(name for (name,) in self._all("SELECT name FROM bus ORDER BY name"))

    def version(self, bus: str) -> int:
        """The bus's version."""
        return int(self._known("SELECT version FROM bus WHERE name = ?", bus)[0])

    def raise_version(self, bus: str) -> int:
        """Count it up."""
        version = self.version(bus) + 1
        self._do("UPDATE bus SET version = ? WHERE name = ?", (version, bus))
        self._versions[bus] = version
        return version

    def head(self, bus: str) -> Head:
        """How far the bus has got."""
        return Head(self.bounds(bus).end, self.version(bus))

    # -- reading the log -------------------------------------------------------------------------------------------

    def bounds(self, bus: str) -> Bounds:
        """What is readable."""
        first = int(self._known("SELECT first FROM bus WHERE name = ?", bus)[0])
        return Bounds(first, max(first, self._last(bus)[0] + 1))

    def offset_at(self, bus: str, time: float) -> int:
        """The first record of that time or later, by halving: times never go back."""
        bounds = self.bounds(bus)
        base = self._base(bus)
        (key,) = self._row(_KEY_AT, {"low": base + bounds.first, "high": base + bounds.end, "time": micros(time)})
        return int(key) - base

    def read(self, bus: str, start: int, end: int, limit: int, max_bytes: int) -> list[Record]:
        """See `Storage.read`. Inside a transaction: all its statements must see the same rows."""
        base, bounds = self._base(bus), self.bounds(bus)
        begin, stop = max(start, bounds.first), min(end, bounds.end)
        records: list[Record] = []
        while begin < stop and len(records) < limit:
            chunk_end = min(begin + _CHUNK, stop, begin + limit - len(records))
            whole = len(records) + chunk_end - begin
            max_bytes -= self._read_chunk(base, begin, chunk_end, max_bytes, records)
            if len(records) < whole:
                break
            begin = chunk_end
        return records

    def _read_chunk(self, base: int, begin: int, end: int, max_bytes: int, records: list[Record]) -> int:
        """Add records while there is room, or one; the bytes that were used."""
        count, longest, times, joined, sealed, seals = self._row(
            "SELECT count(*), max(length(event)), group_concat(time),"
            " CAST(group_concat(CASE WHEN length(event) < ?1 THEN CAST(event AS TEXT) END, char(30)) AS BLOB),"
            " count(seal), sum(seal - time)"
            " FROM event WHERE key >= ?2 AND key < ?3",
            (_LARGE, base + begin, base + end),
        )
        if count != end - begin:
            raise sqlite3.DatabaseError(f"of the events {begin} to {end - 1} some are missing")
        moments = [time / 1e6 for time in _decode_numbers(f"[{times}]")]
        events = (joined or b"").split(_SEPARATOR)
        # Else one is large, or only some have a seal, or one is no JSON and has the separator in it.
        at_once = longest < _LARGE and sealed in (0, count) and len(events) == count
        if at_once and sealed and sum(map(crc32, events, range(begin, end))) != seals:
            raise sqlite3.DatabaseError(f"of the events {begin} to {end - 1} some are damaged")
        used = sum(map(len, events))
        if at_once and used <= max_bytes:
            records += map(_record, zip(range(begin, end), moments, events, strict=True))
            return used
        return self._read_singly(base, begin, moments, max_bytes, records)

    def _read_singly(self, base: int, begin: int, moments: list[float], max_bytes: int, records: list[Record]) -> int:
        used = 0
        for offset, moment in enumerate(moments, begin):
            key = (base + offset,)
            size, seal = self._row("SELECT length(event), seal - time FROM event WHERE key = ?", key)
            if records and used + size > max_bytes:
                break
            (event,) = self._row("SELECT event FROM event WHERE key = ?", key)
            if seal is not None and crc32(event, offset) != seal:
                raise sqlite3.DatabaseError(f"the event {offset} is damaged")
            records.append(Record(offset, moment, event))
            used += size
        return used

    # -- appending -------------------------------------------------------------------------------------------------

    def append(self, group: Sequence[Appending], now: float) -> None:
        """Append each of the group, in order; each gets its result, or UnknownBus as its error."""
        known = self._appended([each.append_id for each in group])
        rows: list[Any] = []
        ids: list[Any] = []
        timers: list[Any] = []
        done: list[str] = []
        tails: dict[str, tuple[int, int, int]] = {}
        for each in group:
            bus = each.bus
            try:
                base, end, time = tails[bus] if bus in tails else self._tail(bus, micros(now))
            except UnknownBus as error:
                each.error = error
                continue
            done += each.acknowledged
            if each.append_id in known:
                each.result = known[each.append_id]
                continue
            start = end
            for event in each.events:
                rows += (base + end, time, event, crc32(event, end) + time)
                end += 1
            for due, event in each.delayed:
                timers += (bus, due, event)
            ids += (each.append_id, time, start, end - start)
            each.result = known[each.append_id] = tuple(range(start, end))
            tails[bus] = base, end, time
        self._insert("INSERT INTO event (key, time, event, seal)", 4, rows)
        self._insert("INSERT INTO timer (bus, due, event)", 3, timers)
        self._insert("INSERT INTO appended (id, time, start, count)", 4, ids)
        self._acknowledge(done)
        self._bound_ids(len(ids) // 4)
        self._ends.update((bus, end) for bus, (_, end, _) in tails.items())

    def _tail(self, bus: str, now: int) -> tuple[int, int, int]:
        """What is added to a bus's offsets, the next offset, and the time from now on, which never goes back."""
        last, time = self._last(bus)
        return self._base(bus), last + 1, max(time, now)

    def _appended(self, append_ids: Sequence[str]) -> dict[str, tuple[int, ...]]:
        found: dict[str, tuple[int, ...]] = {}
        for ids in _chunks(append_ids, 1):
            for append_id, start, count in self._all(_among("SELECT id, start, count FROM appended", len(ids)), ids):
                found[append_id] = tuple(range(start, start + count))
        return found

    def _acknowledge(self, append_ids: Sequence[str]) -> None:
        for ids in _chunks(append_ids, 1):
            self._do(_among("DELETE FROM appended", len(ids)), ids)

    def _bound_ids(self, added: int) -> None:
        """Forget the oldest append ids beyond the bound; looked at now and then, since counting takes a while."""
        self._ids_since_check += added
        if self._ids_since_check * 10 < self._max_append_ids:
            return
        self._ids_since_check = 0
        (count,) = self._row("SELECT count(*) FROM appended")
        self._do(
            "DELETE FROM appended WHERE id IN (SELECT id FROM appended ORDER BY time LIMIT ?)",
            (max(0, count - self._max_append_ids),),
        )

    def _insert(self, into: str, columns: int, values: list[Any]) -> None:
        for chunk in _chunks(values, columns):
            self._do(_rows(into, columns, len(chunk) // columns), chunk)

    # -- statements ------------------------------------------------------------------------------------------------

    def _base(self, bus: str) -> int:
        """What a bus's offsets are added to."""
        number = self._numbers.get(bus)
        if number is None:
            number = self._numbers[bus] = self._known("SELECT number FROM bus WHERE name = ?", bus)[0]
        return number << _SHIFT

    def _last(self, bus: str) -> tuple[int, int]:
        """The offset and time of the last event, or those before any."""
        base = self._base(bus)
        row = self._one(
            "SELECT key, time FROM event WHERE key > ? AND key <= ? ORDER BY key DESC LIMIT 1",
            (base, base + _MAX_OFFSET),
        )
        return (FIRST_OFFSET - 1, -(1 << 62)) if row is None else (row[0] - base, row[1])

    def _known(self, statement: str, bus: str) -> tuple[Any, ...]:
        row = self._one(statement, (bus,))
        if row is None:
            raise UnknownBus(bus)
        return row

    def _do(self, statement: str, arguments: Sequence[Any] = ()) -> None:
        self.connection.execute(statement, arguments)

    def _many(self, statement: str, arguments: Iterable[Sequence[Any]]) -> None:
        self.connection.executemany(statement, arguments)

    def _all(self, statement: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement, arguments).fetchall()

    def _one(self, statement: str, arguments: Sequence[Any] | Mapping[str, Any] = ()) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self.connection.execute(statement, arguments).fetchone()
        return row

    def _row(self, statement: str, arguments: Sequence[Any] | Mapping[str, Any] = ()) -> tuple[Any, ...]:
        row = self._one(statement, arguments)
        if row is None:
            raise sqlite3.DatabaseError("a row that must be there is missing: the storage is damaged")
        return row


def _chunks(values: Sequence[Any], columns: int) -> Iterator[Sequence[Any]]:
    """Rows in pieces whose sizes are powers of two, so that few statements are prepared and all are used again."""
    position, left = 0, len(values) // columns
    while left:
        size = min(_ROWS_A_STATEMENT, 1 << (left.bit_length() - 1))
        yield values[position : position + size * columns]
        position += size * columns
        left -= size


@cache
def _rows(insert: str, columns: int, rows: int) -> str:
    marks = "(" + ",".join("?" * columns) + ")"
    return f"{insert} VALUES {','.join([marks] * rows)}"


@cache
def _among(statement: str, ids: int) -> str:
    return f"{statement} WHERE id IN ({','.join('?' * ids)})"
