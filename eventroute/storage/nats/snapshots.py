"""All that a machine knows, as bytes: so that nobody needs the stream from its beginning."""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct

from eventroute.storage.base import BreakerState, Claim, DeadLetter, Lost, Reader, Span, StoredSubscription, Waiting
from eventroute.storage.buses import read_settings, written_settings
from eventroute.storage.dedup import Seen
from eventroute.storage.memory.log import BusState
from eventroute.storage.memory.timers import MemoryTimers
from eventroute.storage.nats.index import IndexImage, LogIndex
from eventroute.storage.nats.tables import StreamTables
from eventroute.storage.threads import Head

__all__ = ["KeptTables", "TablesImage"]


class BusImage(Struct, array_like=True):
    """A bus."""

    name: str
    number: int
    settings: str
    created: float
    version: int
    horizon: int
    size: int
    newest: int
    timers: list[tuple[float, int, bytes]]
    timer_identities: dict[int, bytes]
    seen: list[tuple[bytes, Seen]]
    lost: list[Lost]
    changed: list[tuple[str, int]]
    removed: list[tuple[str, int]]
    readers: list[Reader]
    claims: list[Claim]
    sharing: dict[str, list[str]]
    letters: list[tuple[DeadLetter, str | None]]
    dropped: int
    index: IndexImage


class TablesImage(Struct, array_like=True):
    """All tables."""

    now: float
    appended: list[tuple[str, tuple[int, ...]]]
    deleted: tuple[int, int]
    counters: tuple[int, int, int]
    """The last number of a bus, a timer, a breaker's change."""
    buses: list[BusImage]
    subscriptions: list[StoredSubscription]
    spans: dict[str, list[Span]]
    waiting: list[tuple[Waiting, str | None]]
    senders: dict[str, str]
    sessions: list[tuple[str, float]]
    breakers: list[BreakerState]
    written: dict[str, int]
    """The number of the last write of each session that has numbered one."""


class KeptTables(StreamTables):
    """Tables that a snapshot keeps. What has an order keeps it: by it what comes next is decided."""

    def image(self) -> TablesImage:
        """All there is."""
        return TablesImage(
            self.now,
            list(self.appended.items()),
            (self._deleted.end, self._deleted.version),
            (self._last_number, self._timer_numbers.last, self._breaker_numbers.last),
            [self._bus_image(name, state) for name, state in self._buses.items()],
            list(self._subscriptions.values()),
            {name: list(spans) for name, spans in self._spans.items()},
            [(row.waiting, row.session) for rows in self._waiting.values() for row in rows.values()],
            self._senders,
            list(self._sessions.items()),
            list(self._breakers.values()),
            self._written,
        )

    def _bus_image(self, name: str, state: BusState) -> BusImage:
        return BusImage(
            name,
            self.numbers[name],
            written_settings(state.settings),
            state.created,
            state.version,
            state.horizon,
            state.size,
            state.newest,
            state.timers.rows,
            state.timers.identities,
            list(state.seen.items()),
            list(state.lost.values()),
            list(state.changed.items()),
            list(state.removed.items()),
            list(state.readers.values()),
            [claim for claims in state.claims.values() for claim in claims.values()],
            {reader: sorted(sessions) for reader, sessions in state.sharing.items()},
            [(kept.letter, kept.session) for kept in state.letters.rows.values()],
            state.letters.dropped,
            self._indexes[name].image(),
        )

    @classmethod
    def restored(cls, image: TablesImage) -> KeptTables:
        """From what a snapshot has kept."""
        tables = cls()
        tables.now = image.now
        tables.appended = OrderedDict(image.appended)
        tables._deleted = Head(*image.deleted)
        tables._last_number, tables._timer_numbers.last, tables._breaker_numbers.last = image.counters
        for bus in image.buses:
            tables._restore_bus(bus)
        tables._subscriptions = {stored.id: stored for stored in image.subscriptions}
        tables._spans = {name: tuple(spans) for name, spans in image.spans.items()}
        for waiting, session in image.waiting:
            tables.put_waiting(waiting, session)
        tables._senders = image.senders
        tables._sessions = dict(image.sessions)
        tables._written = image.written
        tables._breakers = {state.subscription: state for state in image.breakers}
        return tables

    def _restore_bus(self, image: BusImage) -> None:
        index = LogIndex.restored(image.index)
        timers = MemoryTimers(self._timer_numbers, image.timers, image.timer_identities)
        timers.size = sum(len(event) for _, _, event in image.timers)
        state = BusState(
            timers,
            read_settings(image.settings),
            image.created,
            index.first,
            index.end,
            image.version,
            image.horizon,
            size=image.size,
            newest=image.newest,
            seen=OrderedDict(image.seen),
            lost={lost.subscription: lost for lost in image.lost},
            changed=dict(image.changed),
            removed=dict(image.removed),
            sharing={reader: set(sessions) for reader, sessions in image.sharing.items()},
        )
        self._buses[image.name] = state
        self._indexes[image.name] = index
        self.numbers[image.name] = image.number
        self.size += image.size + timers.size
        self._touched.add(image.name)
        for reader in image.readers:
            self.put_reader(reader)
        for claim in image.claims:
            self.put_claim(claim)
        for letter, session in image.letters:
            state.letters.put(letter, letter.born)
            if session is not None:
                state.letters.hold([letter], session)
        state.letters.dropped = image.dropped
