"""The buses in SQL: what is set of them, how large they are, and what goes of them."""

from __future__ import annotations

import sqlite3

from eventroute.storage.base import Bounds, BusSettings, Mark
from eventroute.storage.buses import written_settings
from eventroute.storage.sql.buses import BusLog, SqlBuses
from eventroute.storage.sqlite.statements import SqliteStatements
from eventroute.storage.tables import BusRow, micros
from eventroute.storage.threads import Head
from eventroute.storage.trimming import STEP_BYTES

__all__ = ["SqliteBuses", "key_base"]

_SHIFT = 40

_LOG = 'SELECT number, first, "end", newest, bytes, settings, created, later FROM bus WHERE name = ? AND NOT going'
_LETTERS = "SELECT letters, dropped FROM bus WHERE name = ? AND NOT going"

_SIZES = "SELECT key, length(event) FROM event WHERE key >= ? AND key < ? ORDER BY key LIMIT ?"
_SWEEP_SEEN = "DELETE FROM seen WHERE bus = ?1 AND identity IN (SELECT identity FROM seen WHERE bus = ?1 LIMIT ?2)"
_SWEEP_TIMERS = (
    "DELETE FROM timer WHERE number IN (SELECT number FROM timer WHERE bus = ?1 ORDER BY due, number LIMIT ?2)"
)
_SWEEP_LETTERS = (
    'DELETE FROM dead_letter WHERE bus = ?1 AND (subscription, "offset") IN'
    ' (SELECT subscription, "offset" FROM dead_letter WHERE bus = ?1 LIMIT ?2)'
)


def key_base(log: BusLog) -> int:
    """What offsets of a bus are added to, to make a key of them."""
    return log.number << _SHIFT


class SqliteBuses(SqlBuses, SqliteStatements):
    """The buses on one connection, inside a transaction of its owner."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        SqlBuses.__init__(self)
        SqliteStatements.__init__(self, connection)

    # -- buses -----------------------------------------------------------------------------------------------------

    def _add_bus(self, bus: str, first: int, version: int, settings: BusSettings, now: float) -> None:
        self._do(
            'INSERT INTO bus (name, first, "end", version, horizon, settings, created) VALUES (?, ?, ?, ?, ?, ?, ?)',
            (bus, first, first, version, version, written_settings(settings), micros(now)),
        )

    def bus(self, bus: str) -> BusRow:
        """A bus."""
        log = self._log(bus)
        created = None if log.created is None else log.created / 1e6
        letters, dropped = self._known(_LETTERS, bus)
        return BusRow(log.settings, created, Bounds(log.first, log.end), log.size, log.newest / 1e6, letters, dropped)

    def bounds(self, bus: str) -> Bounds:
        """What is readable."""
        return Bounds(*self._known('SELECT first, "end" FROM bus WHERE name = ? AND NOT going', bus))

    def version(self, bus: str) -> int:
        """The bus's version."""
        return int(self._known("SELECT version FROM bus WHERE name = ? AND NOT going", bus)[0])

    def raise_version(self, bus: str) -> int:
        """Count it up."""
        version = self.version(bus) + 1
        self._do("UPDATE bus SET version = ? WHERE name = ?", (version, bus))
        self._versions[bus] = version
        return version

    def head(self, bus: str) -> Head:
        """How far the bus has got."""
        return Head(*self._known('SELECT "end", version FROM bus WHERE name = ? AND NOT going', bus))

    def _log(self, bus: str) -> BusLog:
        number, first, end, newest, size, settings, created, later = self._known(_LOG, bus)
        read = self._settings(settings)
        return BusLog(number, first, end, newest, size, read, created, later=later, written=settings)

    # -- deleting --------------------------------------------------------------------------------------------------

    def delete_bus(self, bus: str) -> None:
        """Begin to remove a bus, on which no subscription is left: nobody finds it any more."""
        end, version = self.head(bus)
        self._do(
            'UPDATE deleted SET "offset" = max("offset", ?), version = max(version, ?)',
            (end, version + 1),
        )
        self._do("UPDATE bus SET going = 1 WHERE name = ?", (bus,))
        for table in ("reader", "claim", "sharing", "removed", "lost"):
            self._do(f"DELETE FROM {table} WHERE bus = ?", (bus,))  # noqa: S608 - names from here
        self._ends.pop(bus, None)
        self._versions.pop(bus, None)

    def sweep(self, limit: int) -> bool:
        """Take away some rows, at most `limit`, of a bus that is being deleted; false where there is none."""
        row = self._one("SELECT name, number FROM bus WHERE going LIMIT 1")
        if row is None:
            return False
        bus, number = row
        if not self._sweep_events(number, limit) and not any(
            self._execute(statement, (key, limit)).rowcount
            for statement, key in ((_SWEEP_SEEN, number), (_SWEEP_LETTERS, bus), (_SWEEP_TIMERS, bus))
        ):
            self._do("DELETE FROM bus WHERE number = ?", (number,))
        return True

    def _sweep_events(self, number: int, limit: int) -> bool:
        base, size, last = number << _SHIFT, 0, None
        for key, length in self._all(_SIZES, (base, base + (1 << _SHIFT), limit)):
            size += length
            if last is not None and size > STEP_BYTES:
                break
            last = key
        self._do("DELETE FROM event WHERE key >= ? AND key <= ?", (base, last))
        return last is not None

    # -- trimming --------------------------------------------------------------------------------------------------

    def marks(self, bus: str, limit: int) -> list[Mark]:
        """The oldest events."""
        log = self._log(bus)
        end = min(log.end, log.first + limit)
        times, sizes = self._row(
            "SELECT group_concat(time), group_concat(length(event)) FROM event WHERE key >= ? AND key < ?",
            (key_base(log) + log.first, key_base(log) + end),
        )
        if times is None:
            return []
        moments = [int(time) / 1e6 for time in times.split(",")]
        return list(map(Mark, range(log.first, end), moments, map(int, sizes.split(","))))

    def size_below(self, bus: str, before: int) -> int:
        """The bytes of the oldest."""
        log = self._log(bus)
        keys = (key_base(log) + log.first, key_base(log) + before)
        (size,) = self._row("SELECT total(length(event)) FROM event WHERE key >= ? AND key < ?", keys)
        return int(size)

    def drop_events(self, bus: str, before: int, size: int) -> None:
        """Take the oldest away."""
        log = self._log(bus)
        self._do("DELETE FROM event WHERE key >= ? AND key < ?", (key_base(log) + log.first, key_base(log) + before))
        self._do("UPDATE bus SET first = ?, bytes = bytes - ? WHERE number = ?", (before, size, log.number))
