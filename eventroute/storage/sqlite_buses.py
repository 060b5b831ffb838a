"""The buses in SQL: what is set of them, how large they are, and what goes of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from attrs import define, field

from eventroute.errors import BusExists, InvalidConfiguration
from eventroute.storage.base import LIVE, Bounds, BusSettings, Lost, Mark
from eventroute.storage.buses import read_settings, written_settings
from eventroute.storage.dedup import Seen
from eventroute.storage.sqlite_statements import SqliteStatements
from eventroute.storage.tables import BusRow, micros
from eventroute.storage.threads import Head
from eventroute.storage.trimming import STEP_BYTES

__all__ = ["Log", "SqliteBuses"]

_SHIFT = 40

_LOG = 'SELECT number, first, "end", newest, bytes, settings, created FROM bus WHERE name = ? AND NOT going'
_LOST = "SELECT subscription, events, time, letters FROM lost"
_LETTERS = "SELECT letters, dropped FROM bus WHERE name = ? AND NOT going"

# Times never go back and rise with the serials, so that the first row of a window is found by its time.
_OLDEST_SEEN = "SELECT serial, time FROM seen WHERE bus = ? AND time >= ? ORDER BY time, serial LIMIT 1"
_OLDEST_SEEN_ABOVE = (
    "SELECT serial, time FROM seen WHERE bus = ? AND time >= ? AND serial > ? ORDER BY time, serial LIMIT 1"
)
_SIZES = "SELECT key, length(event) FROM event WHERE key >= ? AND key < ? ORDER BY key LIMIT ?"
_SWEEP_SEEN = "DELETE FROM seen WHERE bus = ?1 AND identity IN (SELECT identity FROM seen WHERE bus = ?1 LIMIT ?2)"
_SWEEP_TIMERS = (
    "DELETE FROM timer WHERE number IN (SELECT number FROM timer WHERE bus = ?1 ORDER BY due, number LIMIT ?2)"
)
_SWEEP_LETTERS = (
    'DELETE FROM dead_letter WHERE bus = ?1 AND (subscription, "offset") IN'
    ' (SELECT subscription, "offset" FROM dead_letter WHERE bus = ?1 LIMIT ?2)'
)
_LAST_SEEN = "SELECT serial FROM seen WHERE bus = ? ORDER BY time DESC, serial DESC LIMIT 1"


@define
class Log:
    """One bus's log, as far as a transaction has got with it."""

    number: int
    first: int
    end: int
    newest: int
    """When the last event was appended, in microseconds; trimmed ones count."""
    size: int
    """The bytes of its events."""
    settings: BusSettings
    created: int | None
    """In microseconds."""
    last: int | None = None
    """The serial of the last identity, once it was asked for."""
    seen: dict[bytes, Seen] = field(factory=dict)
    """The identities that this transaction remembers."""
    delayed: set[bytes] = field(factory=set)
    """Those of the timers that it makes."""

    @property
    def base(self) -> int:
        """What offsets are added to, to make a key of them."""
        return self.number << _SHIFT


