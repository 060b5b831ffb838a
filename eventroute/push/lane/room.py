"""How much more a lane takes."""

from __future__ import annotations

from abc import abstractmethod

from eventroute.push.lane.queue import Queue
from eventroute.push.lane.tempo import Tempo
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.route import Route

__all__ = ["Room", "events_at_once"]

QUEUE_EVENTS = 1_000
"""The most deliveries that a lane keeps in memory, waiting for their attempt."""

REPLAY_SHARE = 250
"""How many of them may be queued while a replay claims more: most of the room is left to what is new."""

QUEUE_BYTES = 16 * 1_048_576
"""The most bytes of events that a lane keeps in memory; one event is always taken."""


def events_at_once(policy: DeliveryPolicy) -> int:
    """How many events a lane sends at the same time."""
    return policy.at_once * (policy.batch.events if policy.mode == "batch" else 1)


class Room(Queue):
    """The part of a `Lane` that tells how many deliveries it has room for."""

    route: Route
    waiting: int
    shared: bool
    limited: bool
    soon: int
    """How many deliveries it will begin before long. It takes no more than these in hand, where another process could
    do something for what is left: not where there is order, or one process sends for all.
    """
    _tempo: Tempo

    __slots__ = ("soon",)

    @property
    @abstractmethod
    def held(self) -> bool: ...

    def _reckon(self) -> None:
        """Work out `soon`: the tempo or the route has changed."""
        free = self.turns is None and not self.limited
        self.soon = self._tempo.soon(events_at_once(self.route.policy), QUEUE_EVENTS) if free else QUEUE_EVENTS

    @property
    def left(self) -> int:
        """How many more it has use for; none before half of them have gone."""
        soon, queued = self.soon, self.queued
        return soon - queued if queued <= soon // 2 else 0

    @property
    def replay_left(self) -> int:
        """As `left`, for a replay, which leaves most of it to what is new."""
        share, queued = max(1, self.soon // 4), self.queued
        return share - queued if queued <= share // 2 else 0

    @property
    def surplus(self) -> int:
        """How many of those in memory it will not begin before long."""
        return max(0, self.queued - self.soon)

    @property
    def room(self) -> int:
        """How many more deliveries there is room for; none before half of them have gone: no crumbs."""
        return min(self.queue_room, self.route.policy.max_waiting - self.waiting) if self.wants_more else 0

    @property
    def wants_more(self) -> bool:
        """Whether so little is in memory that it is time to read more."""
        return self.queued <= self.soon // 2

    @property
    def row_room(self) -> int:
        """How many that wait in the ledger to claim at once; few where there is order: more would hold keys back that
        another process could serve.
        """
        if self.turns is None:
            return min(self.queue_room, self.left)
        concurrency = self.route.policy.concurrency
        return min(self.queue_room, 2 * concurrency - self.queued) if self.queued <= concurrency // 2 else 0

    @property
    def replay_room(self) -> int:
        """As `room`, for a replay; none before half of its share has gone, so that it does not claim in crumbs."""
        queued = self.queued
        return min(self.room, REPLAY_SHARE - queued) if queued <= REPLAY_SHARE // 2 else 0

    @property
    def queue_room(self) -> int:
        """How many deliveries that wait in the ledger already may be brought into memory, as far as can be told."""
        return min(self.places, max(1, (QUEUE_BYTES - self.bytes) // self._typical))

    @property
    def places(self) -> int:
        """As `queue_room`, whatever their size."""
        if self.held or self.bytes >= QUEUE_BYTES:
            return 0
        if self.turns is None:
            return QUEUE_EVENTS - len(self._next)
        most = min(2 * self.route.policy.concurrency, QUEUE_EVENTS) if self.shared else QUEUE_EVENTS
        return most - self.queued
