"""Timers in memory: the delayed events of one bus, in the order in which they fire."""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Collection, Sequence

from attrs import define, field

from eventroute.storage.base import Delayed, Timer
from eventroute.storage.tables import timer_number

__all__ = ["MemoryTimers", "Numbers"]


@define
class Numbers:
    """Gives out 1, 2, 3 and so on."""

    last: int = 0

    def take(self) -> int:
        """The next."""
        self.last += 1
        return self.last


@define
class MemoryTimers:
    """The timers of one bus; `numbers` gives each a number that is above all before it."""

    numbers: Numbers
    rows: list[tuple[float, int, bytes]] = field(factory=list)
    """Due, number and event of each, sorted."""
    identities: dict[int, bytes] = field(factory=dict)
    """Those that have one, by number."""
    size: int = 0
    """The bytes of the events."""

    def put(self, delayed: Sequence[Delayed]) -> None:
        """Make timers."""
        new = [(each.due, self.numbers.take(), each.event) for each in delayed]
        self.identities.update(
            (number, each.identity)
            for (_, number, _), each in zip(new, delayed, strict=True)
            if each.identity is not None
        )
        self.size += sum(len(each.event) for each in delayed)
        if len(new) == 1:
            insort(self.rows, new[0])
        elif new:
            self.rows += new
            self.rows.sort()

    def page(self, after: tuple[float, str] | None, limit: int, *, until: float = math.inf) -> list[Timer]:
        """Those behind `after` that are due at `until`."""
        begin = 0 if after is None else bisect_right(self.rows, (after[0], timer_number(after[1])), key=_place)
        end = min(begin + limit, bisect_right(self.rows, until, key=_due))
        return [Timer(str(number), due, event) for due, number, event in self.rows[begin:end]]

    @property
    def next_due(self) -> float | None:
        """When the first is due."""
        return self.rows[0][0] if self.rows else None

    def drop(self, count: int) -> None:
        """Take the first away."""
        for _, number, event in self.rows[:count]:
            self.identities.pop(number, None)
            self.size -= len(event)
        del self.rows[:count]

    def take(self, numbers: Collection[int]) -> None:
        """Take those of these numbers away."""
        self.size -= sum(len(event) for _, number, event in self.rows if number in numbers)
        self.rows = [row for row in self.rows if row[1] not in numbers]
        for number in numbers:
            self.identities.pop(number, None)

    def cancel(self, timer: str) -> Timer | None:
        """Take one away; it, where it was there."""
        wanted = timer_number(timer)
        for place, (due, number, event) in enumerate(self.rows):
            if number == wanted:
                del self.rows[place]
                self.size -= len(event)
                self.identities.pop(number, None)
                return Timer(timer, due, event)
        return None


def _place(row: tuple[float, int, bytes]) -> tuple[float, int]:
    return row[:2]


def _due(row: tuple[float, int, bytes]) -> float:
    return row[0]
