"""What is written down of deliveries that are not settled: a row in the ledger for each, and how far each range is."""

from __future__ import annotations

import math
from itertools import takewhile

from eventroute.push.delivery import Delivery, Range
from eventroute.push.lane import Lane
from eventroute.push.lane.surplus import let_go_surplus
from eventroute.push.worker.ordering import Ordering
from eventroute.push.worker.ranges import Ranges
from eventroute.storage.base import LIVE, Bury, Settle, Wait, Waiting

__all__ = ["RECORD_AFTER", "Recording"]

RECORD_AFTER = 0.05
"""How long a claimed range waits for the attempts in flight, in seconds, before the rest is written down as waiting."""


class Recording(Ordering):
    """The part of a `Worker` that writes down what is not settled, so that the ranges it came from can be completed."""

    ranges: Ranges
    overfull: dict[str, None]
    counting: set[str]

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
        identity = (delivery.subscription, delivery.offset)
        row = Waiting(*identity, now, max(done, 0), first, event=copy, key=delivery.row_key)
        entry = Wait(row, held, again=delivery.recorded)
        self.ranges.note(delivery, entry)
        self._count(lane, delivery, entry)
        if not held:
            self._put_away(lane, delivery, now)
        self.ranges.release((delivery,))

    async def sweep(self) -> None:
        """Record what is pending in each range at its deadline, so that one slow attempt holds up no progress."""
        while True:
            now = self.clock.monotonic()
            for claimed in [one for one in self.ranges if one.matched and not one.resting and one.deadline <= now]:
                if claimed.in_order:
                    self._record_pending(claimed)
                else:
                    self._advance(claimed, now)
            upcoming = min((one.deadline for one in self.ranges if not one.resting), default=None)
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
        claimed.deadline, claimed.resting = now + RECORD_AFTER, claimed.latest == math.inf

    def part(self, claimed: Range, start: int) -> None:
        """Write down what is pending below `start`, and let the range begin behind it."""
        for delivery in list(takewhile(lambda one: one.offset < start, claimed.pending)):
            lane = self.lanes.get(delivery.subscription)
            if lane is not None:
                self._record(lane, delivery, held=True)
        self.ranges.advance(claimed, start)

    def _record_pending(self, claimed: Range) -> None:
        """Write down what is pending. It stays in memory, unless another row is before it or others may be sooner."""
        spare = let_go_surplus(claimed, self.lanes)
        for delivery in list(claimed.pending):
            if (lane := self.lanes.get(delivery.subscription)) is None:
                continue
            behind = lane.turns is not None and not delivery.begun and lane.turns.is_behind_row(delivery)
            if behind:
                lane.take_out(delivery)
            self._record(lane, delivery, held=not behind and delivery not in spare)

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

    def let_go(self) -> None:
        """Write down all that is not settled as waiting for whoever comes next, and complete every range."""
        for claimed in [one for one in self.ranges if one.matched]:
            for delivery in list(claimed.pending):
                lane = self.lanes.get(delivery.subscription)
                if lane is not None:
                    self._record(lane, delivery, held=False)
