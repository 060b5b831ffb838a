"""Looking for events in a log, the newest first, in bounded steps: there is no index but by offset."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

from attrs import field, frozen

from eventroute.errors import DamagedEvent, InvalidEvent
from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex
from eventroute.storage.base import Storage
from eventroute.storage.tables import FIRST_OFFSET

__all__ = ["SCAN", "Found", "Match", "Sought", "search"]

SCAN = 100_000
"""How many events are looked at for one page, unless more are asked for."""

WINDOW = 500
"""How many offsets are read at once to begin with, and twice as many each time that too little was found."""

WINDOW_MAX = 4_000

WINDOW_BYTES = 1_048_576

_ESCAPED: Final = frozenset(map(chr, (*range(0x20), ord('"'), ord("\\"))))
"""What JSON cannot write as it is."""


def _seconds(moment: datetime | None) -> float | None:
    if moment is not None and moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone: use datetime.now(UTC), for instance")
    return None if moment is None else moment.timestamp()


@frozen(kw_only=True)
class Sought:
    """Which events are looked for; what is None does not count. Raises ValueError for a time without a zone.

    They were appended at `since` or later and before `until`, by the storage's clock. All of `filters` match.
    """

    id: str | None = None
    source: str | None = None
    type: str | None = None
    subject: str | None = None
    since: float | None = field(default=None, converter=_seconds)
    until: float | None = field(default=None, converter=_seconds)
    filters: tuple[Filter, ...] = ()

    needles: tuple[bytes, ...] = field(init=False, repr=False)
    """What stands in the JSON form of each event that is meant, as long as nothing in that is written with a `\\`."""

    @needles.default
    def _needles(self) -> tuple[bytes, ...]:
        texts = [text for text in (self.id, self.source, self.type, self.subject) if text is not None]
        return tuple(text.encode("utf-8", "surrogatepass") for text in texts if not _ESCAPED.intersection(text))

    _index: FilterIndex[int] = field(init=False, repr=False, eq=False)
    """The filters, to be asked without reading more of an event than they do."""

    @_index.default
    def _indexed(self) -> FilterIndex[int]:
        index: FilterIndex[int] = FilterIndex()
        for key, chosen in enumerate(self.filters):
            index.add(key, chosen)
        return index

    def may_fit(self, raw: bytes) -> bool:
        """Whether an event may be meant, told without reading all of it: most are not."""
        for needle in self.needles:
            if needle not in raw and b"\\" not in raw:
                return False
        if not self.filters:
            return True
        try:
            return len(self._index.match_json(raw)) == len(self.filters)
        except InvalidEvent:  # whoever reads it whole says so
            return True

    def fits(self, event: Event) -> bool:
        """Whether the event is meant, its time aside."""
        return (
            self.id in (None, event.id)
            and self.source in (None, event.source)
            and self.type in (None, event.type)
            and self.subject in (None, event.subject)
            and all(chosen(event) for chosen in self.filters)
        )


@frozen
class Match:
    """An event that was found; where the log's bytes are no event, and everything is looked for, `event` is None."""

    offset: int
    time: datetime
    """When it was appended."""
    event: Event | None


@frozen(kw_only=True)
class Found:
    """One page of a search."""

    events: tuple[Match, ...]
    """The newest first."""
    scanned: int
    """How many events were looked at."""
    before: int | None
    """Go on with the events before this offset; None: the log, or the window of time, was searched to its beginning."""
    damaged: int = 0
    """How many events could not be read."""


async def search(
    storage: Storage, bus: str, sought: Sought, *, before: int | None = None, limit: int = 50, scan: int = SCAN
) -> Found:
    """Look at the events before an offset (None: from the end of the log on), backwards, until `limit` are found or
    `scan` were looked at, each 1 or more. Raises UnknownBus.
    """
    bounds = await storage.bounds(bus)
    first, end = bounds.first, bounds.end
    if sought.since is not None:
        first = max(first, await storage.offset_at(bus, sought.since))
    if sought.until is not None:
        end = min(end, await storage.offset_at(bus, sought.until))
    at = end if before is None else min(end, before)
    found: list[Match] = []
    scanned, damaged, window = 0, 0, WINDOW
    while at > first and len(found) < limit and scanned < scan:
        low = max(first, at - min(window, scan - scanned))
        window = min(2 * window, WINDOW_MAX)
        page, read, broken = await _window(storage, bus, low, at, sought)
        scanned, damaged = scanned + max(read, 1), damaged + broken
        room = limit - len(found)
        found += page[:room]
        at = page[room - 1].offset if len(page) >= room else low
    return Found(
        events=tuple(found), scanned=scanned, before=at if at > max(first, FIRST_OFFSET) else None, damaged=damaged
    )


async def _window(storage: Storage, bus: str, low: int, high: int, sought: Sought) -> tuple[list[Match], int, int]:
    """What fits of a range of offsets, the newest first; how many events it has, and how many are damaged."""
    found: list[Match] = []
    read = damaged = 0
    while low < high:
        try:
            records = await storage.read(bus, low, high, limit=WINDOW_MAX, max_bytes=WINDOW_BYTES)
        except DamagedEvent as error:
            damaged, low = damaged + 1, error.offset + 1
            continue
        if not records:
            break
        for record in records:
            match = _match(record.offset, record.time, record.event, sought)
            if match is not None:
                found.append(match)
        read, low = read + len(records), records[-1].offset + 1
    return found[::-1], read, damaged


def _match(offset: int, time: float, raw: bytes, sought: Sought) -> Match | None:
    if not sought.may_fit(raw):
        return None
    moment = datetime.fromtimestamp(time, UTC)
    try:
        event = Event.from_log(raw)
        return Match(offset, moment, event) if sought.fits(event) else None
    except InvalidEvent:
        return Match(offset, moment, None) if _is_open(sought) else None


def _is_open(sought: Sought) -> bool:
    wanted: Collection[object] = (sought.id, sought.source, sought.type, sought.subject)
    return not sought.filters and all(one is None for one in wanted)
