"""Timers in SQL: events that are appended to the log when they are due."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define

from eventroute.storage.base import Delayed, Fired, Timer
from eventroute.storage.dedup import firing_identity
from eventroute.storage.sql.statements import Statements
from eventroute.storage.tables import timer_number

__all__ = ["Moving", "SqlTimers"]

_FIRE_BYTES = 1 << 20
"""The most bytes of events that are moved in one transaction, which must not last; one event always is."""


@define
class Moving:
    """Events that were kept elsewhere, as one append; its id need not be kept, since they go from there by the same
    change.

    `moved`: so many of their bytes count already.
    """

    bus: str
    events: Sequence[bytes]
    append_id: str
    acknowledged: Sequence[str]
    moved: int = 0
    delayed: Sequence[Delayed] = ()
    identities: Sequence[bytes] | None = None
    result: tuple[int, ...] = ()
    error: Exception | None = None


class SqlTimers(Statements):
    """The timers; the log puts them there."""

    def fire_timers(self, bus: str, now: float, limit: int, time: float) -> Fired:
        """Append what is due at `now`; `time` is when it is appended."""
        self.version(bus)
        numbers: list[int] = []
        identities: list[bytes] = []
        size = 0
        due = self._all(
            "SELECT number, length(event), identity FROM timer WHERE bus = ? AND due <= ? ORDER BY due, number LIMIT ?",
            (bus, now, limit),
        )
        for number, length, identity in due:
            size += length
            if numbers and size > _FIRE_BYTES:
                break
            numbers.append(number)
            identities.append(firing_identity(identity, number))
        if numbers:
            found = dict(self._among("SELECT number, event FROM timer WHERE number", numbers))
            events = [found[number] for number in numbers]
            append_id = f"timer {numbers[0]}"
            firing = Moving(bus, events, append_id, (append_id,), sum(map(len, events)), identities=identities)
            self.append([firing], time)
            if firing.error is not None:
                raise firing.error
            self._do_among("DELETE FROM timer WHERE number", numbers)
        return Fired(len(numbers), self.next_timer(bus))

    def next_timer(self, bus: str) -> float | None:
        """When the first is due."""
        self.version(bus)
        (due,) = self._row("SELECT min(due) FROM timer WHERE bus = ?", (bus,))
        return None if due is None else float(due)

    def timers(self, bus: str, after: tuple[float, str] | None, limit: int) -> list[Timer]:
        """A page of them, in the order in which they fire."""
        self.version(bus)
        due, number = (float("-inf"), 0) if after is None else (after[0], timer_number(after[1]))
        rows = self._all(
            "SELECT number, due, event FROM timer WHERE bus = ? AND (due, number) > (?, ?)"
            " ORDER BY due, number LIMIT ?",
            (bus, due, number, limit),
        )
        return [Timer(str(number), due, event) for number, due, event in rows]

    def count_timers(self, bus: str) -> int:
        """How many there are."""
        self.version(bus)
        return int(self._row("SELECT count(*) FROM timer WHERE bus = ?", (bus,))[0])

    def cancel_timer(self, bus: str, timer: str) -> bool:
        """Take one away."""
        self.version(bus)
        key = (timer_number(timer), bus)
        there = self._one("SELECT 1 FROM timer WHERE number = ? AND bus = ?", key) is not None
        self._do("DELETE FROM timer WHERE number = ? AND bus = ?", key)
        return there
