"""Turns: of a lane's deliveries that have a key, one of each key is out at a time, the smallest offset first."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable

from attrs import define, field

from eventroute.push.delivery import Delivery
from eventroute.storage.base import WaitingKey

__all__ = ["Turns"]


@define(eq=False)
class _Line:
    """What there is of one key."""

    out: Delivery | None = None
    """The one whose turn it is: until it has ended, durably where it was given up."""
    here: list[Delivery] = field(factory=list)
    """Those in memory behind it, by offset."""
    away: dict[int, bool] = field(factory=dict)
    """The offsets of those that wait in the ledger and are not in memory, and whether their row is written."""


class Turns:
    """The order keeper of one lane. What may go is handed to `ready`.

    Everything here is of one process. What makes order hold among several is the ledger: it hands a key out to one
    session at a time. So this needs to know of rows elsewhere only to keep what is read behind them; it may take rows
    for there that are gone, which costs a detour through the ledger, but never the reverse.
    """

    def __init__(self, ready: Callable[[Delivery], None]) -> None:
        self.look = False
        """Whether there may be more in the ledger for a key of which something was taken from there."""
        self._ready = ready
        self._lines: dict[int, _Line] = {}
        self._away: dict[int, int] = {}
        """Offset -> key, of all that are away."""
        self._behind = 0
        self._ending: dict[int, list[Delivery]] = {}

    @property
    def behind(self) -> int:
        """How many are in memory whose turn it is not."""
        return self._behind

    @property
    def away(self) -> int:
        """How many wait in the ledger and are not in memory, as far as is known."""
        return len(self._away)

    @property
    def unwritten(self) -> int:
        """How many of these have no row yet."""
        return sum(not self._lines[key].away[offset] for offset, key in self._away.items())

    def __len__(self) -> int:
        """How many keys there is something of."""
        return len(self._lines)

    # -- coming ----------------------------------------------------------------------------------------------------

    def add(self, delivery: Delivery) -> None:
        """Take one that has a key."""
        if delivery.key is None:
            self._ready(delivery)
            return
        line = self._line(delivery.key)
        insort(line.here, delivery, key=_offset)
        self._behind += 1
        self._next(line)

    def waits(self, delivery: Delivery) -> bool:
        """Whether the ledger has a row of it: then the row is what is delivered."""
        if delivery.offset in self._away:
            return True
        line = None if delivery.key is None else self._lines.get(delivery.key)
        return line is not None and any(
            one is not None and one.offset == delivery.offset and one.recorded for one in (line.out, *line.here)
        )

    def has_turn(self, delivery: Delivery) -> bool:
        """Whether it is the one of its key that was handed to `ready`, and has not ended."""
        line = None if delivery.key is None else self._lines.get(delivery.key)
        return line is not None and line.out is delivery

    def is_behind_row(self, delivery: Delivery) -> bool:
        """Whether something of its key that is away has to go before it."""
        line = None if delivery.key is None else self._lines.get(delivery.key)
        return line is not None and not _may_go(line, delivery)

    def is_first(self, offset: int) -> bool:
        """Whether nothing of its key has to go before one that is away, as far as is known."""
        key = self._away.get(offset)
        if key is None:
            return True
        line = self._lines[key]
        return line.out is None and min(line.away) == offset

    def back(self, delivery: Delivery, known: frozenset[int]) -> bool:
        """The ledger has handed this one out: what stood before it, and was `known` to be there before the ledger was
        asked, is gone. Whether nothing stands before it now.
        """
        self.look = True
        line = None if delivery.key is None else self._lines.get(delivery.key)
        if line is None:
            return True
        offset = delivery.offset
        for gone in [one for one in line.away if one == offset or (one < offset and one in known)]:
            self._drop(line, gone)
        return _may_go(line, delivery)

    # -- going -----------------------------------------------------------------------------------------------------

    def done(self, delivery: Delivery) -> None:
        """It has ended."""
        line = None if delivery.key is None else self._lines.get(delivery.key)
        if line is not None and line.out is delivery:
            line.out = None
            self._next(line)
            self._tidy(delivery.key)

    def end_when_written(self, delivery: Delivery) -> None:
        """It has been given up: its key goes on when that is written."""
        self._ending.setdefault(delivery.offset, []).append(delivery)

    def put_away(self, delivery: Delivery) -> list[Delivery]:
        """It goes, or stays, in the ledger as a row that anybody may take. Returns those behind it that have rows,
        which are to go back to the ledger too; they are no longer here.
        """
        if delivery.key is None:
            return []
        line = self._line(delivery.key)
        if line.out is delivery:
            line.out = None
        elif delivery in line.here:
            line.here.remove(delivery)
            self._behind -= 1
        if delivery.keyed:
            line.away[delivery.offset] = False
            self._away[delivery.offset] = delivery.key
        back = [one for one in line.here if one.recorded and not _may_go(line, one)]
        line.here = [one for one in line.here if one not in back]
        self._behind -= len(back)
        self._next(line)
        self._tidy(delivery.key)
        return back

    def written(self, offset: int) -> None:
        """The row of one that is away is durable."""
        key = self._away.get(offset)
        if key is not None:
            self._lines[key].away[offset] = True

    def given_up(self, offset: int) -> None:
        """That one was given up is durable."""
        for ending in self._ending.pop(offset, ()):
            self.done(ending)

    def known(self) -> frozenset[int]:
        """What is away and written: to be asked for before the ledger is asked for what it has."""
        return frozenset(offset for offset, key in self._away.items() if self._lines[key].away[offset])

    def learn(self, rows: Iterable[WaitingKey], known: frozenset[int]) -> None:
        """The ledger has these rows; of those that were `known` before it was asked, the others are gone."""
        there = {row.offset: row.key for row in rows}
        mine = {one.offset for line in self._lines.values() for one in (line.out, *line.here) if one is not None}
        for offset in known - there.keys():
            if offset in self._away:
                self._drop(self._lines[self._away[offset]], offset)
        for offset, key in there.items():
            if offset not in self._away and offset not in mine:
                self._line(key).away[offset] = True
                self._away[offset] = key
        for key, line in list(self._lines.items()):
            self._next(line)
            self._tidy(key)

    def drain(self) -> list[Delivery]:
        """Forget those that have not begun; they are returned, by offset."""
        waiting: list[Delivery] = []
        for key, line in list(self._lines.items()):
            waiting += line.here
            line.here = []
            if line.out is not None and not line.out.begun:
                waiting.append(line.out)
                line.out = None
            self._tidy(key)
        self._behind = 0
        return sorted(waiting, key=_offset)

    # -- lines -----------------------------------------------------------------------------------------------------

    def _line(self, key: int) -> _Line:
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line()
        return line

    def _next(self, line: _Line) -> None:
        if line.out is None and line.here and _may_go(line, line.here[0]):
            line.out = line.here.pop(0)
            self._behind -= 1
            self._ready(line.out)

    def _drop(self, line: _Line, offset: int) -> None:
        del line.away[offset], self._away[offset]

    def _tidy(self, key: int | None) -> None:
        line = None if key is None else self._lines.get(key)
        if key is not None and line is not None and line.out is None and not line.here and not line.away:
            del self._lines[key]


def _may_go(line: _Line, delivery: Delivery) -> bool:
    """Whether nothing that is away stands before it. One that the ledger keeps no key of minds nobody."""
    return not line.away or not delivery.keyed or min(line.away) > delivery.offset


def _offset(delivery: Delivery) -> int:
    return delivery.offset
