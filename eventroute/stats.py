"""How far each subscription is, and how it fares: what operators look at."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, Literal

from attrs import Factory, asdict, frozen

from eventroute.clock import Clock
from eventroute.errors import DamagedEvent, StorageClosed, StorageError, UnknownBus
from eventroute.hooks import CaughtUp, Hooks, Lagging
from eventroute.push.lane import Lane
from eventroute.routing import Table
from eventroute.storage.base import LIVE, BusInfo, Changes, Reader, Storage, WaitingSummary
from eventroute.tracing.views import View, Views

__all__ = ["LAGGING_AFTER", "Lag", "Standing", "SubscriptionStats", "look"]

LAGGING_AFTER = 60.0
"""How far behind a subscription has to be to be told of as lagging, in seconds."""

TICK = 1e-6
"""What storages tell times apart by, in seconds."""

LOOK_EVERY = 10.0
"""How often it is looked for subscriptions that lag, in seconds."""

Breaker = Literal["closed", "open", "none"]


@frozen
class Here:
    """What only the process knows that makes the attempts."""

    lanes: Mapping[str, Lane] = Factory(dict)
    forward_errors: Mapping[str, str] = Factory(dict)

    def of(self, subscription: str) -> dict[str, Any]:
        """The stats of one subscription that stand for this process."""
        told: dict[str, Any] = {"forward_error": self.forward_errors.get(subscription, "")}
        lane = self.lanes.get(subscription)
        if lane is not None:
            told |= {
                "in_flight": lane.in_flight,
                "queued": lane.queued,
                "attempted": lane.attempted,
                "delivered": lane.delivered,
                "rate": lane.rate,
                "breaker": "open" if lane.circuit.is_open else "closed",
            }
        return told


@frozen
class SubscriptionStats:
    """How far a subscription is, and how it fares.

    What a storage knows holds for all processes. What only the process knows that makes the attempts is of this one:
    `in_flight`, `queued`, `attempted`, `delivered`, `rate` and `forward_error`; they begin anew with the process.
    """

    subscription: str
    bus: str
    paused: str | None
    reader: str
    """`live`, or the reader of its own that serves it."""
    position: int
    """All below this offset is settled or waits."""
    behind: int
    """How many events of the log are at its position or later, whether they match or not."""
    behind_seconds: float
    """How long ago the first of them was appended; 0 where there is none."""
    waiting: int
    """How many deliveries wait for an attempt, retries above all."""
    next_due: float | None
    """When the first of them is due, of those that nobody has in hand; seconds since the epoch."""
    dead_letters: int
    stuck: int
    """How many of those that wait do so until somebody acts on a dead letter that holds their key."""
    forwarding: int = 0
    """How many of them have yet to get where the policy wants them."""
    dead_letters_dropped: int = 0
    """How many the bound of the bus has taken away."""
    in_flight: int = 0
    queued: int = 0
    """How many deliveries are in memory and wait for their turn."""
    attempted: int = 0
    delivered: int = 0
    rate: float = 0.0
    """Deliveries a second, in the last ten seconds."""
    breaker: Breaker = "none"
    """`open` while its sink is down, `none` where nobody here has made an attempt yet."""
    forward_error: str = ""
    """Why its dead letters do not get where they are to go, or empty."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


