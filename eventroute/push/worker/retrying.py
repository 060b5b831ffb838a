"""Retrying: one task brings waiting deliveries back into their lanes when they are due."""

from __future__ import annotations

from eventroute.errors import DamagedEvent
from eventroute.push.delivery import Delivery
from eventroute.push.lane import Lane
from eventroute.push.patience import patiently
from eventroute.push.worker.unread import bury_unread
from eventroute.push.worker.worker import Worker
from eventroute.storage.base import Waiting

__all__ = ["Retrying"]

FETCH = 100
"""The most waiting deliveries of one subscription that are claimed at once."""

SURVEY_EVERY = 1.0
"""How often the waiting deliveries are counted, in seconds; other processes may have written some."""

SURVEY_SHARE = 0.02
"""The most of the time that counting may take: where it is slow it is done less often."""

SURVEY_LATEST = 30.0
"""The longest time between two counts, in seconds: one that took long because the storage failed says nothing."""

LEAST_WAIT = 0.001
"""The shortest wait for a lane that is stopped, in seconds: the wall clock tells no finer times apart for certain."""

READ_BYTES = 4 * 1_048_576


class Retrying:
    """Wakes when a delivery is due, claims a few for each subscription that has room, and offers them to its lane."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._next_survey = 0.0

    async def run(self) -> None:
        """Run until cancelled; what was claimed and not yet offered is freed with the session."""
        worker, clock = self._worker, self._worker.clock
        while True:
            if worker.resurvey or clock.monotonic() >= self._next_survey:
                await self._survey()
            now = clock.time()
            for subscription in [one for one, due in worker.due_times.items() if due <= now]:
                if (
                    worker.due_times.pop(subscription, None) is not None
                ):  # else it was removed while others were looked for
                    await self._bring(subscription)
            upcoming = min(worker.due_times.values(), default=float("inf")) - clock.time()
            wait = min(upcoming, self._next_survey - clock.monotonic())
            with clock.move_on_after(max(wait, 0.0)):
                await worker.due.wait()

    async def _survey(self) -> None:
        worker, clock = self._worker, self._worker.clock
        worker.resurvey = False
        began = clock.monotonic()
        await worker.outages.look()
        await worker.senders.look(worker.lanes.values())
        summaries = await patiently(clock, worker.storage.waiting, worker.bus)
        for subscription in worker.counting.difference(summary.subscription for summary in summaries):
            worker.recount(worker.lanes[subscription], 0)
        for summary in summaries:
            lane = worker.lane(summary.subscription)
            if lane is None:
                continue
            worker.recount(lane, summary.count)
            if summary.next_due is not None and not lane.held:
                worker.expect(summary.subscription, summary.next_due)
        for subscription in [name for name, lane in worker.lanes.items() if lane.turns and lane.turns.away]:
            await worker.learn(subscription)
        now = clock.monotonic()
        self._next_survey = now + max(SURVEY_EVERY, min((now - began) / SURVEY_SHARE, SURVEY_LATEST))

    async def _bring(self, subscription: str) -> None:
        worker, clock = self._worker, self._worker.clock
        lane = worker.lane(subscription)
        if lane is None or lane.held or worker.stopping:
            return
        lane.start()
        if not lane.ready:
            worker.expect(subscription, clock.time() + max(lane.held_until - clock.monotonic(), LEAST_WAIT))
            return
        limit = min(lane.row_room, FETCH)
        if limit <= 0:
            worker.resting.starved.add(subscription)
            return
        known = frozenset() if lane.turns is None else lane.turns.known()
        rows = await patiently(
            clock,
            worker.storage.claim_waiting,
            worker.bus,
            subscription,
            worker.session,
            now=clock.time(),
            limit=limit,
            known=worker.table.version,
        )
        if len(rows) == limit:
            worker.expect(subscription, clock.time())
        elif not rows and lane.turns is not None:
            lane.turns.look = False
        await self._offer(lane, rows, known)

    async def _offer(self, lane: Lane, rows: list[Waiting], known: frozenset[int]) -> None:
        events = await self._events(rows)
        if rows and self._worker.lanes.get(rows[0].subscription) is not lane:
            return  # it is gone, and its rows with it; perhaps another one has its id now
        for row in rows:
            raw = events.get(row.offset)
            if not isinstance(raw, bytes):
                bury_unread(self._worker, row.subscription, row.offset, row.attempts, raw)
                lane.waiting -= 1
                continue
            delivery = Delivery(
                row.subscription,
                row.offset,
                raw,
                attempts=row.attempts,
                first_attempt=row.first_attempt,
                copied=row.event is not None,
                recorded=True,
                key=row.key,
                keyed=row.key is not None,
            )
            if not self._worker.take_back(lane, delivery, row, known):
                self._worker.resting.starved.add(row.subscription)

    async def _events(self, rows: list[Waiting]) -> dict[int, bytes | DamagedEvent]:
        """The events of waiting deliveries, by offset: their own copy, else from the log, run by run of offsets."""
        worker = self._worker
        events: dict[int, bytes | DamagedEvent] = {row.offset: row.event for row in rows if row.event is not None}
        wanted = sorted(row.offset for row in rows if row.event is None)
        while wanted:
            first = wanted[0]
            last = first
            for offset in wanted[1:]:
                if offset > last + 1:
                    break
                last = offset
            try:
                records = await patiently(
                    worker.clock,
                    worker.storage.read,
                    worker.bus,
                    first,
                    last + 1,
                    limit=len(rows),
                    max_bytes=READ_BYTES,
                )
            except DamagedEvent as error:
                events[error.offset] = error
                read_to = error.offset
            else:
                events.update((record.offset, record.event) for record in records)
                read_to = records[-1].offset if records else last
            wanted = [offset for offset in wanted if offset > read_to]
        return events
