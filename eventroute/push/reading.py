"""Reading: one task a reader claims ranges of the log, has them matched, and hands the deliveries to the lanes."""

from __future__ import annotations

import math
from functools import partial

from eventroute.errors import DamagedEvent, UnknownSubscription
from eventroute.hooks import Matched
from eventroute.push.delivery import Delivery, Range
from eventroute.push.patience import patiently
from eventroute.push.turns import Turns
from eventroute.push.unread import pass_over
from eventroute.push.worker import RECORD_AFTER, Worker
from eventroute.storage.base import Claim, Reader

__all__ = ["Reading"]

CLAIM = 1_000
"""The most offsets in one claim."""

ENTER = 1_000
"""How many deliveries are entered before other tasks get their turn."""

NOTED = 1_000
"""At so many entries about a range it is written down how far it is, before more of it is matched."""

RECORD_LATEST = 1.0
"""How long the shared reader waits for deliveries that hold up none behind them, in seconds: one that is paused, or
waits for its rate, must not keep the log for ever.
"""

PAGE_BYTES = 4 * 1_048_576
"""The most bytes of events that are read at once."""

SHARE_EVERY = 0.1
"""How often to look for work where another process reads for a subscription that is in order, in seconds."""

JOIN_WITHIN = 1_000
"""How many offsets behind the shared reader an own reader may be to hand over to it."""


