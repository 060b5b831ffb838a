"""A lane: the deliveries of one subscription that are in memory, with bounds of its own, and the attempts under way."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable

import anyio
from anyio.abc import TaskGroup
from attrs import define

from eventroute.clock import Clock
from eventroute.errors import BackendUnsupported, InvalidEvent, TransformError
from eventroute.event import Event
from eventroute.push.bell import Bell
from eventroute.push.breaker import Circuit
from eventroute.push.deadlines import Deadlines, Watched
from eventroute.push.delivery import Delivery
from eventroute.push.outcome import Outcome, Rejected, RetryLater
from eventroute.push.route import Route
from eventroute.timing import expiry

__all__ = ["Lane", "Load"]

_log = logging.getLogger("eventroute.push")

QUEUE_EVENTS = 1_000
"""The most deliveries that a lane keeps in memory, waiting for their attempt."""

QUEUE_BYTES = 16 * 1_048_576
"""The most bytes of events that a lane keeps in memory; one event is always taken."""


@define
class Load:
    """What all lanes of a worker have in memory together."""

    queued: int = 0


class Lane:
    """Makes the attempts of one subscription: at most `policy.concurrency` at once, and never waits for another lane.

    `settle` is called with each attempt's outcome. A worker task lives while there is something to do.
    """

    def __init__(
        self,
        route: Route,
        clock: Clock,
        tasks: TaskGroup,
        load: Load,
        deadlines: Deadlines,
        settle: Callable[[Lane, Delivery, Outcome], None],
        blocked: Callable[[], bool],
    ) -> None:
        self.route = route
        self.waiting = 0
        """Rows in the ledger, those of deliveries in memory included."""
        self.in_flight = 0
        self.held_until = 0.0
        """No attempt begins before this (monotonic) time."""
        self.circuit = Circuit()
        self.settled = Bell()
        """Rings when an attempt has ended, for the own reader that waits for room."""
        self._clock = clock
        self._tasks = tasks
        self._load = load
        self._deadlines = deadlines
        self._settle = settle
        self._blocked = blocked
        self._queue: deque[Delivery] = deque()
        self._queued_bytes = 0
        self._workers = 0
        self._typical = 1

    def take(self, route: Route) -> None:
        """Go by this route from now on. Another sink is not to blame for what the one before did."""
        if route.address != self.route.address:
            self.held_until = 0.0
            self.circuit = Circuit()
        self.route = route

    @property
    def room(self) -> int:
        """How many more deliveries the lane takes before it reads no further."""
        return min(self.queue_room, self.route.policy.max_waiting - self.waiting)

    @property
    def queue_room(self) -> int:
        """How many deliveries that wait in the ledger already may be brought into memory, as far as can be told."""
        if self.route.held or self._queued_bytes >= QUEUE_BYTES:
            return 0
        by_size = max(1, (QUEUE_BYTES - self._queued_bytes) // self._typical)
        return min(QUEUE_EVENTS - len(self._queue), by_size)

    @property
    def over(self) -> bool:
        """Whether so much waits that the subscription has to leave the shared reader."""
        return self.waiting >= self.route.policy.max_waiting

    @property
    def idle(self) -> bool:
        """Whether nothing of the lane is in memory."""
        return self.in_flight == 0 and not self._queue

    @property
    def calm(self) -> bool:
        """Whether so little waits that it can go back to the shared reader."""
        return not self.route.held and self.waiting + len(self._queue) <= self.route.policy.max_waiting // 4

    @property
    def ready(self) -> bool:
        """Whether an attempt may begin now, as far as the lane is concerned."""
        return not self.route.held and (self.held_until == 0.0 or self._clock.monotonic() >= self.held_until)

    def offer(self, delivery: Delivery) -> bool:
        """Take a delivery; False where there is no room, and it has to wait in the ledger."""
        if self.queue_room <= 0:
            return False
        self._queue.append(delivery)
        self._typical = max(1, len(delivery.raw))
        self._queued_bytes += len(delivery.raw)
        self._load.queued += 1
        self.start()
        return True

    def start(self) -> None:
        """Have as many workers as are wanted and allowed."""
        wanted = min(len(self._queue) + self.in_flight, self._most)
        while self._workers < wanted and self.ready and not self._blocked():
            self._workers += 1
            self._tasks.start_soon(self._work)

    @property
    def _most(self) -> int:
        """How many attempts there may be at once: one while the breaker is open."""
        return 1 if self.circuit.is_open else self.route.policy.concurrency

    def clear(self) -> None:
        """Forget what is queued (whoever asks has written it down)."""
        self._load.queued -= len(self._queue)
        self._queue.clear()
        self._queued_bytes = 0

    async def _work(self) -> None:
        try:
            while self._goes_on:
                await self._work_in_one_scope()
        finally:
            self._workers -= 1

    @property
    def _goes_on(self) -> bool:
        return bool(self._queue) and self._workers <= self._most and self.ready and not self._blocked()

    async def _work_in_one_scope(self) -> None:
        """Make attempts, one after another, until one is cut off at its deadline or there is nothing more to do."""
        delivery = None
        with anyio.CancelScope() as scope:
            watched = self._deadlines.watch(scope)
            try:
                while self._goes_on:
                    delivery = self._queue.popleft()
                    self._queued_bytes -= len(delivery.raw)
                    self._load.queued -= 1
                    delivery.begun = True
                    self.in_flight += 1
                    try:
                        outcome = await self._attempt(delivery, watched)
                    finally:
                        self.in_flight -= 1
                    watched.deadline = math.inf
                    self._settle(self, delivery, outcome)
                    if scope.cancel_called:  # it ended in time after all; the next one must not suffer for it
                        return
            finally:
                self._deadlines.forget(watched)
        if scope.cancelled_caught and delivery is not None:
            timeout = self.route.policy.timeout
            self._settle(self, delivery, RetryLater("timeout", f"no answer within {timeout:g} s"))

    async def _attempt(self, delivery: Delivery, watched: Watched) -> Outcome:
        route = self.route
        now = self._clock.time()
        event = Event.from_log(delivery.raw)
        if _may_expire(delivery.raw) and _expired(event, now):
            return Rejected("expired", f"expirytime was {event.attributes['expirytime']}")
        sink = route.sink
        if sink is None:  # gone since the delivery was queued: whoever can reach the sink will take it
            return RetryLater("no-sink")
        delivery.attempts += 1
        if delivery.first_attempt is None:
            delivery.first_attempt = now
        elif delivery.due is not None:  # the time of an outage does not count towards max_age
            delivery.first_attempt += self.circuit.outage(delivery.due, now)
        try:
            event = route.transform(event)
        except TransformError as error:
            return Rejected("transform-error", str(error))
        self._deadlines.begin(watched, route.policy.timeout)
        try:
            return await sink.send(event)
        except BackendUnsupported:
            raise
        except anyio.get_cancelled_exc_class():
            if anyio.current_effective_deadline() == -math.inf:  # we are cancelled, not something in the sink
                raise
            return RetryLater("cancelled", "the sink was cancelled from within")
        except Exception as error:  # noqa: BLE001 - a sink with a fault must not take the others down with it
            _log.exception("subscription %s: its sink has a fault", route.subscription)
            return RetryLater("sink-fault", f"{type(error).__name__}: {error}")


def _may_expire(raw: bytes) -> bool:
    """Whether it is worth while to look at the attributes: a name may be written with escapes."""
    return b"expirytime" in raw or b"\\u00" in raw


def _expired(event: Event, now: float) -> bool:
    try:
        moment = expiry(event)
    except InvalidEvent:  # not a time, so no expiry: what is in the log already is not refused
        return False
    return moment is not None and moment <= now
