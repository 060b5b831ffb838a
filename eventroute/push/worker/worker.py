"""One worker: what a process does for one bus under one lease, from claiming ranges to writing what became of them."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Sequence

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from eventroute.clock import Clock
from eventroute.errors import StorageConflict, UnknownSubscription
from eventroute.hooks import Hooks, Paused
from eventroute.push.bell import Bell
from eventroute.push.deadlines import Deadlines
from eventroute.push.delivery import Delivery, Range
from eventroute.push.lane import Lane
from eventroute.push.lane.crew import Crew
from eventroute.push.lane.host import Host, Load
from eventroute.push.lane.pace import Pace
from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.push.patience import patiently
from eventroute.push.route import Route, RoutingTable
from eventroute.push.worker.attempt import entry_after
from eventroute.push.worker.journal import Journal
from eventroute.push.worker.outages import Outages
from eventroute.push.worker.ranges import Ranges
from eventroute.push.worker.recording import Recording
from eventroute.push.worker.resting import Resting
from eventroute.push.worker.senders import Senders
from eventroute.push.worker.telling import attempted, buried
from eventroute.storage.base import Bury, Entry, Session, Settle, Storage, Wait

__all__ = ["Worker"]

_log = logging.getLogger("eventroute.push")

BREATH = 0.01
"""How long a reader waits before it looks again whether the journal has room, in seconds."""

DELIVERIES = 100_000
"""The most deliveries that a worker keeps in memory, over all lanes; what is matched beyond waits in the ledger."""


class Worker(Recording):
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
        self.ended = False
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
        self.overfull: dict[str, None] = {}
        """Subscriptions that have to leave the shared reader, because too much of theirs waits."""
        self.counting: set[str] = set()
        """Subscriptions whose lane counts waiting deliveries; other processes may have settled them."""
        self.resurvey = True
        """Whether the waiting deliveries are to be counted anew at once."""
        self.resting = Resting()
        self.hooks = hooks
        self._progress = progress
        self._choked: dict[Lane, None] = {}
        """Those that may not begin what they have, because too much is not written yet."""
        self._load = Load()
        self.deadlines = Deadlines(clock)
        self._tasks: TaskGroup | None = None
        self._host: Host[Lane] | None = None
        self._refreshing = anyio.Lock()
        self._paces = paces
        self.journal = Journal(storage, bus, session, clock, lambda: table.version, self._written)
        self.ranges = Ranges(self.journal)
        self.outages = Outages(storage, bus, clock, self.journal, self.lanes, self._wait_for_probe)
        self.senders = Senders(storage, bus, session, clock, self._wait_for_probe)

    # -- lanes and routes ------------------------------------------------------------------------------------------

    def attach(self, tasks: TaskGroup) -> None:
        """Run the attempts in this task group from now on."""
        self._tasks = tasks
        self._host = Host(
            self.clock,
            Crew(tasks, self.deadlines),
            self.deadlines,
            self._settle,
            self._blocked,
            singly=bool(self.hooks),
            load=self._load,
            paces=self._paces,
        )

    def lane(self, subscription: str) -> Lane | None:
        """The lane of a subscription, made on first use; None where the subscription is gone."""
        return self.lanes.get(subscription) or self._begin_lane(subscription)

    def _begin_lane(self, subscription: str) -> Lane | None:
        route, host = self.table.route(subscription), self._host
        if route is None or host is None:
            return None
        lane = self.lanes[subscription] = Lane(route, host, self.outages.circuit(subscription))
        if lane.circuit.is_open:
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
        """Bring the table up to the bus's version, and the lanes with it, unless the worker has ended."""
        async with self._refreshing:
            changes = await patiently(self.clock, self.storage.changes, self.bus, self.table.version)
            if self.ended:  # another worker may go by the table already, whose lanes are not known here
                return
            faults = self.table.apply(changes)
            if changes.subscriptions or changes.reset:
                self.reroute()
            for subscription, reason in faults:
                await self._pause(subscription, reason, self.table.version, logging.ERROR)
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
        self.resting.hungry.ring()
        self.resurvey = True
        self.due.ring()

    def recount(self, lane: Lane, waiting: int) -> None:
        """So many deliveries of a lane wait in the ledger, whoever wrote them; what is in hand here may be newer."""
        if lane.idle or lane.turns is not None:
            lane.waiting = waiting + (0 if lane.turns is None else lane.turns.unwritten)
            (self.counting.add if waiting else self.counting.discard)(lane.route.subscription)
            lane.call_reader()

    async def breathe(self) -> None:
        """Let other tasks run, until the journal has room."""
        await checkpoint()
        while self.journal.full and not self.stopping:
            await self.clock.sleep(BREATH)

    def stop(self) -> None:
        """Begin no attempt and claim nothing from now on."""
        self.stopping = True
        self.resting.end()

    def end(self) -> None:
        """Take in no changes either: what it has not written down by now is left to others."""
        self.stop()
        self.ended = True

    def _forget(self, subscription: str, lane: Lane) -> None:
        lane.fall_asleep()
        lane.clear()
        del self.lanes[subscription]
        self.outages.forget(subscription)
        self._paces.pop(subscription, None)
        self.counting.discard(subscription)
        self.due_times.pop(subscription, None)
        self.ranges.forget(subscription)

    def _has(self, lane: Lane) -> bool:
        """Whether its subscription is still there, and not another one of the same id."""
        return self.lanes.get(lane.route.subscription) is lane

    async def _pause(self, subscription: str, reason: str, version: int, level: int) -> bool:
        """Pause a subscription as it is known up to that version of the bus; not another one that has its id by now.
        False: it has changed since.
        """
        pause, known = self.storage.pause_subscription, (self.bus, version)
        try:
            await patiently(self.clock, pause, subscription, reason, known=known)
            _log.log(level, "bus %s: subscription %s is paused: %s", self.bus, subscription, reason)
            self.hooks.tell(Paused(self.bus, subscription, reason))
        except UnknownSubscription:
            _log.info("bus %s: subscription %s was removed before it could be paused", self.bus, subscription)
        except StorageConflict:
            return False
        return True

    def _blocked(self, lane: Lane) -> bool:
        if self.journal.full:
            self._choked[lane] = None
            return True
        return self.stopping

    # -- ranges ----------------------------------------------------------------------------------------------------

    def enter(self, claimed: Range, deliveries: Iterable[Delivery]) -> None:
        """Bring what was matched of a range on its way, in the order of the log: into the lanes, or into the ledger
        where a lane has no room.
        """
        lanes, pending = self.lanes, claimed.pending
        by_lane: dict[Lane, list[Delivery]] = {}
        for delivery in deliveries:
            lane = lanes.get(delivery.subscription) or self._begin_lane(delivery.subscription)
            if lane is None:
                continue
            if lane.turns is not None:
                if self._waits_already(lane, delivery):
                    continue
                pending[delivery] = None
                self._offer(lane, [delivery])
                continue
            pending[delivery] = None
            together = by_lane.get(lane)
            if together is None:
                by_lane[lane] = [delivery]
            else:
                together.append(delivery)
        for lane, together in by_lane.items():
            self._offer(lane, together)

    def _offer(self, lane: Lane, deliveries: list[Delivery]) -> None:
        room, count = DELIVERIES - self._load.queued, len(deliveries)
        taken = lane.offer(deliveries if count <= room else deliveries[: max(room, 0)])
        if taken < count:
            for delivery in deliveries[taken:]:
                self._record(lane, delivery, held=False)

    # -- what comes of attempts ------------------------------------------------------------------------------------

    def _settle(self, lane: Lane, deliveries: Sequence[Delivery], outcome: Outcome, route: Route) -> None:
        """Take in what came of an attempt by this route: of one delivery, or of several sent in one request."""
        subscription = lane.route.subscription
        lane.count(deliveries, outcome)
        if self.hooks and outcome.counts:
            self.hooks.tell_all(attempted(self.bus, deliveries, outcome, self.clock.time()))
        delivered, turns = isinstance(outcome, Delivered), lane.turns
        draw = 0.0 if delivered else random.random()  # noqa: S311 - jitter
        for delivery in deliveries:
            entry = None
            if delivery.recorded or not delivered:
                entry = self._write_down(lane, delivery, outcome, draw)
            if turns is not None:
                self._end_turn(lane, turns, delivery, entry)
        if route.address == lane.route.address:  # what is said at one that it has left is not about the one it has
            self._heed(lane, outcome)
        self.ranges.release(deliveries)
        if lane.wants_more and self.resting.fed(subscription):
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
        if entry is None or not self._has(lane):
            return None
        self.ranges.note(delivery, entry)
        if isinstance(entry, Bury) and self.hooks:
            self.hooks.tell(buried(self.bus, entry.letter))
        self._count(lane, delivery, entry)
        if isinstance(entry, Wait):
            self._put_away(lane, delivery, entry.waiting.due)
        return entry

    def _heed(self, lane: Lane, outcome: Outcome) -> None:
        """Draw from an answer what it says of the sink."""
        if isinstance(outcome, RetryLater):
            self._hold(lane, outcome)
        elif lane.circuit.failures:
            self.outages.over(lane)
        if isinstance(outcome, Rejected) and outcome.pause is not None:
            self._begin_to_pause(lane, outcome.pause)

    def _hold(self, lane: Lane, outcome: RetryLater) -> None:
        """Stop the whole lane for a while, where the sink asked for it or its breaker opens."""
        hold = outcome.after if outcome.hold_lane and outcome.after is not None else 0.0
        if lane.ready and outcome.counts:  # else it is stopped already, and what was in flight says nothing new
            hold = max(hold, self.outages.failed(lane, outcome))
        if hold > 0:
            lane.held_until = max(lane.held_until, self.clock.monotonic() + hold)
            self.expect(lane.route.subscription, self.clock.time() + hold)

    def _begin_to_pause(self, lane: Lane, reason: str) -> None:
        """Have a subscription paused whose sink asks for that. Nothing begins meanwhile: it would be rejected, too.

        What was in flight may ask for the same.
        """
        if self._tasks is not None and self._has(lane) and not lane.pausing and lane.route.paused is None:
            lane.fall_asleep()
            self._tasks.start_soon(self._pause_and_refresh, lane, reason, self.table.version)

    async def _pause_and_refresh(self, lane: Lane, reason: str, version: int) -> None:
        subscription, address = lane.route.subscription, lane.route.address
        while not await self._pause(subscription, reason, version, logging.WARNING) and not self.ended:
            await self.refresh()
            if not self._has(lane) or lane.route.address != address or lane.route.paused is not None:
                break
            version = self.table.version
        await self.refresh()
        if not self._has(lane):  # nor does the rest of a batch go on
            return
        lane.wake()
        self.resting.wake(subscription)  # somebody may have resumed it by now
        self.resurvey = True
        self.due.ring()

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
            choked, self._choked = self._choked, {}
            for lane in choked:
                lane.start()
        self._progress()

    # -- the end ---------------------------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """Attempts under way."""
        return sum(lane.in_flight for lane in self.lanes.values())