class SqliteBuses(SqliteStatements):
    """The buses on one connection, inside a transaction of its owner. Other processes may make and delete buses
    between any two transactions, so nothing is remembered of them.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._ends: dict[str, int] = {}
        self._versions: dict[str, int] = {}

    def take_news(self) -> dict[str, Head]:
        """How far the buses got that were changed since the last call (0: that half was not)."""
        if not self._ends and not self._versions:
            return {}
        names = {*self._ends, *self._versions}
        news = {bus: Head(self._ends.get(bus, 0), self._versions.get(bus, 0)) for bus in names}
        self.forget()
        return news

    def forget(self) -> None:
        """The transaction was rolled back: what was learnt in it may be wrong."""
        self._ends.clear()
        self._versions.clear()

    # -- buses -----------------------------------------------------------------------------------------------------

    def create_bus(self, bus: str, settings: BusSettings | None, now: float) -> bool:
        """Make a bus with its live reader, where there is none. Raises BusExists.

        False: one of that name is being deleted, and has to be gone first.
        """
        row = self._one("SELECT going, settings FROM bus WHERE name = ?", (bus,))
        if row is not None:
            if not row[0] and settings is not None and settings != _settings(row[1]):
                raise BusExists(bus)
            return not row[0]
        first, version = self._row('SELECT "offset", version FROM deleted')
        text = written_settings(BusSettings() if settings is None else settings)
        self._do(
            'INSERT INTO bus (name, first, "end", version, horizon, settings, created) VALUES (?, ?, ?, ?, ?, ?, ?)',
            (bus, first, first, version, version, text, micros(now)),
        )
        self._do("INSERT INTO reader (bus, name, position, claimed) VALUES (?, ?, ?, ?)", (bus, LIVE, first, first))
        return True

    def update_bus(self, bus: str, settings: BusSettings) -> None:
        """Change the settings."""
        self.version(bus)
        self._do("UPDATE bus SET settings = ? WHERE name = ?", (written_settings(settings), bus))

    def buses(self) -> tuple[str, ...]:
        """The names, sorted."""
        return tuple(name for (name,) in self._all("SELECT name FROM bus WHERE NOT going ORDER BY name"))

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

    def count_subscriptions(self, bus: str) -> int:
        """How many it has."""
        return int(self._row("SELECT count(*) FROM subscription WHERE bus = ?", (bus,))[0])

    def _log(self, bus: str) -> Log:
        number, first, end, newest, size, settings, created = self._known(_LOG, bus)
        return Log(number, first, end, newest, size, _settings(settings), created)

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
            self.connection.execute(statement, (key, limit)).rowcount
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
            (log.base + log.first, log.base + end),
        )
        if times is None:
            return []
        moments = [int(time) / 1e6 for time in times.split(",")]
        return list(map(Mark, range(log.first, end), moments, map(int, sizes.split(","))))

    def size_below(self, bus: str, before: int) -> int:
        """The bytes of the oldest."""
        log = self._log(bus)
        keys = (log.base + log.first, log.base + before)
        (size,) = self._row("SELECT total(length(event)) FROM event WHERE key >= ? AND key < ?", keys)
        return int(size)

    def drop_events(self, bus: str, before: int, size: int) -> None:
        """Take the oldest away."""
        log = self._log(bus)
        self._do("DELETE FROM event WHERE key >= ? AND key < ?", (log.base + log.first, log.base + before))
        self._do("UPDATE bus SET first = ?, bytes = bytes - ? WHERE number = ?", (before, size, log.number))

    def add_lost(self, bus: str, subscription: str, events: int, now: float) -> None:
        """Count."""
        self._do(
            "INSERT INTO lost (bus, subscription, events, time) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (bus, subscription) DO UPDATE SET events = events + excluded.events, time = excluded.time",
            (bus, subscription, events, now),
        )

    def lost(self, bus: str) -> tuple[Lost, ...]:
        """By subscription."""
        rows = self._all(f"{_LOST} WHERE bus = ? ORDER BY subscription", (bus,))
        return tuple(Lost(*row) for row in rows)

    # -- identities ------------------------------------------------------------------------------------------------

    def remembered(self, bus: str, now: float) -> tuple[int, float]:
        """How many count, and since when."""
        log = self._log(bus)
        if log.settings.dedup is None:
            return 0, now
        last = self._last_seen(log)
        since = max(micros(now), log.newest) - micros(log.settings.dedup)
        row = self._one(_OLDEST_SEEN, (log.number, since))
        if row is not None and row[0] <= last - log.settings.dedup_limit:
            row = self._one(_OLDEST_SEEN_ABOVE, (log.number, since, last - log.settings.dedup_limit))
        return (0, now) if row is None else (last - row[0] + 1, row[1] / 1e6)

    def forget_identities(self, bus: str, now: float, limit: int) -> None:
        """Forget some."""
        log = self._log(bus)
        window = log.settings.dedup
        since = (1 << 62) if window is None else max(micros(now), log.newest) - micros(window)
        self._forget_seen(log, since, limit)

    def _forget_seen(self, log: Log, since: int, limit: int) -> None:
        last = self._last_seen(log)
        self._do(
            "DELETE FROM seen WHERE bus = ?1 AND identity IN (SELECT identity FROM ("
            "SELECT identity, time, serial FROM seen WHERE bus = ?1 ORDER BY time, serial LIMIT ?4"
            ") WHERE time < ?2 OR serial <= ?3)",
            (log.number, since, last - log.settings.dedup_limit, limit),
        )

    def _last_seen(self, log: Log) -> int:
        if log.last is None:
            row = self._one(_LAST_SEEN, (log.number,))
            log.last = 0 if row is None else row[0]
        return log.last

    def _seen(self, log: Log, identities: Sequence[bytes]) -> dict[bytes, Seen]:
        """Those of the identities that are remembered."""
        rows = self._among(
            'SELECT identity, serial, time, "offset" FROM seen WHERE bus = ? AND identity', identities, log.number
        )
        return {identity: Seen(*row) for identity, *row in rows}


def _settings(text: str) -> BusSettings:
    try:
        return read_settings(text)
    except InvalidConfiguration as error:
        raise sqlite3.DatabaseError(f"the settings of a bus are damaged: {error}") from error
