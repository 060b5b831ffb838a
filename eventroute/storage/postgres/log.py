"""The log in PostgreSQL's tables.

An offset is given out with the row of the bus's log locked, and that lock is held until the append is committed: so the
next offset is given out only when all before it can be read, or never will be there.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, repeat
from typing import Any

from eventroute.errors import DamagedEvent, UnknownBus
from eventroute.storage.base import Record
from eventroute.storage.postgres.buses import PostgresBuses
from eventroute.storage.postgres.prepared import Prepared, PreparedStatements
from eventroute.storage.postgres.server import Link
from eventroute.storage.sql.appends import Appending, SqlAppends
from eventroute.storage.sql.buses import BusLog
from eventroute.storage.tables import micros

__all__ = ["PostgresLog", "as_records"]

# All appends of a group to a plain bus in one statement, which is a transaction of its own: one round trip, one wait
# for the disk. An append id that is there already is an error, after which the group goes the long way.
_PLAIN = Prepared(
    "append_plain",
    """
WITH head AS (
    UPDATE log SET "end" = "end" + ?1, bytes = bytes + ?2, largest = greatest(largest, ?10),
        newest = greatest(newest, coalesce(?3, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint))
    FROM bus WHERE bus.number = log.bus AND bus.name = ?4 AND NOT bus.going AND log.plain
    RETURNING log.bus, log."end" - ?1 AS start, log.newest
), put AS (
    INSERT INTO event (bus, "offset", time, event)
    SELECT head.bus, head.start + place - 1, head.newest, bytes
    FROM head, unnest(?5) WITH ORDINALITY AS each (bytes, place)
), kept AS (
    INSERT INTO appended (id, time, start, count)
    SELECT id, head.newest, head.start + before, count
    FROM head, unnest(?6, ?7, ?8) AS each (id, before, count)
), done AS (
    DELETE FROM appended WHERE id = ANY(?9)
)
SELECT start FROM head
""",
    *("int8", "int8", "int8", "text", "bytea[]", "text[]", "int8[]", "int8[]", "text[]", "int8"),
)

_NUMBER = "(SELECT number FROM bus WHERE name = ?1 AND NOT going)"

# A row for the bus, without an event, and one for each event. Nearly always as many as are asked for fit, even if all
# were as large as the largest that the bus ever had; else where to end is looked for. The first event is always sent.
_PAGE = f"""
SELECT log.first, NULL::float8, NULL::bytea FROM bus JOIN log ON log.bus = bus.number
WHERE bus.name = ?1 AND NOT bus.going
UNION ALL (
    SELECT "offset", time / 1e6::float8, event FROM event
    WHERE bus = {_NUMBER} AND "offset" >= ?2 AND "offset" < CASE
        WHEN (SELECT largest FROM log WHERE bus = {_NUMBER}) * least(?4, ?3 - ?2)::float8 <= ?5 THEN ?3
        ELSE (SELECT max("offset") + 1 FROM (
            SELECT "offset", row_number() OVER page AS place, sum(octet_length(event)) OVER page AS total
            FROM event WHERE bus = {_NUMBER} AND "offset" >= ?2 AND "offset" < ?3
            WINDOW page AS (ORDER BY "offset" ROWS UNBOUNDED PRECEDING) ORDER BY "offset" LIMIT ?4
        ) AS page WHERE total <= ?5 OR place = 1)
    END
    ORDER BY "offset" LIMIT ?4
)
"""  # noqa: S608 - all from here

_AT = """
WITH RECURSIVE range AS (
    SELECT log.bus, log.first AS low, log."end" AS high
    FROM bus JOIN log ON log.bus = bus.number WHERE bus.name = ?1 AND NOT bus.going
    UNION ALL
    SELECT range.bus, CASE WHEN event.time < ?2 THEN event."offset" + 1 ELSE range.low END,
        CASE WHEN event.time < ?2 THEN range.high ELSE event."offset" END
    FROM range JOIN event ON event.bus = range.bus AND event."offset" = (range.low + range.high) / 2
    WHERE range.low < range.high
)
SELECT low FROM range ORDER BY high - low LIMIT 1
"""

_MOST = (1 << 62) - 1


def as_records(rows: list[Any]) -> list[Record]:
    """Of rows with an offset, a time in seconds and an event. Calling the class takes four times as long."""
    return list(map(tuple.__new__, repeat(Record), rows))


class PostgresLog(SqlAppends, PostgresBuses):
    """The log on one connection."""

    def __init__(self, link: Link, where: str, *, max_append_ids: int = 100_000) -> None:
        SqlAppends.__init__(self, max_append_ids)
        PostgresBuses.__init__(self, link)
        self._where = where
        self._prepared = PreparedStatements(link)
        self._largest: dict[int, int] = {}
        """By the number of a bus, the bytes of the largest event that is to be inserted."""

    # -- reading ---------------------------------------------------------------------------------------------------

    def offset_at(self, bus: str, time: float) -> int:
        """The first record of that time or later, by halving: times never go back."""
        row = self._one(_AT, (bus, micros(time)))
        if row is None:
            raise UnknownBus(bus)
        return int(row[0])

    def read(self, bus: str, start: int, end: int, limit: int, max_bytes: int) -> list[Record]:
        """See `Storage.read`. One statement: all of it is of one state."""
        bounds = (max(-_MOST, min(start, _MOST)), max(-_MOST, min(end, _MOST)))
        rows = self._all(_PAGE, (bus, *bounds, min(limit, _MOST), min(max_bytes, _MOST)))
        if not rows:
            raise UnknownBus(bus)
        first = rows.pop(0)[0]
        records = as_records(rows)
        begin = max(start, first)
        if records and records[-1].offset - begin + 1 != len(records):
            records = [record for place, record in enumerate(records, begin) if record.offset == place]
            if not records:
                raise DamagedEvent(self._where, bus, begin, "it is missing")
        return records

    # -- appending -------------------------------------------------------------------------------------------------

    def append_plain(self, bus: str, group: Sequence[Appending], time: float | None) -> bool:
        """Append all of a group to one bus, each under an id that is new, by one statement outside a transaction;
        false: the bus is not there, or not plain, and nothing was done. Each gets its result.

        `time` is when; None: now, by the server's clock. Raises psycopg.Error.
        """
        events = [event for each in group for event in each.events]
        counts = [len(each.events) for each in group]
        begins = [0, *accumulate(counts[:-1])]
        rows = self._prepared.rows(
            _PLAIN,
            (
                *(len(events), sum(map(len, events)), None if time is None else micros(time), bus),
                *(events, [each.append_id for each in group], begins, counts),
                [append_id for each in group for append_id in each.acknowledged],
                max(map(len, events), default=0),
            ),
        )
        if not rows:
            return False
        ((start,),) = rows
        for each, begin, count in zip(group, begins, counts, strict=True):
            each.result = tuple(range(start + begin, start + begin + count))
        self._ends[bus] = start + len(events)
        return True

    def _make_room(self, size: int) -> None:
        """The server says when it has none."""

    def _rows(self, log: BusLog, events: Sequence[bytes], time: int) -> list[Any]:
        self._largest[log.number] = max(self._largest.get(log.number, 0), *map(len, events), 0)
        rows: list[Any] = []
        for offset, event in enumerate(events, log.end):
            rows += (log.number, offset, time, event)
        return rows

    def _insert_events(self, rows: list[Any]) -> None:
        self._insert("event", 'bus, "offset", time, event', rows)

    def _write_log(self, log: BusLog) -> None:
        self._do(
            'UPDATE log SET "end" = ?, newest = ?, bytes = ?, largest = greatest(largest, ?) WHERE bus = ?',
            (log.end, log.newest, log.size, self._largest.pop(log.number, 0), log.number),
        )

    def _begin_log(self, log: BusLog, first: int) -> None:
        self._do('UPDATE log SET first = ?, "end" = ? WHERE bus = ?', (first, first, log.number))