class Reading:
    """Reads for one reader: `live`, or an own reader of one subscription, by the same code.

    An own reader waits for room in its lane; the shared one waits for nobody: what a lane has no room for goes to the
    ledger, and a subscription of which too much waits there leaves.
    """

    def __init__(self, worker: Worker, reader: Reader) -> None:
        self.reader = reader.name
        self._worker = worker
        self._subscription = reader.subscription
        self._replays = reader.replayed_from is not None
        self._seen_end = 0
        self._dealt: tuple[Turns, int] | None = None
        """Up to where it was read in order here, and by which order keeper."""

    async def run(self) -> None:
        """Read until the worker stops, the subscription is held, or the reader is gone."""
        worker = self._worker
        while not worker.stopping and self._wanted():
            limit = await self._room()
            if limit <= 0:
                continue
            claim = await patiently(
                worker.clock,
                worker.storage.claim,
                worker.bus,
                self.reader,
                worker.session,
                limit=limit,
                alone=self._turns is not None,
            )
            if claim is not None:
                await self._take(claim)
            elif not await self._caught_up():
                return

    @property
    def _turns(self) -> Turns | None:
        """Where what is read has to stay in order: what keeps it."""
        lane = None if self._subscription is None else self._worker.lane(self._subscription)
        return None if lane is None else lane.turns

    def _wanted(self) -> bool:
        if self._subscription is None:
            return True
        route = self._worker.table.route(self._subscription)
        return route is not None and not route.held

    async def _room(self) -> int:
        """How many offsets to claim; for an own reader it waits until there is room, and may return 0 then."""
        if self._subscription is None:
            return CLAIM
        lane = self._worker.lane(self._subscription)
        if lane is None:
            return 0
        room = lane.replay_room if self._replays else lane.room
        room = min(room, lane.route.policy.max_waiting - lane.waiting - self._worker.ranges.pending(self.reader))
        if room > 0:
            return min(room, CLAIM)
        await self._worker.resting.rest(self._subscription, lane.settled.wait)
        return 0

    async def _take(self, claim: Claim) -> None:
        worker = self._worker
        if claim.version > worker.table.version:
            await worker.refresh()
        turns = self._turns
        if turns is not None and self._subscription is not None:
            await self._see_rows(turns, claim, self._subscription)
        now = worker.clock.monotonic()
        latest = math.inf if self._subscription is not None else now + RECORD_LATEST
        claimed = Range(claim, now + RECORD_AFTER, latest, in_order=turns is not None)
        worker.ranges.open(claimed)
        if not worker.table.matcher(claim).empty:
            await self._match(claimed)
        worker.matched(claimed)
        if self._subscription is None:
            await self._part()

    async def _see_rows(self, turns: Turns, claim: Claim, subscription: str) -> None:
        """Where others may have read what is before a range, know what waits of it before anything is read behind."""
        worker = self._worker
        lane = worker.lane(subscription)
        if lane is not None:
            lane.shared = claim.shared
        if self._dealt != (turns, claim.start):
            await worker.learn(subscription)
        self._dealt = (turns, claim.end)

    async def _match(self, claimed: Range) -> None:
        worker, claim = self._worker, claimed.claim
        start, entered, total = claim.start, 0, 0
        while start < claim.end:
            try:
                records = await patiently(
                    worker.clock,
                    worker.storage.read,
                    worker.bus,
                    start,
                    claim.end,
                    limit=CLAIM,
                    max_bytes=PAGE_BYTES,
                )
            except DamagedEvent as error:
                pass_over(worker, error, worker.table.matcher(claim).served(error.offset))
                start = error.offset + 1
                continue
            if not records:
                break
            for record in records:
                # The table may have changed at each await, so its matcher is asked for anew.
                matched = worker.table.matcher(claim)(record.offset, record.event)
                for subscription in matched:
                    worker.enter(Delivery(subscription, record.offset, record.event, claimed))
                entered += len(matched)
                total += len(matched)
                if len(claimed.entries) >= NOTED and not claimed.in_order:
                    worker.part(claimed, record.offset + 1)
                if entered >= ENTER:
                    entered = 0
                    await worker.breathe()
            start = records[-1].offset + 1
        if worker.hooks:
            worker.hooks.tell(Matched(worker.bus, claim.reader, claim.start, claim.end, total))

    async def _part(self) -> None:
        """Give each subscription of which too much waits a reader of its own."""
        worker = self._worker
        if not worker.overfull:
            return
        while worker.overfull:
            subscription, _ = worker.overfull.popitem()
            try:
                await patiently(worker.clock, worker.storage.leave_live, subscription)
            except UnknownSubscription:
                continue  # removed meanwhile, which is a way of leaving too
        await worker.refresh()

    async def _caught_up(self) -> bool:
        """Nothing to claim now: hand over to the shared reader, or wait. False: the reader is gone."""
        worker = self._worker
        await worker.refresh()  # else `watch` returns at once, again and again, since there is a newer version
        if self._subscription is not None:
            lane = worker.lane(self._subscription)
            if lane is not None and lane.calm and lane.turns is None and not self._replays:
                await self._join(self._subscription)
            readers = await patiently(worker.clock, worker.storage.readers, worker.bus)
            mine = next((reader for reader in readers if reader.name == self.reader), None)
            if mine is None:
                return False
            if self._turns is not None and await self._share(mine, self._subscription):
                return True
        bounds = await patiently(worker.clock, worker.storage.bounds, worker.bus)
        if bounds.end > self._seen_end:
            self._seen_end = bounds.end  # claimed by somebody else, or appended just now: look once more
            return True
        await worker.resting.rest(self._subscription, self._watch)
        return True

    async def _share(self, reader: Reader, subscription: str) -> bool:
        """Where another process reads what there is to read: look for what it leaves to others, and wait a while."""
        worker = self._worker
        bounds = await patiently(worker.clock, worker.storage.bounds, worker.bus)
        if reader.claimed >= (bounds.end if reader.until is None else min(bounds.end, reader.until)):
            return False
        worker.expect(subscription, worker.clock.time())
        await worker.resting.rest(subscription, partial(worker.clock.sleep, SHARE_EVERY))
        return True

    async def _join(self, subscription: str) -> None:
        worker = self._worker
        try:
            await patiently(worker.clock, worker.storage.join_live, subscription, within=JOIN_WITHIN)
        except UnknownSubscription:
            return  # removed meanwhile: the reader is gone with it
        await worker.refresh()

    async def _watch(self) -> None:
        worker = self._worker
        await patiently(
            worker.clock,
            worker.storage.watch,
            worker.bus,
            end=self._seen_end,
            version=worker.table.version,
            timeout=worker.session.ttl / 2,
        )
