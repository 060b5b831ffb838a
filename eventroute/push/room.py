"""How much more a lane takes."""

from __future__ import annotations

from abc import ABC, abstractmethod

from eventroute.push.queue import Queue
from eventroute.push.route import Route
from eventroute.push.turns import Turns

__all__ = ["Room"]

QUEUE_EVENTS = 1_000
"""The most deliveries that a lane keeps in memory, waiting for their attempt."""

REPLAY_SHARE = 250
"""How many of them may be queued while a replay claims more: most of the room is left to what is new."""

QUEUE_BYTES = 16 * 1_048_576
"""The most bytes of events that a lane keeps in memory; one event is always taken."""


class Room(ABC):
    """The part of a `Lane` that tells how many deliveries it has room for."""

    route: Route
    waiting: int
    turns: Turns | None
    shared: bool
    _queue: Queue

    @property
    @abstractmethod
    def held(self) -> bool: ...

    @property
    def queued(self) -> int:
        """How many deliveries are in memory and wait for their attempt."""
        return len(self._queue)

    @property
    def room(self) -> int:
        """How many more deliveries to read for the lane; none before half of them have gone: no crumbs."""
        return min(self.queue_room, self.route.policy.max_waiting - self.waiting) if self.wants_more else 0

    @property
    def wants_more(self) -> bool:
        """Whether so little is in memory that it is time to read more."""
        return self.queued <= QUEUE_EVENTS // 2

    @property
    def row_room(self) -> int:
        """How many that wait in the ledger to claim at once; few where there is order: more would hold keys back that
        another process could serve.
        """
        if self.turns is None:
            return self.queue_room
        concurrency = self.route.policy.concurrency
        return min(self.queue_room, 2 * concurrency - self.queued) if self.queued <= concurrency // 2 else 0

    @property
    def replay_room(self) -> int:
        """As `room`, for a replay; none before half of its share has gone, so that it does not claim in crumbs."""
        queued = len(self._queue)
        return min(self.room, REPLAY_SHARE - queued) if queued <= REPLAY_SHARE // 2 else 0

    @property
    def queue_room(self) -> int:
        """How many deliveries that wait in the ledger already may be brought into memory, as far as can be told."""
        queue = self._queue
        if self.held or queue.bytes >= QUEUE_BYTES:
            return 0
        by_size = max(1, (QUEUE_BYTES - queue.bytes) // queue.typical)
        if self.turns is None:
            return min(QUEUE_EVENTS - len(queue.ready), by_size)
        most = min(2 * self.route.policy.concurrency, QUEUE_EVENTS) if self.shared else QUEUE_EVENTS
        return min(most - len(queue), by_size)
