"""Commands that change a bus: its log, its timers, and whether there is one."""

from __future__ import annotations

from collections.abc import Sequence

from eventroute.errors import UnknownBus
from eventroute.storage import transferring, trimming
from eventroute.storage.base import (
    Delayed,
    Trimmed,
)
from eventroute.storage.buses import read_settings
from eventroute.storage.nats.command import Command
from eventroute.storage.nats.tables import UNBOUNDED, StreamTables
from eventroute.storage.transfer import Imported

__all__ = [
    "Append",
    "CancelTimer",
    "CreateBus",
    "DeleteBus",
    "Fire",
    "Import",
    "Trim",
    "UpdateBus",
]

MAX_APPEND_IDS = 100_000
"""How many append ids that nobody has acknowledged are remembered."""


class Append(Command, tag=1):
    """See `Storage.append`. A bus of another number is another one of that name."""

    bus: str
    number: int
    events: Sequence[bytes]
    append_id: str
    acknowledged: Sequence[str]
    delayed: Sequence[Delayed]
    identities: Sequence[bytes] | None

    def log(self) -> int:
        return self.number

    def carried(self) -> Sequence[bytes]:
        return self.events

    def apply(self, tables: StreamTables, now: float) -> tuple[int, ...]:
        _check_number(tables, self.bus, self.number)
        for done in self.acknowledged:
            tables.appended.pop(done, None)
        if self.append_id in tables.appended:
            return tables.appended[self.append_id]
        offsets = tables.append(self.bus, self.events, self.identities, self.delayed, now, UNBOUNDED)
        tables.appended[self.append_id] = offsets
        if len(tables.appended) > MAX_APPEND_IDS:
            tables.appended.popitem(last=False)
        return offsets


class Fire(Command, tag=2):
    """Append the events of timers, which end with that."""

    bus: str
    number: int
    timers: Sequence[int]
    events: Sequence[bytes]

    def log(self) -> int:
        return self.number

    def carried(self) -> Sequence[bytes]:
        return self.events

    def apply(self, tables: StreamTables, now: float) -> int:
        _check_number(tables, self.bus, self.number)
        return tables.fire(self.bus, self.timers, self.events, now)


class Import(Command, tag=31):
    """See `Storage.import_events`."""

    bus: str
    number: int
    events: Sequence[Imported]
    end: int
    first: int

    def log(self) -> int:
        return self.number

    def carried(self) -> Sequence[bytes]:
        return [one.event for one in self.events]

    def apply(self, tables: StreamTables, now: float) -> None:
        del now
        _check_number(tables, self.bus, self.number)
        transferring.import_events(tables, self.bus, self.events, self.end, self.first)


class CreateBus(Command, tag=3):
    """See `Storage.create_bus`."""

    bus: str
    settings: str | None

    def apply(self, tables: StreamTables, now: float) -> None:
        tables.create_bus(self.bus, None if self.settings is None else read_settings(self.settings), now)


class UpdateBus(Command, tag=4):
    """See `Storage.update_bus`."""

    bus: str
    settings: str

    def apply(self, tables: StreamTables, now: float) -> None:
        del now
        tables.update_bus(self.bus, read_settings(self.settings))


class DeleteBus(Command, tag=5):
    """See `Storage.delete_bus`."""

    bus: str
    subscriptions: bool

    def apply(self, tables: StreamTables, now: float) -> None:
        del now
        trimming.unsubscribe_all(tables, self.bus, self.subscriptions)
        tables.delete_bus(self.bus)


class Trim(Command, tag=6):
    """See `Storage.trim`. `events` are those that waiting deliveries need; where one is missing it stops before it."""

    bus: str
    before: int
    limit: int
    hard: bool
    events: dict[int, bytes]

    def apply(self, tables: StreamTables, now: float) -> Trimmed:
        before = self.before
        if self.hard:
            end = min(before, tables.bounds(self.bus).first + self.limit)
            before = min([before, *(set(tables.without_event(self.bus, end)) - set(self.events))])
        tables.offer_events(self.events)
        return trimming.trim(tables, self.bus, before, self.limit, self.hard, now)


class CancelTimer(Command, tag=7):
    """See `Storage.cancel_timer`."""

    bus: str
    timer: str

    def apply(self, tables: StreamTables, now: float) -> bool:
        del now
        return tables.cancel_timer(self.bus, self.timer)


def _check_number(tables: StreamTables, bus: str, number: int) -> None:
    if tables.numbers.get(bus) != number:
        raise UnknownBus(bus)
