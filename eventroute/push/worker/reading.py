"""Reading: one task a reader claims ranges of the log, has them matched, and hands the deliveries to the lanes."""

from __future__ import annotations

import math
from functools import partial

from eventroute.errors import DamagedEvent, UnknownSubscription
from eventroute.hooks import Matched
from eventroute.push.delivery import Delivery, Range, Shared
from eventroute.push.lane.room import events_at_once
from eventroute.push.lane.tempo import AHEAD, Tempo
from eventroute.push.lane.turns import Turns
from eventroute.push.patience import patiently
from eventroute.push.replayed import marked
from eventroute.push.worker.recording import RECORD_AFTER
from eventroute.push.worker.unread import pass_over
from eventroute.push.worker.worker import Worker
from eventroute.storage.base import LIVE, Claim, Reader

__all__ = ["Reading"]

CLAIM = 1_000
"""The most offsets in one claim."""

FEW = 16
"""Up to so many subscriptions the shared reader takes no more than they have use for; of more, one always has some."""

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

SHARE_FIRST = 0.01
"""How soon to look for work where another process reads for a subscription that is in order, in seconds; then after
twice as long each time, up to `SHARE_EVERY`: what was read becomes rows for anybody within 50 ms.
"""

SHARE_EVERY = 0.1

NEWS_EVERY = 1.0
"""How often the shared reader looks for what has changed while no lane has use for more, in seconds."""

JOIN_WITHIN = 1_000
"""How many offsets behind the shared reader an own reader may be to hand over to it."""


