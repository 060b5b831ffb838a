"""Buses: their making and their settings, and reading what their logs hold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable
from datetime import UTC, datetime
from typing import Final, TypedDict, Unpack

from attrs import evolve, frozen

from eventroute.clock import Clock
from eventroute.errors import DamagedEvent, InvalidEvent, OffsetTrimmed
from eventroute.event import Event
from eventroute.storage.base import BusInfo, BusSettings, Record, Retention, Storage
from eventroute.storage.tables import FIRST_OFFSET
from eventroute.subscription import check_name

__all__ = ["BusOptions", "Buses", "LoggedEvent"]

PAGE = 500
"""How many events are read at once while a log is followed."""

PAGE_BYTES = 1_048_576
"""The most bytes of events that are read at once."""

WATCH = 10.0
"""How long one wait for more lasts, in seconds."""


class BusOptions(TypedDict, total=False):
    """Settings of a bus by name, those that are given; see `BusSettings`."""

    retention: Retention
    dedup: float | None
    dedup_limit: int
    max_bytes: int | None
    dead_letter_age: float | None
    dead_letter_limit: int | None


@frozen
class LoggedEvent:
    """An event in a bus's log."""

    offset: int
    time: datetime
    """When it was appended, by the storage's clock."""
    event: Event


class Buses(ABC):
    """The part of a `Router` that looks after buses and reads their logs."""

    storage: Storage
    _clock: Clock

    @abstractmethod
    def _check_open(self) -> None: ...

    @abstractmethod
    def _bus_made(self, bus: str) -> None:
        """A bus is there: begin to push for it."""

    @abstractmethod
    def _bus_deleted(self, bus: str, subscriptions: Iterable[str]) -> None:
        """A bus is gone, with these subscriptions."""

    # -- making and setting ----------------------------------------------------------------------------------------

    async def create_bus(self, bus: str, **settings: Unpack[BusOptions]) -> None:
        """Make a bus. Without settings it has the defaults, and one that exists is left as it is.

        With settings, those of `BusSettings`, one that exists has to have the same: raises BusExists where it has
        others.
        Raises InvalidSubscription where the name is none, InvalidConfiguration where a setting cannot be.
        """
        self._check_open()
        await self.storage.create_bus(check_name(bus, "bus"), BusSettings(**settings) if settings else None)
        self._bus_made(bus)

    async def update_bus(self, bus: str, **settings: Unpack[BusOptions]) -> BusSettings:
        """Change those settings of a bus that are given; in force on return, in every process.

        Returns all of them. Raises UnknownBus, InvalidConfiguration.
        """
        self._check_open()
        before = (await self.storage.describe_bus(bus)).settings
        after = evolve(before, **settings)
        await self.storage.update_bus(bus, after)
        return after

    async def describe_bus(self, bus: str = "default") -> BusInfo:
        """What is set of a bus and what it holds, who holds its log, and what was lost. Raises UnknownBus."""
        self._check_open()
        return await self.storage.describe_bus(bus)

    async def delete_bus(self, bus: str, *, subscriptions: bool = False) -> None:
        """Remove a bus with all that it holds; with `subscriptions` also those that it has.

        A large one goes in steps, beside which others are served. Raises UnknownBus, and StorageConflict where it has
        subscriptions that are not to go.
        """
        self._check_open()
        gone = [stored.id for stored in (await self.storage.changes(bus, 0)).subscriptions]
        await self.storage.delete_bus(bus, subscriptions=subscriptions)
        self._bus_deleted(bus, gone)

    async def buses(self) -> tuple[str, ...]:
        """The names of the buses, sorted."""
        self._check_open()
        return await self.storage.buses()

    # -- reading the log -------------------------------------------------------------------------------------------

    async def offset_at(self, time: datetime, bus: str = "default") -> int:
        """The offset of the first event that was appended at a time or later, or the end of the log where there is
        none. Raises UnknownBus, ValueError for a time without a zone.
        """
        self._check_open()
        return await self.storage.offset_at(bus, _seconds(time))

    async def read(
        self, bus: str = "default", start: str | int | datetime = "earliest", *, limit: int = 100
    ) -> list[LoggedEvent]:
        """Events in the order of the log, at most `limit`, from `earliest`, an offset or a time on. Each may be read
        any number of times. A page may be shorter than what there is; an empty one is the end of the log.

        Raises UnknownBus, OffsetTrimmed where retention has taken the event at that offset away, and DamagedEvent where
        the first one is not what was written, or no event at all; those behind it can be read.
        """
        self._check_open()
        begin = await self._begin(bus, start)
        records = await self.storage.read(bus, begin, _NO_END, limit=max(limit, 1), max_bytes=PAGE_BYTES)
        await self._check_begin(bus, begin, records)
        found: list[LoggedEvent] = []
        for record in records:
            try:
                found.append(self._logged(bus, record))
            except DamagedEvent:
                if not found:
                    raise
                break
        return found

    async def events(
        self,
        bus: str = "default",
        start: str | int | datetime = "earliest",
        *,
        end: int | datetime | None = None,
        follow: bool = False,
    ) -> AsyncGenerator[LoggedEvent, None]:
        """Events one by one, from `start` to before `end` (an offset or a time), or to the end that the log has when
        the reading begins; with `follow` what is appended later too, as it comes.

        Raises what `read` raises, OffsetTrimmed also where retention overtakes the reading.
        """
        self._check_open()
        begin = await self._begin(bus, start)
        until = end if isinstance(end, int) else _NO_END
        before = _seconds(end) if isinstance(end, datetime) else float("inf")
        stop = until if follow else min(until, (await self.storage.bounds(bus)).end)
        while begin < stop:
            records = await self.storage.read(bus, begin, stop, limit=PAGE, max_bytes=PAGE_BYTES)
            await self._check_begin(bus, begin, records)
            for record in records:
                if record.time >= before:
                    return
                yield self._logged(bus, record)
                begin = record.offset + 1
            if not records:
                if not follow or self._clock.time() >= before:
                    return
                wait = min(WATCH, max(before - self._clock.time(), 0.001))
                await self.storage.watch(bus, end=begin, version=_NO_END, timeout=wait)

    async def _begin(self, bus: str, start: str | int | datetime) -> int:
        if isinstance(start, datetime):
            return await self.storage.offset_at(bus, _seconds(start))
        if isinstance(start, int):
            return start
        if start not in ("earliest", "latest"):
            raise ValueError(f"start is 'earliest', 'latest', an offset or a time, not {start!r}")
        bounds = await self.storage.bounds(bus)
        return bounds.first if start == "earliest" else bounds.end

    async def _check_begin(self, bus: str, begin: int, records: list[Record]) -> None:
        """Where the first record is not where the reading begins, it may be that retention was there first."""
        if records and records[0].offset <= begin:
            return
        first = (await self.storage.bounds(bus)).first
        if begin < first and first > FIRST_OFFSET:
            raise OffsetTrimmed(
                f"the bus {bus!r} no longer has the event at offset {begin}: it begins at offset {first}", first=first
            )

    def _logged(self, bus: str, record: Record) -> LoggedEvent:
        try:
            event = Event.from_json(record.event)
        except InvalidEvent as error:
            storage = type(self.storage).__name__
            raise DamagedEvent(storage, bus, record.offset, f"it is no CloudEvent: {error}") from error
        return LoggedEvent(record.offset, datetime.fromtimestamp(record.time, UTC), event)


_NO_END: Final = 1 << 62


def _seconds(moment: datetime) -> float:
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone: use datetime.now(UTC), for instance")
    return moment.timestamp()
