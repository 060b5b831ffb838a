"""The log in PostgreSQL's tables.

An offset is given out with the row of the bus's log locked, and that lock is held until the append is committed: so the
next offset is given out only when all before it can be read, or never will be there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

from eventroute.errors import DamagedEvent, UnknownBus
from eventroute.storage.base import Record
from eventroute.storage.postgres.buses import PostgresBuses
from eventroute.storage.postgres.server import Link
from eventroute.storage.sql_appends import Appending, SqlAppends
from eventroute.storage.sql_buses import BusLog
from eventroute.storage.tables import micros

__all__ = ["PostgresLog"]

# All appends of a group to a plain bus in one statement, which is a transaction of its own: one round trip, one wait
# for the disk. An append id that is there already is an error, after which the group goes the long way.
_PLAIN = """
WITH head AS (
    UPDATE log SET "end" = "end" + ?1, bytes = bytes + ?2,
        newest = greatest(newest, coalesce(?3, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint))
    FROM bus WHERE bus.number = log.bus AND bus.name = ?4 AND NOT bus.going AND log.plain
    RETURNING log.bus, log."end" - ?1 AS start, log.newest
), put AS (
    INSERT INTO event (bus, "offset", time, event)
    SELECT head.bus, head.start + place - 1, head.newest, bytes
    FROM head, unnest(?5::bytea[]) WITH ORDINALITY AS each (bytes, place)
), kept AS (
    INSERT INTO appended (id, time, start, count)
    SELECT id, head.newest, head.start + before, count
    FROM head, unnest(?6::text[], ?7::bigint[], ?8::integer[]) AS each (id, before, count)
), done AS (
    DELETE FROM appended WHERE id = ANY(?9)
)
SELECT start FROM head
"""

# A row for the bus, without an event, and one for each event, up to the first that goes beyond the bytes.
_PAGE = """
SELECT log.first, 0::bigint, NULL::bytea FROM bus JOIN log ON log.bus = bus.number WHERE bus.name = ?1 AND NOT bus.going
UNION ALL
SELECT "offset", time, event FROM (
    SELECT "offset", time, event, octet_length(event) AS size,
        sum(octet_length(event)) OVER (ORDER BY "offset" ROWS UNBOUNDED PRECEDING) AS total
    FROM event
    WHERE bus = (SELECT number FROM bus WHERE name = ?1 AND NOT going) AND "offset" >= ?2 AND "offset" < ?3
    ORDER BY "offset" LIMIT ?4
) AS page WHERE total - size < ?5
"""

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
_record: Callable[[tuple[int, float, bytes]], Record] = partial(tuple.__new__, Record)  # `_make` takes twice as long


class PostgresLog(SqlAppends, PostgresBuses):
    """The log on one connection."""

    def __init__(self, link: Link, where: str, *, max_append_ids: int = 100_000) -> None:
        SqlAppends.__init__(self, max_append_ids)
        PostgresBuses.__init__(self, link)
        self._where = where

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
        (first, _, _), *page = rows
        records = [_record((offset, time / 1e6, event)) for offset, time, event in page]
        if len(records) > 1 and sum(len(record.event) for record in records) > max_bytes:
            records.pop()
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
        row = self._one(
            _PLAIN,
            (
                *(len(events), sum(map(len, events)), None if time is None else micros(time), bus),
                *(events, [each.append_id for each in group], begins, counts),
                [append_id for each in group for append_id in each.acknowledged],
            ),
        )
        if row is None:
            return False
        (start,) = row
        for each, begin, count in zip(group, begins, counts, strict=True):
            each.result = tuple(range(start + begin, start + begin + count))
        self._ends[bus] = start + len(events)
        return True

    def _make_room(self, size: int) -> None:
        """The server says when it has none."""

    def _rows(self, log: BusLog, events: Sequence[bytes], time: int) -> list[Any]:
        rows: list[Any] = []
        for offset, event in enumerate(events, log.end):
            rows += (log.number, offset, time, event)
        return rows

    def _insert_events(self, rows: list[Any]) -> None:
        self._insert("event", 'bus, "offset", time, event', rows)

    def _write_log(self, log: BusLog) -> None:
        self._do(
            'UPDATE log SET "end" = ?, newest = ?, bytes = ? WHERE bus = ?',
            (log.end, log.newest, log.size, log.number),
        )
