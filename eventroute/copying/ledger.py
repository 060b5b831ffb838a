"""What is owed on a bus, placed in the target and compared: subscriptions, what waits, dead letters, delayed events.

Every subscription is placed as paused, and let go when all else is there.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import TypeVar
from uuid import uuid4

import anyio
from attrs import define, evolve

from eventroute.copying.log import identity
from eventroute.copying.offsets import Offsets
from eventroute.copying.places import BEING_COPIED, Place, Progress
from eventroute.copying.rows import PAGE, alike, count, in_batches, letters, timers, waiting
from eventroute.copying.state import State, essence, moved, read_state
from eventroute.storage.base import Bury, DeadLetter, Delayed, Entry, Reader, StoredSubscription, Timer, Wait, Waiting
from eventroute.storage.transfer import Placed

__all__ = ["Counts", "LedgerCopy"]

Row = TypeVar("Row")
Write = Callable[[Sequence[Entry]], Awaitable[None]]

Counts = tuple[int, int, int]
"""How many deliveries wait, how many dead letters and how many timers there are."""

LEASE = 5.0
"""The lease under which rows are written, in seconds; it is renewed with each write, and soon over after a kill."""


@define
class LedgerCopy:
    """Between two places, whose logs are the same."""

    source: Place
    target: Place
    state: State
    offsets: Offsets
    progress: Progress

    # -- making ----------------------------------------------------------------------------------------------------

    async def make(self) -> None:
        """Place all there is, in a target that has at most what an earlier copy left."""
        await self._clear()
        async with self._writing() as write:
            await self._bury_for_the_removed(write)
            await self._place()
            async with aclosing(in_batches(letters(self.source))) as batches:
                async for batch in batches:
                    await write([self._buried(letter) for letter in batch if self._is_current(letter)])
            async with aclosing(in_batches(waiting(self.source))) as rows:
                async for some in rows:
                    await write([Wait(evolve(one, offset=self.offsets(one.offset)), held=False) for one in some])
        await self._delay()

    async def _clear(self) -> None:
        """Take away what an earlier copy left, but for the log."""
        storage, bus = self.target.storage, self.target.bus
        for stored in (await storage.changes(bus, 0)).subscriptions:
            await storage.remove_subscription(stored.id)
        while left := await storage.dead_letters(bus, limit=PAGE):
            await storage.purge(bus, [(letter.subscription, letter.offset) for letter in left])
        while delayed := await storage.timers(bus, limit=PAGE):
            for timer in delayed:
                await storage.cancel_timer(bus, timer.id)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[Write]:
        """A way to write entries, under a lease."""
        storage = self.target.storage
        session = await storage.open_session(LEASE)

        async def write(entries: Sequence[Entry]) -> None:
            await storage.extend_session(session)
            await storage.write(self.target.bus, session, entries)

        try:
            yield write
        finally:
            with anyio.CancelScope(shield=True):
                await storage.close_session(session)

    async def _bury_for_the_removed(self, write: Write) -> None:
        """Dead letters of subscriptions that are gone, or were others of the same id: they get there while one of that
        id is, which then goes.
        """
        storage, bus = self.target.storage, self.target.bus
        end = (await storage.bounds(bus)).end
        async with aclosing(in_batches(letters(self.source))) as batches:
            async for batch in batches:
                removed = [letter for letter in batch if not self._is_current(letter)]
                for name in dict.fromkeys(letter.subscription for letter in removed):
                    former = StoredSubscription(name, bus, b"", 1, BEING_COPIED, "former")
                    reader = Reader(bus, "former", end, end, None, name)
                    await storage.place_subscription(bus, Placed(former, (), (reader,)))
                    await write([self._buried(letter) for letter in removed if letter.subscription == name])
                    await storage.remove_subscription(name)

    async def _place(self) -> None:
        total = len(self.state.placed)
        for number, placed in enumerate(self.state.placed.values(), 1):
            # Resuming one that says since when it was paused would make its deliveries younger.
            since = None if placed.stored.paused is None else placed.stored.paused_at
            stored = evolve(placed.stored, paused=BEING_COPIED, paused_at=since)
            await self.target.storage.place_subscription(
                self.target.bus, evolve(moved(placed, self.offsets), stored=stored)
            )
            self.progress("copying subscriptions", number, total)

    def _is_current(self, letter: DeadLetter) -> bool:
        """Whether its subscription is there, and no other one of the same id."""
        placed = self.state.placed.get(letter.subscription)
        return placed is not None and placed.stored.born == letter.born

    def _buried(self, letter: DeadLetter) -> Bury:
        return Bury(evolve(letter, offset=self.offsets(letter.offset)))

    async def _delay(self) -> None:
        """Make the timers, in the order in which they fire. Each batch is told to be done by the next one."""
        storage, done = self.target.storage, list[str]()
        async with aclosing(in_batches(timers(self.source))) as batches:
            async for batch in batches:
                delayed = [Delayed(timer.due, timer.event, identity(timer.event)) for timer in batch]
                append_id = str(uuid4())
                await storage.append(self.target.bus, [], append_id=append_id, acknowledged=done, delayed=delayed)
                done = [append_id]

    # -- comparing -------------------------------------------------------------------------------------------------

    async def compare(self, *, finishing: bool) -> Counts:
        """Read what is in the target, and how much there is. Raises StorageError where it is not what it should be.

        `finishing`: a call before has compared it, and let some of it go, which may have been delivered meanwhile.
        """
        there = await read_state(self.target.storage, self.target.bus)
        for name, placed in self.state.placed.items():
            copy = there.placed.get(name)
            if copy is None or not (finishing or copy.stored.paused == BEING_COPIED):
                raise self.target.differs(f"the subscription {name!r} is missing, or was resumed")
            if copy.stored.paused == BEING_COPIED and essence(copy) != essence(moved(placed, self.offsets)):
                raise self.target.differs(f"the subscription {name!r} is not where it should be")
        if finishing:
            rows = waiting(self.source), letters(self.source), timers(self.source)
            return await count(rows[0]), await count(rows[1]), await count(rows[2])
        return (
            await self._alike("waiting deliveries", waiting, self._same_waiting),
            await self._alike("dead letters", letters, partial(self._same_letter, there)),
            await self._alike("delayed events", timers, _same_timer),
        )

    async def _alike(
        self,
        what: str,
        rows: Callable[[Place], AsyncGenerator[Row, None]],
        same: Callable[[Row, Row], bool],
    ) -> int:
        number, all_of_them = await alike(rows(self.source), rows(self.target), same)
        if not all_of_them:
            raise self.target.differs(f"the {what} are not the same from number {number + 1} on")
        return number

    def _same_waiting(self, ours: Waiting, copy: Waiting) -> bool:
        return evolve(ours, offset=self.offsets(ours.offset)) == copy

    def _same_letter(self, there: State, ours: DeadLetter, copy: DeadLetter) -> bool:
        placed = there.placed.get(copy.subscription)
        current = placed is not None and placed.stored.born == copy.born
        return evolve(ours, offset=self.offsets(ours.offset)) == copy and current == self._is_current(ours)

    # -- letting go ------------------------------------------------------------------------------------------------

    async def release(self) -> None:
        """Let each subscription go that is paused for being copied, unless it is paused in the source."""
        storage, bus = self.target.storage, self.target.bus
        for stored in sorted((await storage.changes(bus, 0)).subscriptions, key=lambda stored: stored.id):
            if stored.paused != BEING_COPIED:
                continue
            reason = self.state.placed[stored.id].stored.paused
            if reason is not None:
                await storage.pause_subscription(stored.id, reason)
                continue
            await storage.resume_subscription(stored.id)
            if stored.id in self.state.live:
                await storage.join_live(stored.id, within=0)


def _same_timer(ours: Timer, copy: Timer) -> bool:
    return (ours.due, ours.event) == (copy.due, copy.event)
