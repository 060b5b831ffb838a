"""Buses in SQL: what is remembered and counted of them, whatever the engine."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from attrs import define, field

from eventroute.errors import BusExists, InvalidConfiguration
from eventroute.storage.base import LIVE, BusSettings, Lost
from eventroute.storage.buses import read_settings, written_settings
from eventroute.storage.dedup import Seen
from eventroute.storage.sql.statements import Statements
from eventroute.storage.tables import micros
from eventroute.storage.text import check_text
from eventroute.storage.threads import Head

__all__ = ["BusLog", "SqlBuses"]

_LOST = "SELECT subscription, events, time, letters FROM lost"

# Times never go back and rise with the serials, so that the first row of a window is found by its time.
_OLDEST_SEEN = "SELECT serial, time FROM seen WHERE bus = ? AND time >= ? ORDER BY time, serial LIMIT 1"
_OLDEST_SEEN_ABOVE = (
    "SELECT serial, time FROM seen WHERE bus = ? AND time >= ? AND serial > ? ORDER BY time, serial LIMIT 1"
)
_LAST_SEEN = "SELECT serial FROM seen WHERE bus = ? ORDER BY time DESC, serial DESC LIMIT 1"


@define
class BusLog:
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
    later: int = 0
    """The bytes of its timers."""
    written: str = ""
    """The settings as they are stored."""


class SqlBuses(Statements):
    """The buses on one connection, inside a transaction of its owner. Other processes may make and delete buses
    between any two transactions, so nothing is remembered of them.
    """

    def __init__(self) -> None:
        self._ends: dict[str, int] = {}
        self._versions: dict[str, int] = {}

    def _settings(self, text: str) -> BusSettings:
        try:
            return read_settings(text)
        except InvalidConfiguration as error:
            raise self._damaged(f"the settings of a bus are damaged: {error}") from error

    @abstractmethod
    def _add_bus(self, bus: str, first: int, version: int, settings: BusSettings, now: float) -> None:
        """Insert a bus whose log is empty and begins at `first`."""

    def create_bus(self, bus: str, settings: BusSettings | None, now: float) -> bool:
        """Make a bus with its live reader, where there is none. Raises BusExists.

        False: one of that name is being deleted, and has to be gone first.
        """
        check_text(bus, "bus")
        row = self._one("SELECT going, settings FROM bus WHERE name = ?", (bus,))
        if row is not None:
            if not row[0] and settings is not None and settings != self._settings(row[1]):
                raise BusExists(bus)
            return not row[0]
        first, version = self._row('SELECT "offset", version FROM deleted')
        self._add_bus(bus, first, version, BusSettings() if settings is None else settings, now)
        self._do("INSERT INTO reader (bus, name, position, claimed) VALUES (?, ?, ?, ?)", (bus, LIVE, first, first))
        return True

    def take_news(self) -> dict[str, Head]:
        """How far the buses got that were changed since the last call (0: that half was not)."""
        if not self._ends and not self._versions:
            return {}
        news = {bus: Head(self._ends.get(bus, 0), version) for bus, version in self._versions.items()}
        for bus, end in self._ends.items():
            if bus not in news:
                news[bus] = Head(end, 0)
        self.forget()
        return news

    def forget(self) -> None:
        """The transaction was rolled back: what was learnt in it may be wrong."""
        self._ends.clear()
        self._versions.clear()

    # -- buses -----------------------------------------------------------------------------------------------------

    def update_bus(self, bus: str, settings: BusSettings) -> None:
        """Change the settings."""
        self.version(bus)
        self._do("UPDATE bus SET settings = ? WHERE name = ?", (written_settings(settings), bus))

    def buses(self) -> tuple[str, ...]:
        """The names, sorted."""
        return tuple(name for (name,) in self._all("SELECT name FROM bus WHERE NOT going ORDER BY name"))

    def count_subscriptions(self, bus: str) -> int:
        """How many it has."""
        return int(self._row("SELECT count(*) FROM subscription WHERE bus = ?", (bus,))[0])

    def add_lost(self, bus: str, subscription: str, events: int, now: float) -> None:
        """Count."""
        self._do(
            "INSERT INTO lost (bus, subscription, events, time) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (bus, subscription) "
            " DO UPDATE SET events = lost.events + excluded.events, time = excluded.time",
            (bus, subscription, events, now),
        )

    def lost(self, bus: str) -> tuple[Lost, ...]:
        """By subscription."""
        rows = self._all(f"{_LOST} WHERE bus = ? ORDER BY subscription", (bus,))
        return tuple(Lost(*row) for row in rows)

    # -- identities ------------------------------------------------------------------------------------------------

    @abstractmethod
    def _log(self, bus: str) -> BusLog:
        """A bus's log as it is now. Raises UnknownBus."""

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

    def _forget_seen(self, log: BusLog, since: int, limit: int) -> None:
        last = self._last_seen(log)
        self._do(
            "DELETE FROM seen WHERE bus = ?1 AND identity IN (SELECT identity FROM ("
            "SELECT identity, time, serial FROM seen WHERE bus = ?1 ORDER BY time, serial LIMIT ?4"
            ") AS oldest WHERE time < ?2 OR serial <= ?3)",
            (log.number, since, last - log.settings.dedup_limit, limit),
        )

    def _last_seen(self, log: BusLog) -> int:
        if log.last is None:
            row = self._one(_LAST_SEEN, (log.number,))
            log.last = 0 if row is None else row[0]
        return log.last

    def _seen(self, log: BusLog, identities: Sequence[bytes]) -> dict[bytes, Seen]:
        """Those of the identities that are remembered."""
        rows = self._among(
            'SELECT identity, serial, time, "offset" FROM seen WHERE bus = ? AND identity', identities, log.number
        )
        return {identity: Seen(*row) for identity, *row in rows}
