"""The buses in PostgreSQL's tables: how they are made and deleted, and what goes of their logs."""

from __future__ import annotations

from eventroute.errors import InvalidConfiguration, StorageError
from eventroute.storage.base import Bounds, BusSettings, Mark
from eventroute.storage.buses import read_settings, written_settings
from eventroute.storage.postgres.server import Link
from eventroute.storage.postgres.statements import PostgresStatements
from eventroute.storage.sql.buses import BusLog, SqlBuses
from eventroute.storage.tables import BusRow, micros
from eventroute.storage.threads import Head
from eventroute.storage.trimming import STEP_BYTES

__all__ = ["LOG", "PostgresBuses", "bus_log"]

LOG = (
    'SELECT bus.name, bus.number, log.first, log."end", log.newest, log.bytes, bus.settings, bus.created, log.later'
    " FROM bus JOIN log ON log.bus = bus.number"
)
"""What `bus_log` makes a log of."""

_HEAD = 'SELECT log."end", bus.version FROM bus JOIN log ON log.bus = bus.number'
_SIZES = (
    'SELECT "offset", time, octet_length(event) FROM event WHERE bus = ? AND "offset" >= ? ORDER BY "offset" LIMIT ?'
)
_SWEEP_SEEN = (
    "WITH few AS (SELECT identity FROM seen WHERE bus = ?1 LIMIT ?2)"
    " DELETE FROM seen USING few WHERE bus = ?1 AND seen.identity = few.identity RETURNING 1"
)
_SWEEP_TIMERS = (
    "WITH few AS (SELECT timer.number FROM timer JOIN bus ON bus.name = timer.bus WHERE bus.number = ?1 LIMIT ?2)"
    " DELETE FROM timer USING few WHERE timer.number = few.number RETURNING 1"
)
_SWEEP_LETTERS = (
    'WITH few AS (SELECT name, subscription, "offset" FROM dead_letter JOIN bus ON bus.name = dead_letter.bus'
    " WHERE bus.number = ?1 LIMIT ?2) DELETE FROM dead_letter AS gone USING few WHERE gone.bus = few.name"
    ' AND gone.subscription = few.subscription AND gone."offset" = few."offset" RETURNING 1'
)


def bus_log(row: tuple[str, int, int, int, int, int, str, int | None, int]) -> BusLog:
    """The log of a row that `LOG` selects."""
    _, number, first, end, newest, size, settings, created, later = row
    return BusLog(number, first, end, newest, size, _settings(settings), created, later=later)


