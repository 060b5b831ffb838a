"""`Tables` in memory, without the events of the log: of these it is known where in the stream they are."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence

from attrs import evolve

from eventroute.storage.base import LIVE, BusSettings, Mark
from eventroute.storage.dedup import firing_identity
from eventroute.storage.memory.log import BusState
from eventroute.storage.memory.tables import MemoryTables
from eventroute.storage.nats.index import LogIndex, Run
from eventroute.storage.tables import micros

__all__ = ["UNBOUNDED", "StreamTables"]

UNBOUNDED = 1 << 62
"""The bytes of all buses together have no bound here; the stream has."""


class StreamTables(MemoryTables):
    """What all processes work out, each for itself, from the messages of one stream."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        """The time of the last message."""
        self.numbers: dict[str, int] = {}
        """Of each bus, by its name; no number is given twice."""
        self._last_number = 0
        self._indexes: dict[str, LogIndex] = {}
        self._at = 0
        self._parts: tuple[int, ...] = ()
        self._passed = 0
        """How many of the message's events come before those of the command."""
        self._chosen: list[int] | None = None
        """Which of the command's events are appended, where that is not all of them."""
        self._offered: dict[int, bytes] = {}
        self._gone: list[str] = []
        self.appended: OrderedDict[str, tuple[int, ...]] = OrderedDict()
        """What came of appends that nobody has acknowledged, by their ids; the latest last."""

    def turn_to(self, sequence: int, parts: tuple[int, ...], now: float) -> None:
        """What comes is of this message."""
        self._at, self._parts, self._passed, self.now = sequence, parts, 0, now

    def pass_events(self, count: int) -> None:
        """So many of the message's events belong to the commands before."""
        self._passed += count

    def take_gone(self) -> list[str]:
        """The buses that went since the last call."""
        gone, self._gone = self._gone, []
        return gone

    # -- buses -----------------------------------------------------------------------------------------------------

    def create_bus(self, bus: str, settings: BusSettings | None, now: float) -> None:
        """Make a bus."""
        super().create_bus(bus, settings, now)
        if bus not in self.numbers:
            self._last_number += 1
            self.numbers[bus] = self._last_number
            self._indexes[bus] = LogIndex(self.bounds(bus).first)

    def delete_bus(self, bus: str) -> None:
        """Remove a bus."""
        super().delete_bus(bus)
        del self.numbers[bus]
        del self._indexes[bus]
        self._gone.append(bus)

    # -- the log ---------------------------------------------------------------------------------------------------

    def index(self, bus: str) -> LogIndex:
        """Where its events are. Raises UnknownBus."""
        self._bus(bus)
        return self._indexes[bus]

    def _keep(self, state: BusState, moment: int, places: Sequence[int], events: Sequence[bytes]) -> None:
        numbers: Sequence[int]
        if self._chosen is not None:
            numbers = [self._passed + self._chosen[place] for place in places]
        elif isinstance(places, range):
            numbers = range(self._passed, self._passed + len(places))
        else:
            numbers = [self._passed + place for place in places]
        self._index_of(state).add(self._at, moment, [*map(len, events)], numbers, self._parts)
        state.end += len(events)

    def _begin_at(self, state: BusState, first: int) -> None:
        super()._begin_at(state, first)
        bus = state.readers[LIVE].bus
        self._indexes[bus] = LogIndex(first)

    def _index_of(self, state: BusState) -> LogIndex:
        return self._indexes[state.readers[LIVE].bus]

    def offset_at(self, bus: str, time: float) -> int:
        """The first record of that time or later."""
        return self.index(bus).offset_at(micros(time))

    def marks(self, bus: str, limit: int) -> list[Mark]:
        """The oldest events."""
        index = self.index(bus)
        return [
            Mark(offset, run.time / 1e6, size)
            for run in index.runs(index.first, index.first + limit)
            for offset, size in enumerate(run.sizes, run.offset)
        ]

    def size_below(self, bus: str, before: int) -> int:
        """The bytes of the oldest."""
        return self.index(bus).size_below(before)

    def drop_events(self, bus: str, before: int, size: int) -> None:
        """Take the oldest away."""
        super().drop_events(bus, before, size)
        self._indexes[bus].drop(before)

    def runs(self, bus: str, start: int, end: int, limit: int, max_bytes: int) -> list[Run]:
        """Where the records are that `Storage.read` returns."""
        found: list[Run] = []
        room = max_bytes
        for run in self.index(bus).runs(start, min(end, max(start, self.index(bus).first) + limit)):
            size = sum(run.sizes)
            if size > room:
                count = bisect_right([*itertools.accumulate(run.sizes)], room)
                run = run.first(count if found else max(count, 1))  # noqa: PLW2901 - what there is room for
            if run.sizes:
                found.append(run)
            room -= size
            if room < 0:
                break
        return found

    # -- timers ----------------------------------------------------------------------------------------------------

    def fire(self, bus: str, timers: Sequence[int], events: Sequence[bytes], now: float) -> int:
        """Append the events of those of the timers that are there, which end with that; how many these were."""
        state = self._bus(bus)
        there = {number for _, number, _ in state.timers.rows}
        self._chosen = [place for place, number in enumerate(timers) if number in there]
        due = [timers[place] for place in self._chosen]
        fired = [events[place] for place in self._chosen]
        named = [firing_identity(state.timers.identities.get(number), number) for number in due]
        size = sum(map(len, fired))
        self.append(bus, fired, named, (), now, UNBOUNDED, moved=size)
        self._chosen = None
        self.size -= size
        state.timers.take(set(due))
        return len(due)

    # -- what waits ------------------------------------------------------------------------------------------------

    def without_event(self, bus: str, before: int) -> list[int]:
        """The offsets below `before` at which deliveries wait whose events are only in the log, ascending."""
        first = self.bounds(bus).first
        return sorted(
            {
                offset
                for subscription in self._bus(bus).changed
                for offset, row in self._waiting.get(subscription, {}).items()
                if row.waiting.event is None and first <= offset < before
            }
        )

    def offer_events(self, events: dict[int, bytes]) -> None:
        """The events at these offsets, for `keep_events`."""
        self._offered = events

    def keep_events(self, bus: str, before: int) -> None:
        """Copy events into rows."""
        for subscription in self._bus(bus).changed:
            for offset, row in self._waiting.get(subscription, {}).items():
                if row.waiting.event is None and offset < before and offset in self._offered:
                    row.waiting = evolve(row.waiting, event=self._offered[offset])
