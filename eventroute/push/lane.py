"""A lane: the deliveries of one subscription that are in memory, with bounds of its own, and the attempts under way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import anyio
from anyio.lowlevel import checkpoint

from eventroute.clock import Clock
from eventroute.push.batch import Batch, Bisection
from eventroute.push.bell import Bell
from eventroute.push.breaker import Circuit
from eventroute.push.crew import Crew
from eventroute.push.deadlines import Deadlines, Watched
from eventroute.push.delivery import Delivery
from eventroute.push.keys import KeyReader, key_reader
from eventroute.push.outcome import Delivered, Outcome, RetryLater
from eventroute.push.pace import Pace
from eventroute.push.queue import Load, Queue
from eventroute.push.room import Room
from eventroute.push.route import Route
from eventroute.push.sending import expired, guarded, made_ready, message_of, timed_out
from eventroute.push.sinks.base import Message, MessageSink, takes_messages
from eventroute.push.turns import Turns

__all__ = ["Lane"]

TURN = 100
"""The most attempts that a task makes, one behind the other, before other tasks get their turn."""


class Lane(Room):
    """Makes the attempts of one subscription: at most `policy.concurrency` at once, and never waits for another lane.

    `settle` is called with each attempt's outcome and what it is the outcome of, one delivery or several of a batch.
    """

    def __init__(
        self,
        route: Route,
        clock: Clock,
        crew: Crew,
        load: Load,
        deadlines: Deadlines,
        settle: Callable[[Lane, Sequence[Delivery], Outcome], None],
        blocked: Callable[[], bool],
        *,
        circuit: Circuit | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.route = route
        self.waiting = 0
        """Rows in the ledger, those of deliveries in memory included."""
        self.in_flight = 0
        self.attempted = 0
        """Attempts that have ended, since this process began with it."""
        self.delivered = 0
        self.held_until = 0.0
        """No attempt begins before this (monotonic) time."""
        self.circuit = Circuit(route.subscription) if circuit is None else circuit
        self.settled = Bell()
        """Rings when an attempt has ended, for the own reader that waits for room."""
        self.shared = False
        """Whether other processes work on what is in order here, too."""
        self.key: KeyReader | None = None
        """What reads the key of an event, where the policy asks for order."""
        self.turns: Turns | None = None
        """Which key's turn it is, where the policy asks for order."""
        self.sends = False
        """Where limits hold for all processes together: whether this is the one that sends."""
        self._clock = clock
        self._crew = crew
        self._deadlines = deadlines
        self._settle = settle
        self._blocked = blocked
        self._queue = Queue(load, self._came)
        self._workers = 0
        self._attempting = 0
        self._pace = Pace() if pace is None else pace
        self._gathering = False
        self._lingering = False
        self._gathered_since = math.inf
        self._more = Bell()
        """Rings for the worker that waits for a full batch or for its rate."""
        self._learn(route)

    def take(self, route: Route) -> None:
        """Go by this route from now on. Another sink is not to blame for what the one before did."""
        if route.address != self.route.address:
            self.held_until = 0.0
            self.circuit.succeed(self._clock.time())
        self.route = route
        self._learn(route)
        self._more.ring()
        if self.held:  # whoever can send is to have what is queued, and the time of a pause must not count for it
            for delivery in self.clear():
                self._settle(self, (delivery,), RetryLater("released", counts=False))

    def _learn(self, route: Route) -> None:
        policy, sink = route.policy, route.sink
        self._messages = sink if sink is not None and takes_messages(sink) else None
        self._batch = policy.batch if policy.mode == "batch" and self._messages is not None else None
        rate, batch = policy.rate, self._batch
        self._rate = rate if rate is None or batch is None else rate.in_batches(batch.events)
        self._measured = self._batch is not None or policy.rate is not None or policy.handshake is not None
        self.key = None if policy.order_by is None else key_reader(policy.order_by)
        self._queue.keep_order(self.key)
        self.turns = self._queue.turns
        self.limited = policy.rate is not None or policy.handshake is not None or policy.max_in_flight is not None
        self.sends = self.sends and self.limited
        self._leased = self.limited or self.turns is not None

    def begin_to_send(self, *, after_another: bool) -> None:
        """No other process sends now. What another has sent last is not known, so there is nothing to spend yet."""
        self.sends = True
        if after_another:
            self._pace.empty(self._clock.monotonic())
        self.settled.ring()

    @property
    def held(self) -> bool:
        """Whether this process makes no attempts now."""
        return self.route.held or (self.limited and not self.sends)

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
        return not self.held and self.waiting + len(self._queue) <= self.route.policy.max_waiting // 4

    @property
    def ready(self) -> bool:
        """Whether an attempt may begin now, as far as the lane is concerned."""
        return not self.held and (self.held_until == 0.0 or self._clock.monotonic() >= self.held_until)

    def count(self, deliveries: Sequence[Delivery], outcome: Outcome) -> None:
        """Count what came of an attempt, and call the own reader where it is time to read more."""
        self.attempted += outcome.counts * len(deliveries)
        if isinstance(outcome, Delivered):
            self.delivered += len(deliveries)
        if self.wants_more:
            self.settled.ring()

    def offer(self, delivery: Delivery) -> bool:
        """Take a delivery; False where there is no room, and it has to wait in the ledger."""
        if self.queue_room <= 0:
            return False
        self._queue.put(delivery)
        return True

    def _came(self) -> None:
        if not self._gathering:
            self.start()
        elif self._lingering and self._full:
            self._more.ring()

    def put_away(self, delivery: Delivery) -> list[Delivery]:
        """One goes into the ledger, for anybody; see `Turns.put_away`."""
        return self._queue.put_away(delivery)

    def forget(self, delivery: Delivery) -> None:
        """One that was put away did wait in memory."""
        self._queue.forget(delivery)

    def start(self) -> None:
        """Have as many workers as are wanted and allowed."""
        # Where attempts wait for their turn, each that begins has the next worker started.
        ready = len(self._queue.ready)
        wanted = min(self._attempting + (1 if self._measured and ready else ready), self._most)
        while self._workers < wanted and self.ready and not self._gathering and not self._stopped():
            self._workers += 1
            self._crew.start_soon(self._work)

    @property
    def _most(self) -> int:
        """How many attempts there may be at once: one while the breaker is open."""
        return 1 if self.circuit.is_open else self.route.policy.at_once

    def clear(self) -> list[Delivery]:
        """Forget what is queued, and return it: whoever asks has it written down."""
        self._gathered_since = math.inf
        return self._queue.clear()

    async def _work(self) -> None:
        try:
            while self._goes_on:
                if self._measured:
                    await self._work_in_measure()
                else:
                    await self._work_in_one_scope()
                if self._goes_on:
                    await checkpoint()
        finally:
            self._workers -= 1

    @property
    def _goes_on(self) -> bool:
        """Whether a worker begins one more attempt; while one of them waits for its turn, no other does."""
        return (
            bool(self._queue.ready)
            and self._workers <= self._most
            and self.ready
            and not self._gathering
            and not self._stopped()
        )

    def _stopped(self) -> bool:
        """Whether nothing is to begin, whatever the lane has."""
        return self._blocked() or (self._leased and self._deadlines.lapsed)

    async def _work_in_one_scope(self) -> None:
        """Make attempts, one after another, until one is cut off at its deadline, there is nothing more to do, or it is
        time to let others run.
        """
        delivery = None
        with anyio.CancelScope() as scope:
            watched = self._deadlines.watch(scope, leased=self._leased)
            try:
                for _ in range(TURN):
                    if self._measured or not self._goes_on:
                        return
                    delivery = self._queue.pop()
                    self.in_flight += 1
                    self._attempting += 1
                    try:
                        outcome = await self._attempt(delivery, watched)
                    finally:
                        self._attempting -= 1
                        self.in_flight -= 1
                    watched.deadline = math.inf
                    self._settle(self, (delivery,), outcome)
                    if scope.cancel_called:  # it ended in time after all; the next one must not suffer for it
                        return
            finally:
                self._deadlines.forget(watched)
        if scope.cancelled_caught and delivery is not None:
            self._settle(self, (delivery,), timed_out(self.route, watched))

    async def _attempt(self, delivery: Delivery, watched: Watched) -> Outcome:
        route = self.route
        ready = made_ready(delivery, route, self.circuit, self._clock.time())
        if not isinstance(ready, tuple):
            return ready
        sink, event, original = ready
        messages = self._messages
        self._deadlines.begin(watched, route.policy.timeout)
        if messages is None:
            return await guarded(sink.send, event, route.subscription)
        return await guarded(messages.send_messages, [message_of(delivery, event, original)], route.subscription)

    # -- batches and rates -----------------------------------------------------------------------------------------

    async def _work_in_measure(self) -> None:
        """Make one attempt with as many events as a batch has, when the rate allows it."""
        size = await self._gather()
        if not size:
            return
        deliveries = [self._queue.pop() for _ in range(size)]
        self.in_flight += size
        self._attempting += 1
        self.start()
        try:
            await self._attempt_batch(deliveries)
        finally:
            self._attempting -= 1

    async def _gather(self) -> int:
        """Wait for a full batch, or for the end of its patience, and then for the rate. How many deliveries to take;
        0: look anew whether there is anything to do.
        """
        self._follow()
        now = self._clock.monotonic()
        self._gathered_since = min(self._gathered_since, now)
        size = self._size()
        patience = 0.0 if self._batch is None or self._full else self._gathered_since + self._batch.linger - now
        wait = patience if patience > 0 else self._pace.take(now, size)
        if wait <= 0:
            self._gathered_since = math.inf
            return size
        self._gathering, self._lingering = True, patience > 0
        try:
            with self._clock.move_on_after(wait):
                await self._more.wait()
        finally:
            self._gathering = self._lingering = False
        return 0

    @property
    def _full(self) -> bool:
        """Whether what is queued fills a request."""
        batch = self._batch
        if batch is None or len(self._queue.ready) >= self._most_events(batch):
            return True
        if self.turns is None:
            return self._queue.bytes >= batch.bytes
        return self.turns.behind > 0 or self.turns.away > 0  # what waits for its turn would wait in vain

    def _most_events(self, batch: Batch) -> int:
        return batch.events if self._pace.most is None else min(batch.events, self._pace.most)

    def _size(self) -> int:
        """How many of what is queued go into the next request."""
        batch = self._batch
        if batch is None:
            return 1
        return batch.fill((len(delivery.raw) for delivery in self._queue.ready), self._most_events(batch))

    async def _attempt_batch(self, deliveries: Sequence[Delivery]) -> None:
        """Send them; what is rejected is split in halves until the culprit is alone."""
        route, sink, now = self.route, self._messages, self._clock.time()
        messages: dict[Delivery, Message] = {}
        for delivery in deliveries:
            ready = made_ready(delivery, route, self.circuit, now)
            if isinstance(ready, tuple):
                messages[delivery] = message_of(delivery, *ready[1:])
            else:
                self._end([delivery], ready)
        bisection, more = Bisection(list(messages)), False
        try:
            while part := bisection.next:
                if more and not await self._turn(len(part)):
                    late = RetryLater("batch-rejected", "the batch was rejected, and there was no time to split it")
                    while bisection.next:
                        self._end(bisection.record(late), late)
                    return
                if more and self._end_expired(bisection, messages):
                    continue
                more = True
                outcome = await self._send_part(route, sink, [messages[delivery] for delivery in part])
                self._end(bisection.record(outcome), outcome)
        finally:
            self.in_flight -= len(bisection.unsettled)

    def _end_expired(self, bisection: Bisection[Delivery], messages: Mapping[Delivery, Message]) -> bool:
        """Take out of the next request what has expired since the last one; whether that was anything."""
        now = self._clock.time()
        past = {one: expired(one, messages[one].original, now) for one in bisection.next}
        ended = {one: outcome for one, outcome in past.items() if outcome is not None}
        if ended:
            bisection.take_out(ended)
        for one, outcome in ended.items():
            self._end([one], outcome)
        return bool(ended)

    def _end(self, deliveries: Sequence[Delivery], outcome: Outcome) -> None:
        if deliveries:
            self.in_flight -= len(deliveries)
            self._settle(self, deliveries, outcome)

    async def _turn(self, events: int) -> bool:
        """Wait for the rate before one more request of the same attempt; False: nothing more is to begin."""
        self._follow()
        while (wait := self._pace.take(self._clock.monotonic(), events)) > 0:
            if self._stopped():
                return False
            await self._clock.sleep(wait)
        return True

    def _follow(self) -> None:
        """Go by the rates as they are now: a sink may have said only in its last answer what it allows."""
        self._pace.follow(self._rate, None if self._messages is None else self._messages.rate)

    async def _send_part(self, route: Route, sink: MessageSink | None, messages: list[Message]) -> Outcome:
        with anyio.CancelScope() as scope:
            watched = self._deadlines.watch(scope, leased=self._leased)
            self._deadlines.begin(watched, route.policy.timeout)
            try:
                if sink is not None:
                    return await guarded(sink.send_messages, messages, route.subscription)
                if route.sink is not None:
                    return await guarded(route.sink.send, messages[0].event, route.subscription)
            finally:
                self._deadlines.forget(watched)
        return timed_out(route, watched)