class Standing:
    """How the subscriptions of a bus fare at one moment, worked out for those that are asked for: there may be very
    many, of most of which nothing but their position is to be told.
    """

    def __init__(  # noqa: PLR0913 - what was read, each of its own
        self,
        info: BusInfo,
        storage: Storage,
        view: View,
        *,
        now: float,
        late: int = 0,
        readers: Iterable[Reader] = (),
        waiting: Iterable[WaitingSummary] = (),
        dead: Mapping[str, int] | None = None,
        forwards: Mapping[str, int] | None = None,
        broken: Collection[str] = (),
        here: Here | None = None,
    ) -> None:
        self.names: Final = view.names
        """The ids of all, sorted."""
        self.info: Final = info
        """The bus at that moment."""
        self._bus = info.name
        self._storage = storage
        self._members = view.members
        self._now = now
        self._end = info.bounds.end
        self._late = min(late, self._end)
        self._readers = {reader.name: reader for reader in readers}
        self._waiting = {summary.subscription: summary for summary in waiting}
        self._dead = dead or {}
        self._forwards = forwards or {}
        self._dropped = {lost.subscription: lost.letters for lost in info.lost if lost.letters}
        self._broken = frozenset(broken)
        self._here = here or Here()

    def behind(self, subscription: str) -> int:
        """How many events of the log are at its position or later."""
        return self._end - self._position(subscription)

    def lags(self, subscription: str) -> bool:
        """Whether the first event at its position or later was appended 60 seconds ago or more."""
        return self._position(subscription) < self._late

    def is_paused(self, subscription: str) -> bool:
        """Whether it is paused."""
        return self._members[subscription].paused is not None

    def waits(self, subscription: str) -> int:
        """How many of its deliveries wait."""
        summary = self._waiting.get(subscription)
        return 0 if summary is None else summary.count

    def dead_letters(self, subscription: str) -> int:
        """How many dead letters it has."""
        return self._dead.get(subscription, 0)

    def remarkable(self) -> list[str]:
        """Those of which there is more to be told than their position. Sorted by id. All others are well, but for
        lagging (see `late`).
        """
        told = {*self._waiting, *self._dead, *self._forwards, *self._dropped, *self._broken, *self._here.forward_errors}
        told |= {name for name, lane in self._here.lanes.items() if lane.circuit.is_open}
        members = self._members
        return [name for name in self.names if name in told or members[name].paused is not None]

    def late(self) -> list[str]:
        """Those that lag (see `lags`), sorted by id."""
        readers = {reader.name for reader in self._readers.values() if reader.position < self._late}
        return [name for name in self.names if self._members[name].reader in readers] if readers else []

    def own_lags(self, most: int) -> tuple[int, dict[str, int]]:
        """How many events the live reader is behind, and those of the subscriptions with a reader of their own that are
        behind: at most so many, the furthest.
        """
        live = self._readers.get(LIVE)
        lags = {
            reader.subscription: self._end - reader.position
            for reader in self._readers.values()
            if reader.subscription is not None and reader.until is None and reader.position < self._end
        }
        furthest = heapq.nlargest(most, lags, key=lags.__getitem__)
        return max(self._end - live.position, 0) if live is not None else 0, {name: lags[name] for name in furthest}

    def is_live(self, subscription: str) -> bool:
        """Whether the live reader serves it."""
        return self._members[subscription].reader == LIVE

    def brief(self, subscription: str) -> SubscriptionStats:
        """The stats of one, without a look into the log: `behind_seconds` is 60 where it is that or more, else 0."""
        return self._stats(subscription, LAGGING_AFTER if self.lags(subscription) else 0.0)

    async def stats(self, subscriptions: Iterable[str] | None = None) -> list[SubscriptionStats]:
        """The stats of some subscriptions, or of all; those that there are, in their order."""
        names = self.names if subscriptions is None else [name for name in subscriptions if name in self._members]
        positions = {self._position(name) for name in names}
        ages = {
            position: await _age(self._storage, self._bus, position, self._end, self._now) for position in positions
        }
        return [self._stats(name, ages[self._position(name)]) for name in names]

    def _position(self, subscription: str) -> int:
        reader = self._readers.get(self._members[subscription].reader or "")
        return self._end if reader is None else min(reader.position, self._end)  # it may have gone meanwhile

    def _stats(self, subscription: str, age: float) -> SubscriptionStats:
        member, summary = self._members[subscription], self._waiting.get(subscription)
        position = self._position(subscription)
        known_here = ({"breaker": "open"} if subscription in self._broken else {}) | self._here.of(subscription)
        return SubscriptionStats(
            subscription=subscription,
            bus=self._bus,
            paused=member.paused,
            reader=member.reader or LIVE,
            position=position,
            behind=self._end - position,
            behind_seconds=age,
            waiting=0 if summary is None else summary.count,
            next_due=None if summary is None else summary.next_due,
            dead_letters=self._dead.get(subscription, 0),
            stuck=0 if summary is None else summary.stuck,
            forwarding=self._forwards.get(subscription, 0),
            dead_letters_dropped=self._dropped.get(subscription, 0),
            **known_here,
        )


async def look(storage: Storage, views: Views, bus: str, now: float, here: Here) -> Standing:
    """How the subscriptions of a bus fare; `now` is the storage's time. Raises UnknownBus."""

    async def read(after: int) -> Changes:
        return await storage.changes(bus, after)

    _, view = await views.look(bus, read, lambda changes: changes)
    readers = await storage.readers(bus)
    dead: Counter[str] = Counter()
    for (subscription, _), count in (await storage.count_dead_letters(bus)).items():
        dead[subscription] += count
    return Standing(
        await storage.describe_bus(bus),
        storage,
        view,
        now=now,
        late=await storage.offset_at(bus, now - LAGGING_AFTER + TICK),
        readers=readers,
        waiting=await storage.waiting(bus),
        dead=dead,
        forwards={each.subscription: each.count for each in await storage.forwards(bus)},
        broken=[state.subscription for state in await storage.breakers(bus) if state.opened is not None],
        here=here,
    )


async def _age(storage: Storage, bus: str, position: int, end: int, now: float) -> float:
    while position < end:
        try:
            found = await storage.read(bus, position, end, limit=1, max_bytes=1)
        except DamagedEvent as error:
            position = error.offset + 1
        else:
            return max(now - found[0].time, 0.0) if found else 0.0
    return 0.0


class Lag:
    """Tells hooks of the subscriptions of one bus that lag, as long as they do: by how far its readers are, of which
    there are few; `table` tells whom they serve.
    """

    def __init__(self, storage: Storage, bus: str, clock: Clock, hooks: Hooks, table: Table) -> None:
        self._storage = storage
        self._bus = bus
        self._clock = clock
        self._hooks = hooks
        self._table = table
        self._late: set[str] = set()

    async def run(self) -> None:
        """Run until cancelled, or until the bus is gone or the storage closed."""
        while True:
            await self._clock.sleep(LOOK_EVERY)
            try:
                await self._look()
            except (UnknownBus, StorageClosed):
                return
            except StorageError:
                continue  # whoever reads the log says so already

    async def _look(self) -> None:
        storage, bus = self._storage, self._bus
        end = (await storage.bounds(bus)).end
        late: dict[str, tuple[int, float]] = {}
        for reader in await storage.readers(bus):
            age = await _age(storage, bus, reader.position, end, self._clock.time())
            if age >= LAGGING_AFTER:
                late.update(dict.fromkeys(self._table.behind(reader.name), (end - reader.position, age)))
        for subscription in sorted(self._late - late.keys()):
            self._hooks.tell(CaughtUp(bus, subscription))
        self._late = {*late}
        if not late:
            return
        waiting = {summary.subscription: summary.count for summary in await storage.waiting(bus)}
        for subscription, (behind, age) in sorted(late.items()):
            self._hooks.tell(Lagging(bus, subscription, behind + waiting.get(subscription, 0), age))