class Reading:
    """Reads for one reader: `live`, or an own reader of one subscription, by the same code.

    An own reader waits for room in its lane; the shared one waits for no lane while another has use for more: what a
    lane has no room for goes to the ledger, and a subscription of which too much waits there leaves. Where no lane has,
    the log keeps it for workers whose lanes do.
    """

    def __init__(self, worker: Worker, reader: Reader) -> None:
        self.reader = reader.name
        self._worker = worker
        self._subscription = reader.subscription
        self._replays = reader.replayed_from is not None
        self._seen_end = 0
        self._vain = False
        """Whether there was nothing to claim when the log or the version was said to have changed."""
        self._joined = False
        """Whether the shared reader goes on where this one is to end."""
        self._yield = 1.0
        """Which part of the offsets is matched, of late."""
        self._dealt: tuple[Turns, int] | None = None
        """Up to where it was read in order here, and by which order keeper."""
        self._seen_to = 0
        """Up to where it was read in order here, or looked for what others that read left in the ledger."""
        self._news_at = 0.0
        """When to look for what has changed (monotonic), unless something is claimed before, which tells it, too."""
        self._share_pause = 0.0
        """How long it waited last for what another process reads; 0: none did."""

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
                last = self._seen_end <= claim.start and claim.end - claim.start < limit
                self._vain, self._seen_end = False, max(self._seen_end, claim.end)
                await self._take(claim)
                if last:
                    await self._came_to_the_end()
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
            return await self._shared_room()
        lane = self._worker.lane(self._subscription)
        if lane is None:
            return 0
        room = lane.replay_room if self._replays else lane.room
        room = min(room, lane.route.policy.max_waiting - lane.waiting - self._worker.ranges.pending(self.reader))
        left = lane.replay_left if self._replays else lane.left
        if room > 0 and left > 0:
            return min(room, self._offsets(left))
        await self._worker.resting.rest(self._subscription, lane.settled.wait)
        return 0

    async def _shared_room(self) -> int:
        """As `_room`, for the shared reader."""
        worker = self._worker
        served = worker.table.few(LIVE, FEW)
        if not served:
            return CLAIM
        portion = max(map(self._portion, served))
        if portion <= 0:
            with worker.clock.move_on_after(AHEAD):
                await worker.resting.rest(None, worker.resting.hungry.wait)
            await self._hear()
        return self._offsets(portion) if portion > 0 else 0

    async def _hear(self) -> None:
        """Bring the table up to date, now and then: who waits for lanes does not watch the log, and lanes that hang may
        be of subscriptions that are gone.
        """
        worker, now = self._worker, self._worker.clock.monotonic()
        if now >= self._news_at and not worker.stopping:
            self._news_at = now + NEWS_EVERY
            await worker.refresh()

    def _portion(self, subscription: str) -> int:
        """How much of the shared reader's a lane has use for; that of one that sends nothing now goes to the ledger."""
        lane, route = self._worker.lanes.get(subscription), self._worker.table.route(subscription)
        if lane is not None:
            return lane.left if lane.ready and not lane.circuit.is_open else CLAIM
        return CLAIM if route is None or route.held else Tempo().soon(events_at_once(route.policy), CLAIM)

    def _offsets(self, portion: int) -> int:
        """How many offsets to claim for so many deliveries."""
        return min(CLAIM, math.ceil(portion / max(self._yield, 1 / CLAIM)))

    async def _take(self, claim: Claim) -> None:
        worker = self._worker
        if claim.version > worker.table.version:
            await worker.refresh()
            if claim.version > worker.table.version:  # the worker has ended: the range goes to another with its lease
                return
        turns = self._turns
        if turns is not None and self._subscription is not None:
            await self._see_rows(turns, claim, self._subscription)
        now = worker.clock.monotonic()
        self._news_at = now + NEWS_EVERY
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
        self._dealt, self._seen_to = (turns, claim.end), claim.end

    async def _match(self, claimed: Range) -> None:
        worker, claim = self._worker, claimed.claim
        start, total = claim.start, 0
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
            matcher = worker.table.matcher(claim)
            found: list[Delivery] = []
            for offset, _, event in records:
                matched = matcher(offset, event)
                if len(matched) == 1:  # as most times
                    (one,) = matched
                    found.append(Delivery(one, offset, event, claimed))
                elif matched:
                    shared = Shared()
                    found += [Delivery(one, offset, event, claimed, shared=shared) for one in matched]
                if len(found) >= ENTER:
                    total += len(found)
                    self._enter(claimed, found, offset)
                    found = []
                    await worker.breathe()
                    matcher = worker.table.matcher(claim)  # the table may have changed at each await
            start = records[-1].offset + 1
            total += len(found)
            self._enter(claimed, found, start - 1)
        self._yield = (self._yield + min(total / (claim.end - claim.start), 1.0)) / 2
        if worker.hooks:
            worker.hooks.tell(Matched(worker.bus, claim.reader, claim.start, claim.end, total))

    def _enter(self, claimed: Range, found: list[Delivery], offset: int) -> None:
        """Bring what was matched up to an offset on its way."""
        worker = self._worker
        if self._replays:
            self._mark(found)
        worker.enter(claimed, found)
        if len(claimed.entries) >= NOTED and not claimed.in_order:
            worker.part(claimed, offset + 1)

    def _mark(self, found: list[Delivery]) -> None:
        """Have what a replay reads tell so, where the policy wants that: in a copy, which goes with its row, too."""
        route = None if self._subscription is None else self._worker.table.route(self._subscription)
        if route is not None and route.policy.mark_replays:
            for delivery in found:
                delivery.raw, delivery.copied = marked(delivery.raw, self.reader), True

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

    async def _came_to_the_end(self) -> None:
        """The log held no more when the last range was claimed: one more claim would most likely be in vain."""
        if self._subscription is None:
            self._vain = True
            await self._worker.resting.rest(None, self._watch)
        elif not self._joined:  # where there is always more to come, it is never without, and would read it all alone
            await self._join_calmly(self._subscription)

    async def _caught_up(self) -> bool:
        """Nothing to claim now: hand over to the shared reader, or wait. False: the reader is gone."""
        worker = self._worker
        if self._subscription is None and not self._vain:
            # What was claimed tells how far the log is known, the version too: a few calls less for each append.
            self._vain = True
            await worker.resting.rest(None, self._watch)
            return True
        await worker.refresh()  # else `watch` returns at once, again and again, since there is a newer version
        if self._subscription is not None:
            await self._join_calmly(self._subscription)
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
        end = bounds.end if reader.until is None else min(bounds.end, reader.until)
        others_read = reader.position < end and not worker.ranges.reads(self.reader)
        if others_read or reader.claimed > self._seen_to:
            worker.expect(subscription, worker.clock.time())
        if not others_read:
            self._seen_to, self._share_pause = reader.claimed, 0.0
            return False
        self._share_pause = min(max(2 * self._share_pause, SHARE_FIRST), SHARE_EVERY)
        await worker.resting.rest(subscription, partial(worker.clock.sleep, self._share_pause))
        return True

    async def _join_calmly(self, subscription: str) -> None:
        """Hand over to the shared reader, where the lane keeps up and nothing is in order."""
        worker = self._worker
        lane = worker.lane(subscription)
        if lane is None or not lane.calm or lane.turns is not None or self._replays:
            return
        try:
            join = worker.storage.join_live
            self._joined = await patiently(worker.clock, join, subscription, within=JOIN_WITHIN)
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
