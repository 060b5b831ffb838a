"""How far each subscription is, and how it fares: what operators look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from attrs import Factory, asdict, frozen

from eventroute.clock import Clock
from eventroute.errors import DamagedEvent, StorageClosed, StorageError, UnknownBus
from eventroute.hooks import Hooks, Lagging
from eventroute.push.lane import Lane
from eventroute.routing import Table
from eventroute.storage.base import Reader, Storage, StoredSubscription

__all__ = ["LAGGING_AFTER", "Lag", "SubscriptionStats", "subscription_stats"]

LAGGING_AFTER = 60.0
"""How far behind a subscription has to be to be told of as lagging, in seconds."""

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
                "breaker": "open" if lane.circuit.is_open else "closed",
            }
        return told


@frozen
class SubscriptionStats:
    """How far a subscription is, and how it fares.

    What a storage knows holds for all processes. What only the process knows that makes the attempts is of this one:
    `in_flight`, `queued`, `attempted`, `delivered` and `forward_error`; they begin anew with the process.
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
    breaker: Breaker = "none"
    """`open` while its sink is down, `none` where nobody here has made an attempt yet."""
    forward_error: str = ""
    """Why its dead letters do not get where they are to go, or empty."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


async def subscription_stats(storage: Storage, bus: str, now: float, here: Here) -> list[SubscriptionStats]:
    """The stats of all subscriptions of a bus, sorted by id; `now` is the storage's time. Raises UnknownBus."""
    known = [stored for stored in (await storage.changes(bus, 0)).subscriptions if not stored.removed]
    readers = {reader.name: reader for reader in await storage.readers(bus)}
    end = (await storage.bounds(bus)).end
    waiting = {summary.subscription: summary for summary in await storage.waiting(bus)}
    dead: dict[str, int] = {}
    for (subscription, _), count in (await storage.count_dead_letters(bus)).items():
        dead[subscription] = dead.get(subscription, 0) + count
    forwards = {each.subscription: each.count for each in await storage.forwards(bus)}
    dropped = {lost.subscription: lost.letters for lost in (await storage.describe_bus(bus)).lost}
    broken = {state.subscription for state in await storage.breakers(bus) if state.opened is not None}
    positions = {stored.id: _position(stored, readers, end) for stored in known}
    ages = {position: await _age(storage, bus, position, end, now) for position in set(positions.values())}
    found = []
    for stored in sorted(known, key=lambda one: one.id):
        summary, position = waiting.get(stored.id), positions[stored.id]
        known_here = ({"breaker": "open"} if stored.id in broken else {}) | here.of(stored.id)
        found.append(
            SubscriptionStats(
                subscription=stored.id,
                bus=bus,
                paused=stored.paused,
                reader=stored.reader,
                position=position,
                behind=end - position,
                behind_seconds=ages[position],
                waiting=0 if summary is None else summary.count,
                next_due=None if summary is None else summary.next_due,
                dead_letters=dead.get(stored.id, 0),
                stuck=0 if summary is None else summary.stuck,
                forwarding=forwards.get(stored.id, 0),
                dead_letters_dropped=dropped.get(stored.id, 0),
                **known_here,
            )
        )
    return found


def _position(stored: StoredSubscription, readers: Mapping[str, Reader], end: int) -> int:
    reader = readers.get(stored.reader)  # it may have gone since the subscription was read
    return end if reader is None else min(reader.position, end)


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
        if not late:
            return
        waiting = {summary.subscription: summary.count for summary in await storage.waiting(bus)}
        for subscription, (behind, age) in sorted(late.items()):
            self._hooks.tell(Lagging(bus, subscription, behind + waiting.get(subscription, 0), age))