class PostgresBuses(SqlBuses, PostgresStatements):
    """The buses on one connection."""

    def __init__(self, link: Link) -> None:
        SqlBuses.__init__(self)
        PostgresStatements.__init__(self, link)

    # -- buses -----------------------------------------------------------------------------------------------------

    def _add_bus(self, bus: str, first: int, version: int, settings: BusSettings, now: float) -> None:
        (number,) = self._row(
            "INSERT INTO bus (name, version, horizon, settings, created) VALUES (?1, ?2, ?2, ?3, ?4) RETURNING number",
            (bus, version, written_settings(settings), micros(now)),
        )
        self._do(
            'INSERT INTO log (bus, first, "end", plain) VALUES (?1, ?2, ?2, ?3)', (number, first, _is_plain(settings))
        )

    def update_bus(self, bus: str, settings: BusSettings) -> None:
        """Change the settings."""
        super().update_bus(bus, settings)
        self._do("UPDATE log SET plain = ? WHERE bus = ?", (_is_plain(settings), self._log(bus).number))

    def bus(self, bus: str) -> BusRow:
        """A bus."""
        log = self._log(bus)
        created = None if log.created is None else log.created / 1e6
        letters, dropped = self._known("SELECT letters, dropped FROM bus WHERE name = ? AND NOT going", bus)
        return BusRow(log.settings, created, Bounds(log.first, log.end), log.size, log.newest / 1e6, letters, dropped)

    def bounds(self, bus: str) -> Bounds:
        """What is readable."""
        return Bounds(*self._known(_BOUNDS, bus))

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
        return Head(*self._known(f"{_HEAD} WHERE bus.name = ? AND NOT bus.going", bus))

    def _log(self, bus: str) -> BusLog:
        return bus_log(self._known(f"{LOG} WHERE bus.name = ? AND NOT bus.going", bus))

    # -- deleting --------------------------------------------------------------------------------------------------

    def delete_bus(self, bus: str) -> None:
        """Begin to remove a bus, on which no subscription is left: nobody finds it any more."""
        end, version = self.head(bus)
        self._do(
            'UPDATE deleted SET "offset" = greatest("offset", ?), version = greatest(version, ?)', (end, version + 1)
        )
        self._do("UPDATE bus SET going = true WHERE name = ?", (bus,))
        for table in ("reader", "claim", "sharing", "removed", "lost", "outbox"):
            self._do(f"DELETE FROM {table} WHERE bus = ?", (bus,))  # noqa: S608 - names from here
        self._ends.pop(bus, None)
        self._versions.pop(bus, None)

    def sweep(self, limit: int) -> bool:
        """Take away some rows, at most `limit`, of a bus that is being deleted; false where there is none."""
        row = self._one("SELECT number FROM bus WHERE going LIMIT 1")
        if row is None:
            return False
        (number,) = row
        self.written += 1
        if not self._sweep_events(number, limit) and not any(
            self._all(each, (number, limit)) for each in (_SWEEP_SEEN, _SWEEP_LETTERS, _SWEEP_TIMERS)
        ):
            self._do("DELETE FROM log WHERE bus = ?", (number,))
            self._do("DELETE FROM bus WHERE number = ?", (number,))
        return True

    def _sweep_events(self, number: int, limit: int) -> bool:
        size, last = 0, None
        for offset, _, length in self._all(_SIZES, (number, 0, limit)):
            size += length
            if last is not None and size > STEP_BYTES:
                break
            last = offset
        if last is not None:
            self._do('DELETE FROM event WHERE bus = ? AND "offset" <= ?', (number, last))
        return last is not None

    # -- trimming --------------------------------------------------------------------------------------------------

    def marks(self, bus: str, limit: int) -> list[Mark]:
        """The oldest events."""
        log = self._log(bus)
        return [Mark(offset, time / 1e6, size) for offset, time, size in self._all(_SIZES, (log.number, 0, limit))]

    def size_below(self, bus: str, before: int) -> int:
        """The bytes of the oldest."""
        (size,) = self._row(
            'SELECT coalesce(sum(octet_length(event)), 0)::bigint FROM event WHERE bus = ? AND "offset" < ?',
            (self._log(bus).number, before),
        )
        return int(size)

    def drop_events(self, bus: str, before: int, size: int) -> None:
        """Take the oldest away."""
        log = self._log(bus)
        self._do('DELETE FROM event WHERE bus = ? AND "offset" < ?', (log.number, before))
        self._do("UPDATE log SET first = ?, bytes = bytes - ? WHERE bus = ?", (before, size, log.number))
        log.first, log.size = before, log.size - size

    def keep_events(self, bus: str, before: int) -> None:
        """Copy events into rows."""
        self._do(
            "UPDATE waiting SET event = event.event FROM event"
            ' WHERE event.bus = ? AND event."offset" = waiting."offset" AND waiting.event IS NULL'
            ' AND waiting."offset" < ? AND waiting.subscription IN (SELECT id FROM subscription WHERE bus = ?)',
            (self._log(bus).number, before, bus),
        )


_BOUNDS = 'SELECT log.first, log."end" FROM bus JOIN log ON log.bus = bus.number WHERE bus.name = ? AND NOT bus.going'


def _is_plain(settings: BusSettings) -> bool:
    """Whether an append has to know nothing but the next offset."""
    return settings.dedup is None and settings.max_bytes is None


def _settings(text: str) -> BusSettings:
    try:
        return read_settings(text)
    except InvalidConfiguration as error:
        raise StorageError(f"the settings of a bus are damaged: {error}") from error
