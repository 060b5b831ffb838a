"""Working in measure: attempts that wait for a full batch, or for the rate, before they take what they send."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio

from eventroute.push.bell import Bell
from eventroute.push.delivery import Delivery
from eventroute.push.lane.host import Host
from eventroute.push.lane.pace import Pace
from eventroute.push.lane.room import Room
from eventroute.push.lane.sending import expired, guarded, message_ready, timed_out
from eventroute.push.outcome import Outcome, RetryLater
from eventroute.push.policy.batch import Batch, Bisection
from eventroute.push.policy.breaker import Circuit
from eventroute.push.policy.rate import Rate
from eventroute.push.route import Route
from eventroute.push.sinks.base import Message, MessageSink

__all__ = ["Measured"]


class Measured(Room):
    """The part of a `Lane` that makes its attempts where the policy has batches or a rate."""

    circuit: Circuit
    _settle: Callable[[Sequence[Delivery], Outcome, Route], None]
    _messages: MessageSink | None
    _batch: Batch | None
    _rate: Rate | None
    leased: bool
    """Whether attempts are made only while this process is known to have its lease."""

    __slots__ = (
        "_attempting",
        "_gathered_since",
        "_gathering",
        "_lingering",
        "_more",
        "_pace",
        "in_flight",
    )

    def __init__(self, host: Host[Any]) -> None:
        super().__init__(host)
        self.in_flight = 0
        self._attempting = 0
        self._pace: Pace | None = None
        self._gathering = False
        self._lingering = False
        self._gathered_since = math.inf
        self._more: Bell | None = None
        """Rings for the worker that waits for a full batch or for its rate; most lanes never have one that does."""

    @property
    def pace(self) -> Pace:
        """How much of its rate it has used; most have none, and need none."""
        if self._pace is None:
            self._pace = self._host.paces.setdefault(self.route.subscription, Pace())
        return self._pace

    @property
    @abstractmethod
    def ready(self) -> bool: ...

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def _stopped(self) -> bool: ...

    async def _work_in_measure(self) -> None:
        """Make one attempt with as many events as a batch has, when the rate allows it."""
        size = await self._gather()
        if not size:
            return
        deliveries = [self._pop() for _ in range(size)]
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
        now = self._host.clock.monotonic()
        self._gathered_since = min(self._gathered_since, now)
        size = self._size()
        patience = 0.0 if self._batch is None or self._full else self._gathered_since + self._batch.linger - now
        wait = patience if patience > 0 else self.pace.take(now, size)
        if wait <= 0:
            self._gathered_since = math.inf
            return size
        self._gathering, self._lingering = True, patience > 0
        self._more = more = self._more or Bell()
        try:
            with self._host.clock.move_on_after(wait):
                await more.wait()
        finally:
            self._gathering = self._lingering = False
        return 0

    def _call_waiting(self) -> None:
        """Have the worker that waits look anew."""
        if self._more is not None:
            self._more.ring()

    @property
    def _full(self) -> bool:
        """Whether what is queued fills a request."""
        batch = self._batch
        if batch is None or len(self._next) >= self._most_events(batch):
            return True
        if self.turns is None:
            return self.bytes >= batch.bytes
        return self.turns.behind > 0 or self.turns.away > 0  # what waits for its turn would wait in vain

    def _most_events(self, batch: Batch) -> int:
        return batch.events if self.pace.most is None else min(batch.events, self.pace.most)

    def _size(self) -> int:
        """How many of what is queued go into the next request."""
        batch = self._batch
        if batch is None:
            return 1
        return batch.fill((len(delivery.raw) for delivery in self._next), self._most_events(batch))

    async def _attempt_batch(self, deliveries: Sequence[Delivery]) -> None:
        """Send them; what is rejected is split in halves until the culprit is alone."""
        route, sink, now = self.route, self._messages, self._host.clock.time()
        messages: dict[Delivery, Message] = {}
        for delivery in deliveries:
            ready = message_ready(delivery, route, self.circuit, now)
            if isinstance(ready, Message):
                messages[delivery] = ready
            else:
                self._end([delivery], ready, route)
        bisection, more = Bisection(list(messages)), False
        try:
            while part := bisection.next:
                if more and not await self._turn(len(part), route):
                    late = RetryLater("batch-rejected", "the batch was rejected, and there was no time to split it")
                    while bisection.next:
                        self._end(bisection.record(late), late, route)
                    return
                if more and self._end_expired(bisection, messages, route):
                    continue
                more = True
                outcome = await self._send_part(route, sink, [messages[delivery] for delivery in part])
                self._end(bisection.record(outcome), outcome, route)
        finally:
            self.in_flight -= len(bisection.unsettled)

    def _end_expired(self, bisection: Bisection[Delivery], messages: Mapping[Delivery, Message], route: Route) -> bool:
        """Take out of the next request what has expired since the last one; whether that was anything."""
        now = self._host.clock.time()
        past = {one: expired(messages[one].original, now) for one in bisection.next}
        ended = {one: outcome for one, outcome in past.items() if outcome is not None}
        if ended:
            bisection.take_out(ended)
        for one, outcome in ended.items():
            self._end([one], outcome, route)
        return bool(ended)

    def _end(self, deliveries: Sequence[Delivery], outcome: Outcome, route: Route) -> None:
        if deliveries:
            self.in_flight -= len(deliveries)
            self._settle(deliveries, outcome, route)

    async def _turn(self, events: int, route: Route) -> bool:
        """Wait for the rate before one more request of the same attempt; False: nothing more is to begin, since the
        sink has asked for time, is down, or is not the subscription's any more, or all stops.
        """
        self._follow()
        while self.ready and self.route.address == route.address and not self._stopped():
            wait = self.pace.take(self._host.clock.monotonic(), events)
            if wait <= 0:
                return True
            await self._host.clock.sleep(wait)
        return False

    def _follow(self) -> None:
        """Go by the rates as they are now: a sink may have said only in its last answer what it allows."""
        requests = None if self._messages is None else self._messages.rate
        self.pace.follow(self._rate, requests, self._host.clock.monotonic())

    async def _send_part(self, route: Route, sink: MessageSink | None, messages: list[Message]) -> Outcome:
        with anyio.CancelScope() as scope:
            watched = self._host.deadlines.watch(scope, leased=self.leased)
            self._host.deadlines.set(watched, route.policy.timeout)
            try:
                if sink is not None:
                    return await guarded(sink.send_messages, messages, route.subscription)
                if route.sink is not None:
                    return await guarded(route.sink.send, messages[0].event, route.subscription)
            finally:
                self._host.deadlines.forget(watched)
        return timed_out(route, watched)
