"""The outbox: events that an application writes in a transaction of its own, and that are moved to the log after it.

Whoever commits puts its transaction in a row, by a trigger that runs when the commit is asked for. Of two transactions
of which one was committed before the other's commit began, it so comes first. A transaction that is held open holds up
nobody: what it wrote is not seen, and has no place yet.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any

from psycopg import AsyncConnection, AsyncRawCursor, Connection, RawCursor, sql

from eventroute.errors import StorageError, UnknownBus
from eventroute.event import Event
from eventroute.publishing import MAX_EVENT_BYTES, encode, identity_of
from eventroute.storage.base import Delayed, Fired
from eventroute.storage.sql.timers import Moving, SqlTimers

if TYPE_CHECKING:
    from cloudevents.core.base import BaseCloudEvent

__all__ = ["PostgresTimers", "put_in_outbox"]

_PUT = "SELECT {}.put_in_outbox($1::text, $2::bytea[], $3::float8[], $4::bytea[])"
_MOVE_BYTES = 1 << 20
"""The most bytes of events that are moved in one transaction, but for the last of them."""

_TAKE = """
WITH few AS (
    SELECT number, octet_length(event) AS size,
        sum(octet_length(event)) OVER (ORDER BY place, number ROWS UNBOUNDED PRECEDING) AS total
    FROM outbox JOIN committed ON committed.xid = outbox.xid WHERE bus = ?1 ORDER BY place, number LIMIT ?2
), gone AS (
    DELETE FROM outbox USING few WHERE outbox.number = few.number AND total - size < ?3
    RETURNING outbox.number, xid, event, due, identity
)
SELECT number, event, due, identity FROM gone JOIN committed ON committed.xid = gone.xid ORDER BY place, number
"""
_FORGET = "DELETE FROM committed WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.xid = committed.xid)"
_WAITS = "SELECT 1 FROM outbox WHERE bus = ? LIMIT 1"


class PostgresTimers(SqlTimers):
    """The timers, before which what is in the outbox is due."""

    def fire_timers(self, bus: str, now: float, limit: int, time: float) -> Fired:
        """Move what is in the outbox; where nothing is, append what is due at `now`."""
        self.version(bus)
        rows = self._all(_TAKE, (bus, limit, _MOVE_BYTES))
        if not rows:
            return super().fire_timers(bus, now, limit, time)
        at_once = [row for row in rows if row[2] is None or row[2] <= now]
        later = [row for row in rows if row[2] is not None and row[2] > now]
        append_id = f"outbox {rows[0][0]}"
        moving = Moving(
            bus,
            [event for _, event, _, _ in at_once],
            append_id,
            (append_id,),
            delayed=[Delayed(due, event, identity) for _, event, due, identity in later],
            identities=[identity or b"outbox %d" % number for number, _, _, identity in at_once],
        )
        self.append([moving], time)
        if moving.error is not None:
            raise moving.error
        self._do(_FORGET)
        return Fired(len(rows), self.next_timer(bus))

    def next_timer(self, bus: str) -> float | None:
        """When the first is due; what is in the outbox is, at once."""
        due = super().next_timer(bus)
        return due if self._one(_WAITS, (bus,)) is None else min(0.0, due or 0.0)


def put_in_outbox(
    connection: Connection[Any] | AsyncConnection[Any], schema: str, bus: str, events: Sequence[BaseCloudEvent]
) -> Awaitable[None] | None:
    """See `PostgresStorage.publish_in`."""
    statement = sql.SQL(_PUT).format(sql.Identifier(schema))
    arguments = _arguments(bus, [Event.from_cloudevent(event) for event in events])
    if isinstance(connection, AsyncConnection):
        return _put_later(connection, statement, bus, arguments)
    if not isinstance(connection, Connection):
        raise StorageError(f"publish_in takes a connection of psycopg 3, not a {type(connection).__name__}")
    _check(RawCursor(connection).execute(statement, arguments).fetchone(), bus)
    return None


async def _put_later(
    connection: AsyncConnection[Any], statement: sql.Composed, bus: str, arguments: Sequence[Any]
) -> None:
    cursor = await AsyncRawCursor(connection).execute(statement, arguments)
    _check(await cursor.fetchone(), bus)


def _arguments(bus: str, events: Sequence[Event]) -> list[Any]:
    now = time.time()
    encoded = [encode(event, now, MAX_EVENT_BYTES) for event in events]
    raw = [each.event if isinstance(each, Delayed) else each for each in encoded]
    due = [each.due if isinstance(each, Delayed) else None for each in encoded]
    return [bus, raw, due, [identity_of(event) for event in events]]


def _check(row: Any, bus: str) -> None:
    values = list(row.values()) if isinstance(row, dict) else list(row)  # the application says how rows are made
    if not values[0]:
        raise UnknownBus(bus)
