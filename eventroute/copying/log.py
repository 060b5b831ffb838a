"""The events of a bus, copied and compared: each with its time, in their order."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from hashlib import sha256

from attrs import define, frozen

from eventroute.copying.offsets import Offsets
from eventroute.copying.places import Place, Progress
from eventroute.errors import DamagedEvent, InvalidEvent
from eventroute.event import Event
from eventroute.publishing import identity_of
from eventroute.storage.base import Record
from eventroute.storage.tables import micros
from eventroute.storage.transfer import Imported

__all__ = ["Checked", "LogCopy", "identity"]

PAGE = 500
"""The most events that are read, and imported, at once."""

PAGE_BYTES = 1 << 20
"""The most of their bytes, unless a single one has more."""

NO_EVENT = b"null"
"""What stands in the copy where the source has a damaged event, at the time of the one before.

It is no event: a router dead-letters it for each subscription that had it still before it, as it would the damaged one.
"""


@frozen
class Checked:
    """What the comparison found the same in both."""

    events: int
    size: int
    checksum: str
    damaged: tuple[int, ...]
    """The offsets in the source of what cannot be read there."""
    offsets: Offsets


@define
class LogCopy:
    """Between two places."""

    source: Place
    target: Place
    progress: Progress
    skip_damaged: bool
    _begin: int = 0
    """The first offset of the source that is not in the target."""
    _time: float = 0.0
    """That of the event before it."""

    async def compare_what_is_there(self) -> None:
        """The target's log is empty, or the beginning of the source's. Raises StorageConflict where it is not."""
        bounds = await self.source.storage.bounds(self.source.bus)
        self._begin, done, total = bounds.first, 0, await _count(self.target)
        async with aclosing(_records(self.target)) as there, aclosing(self._ours()) as source:
            async for record in there:
                ours = await anext(source, None)
                if ours is None or not _same(ours, record):
                    raise self.target.not_a_copy(f"its event at offset {record.offset} is not the source's")
                self._begin, self._time = ours.offset + 1, ours.time
                done += 1
                self.progress("looking at what is there", done, total)

    async def copy_the_rest(self) -> None:
        """Import what the target does not have."""
        first = (await self.source.storage.bounds(self.source.bus)).first
        since = await self._remembered_since()
        total, done = await _count(self.source), await _count(self.target)
        await self._import([], first)  # where there is no event, the log goes on where the source's does, all the same
        async with aclosing(self._pages(self._begin, self._time)) as pages:
            async for page in pages:
                await self._import([_imported(record, since) for record in page], first)
                done += len(page)
                self.progress("copying events", done, total)

    async def _import(self, events: Sequence[Imported], first: int) -> None:
        end = (await self.target.storage.bounds(self.target.bus)).end
        await self.target.storage.import_events(self.target.bus, events, end=end, first=first)

    async def compare(self, *, finishing: bool) -> Checked:
        """Read both logs from end to end. Raises StorageError where they are not the same; StorageConflict where they
        were the same once (`finishing`), and either has gone on.
        """
        bounds = await self.source.storage.bounds(self.source.bus)
        offsets = Offsets(bounds, await self.target.storage.bounds(self.target.bus))
        wrong = self.target.not_a_copy if finishing else self.target.differs
        digest, events, size, total = sha256(), 0, 0, await _count(self.source)
        damaged: list[int] = []
        async with aclosing(self._ours(damaged)) as ours, aclosing(_records(self.target)) as target:
            async for record in ours:
                copy = await anext(target, None)
                if copy is None or not _same(record, copy):
                    raise wrong(f"the event at offset {record.offset} is another one there, or missing")
                offsets.add(record.offset, copy.offset)
                digest.update(b"%d %d " % (micros(record.time), len(record.event)) + record.event)
                events, size = events + 1, size + len(record.event)
                self.progress("comparing events", events, total)
            if await anext(target, None) is not None:
                raise wrong("it has events that the source has not")
        return Checked(events - len(damaged), size, digest.hexdigest(), tuple(damaged), offsets)

    def _ours(self, damaged: list[int] | None = None) -> AsyncGenerator[Record, None]:
        """What the source has; `damaged` gets the offsets of what only stands in for an event. Raises DamagedEvent."""
        return _singly(self._pages(None, 0.0, damaged))

    async def _pages(
        self, begin: int | None, time: float, damaged: list[int] | None = None
    ) -> AsyncGenerator[Sequence[Record], None]:
        """The same from an offset on, with the time of the event before it; None: all."""
        while True:
            try:
                async with aclosing(_pages(self.source, begin)) as pages:
                    async for page in pages:
                        yield page
                        begin, time = page[-1].offset + 1, page[-1].time
            except DamagedEvent as error:
                if not self.skip_damaged:
                    raise
                yield [Record(error.offset, time, NO_EVENT)]
                begin = error.offset + 1
                if damaged is not None:
                    damaged.append(error.offset)
            else:
                return

    async def _remembered_since(self) -> float | None:
        """From when on events are remembered to tell duplicates by; None: they are not."""
        info = await self.source.storage.describe_bus(self.source.bus)
        return None if info.settings.dedup is None or info.newest is None else info.newest - info.settings.dedup


def _imported(record: Record, since: float | None) -> Imported:
    known = since is not None and record.time >= since
    return Imported(record.time, record.event, identity(record.event) if known else None)


def identity(event: bytes) -> bytes | None:
    """What tells duplicates of a stored event; None: it is none that a router or gateway stored."""
    try:
        return identity_of(Event.from_json(event))
    except InvalidEvent:
        return None


def _same(one: Record, other: Record) -> bool:
    return micros(one.time) == micros(other.time) and one.event == other.event


async def _count(place: Place) -> int:
    return (await place.storage.describe_bus(place.bus)).events


async def _pages(place: Place, begin: int | None) -> AsyncGenerator[Sequence[Record], None]:
    bounds = await place.storage.bounds(place.bus)
    begin = bounds.first if begin is None else begin
    while begin < bounds.end:
        page = await place.storage.read(place.bus, begin, bounds.end, limit=PAGE, max_bytes=PAGE_BYTES)
        if not page:
            return
        yield page
        begin = page[-1].offset + 1


def _records(place: Place) -> AsyncGenerator[Record, None]:
    return _singly(_pages(place, None))


async def _singly(pages: AsyncGenerator[Sequence[Record], None]) -> AsyncGenerator[Record, None]:
    async with aclosing(pages):
        async for page in pages:
            for record in page:
                yield record
