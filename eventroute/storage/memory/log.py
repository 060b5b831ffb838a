"""The buses and their events in lists."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence

from attrs import define, evolve, field

from eventroute.errors import BusExists, StorageFull, UnknownBus
from eventroute.storage.base import (
    LIVE,
    Bounds,
    BusSettings,
    Claim,
    Delayed,
    Lost,
    Mark,
    Reader,
    Record,
    Timer,
)
from eventroute.storage.dedup import Placed, Seen, counts, firing_identity, place
from eventroute.storage.memory.kept import KeptLetters
from eventroute.storage.memory.timers import MemoryTimers, Numbers
from eventroute.storage.tables import FIRST_OFFSET, BusRow, micros
from eventroute.storage.text import check_text
from eventroute.storage.threads import Head
from eventroute.storage.transfer import Imported
from eventroute.storage.trimming import refusal

__all__ = ["BusState", "MemoryLog"]


@define
class BusState:
    """All there is of one bus."""

    timers: MemoryTimers
    settings: BusSettings
    created: float
    first: int
    end: int
    version: int
    horizon: int
    """Who knows the bus only before this version may have missed a removal."""
    records: list[Record] = field(factory=list)
    size: int = 0
    """The bytes of its events."""
    newest: int = 0
    """When the last event was appended, in microseconds."""
    seen: OrderedDict[bytes, Seen] = field(factory=OrderedDict)
    """The identities that are remembered, the latest last."""
    lost: dict[str, Lost] = field(factory=dict)
    changed: dict[str, int] = field(factory=dict)
    """Subscription -> the version it last changed at, the latest change last."""
    removed: dict[str, int] = field(factory=dict)
    """The same of those that are gone."""
    readers: dict[str, Reader] = field(factory=dict)
    claims: dict[str, dict[int, Claim]] = field(factory=dict)
    """Reader -> the open claims by start."""
    sharing: dict[str, set[str]] = field(factory=dict)
    """Reader -> the sessions that share it."""
    letters: KeptLetters = field(factory=KeptLetters)


class MemoryLog:
    """The buses and their events. Not thread-safe: its owner holds a lock."""

    def __init__(self) -> None:
        self.size = 0
        """The bytes of the events of all buses."""
        self._buses: dict[str, BusState] = {}
        self._deleted = Head(FIRST_OFFSET, 0)
        """Beyond all that deleted buses had."""
        self._touched: set[str] = set()
        self._timer_numbers = Numbers()

    # -- buses and the log -----------------------------------------------------------------------------------------

    def create_bus(self, bus: str, settings: BusSettings | None, now: float) -> None:
        """Make a bus with its live reader, where there is none. Raises BusExists."""
        check_text(bus, "bus")
        if bus not in self._buses:
            first, version = self._deleted
            made = BusState(
                MemoryTimers(self._timer_numbers),
                BusSettings() if settings is None else settings,
                micros(now) / 1e6,
                first,
                first,
                version,
                version,
            )
            made.readers[LIVE], made.claims[LIVE] = Reader(bus, LIVE, first, first, None), {}
            self._buses[bus] = made
            self._touched.add(bus)
        elif settings is not None and settings != self._buses[bus].settings:
            raise BusExists(bus)

    def update_bus(self, bus: str, settings: BusSettings) -> None:
        """Change the settings."""
        self._bus(bus).settings = settings

    def delete_bus(self, bus: str) -> None:
        """Remove a bus, on which no subscription is left."""
        gone = self._bus(bus)
        self._deleted = Head(max(self._deleted.end, self.bounds(bus).end), max(self._deleted.version, gone.version + 1))
        self.size -= gone.size + gone.timers.size
        del self._buses[bus]
        self._touched.discard(bus)

    def bus(self, bus: str) -> BusRow:
        """A bus."""
        state = self._bus(bus)
        letters = state.letters
        return BusRow(
            settings=state.settings,
            created=state.created,
            bounds=self.bounds(bus),
            size=state.size,
            newest=state.newest / 1e6,
            letters=len(letters.rows),
            dropped=letters.dropped,
        )

    def count_subscriptions(self, bus: str) -> int:
        """How many it has."""
        return len(self._bus(bus).changed)

    def buses(self) -> tuple[str, ...]:
        """The names, sorted."""
        return tuple(sorted(self._buses))

    def take_news(self) -> dict[str, Head]:
        """The buses whose log or version has changed since the last call."""
        if not self._touched:
            return {}
        news = {bus: Head(self.bounds(bus).end, self.version(bus)) for bus in self._touched}
        self._touched.clear()
        return news

    def append(
        self,
        bus: str,
        events: Sequence[bytes],
        identities: Sequence[bytes] | None,
        delayed: Sequence[Delayed],
        now: float,
        max_bytes: int,
        *,
        moved: int = 0,
    ) -> tuple[int, ...]:
        """Append what is new; `moved` are the bytes of timers that end with that. Raises StorageFull where the bus, or
        all buses together, may have no more.
        """
        state = self._bus(bus)
        moment = max(micros(now), state.newest)
        placed = self._place(state, len(events), identities, moment)
        new = events if isinstance(placed.new, range) else [events[number] for number in placed.new]
        delayed = self._new_delayed(state, delayed, placed, moment)
        size, later = sum(map(len, new)), sum(len(one.event) for one in delayed)
        grows, limit = size + later - moved, state.settings.max_bytes
        if grows > 0 and limit is not None and state.size + state.timers.size + grows > limit:
            raise refusal(bus, grows, limit, state.timers.size, state.first, self.first_need(bus))
        if grows > 0 and self.size + grows > max_bytes:
            raise StorageFull(f"{grows} bytes more would pass the storage's max_bytes of {max_bytes}")
        self._keep(state, moment, placed.new, new)
        state.newest = moment if new else state.newest
        state.size += size
        self.size += size + later
        state.timers.put(delayed)
        for identity, seen in placed.seen.items():
            state.seen.pop(identity, None)
            state.seen[identity] = seen
        if placed.seen:
            self.forget_identities(bus, now, 2 * len(placed.seen) + 2)
        self._touched.add(bus)
        return placed.offsets

    def import_events(self, bus: str, events: Sequence[Imported], first: int) -> None:
        """Append them with their times."""
        state = self._bus(bus)
        if state.first == state.end:
            self._begin_at(state, max(state.first, first))
        for number, one in enumerate(events):
            state.newest = max(state.newest, micros(one.time))
            if one.identity is not None and one.identity not in state.seen:
                state.seen[one.identity] = Seen(_last(state.seen) + 1, state.newest, state.end)
            self._keep(state, state.newest, (number,), (one.event,))
        size = sum(len(one.event) for one in events)
        state.size += size
        self.size += size
        self._touched.add(bus)

    def _begin_at(self, state: BusState, first: int) -> None:
        """The log, which is empty, goes on at this offset."""
        state.first = state.end = first

    def _keep(self, state: BusState, moment: int, places: Sequence[int], events: Sequence[bytes]) -> None:
        """Keep events, which stood at these places of their append, from the end of the log on."""
        offsets = range(state.end, state.end + len(events))
        state.records.extend(map(Record, offsets, [moment / 1e6] * len(events), events))
        state.end += len(events)

    def _new_delayed(self, state: BusState, delayed: Sequence[Delayed], placed: Placed, now: int) -> Sequence[Delayed]:
        """Those that are no duplicates."""
        window = state.settings.dedup
        if window is None or not delayed:
            return delayed
        since, last, limit = now - micros(window), max(placed.last, _last(state.seen)), state.settings.dedup_limit
        waiting = set(state.timers.identities.values())
        new = []
        for one in delayed:
            seen = None if one.identity is None else placed.seen.get(one.identity) or state.seen.get(one.identity)
            if one.identity in waiting or counts(seen, since=since, last=last, limit=limit):
                continue
            if one.identity is not None:
                waiting.add(one.identity)
            new.append(one)
        return new

    def _place(self, state: BusState, count: int, identities: Sequence[bytes] | None, now: int) -> Placed:
        end = state.end
        if identities is None or state.settings.dedup is None:
            return Placed(tuple(range(end, end + count)), range(count), {}, 0)
        since, limit = now - micros(state.settings.dedup), state.settings.dedup_limit
        return place(identities, state.seen, end=end, last=_last(state.seen), now=now, since=since, limit=limit)

    def read(self, bus: str, start: int, end: int, limit: int, max_bytes: int) -> list[Record]:
        """See `Storage.read`."""
        state = self._bus(bus)
        begin = max(start - state.first, 0)
        page = state.records[begin : min(begin + limit, max(end - state.first, 0))]
        size = 0
        for count, record in enumerate(page):
            size += len(record.event)
            if size > max_bytes and count:
                return page[:count]
        return page

    def bounds(self, bus: str) -> Bounds:
        """What is readable."""
        state = self._bus(bus)
        return Bounds(state.first, state.end)

    def offset_at(self, bus: str, time: float) -> int:
        """The first record of that time or later."""
        state = self._bus(bus)
        return state.first + bisect_left(state.records, micros(time) / 1e6, key=_time)

    def version(self, bus: str) -> int:
        """The bus's version."""
        return self._bus(bus).version

    def raise_version(self, bus: str) -> int:
        """Count it up."""
        self._touched.add(bus)
        self._bus(bus).version += 1
        return self._bus(bus).version

    # -- timers ----------------------------------------------------------------------------------------------------

    def timers(self, bus: str) -> MemoryTimers:
        """The bus's timers."""
        return self._bus(bus).timers

    def append_due(self, bus: str, due: Sequence[Timer], now: float) -> None:
        """Append the events of the first timers, which end with that."""
        size = sum(len(timer.event) for timer in due)
        identities = self._bus(bus).timers.identities
        named = [firing_identity(identities.get(int(timer.id)), int(timer.id)) for timer in due]
        self.append(bus, [timer.event for timer in due], named, (), now, self.size, moved=size)
        self.size -= size
        self._bus(bus).timers.drop(len(due))

    def cancel_timer(self, bus: str, timer: str) -> bool:
        """Take one away."""
        cancelled = self._bus(bus).timers.cancel(timer)
        self.size -= 0 if cancelled is None else len(cancelled.event)
        return cancelled is not None

    # -- trimming --------------------------------------------------------------------------------------------------

    def marks(self, bus: str, limit: int) -> list[Mark]:
        """The oldest events."""
        return [Mark(offset, time, len(event)) for offset, time, event in self._bus(bus).records[:limit]]

    def size_below(self, bus: str, before: int) -> int:
        """The bytes of the oldest."""
        state = self._bus(bus)
        return sum(len(event) for _, _, event in state.records[: before - state.first])

    def drop_events(self, bus: str, before: int, size: int) -> None:
        """Take the oldest away."""
        state = self._bus(bus)
        del state.records[: before - state.first]
        state.first = before
        state.size -= size
        self.size -= size

    def readers_behind(self, bus: str, offset: int) -> list[Reader]:
        """Those below."""
        return [reader for reader in self._bus(bus).readers.values() if reader.position < offset]

    @abstractmethod
    def first_need(self, bus: str) -> tuple[int, str] | None:
        """The first that has yet to be settled."""

    def add_lost(self, bus: str, subscription: str, events: int, now: float) -> None:
        """Count."""
        lost = self._bus(bus).lost
        before = lost.get(subscription, Lost(subscription, 0, now))
        lost[subscription] = evolve(before, events=before.events + events, time=now)

    def lost(self, bus: str) -> tuple[Lost, ...]:
        """By subscription."""
        return tuple(lost for _, lost in sorted(self._bus(bus).lost.items()))

    def remembered(self, bus: str, now: float) -> tuple[int, float]:
        """How many count, and since when."""
        state = self._bus(bus)
        for seen in state.seen.values():
            if _counts(state, seen, now):
                return _last(state.seen) - seen.serial + 1, seen.time / 1e6
        return 0, now

    def forget_identities(self, bus: str, now: float, limit: int) -> None:
        """Forget some."""
        state = self._bus(bus)
        for identity in [
            one for one, seen in itertools.islice(state.seen.items(), limit) if not _counts(state, seen, now)
        ]:
            del state.seen[identity]

    def _bus(self, bus: str) -> BusState:
        try:
            return self._buses[bus]
        except KeyError:
            raise UnknownBus(bus) from None


def _last(seen: OrderedDict[bytes, Seen]) -> int:
    """The serial of the latest identity."""
    return seen[next(reversed(seen))].serial if seen else 0


def _counts(state: BusState, seen: Seen, now: float) -> bool:
    """Whether an identity still tells duplicates."""
    window = state.settings.dedup
    since = None if window is None else max(micros(now), state.newest) - micros(window)
    return since is not None and seen.time >= since and seen.serial > _last(state.seen) - state.settings.dedup_limit


def _time(record: Record) -> float:
    return record.time
