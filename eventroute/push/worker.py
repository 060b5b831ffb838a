"""One worker: what a process does for one bus under one lease, from claiming ranges to writing what became of them."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from itertools import takewhile

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from eventroute.clock import Clock
from eventroute.errors import UnknownSubscription
from eventroute.hooks import Hooks, Paused
from eventroute.push.attempt import entry_after
from eventroute.push.bell import Bell
from eventroute.push.crew import Crew
from eventroute.push.deadlines import Deadlines
from eventroute.push.delivery import Delivery, Range
from eventroute.push.journal import Journal
from eventroute.push.lane import Lane
from eventroute.push.ordering import Ordering
from eventroute.push.outages import Outages
from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.push.pace import Pace
from eventroute.push.patience import patiently
from eventroute.push.queue import Load
from eventroute.push.ranges import Ranges
from eventroute.push.resting import Resting
from eventroute.push.route import RoutingTable
from eventroute.push.senders import Senders
from eventroute.push.telling import attempted, buried
from eventroute.storage.base import LIVE, Bury, Entry, Session, Settle, Storage, Wait, Waiting

__all__ = ["Worker"]

_log = logging.getLogger("eventroute.push")

RECORD_AFTER = 0.05
"""How long a claimed range waits for the attempts in flight, in seconds, before the rest is written down as waiting."""

BREATH = 0.01
"""How long a reader waits before it looks again whether the journal has room, in seconds."""

DELIVERIES = 100_000
"""The most deliveries that a worker keeps in memory, over all lanes; what is matched beyond waits in the ledger."""


class Worker(Ordering):
    """The shared state of the tasks that read, attempt, retry and write for one bus under one session.

    Everything here runs on one event loop and decides synchronously; only reading and writing the storage waits.
    """

    def __init__(
        self,
        storage: Storage,
        bus: str,
        session: Session,
        clock: Clock,
        table: RoutingTable,
        progress: Callable[[], None],
        hooks: Hooks,
        paces: dict[str, Pace],
    ) -> None:
        self.storage = storage
        self.bus = bus
        self.session = session
        self.clock = clock
        self.table = table
        self.lanes: dict[str, Lane] = {}
        self.stopping = False
        self.changed = Bell()
        """Rings when routes have changed, for whoever starts and stops readers."""
        self.due = Bell()
        """Rings when a waiting delivery has a new due time, or a lane can take more."""
        self.due_times: dict[str, float] = {}
        """When the earliest waiting delivery of a subscription is due, as far as is known here."""
        self.quiet = Bell()
        """Rings when an attempt or a reading task has ended, for whoever waits for all of them to end."""
        self.reading: set[str] = set()
        """The readers that have a reading task here."""
        self.starved: set[str] = set()
        """Subscriptions with waiting deliveries that are due, for which there was no room."""
        self.overfull: dict[str, None] = {}
        """Subscriptions that have to leave the shared reader, because too much of theirs waits."""
        self.counting: set[str] = set()
        """Subscriptions whose lane counts waiting deliveries; other processes may have settled them."""
        self.resurvey = True
        """Whether the waiting deliveries are to be counted anew at once."""
        self.resting = Resting()
        self.hooks = hooks
        self._progress = progress
        self._choked = False
        self._load = Load()
        self.deadlines = Deadlines(clock)
        self._tasks: TaskGroup | None = None
        self._crew: Crew | None = None
        self._refreshing = anyio.Lock()
        self._paces = paces
        self.journal = Journal(storage, bus, session, clock, self._written)
        self.ranges = Ranges(self.journal)
        self.outages = Outages(storage, bus, clock, self.journal, self._wait_for_probe)
        self.senders = Senders(storage, bus, session, clock, self._wait_for_probe)

    # -- lanes and routes ------------------------------------------------------------------------------------------

    def attach(self, tasks: TaskGroup) -> None:
        """Run the attempts in this task group from now on."""
        self._tasks = tasks
        self._crew = Crew(tasks)

    def lane(self, subscription: str) -> Lane | None:
        """The lane of a subscription, made on first use; None where the subscription is gone."""
        lane = self.lanes.get(subscription)
        if lane is None and self._crew is not None:
            route = self.table.route(subscription)
            if route is None:
                return None
            lane = Lane(
                route,
                self.clock,
                self._crew,
                self._load,
                self.deadlines,
                self._settle,
                self._blocked,
                circuit=self.outages.circuit(subscription),
                pace=self._paces.setdefault(subscription, Pace()),
            )
            self.lanes[subscription] = lane
            if self.outages.follow(lane):
                self._wait_for_probe(lane)
            if lane.limited:  # somebody has to begin to send for it
                self.resurvey = True
                self.due.ring()
        return lane

    def _wait_for_probe(self, lane: Lane) -> None:
        """Go on to wait where another process has begun to, or this one under another lease."""
        now = self.clock.time()
        wait = lane.circuit.wait(lane.route.policy.breaker, now)
        if wait > 0:
            lane.held_until = max(lane.held_until, self.clock.monotonic() + wait)
        lane.start()
        self.expect(lane.route.subscription, now + wait)

    async def refresh(self) -> None:
        """Bring the table up to the bus's version, and the lanes with it."""
        async with self._refreshing:
            changes = await patiently(self.clock, self.storage.changes, self.bus, self.table.version)
            faults = self.table.apply(changes)
            if changes.subscriptions or changes.reset:
                self.reroute()
            for subscription, reason in faults:
                _log.error("bus %s: subscription %s is paused: %s", self.bus, subscription, reason)
                await self._pause(subscription, reason)
        if faults:
            await self.refresh()

    def reroute(self) -> None:
        """Give the lanes their routes anew, and wake whoever depends on them."""
        for subscription, lane in list(self.lanes.items()):
            route = self.table.route(subscription)
            if route is None or route.born != lane.route.born:  # gone, and perhaps another one has its id now
                self._forget(subscription, lane)
                self.resting.wake(subscription)
            elif route is not lane.route:
                lane.take(route)
                self.outages.note(lane)
                lane.start()
                self.resting.wake(subscription)
        self.changed.ring()
        self.resurvey = True
        self.due.ring()

    def recount(self, lane: Lane, waiting: int) -> None:
        """So many deliveries of a lane wait in the ledger, whoever wrote them; what is in hand here may be newer."""
        if lane.idle or lane.turns is not None:
            lane.waiting = waiting + (0 if lane.turns is None else lane.turns.unwritten)
            (self.counting.add if waiting else self.counting.discard)(lane.route.subscription)
            lane.settled.ring()

    async def breathe(self) -> None:
        """Let other tasks run, until the journal has room."""
        await checkpoint()
        while self.journal.full and not self.stopping:
            await self.clock.sleep(BREATH)

    def stop(self) -> None:
        """Begin no attempt and claim nothing from now on."""
        self.stopping = True
        self.resting.end()

    def _forget(self, subscription: str, lane: Lane) -> None:
        lane.clear()
        del self.lanes[subscription]
        self.outages.forget(subscription)
        self._paces.pop(subscription, None)
        self.counting.discard(subscription)
        self.due_times.pop(subscription, None)
        for open_range in self.ranges:
            open_range.pending = {one: None for one in open_range.pending if one.subscription != subscription}
            self.ranges.close_if_done(open_range)

    async def _pause(self, subscription: str, reason: str) -> None:
        try:
            await patiently(self.clock, self.storage.pause_subscription, subscription, reason)
            self.hooks.tell(Paused(self.bus, subscription, reason))
        except UnknownSubscription:
            _log.info("bus %s: subscription %s was removed before it could be paused", self.bus, subscription)

    def _blocked(self) -> bool:
        self._choked = self._choked or self.journal.full
        return self.stopping or self.journal.full

    # -- ranges ----------------------------------------------------------------------------------------------------

    def enter(self, delivery: Delivery) -> None:
        """Bring a matched delivery on its way: into its lane, or into the ledger where the lane has no room."""
        lane = self.lane(delivery.subscription)
        if lane is None:
            return
        if lane.turns is not None and self._waits_already(lane, delivery):
            return
        if delivery.range is not None:
            delivery.range.pending[delivery] = None
        if self._load.queued >= DELIVERIES or not lane.offer(delivery):
            self._record(lane, delivery, held=False)

    def matched(self, claimed: Range) -> None:
        """All of a range has been entered."""
        claimed.matched = True
        if claimed.in_order and claimed.claim.shared:
            self._record_pending(claimed)
        self.ranges.close_if_done(claimed)

    def _record(self, lane: Lane, delivery: Delivery, *, held: bool) -> None:
        now = self.clock.time()
        done = delivery.attempts - delivery.begun  # an attempt in flight counts when its outcome is written
        first = delivery.first_attempt if done > 0 else None
        copy = delivery.raw if delivery.copied else None
        row = Waiting(
            delivery.subscription, delivery.offset, now, max(done, 0), first, event=copy, key=delivery.row_key
        )
        self.ranges.note(delivery, Wait(row, held))
        self._count(lane, delivery, Wait(row, held))
        if not held:
            self._put_away(lane, delivery, now)
        self.ranges.release(delivery)

    async def sweep(self) -> None:
        """Record what is pending in each range at its deadline, so that one slow attempt holds up no progress."""
        while True:
            now = self.clock.monotonic()
            for claimed in [one for one in self.ranges if one.matched and one.deadline <= now]:
                if claimed.in_order:
                    self._record_pending(claimed)
                else:
                    self._advance(claimed, now)
            upcoming = min((one.deadline for one in self.ranges), default=None)
            if upcoming is None:
                await self.ranges.opened.wait()
            else:
                await self.clock.sleep(max(upcoming - now, RECORD_AFTER / 10))

    def _advance(self, claimed: Range, now: float) -> None:
        """Write down how far a range is. A delivery gets a row where one behind it is settled, which it holds up."""
        if now >= claimed.latest:
            self._record_pending(claimed)
            return
        first = next(iter(claimed.pending), None)
        self.part(claimed, max(claimed.horizon, claimed.claim.start if first is None else first.offset))
        claimed.deadline = now + RECORD_AFTER

    def part(self, claimed: Range, start: int) -> None:
        """Write down what is pending below `start`, and let the range begin behind it."""
        for delivery in list(takewhile(lambda one: one.offset < start, claimed.pending)):
            lane = self.lanes.get(delivery.subscription)
            if lane is not None:
                self._record(lane, delivery, held=True)
        self.ranges.advance(claimed, start)

    def _record_pending(self, claimed: Range) -> None:
        """Write down what is pending. What is in memory stays there, but for what has another row before it."""
        for delivery in list(claimed.pending):
            lane = self.lanes.get(delivery.subscription)
            if lane is None:
                continue
            behind = lane.turns is not None and not delivery.begun and lane.turns.is_behind_row(delivery)
            if behind:
                lane.forget(delivery)
            self._record(lane, delivery, held=not behind)

    # -- what comes of attempts ------------------------------------------------------------------------------------

    def _settle(self, lane: Lane, deliveries: Sequence[Delivery], outcome: Outcome) -> None:
        """Take in what came of an attempt: of one delivery, or of several that were sent in one request."""
        subscription = lane.route.subscription
        lane.count(deliveries, outcome)
        if self.hooks and outcome.counts:
            self.hooks.tell_all(attempted(self.bus, deliveries, outcome, self.clock.time()))
        draw = 0.0 if isinstance(outcome, Delivered) else random.random()  # noqa: S311 - jitter
        for delivery in deliveries:
            entry = None
            if delivery.recorded or not isinstance(outcome, Delivered):
                entry = self._write_down(lane, delivery, outcome, draw)
            if lane.turns is not None:
                self._end_turn(lane, lane.turns, delivery, entry)
        if isinstance(outcome, RetryLater):
            self._hold(lane, outcome)
        elif lane.circuit.failures:
            self.outages.over(lane)
        if isinstance(outcome, Rejected) and outcome.pause is not None and self._tasks is not None:
            self._tasks.start_soon(self._pause_and_refresh, subscription, outcome.pause)
        for delivery in deliveries:
            self.ranges.release(delivery)
        if subscription in self.starved:
            self.starved.discard(subscription)
            self.expect(subscription, self.clock.time())
        self.quiet.ring()

    def bury(self, entry: Bury) -> None:
        """Have a waiting delivery written down as given up."""
        self.journal.add(entry)
        if self.hooks:
            self.hooks.tell(buried(self.bus, entry.letter))

    def _write_down(self, lane: Lane, delivery: Delivery, outcome: Outcome, draw: float) -> Settle | Wait | Bury | None:
        now = self.clock.time()
        entry = entry_after(delivery, outcome, lane.route.policy, now=now, draw=draw, spared=lane.circuit.spared(now))
        if entry is None or self.lanes.get(delivery.subscription) is not lane:  # else it was removed meanwhile
            return None
        self.ranges.note(delivery, entry)
        if isinstance(entry, Bury) and self.hooks:
            self.hooks.tell(buried(self.bus, entry.letter))
        self._count(lane, delivery, entry)
        if isinstance(entry, Wait):
            self._put_away(lane, delivery, entry.waiting.due)
        return entry

    def _hold(self, lane: Lane, outcome: RetryLater) -> None:
        """Stop the whole lane for a while, where the sink asked for it or its breaker opens."""
        hold = outcome.after if outcome.hold_lane and outcome.after is not None else 0.0
        if lane.ready and outcome.counts:  # else it is stopped already, and what was in flight says nothing new
            hold = max(hold, self.outages.failed(lane, outcome))
        if hold > 0:
            lane.held_until = max(lane.held_until, self.clock.monotonic() + hold)
            self.expect(lane.route.subscription, self.clock.time() + hold)

    async def _pause_and_refresh(self, subscription: str, reason: str) -> None:
        _log.warning("bus %s: subscription %s is paused: %s", self.bus, subscription, reason)
        await self._pause(subscription, reason)
        await self.refresh()

    def _count(self, lane: Lane, delivery: Delivery, entry: Settle | Wait | Bury) -> None:
        if isinstance(entry, Wait):
            lane.waiting += not delivery.recorded
            if self.lanes.get(delivery.subscription) is lane:  # else it was removed while the attempt was under way
                self.counting.add(delivery.subscription)
            delivery.recorded = True
            if lane.over and delivery.range is not None and delivery.range.claim.reader == LIVE:
                self.overfull[delivery.subscription] = None
        elif isinstance(entry, Bury) and entry.key is not None:
            lane.waiting += not delivery.recorded
        elif delivery.recorded and lane.waiting:  # it may be another process's row, not counted here
            lane.waiting -= 1

    def expect(self, subscription: str, due: float) -> None:
        """Look after a subscription's waiting deliveries at that time (of the wall clock)."""
        if due < self.due_times.get(subscription, float("inf")):
            self.due_times[subscription] = due
            self.due.ring()

    def _written(self, entries: list[Entry]) -> None:
        for entry in entries:
            if isinstance(entry, Wait | Settle | Bury):
                self._written_of(entry)
        if self._choked and not self.journal.full:
            self._choked = False
            for lane in self.lanes.values():
                lane.start()
        self._progress()

    # -- the end ---------------------------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """Attempts under way."""
        return sum(lane.in_flight for lane in self.lanes.values())

    def let_go(self) -> None:
        """Write down all that is not settled as waiting for whoever comes next, and complete every range."""
        for claimed in [one for one in self.ranges if one.matched]:
            for delivery in list(claimed.pending):
                lane = self.lanes.get(delivery.subscription)
                if lane is not None:
                    self._record(lane, delivery, held=False)
