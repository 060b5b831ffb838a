"""Timers in SQL: events that are appended to the log when they are due."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from attrs import define

from eventroute.clock import Clock
from eventroute.storage.base import Delayed, Fired, Timer
from eventroute.storage.dedup import firing_identity
from eventroute.storage.sqlite_log import SqliteLog
from eventroute.storage.tables import timer_number
from eventroute.storage.timers import Timers

__all__ = ["SqliteTimers"]

T = TypeVar("T")

_FIRE_BYTES = 1 << 20
"""The most bytes of events that are moved in one transaction, which must not last; one event always is."""


@define
class _Firing:
    """The events of some timers, as one append; its id need not be kept, since the timers go in the same change."""

    bus: str
    events: Sequence[bytes]
    append_id: str
    acknowledged: Sequence[str]
    delayed: Sequence[Delayed] = ()
    identities: Sequence[bytes] | None = None
    result: tuple[int, ...] = ()
    error: Exception | None = None


class SqliteTimers(SqliteLog):
    """The timers on one connection; the log is its base's, and puts them there."""

    def fire_timers(self, bus: str, now: float, limit: int, time: float) -> Fired:
        """Append what is due at `now`; `time` is when it is appended."""
        self.version(bus)
        numbers: list[int] = []
        events: list[bytes] = []
        identities: list[bytes] = []
        size = 0
        due = self._all(
            "SELECT number, length(event), identity FROM timer WHERE bus = ? AND due <= ? ORDER BY due, number LIMIT ?",
            (bus, now, limit),
        )
        for number, length, identity in due:
            size += length
            if events and size > _FIRE_BYTES:
                break
            numbers.append(number)
            identities.append(firing_identity(identity, number))
            events += self._row("SELECT event FROM timer WHERE number = ?", (number,))
        if events:
            append_id = f"timer {numbers[0]}"
            firing = _Firing(bus, events, append_id, (append_id,), identities=identities)
            self.append([firing], time)
            if firing.error is not None:
                raise firing.error
            self._many("DELETE FROM timer WHERE number = ?", [(number,) for number in numbers])
        return Fired(len(events), self.next_timer(bus))

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


class _TimerCalls(Timers):
    """The timers as a storage has them: calls that are made in its threads."""

    _clock: Clock

    @abstractmethod
    async def _write(self, work: Callable[[Any], T], *, cost: float = 100) -> T: ...

    @abstractmethod
    async def _read(self, work: Callable[[Any], T]) -> T: ...

    async def fire_timers(self, bus: str, *, now: float, limit: int) -> Fired:
        """See `Storage.fire_timers`."""
        return await self._write(
            lambda tables: tables.fire_timers(bus, now, limit, self._clock.time()), cost=100 + 10 * limit
        )

    async def next_timer(self, bus: str) -> float | None:
        """See `Storage.next_timer`."""
        return await self._read(lambda tables: tables.next_timer(bus))

    async def timers(self, bus: str, *, after: tuple[float, str] | None = None, limit: int = 100) -> list[Timer]:
        """See `Storage.timers`."""
        return await self._read(lambda tables: tables.timers(bus, after, limit))

    async def count_timers(self, bus: str) -> int:
        """See `Storage.count_timers`."""
        return await self._read(lambda tables: tables.count_timers(bus))

    async def cancel_timer(self, bus: str, timer: str) -> bool:
        """See `Storage.cancel_timer`."""
        return await self._write(lambda tables: tables.cancel_timer(bus, timer))
