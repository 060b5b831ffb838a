"""Idle: when everything that was in a bus's log has come to its end, and how much is held back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import frozen

from eventroute.errors import DamagedEvent
from eventroute.routing import Table
from eventroute.storage.base import Claim, Reader, Storage

__all__ = ["IdleWatch"]

PAGE = 1_000
PAGE_BYTES = 4 * 1_048_576
"""Bounds of one read of the log while counting what is held back."""


@frozen(eq=False)
class IdleWatch:
    """Tells when every event of a bus below `end` is delivered, dead-lettered or expired, for each subscription.

    What is held (paused, without a sink that this process can reach, or behind a dead letter that holds its key) is not
    waited for, but counted.
    """

    storage: Storage
    bus: str
    end: int
    table: Table
    held: Callable[[str], bool]
    """Whether a subscription is held."""

    async def wait(self, moved: Callable[[], Awaitable[None]]) -> int:
        """Wait until it is idle; `moved` waits for progress, or a while. Returns how many deliveries are held."""
        while True:
            held = await self._held_if_idle()
            if held is not None:
                return held
            await moved()

    async def _held_if_idle(self) -> int | None:
        # Readers first: a delivery goes from a reader's claim to the waiting ones, never back.
        readers = await self.storage.readers(self.bus)
        behind = [reader for reader in readers if reader.position < self._goal(reader)]
        moving = [reader for reader in behind if reader.subscription is None or not self.held(reader.subscription)]
        if moving and not await self._all_stuck({reader.subscription for reader in moving}):
            return None
        count = 0
        for summary in await self.storage.waiting(self.bus, before=self.end):
            if summary.stuck < summary.count and not self.held(summary.subscription):
                return None
            count += summary.count
        for reader in behind:
            count += await self._unread(reader)
        return count

    async def _all_stuck(self, subscriptions: set[str | None]) -> bool:
        """Whether as many deliveries wait for each as it may have, none of which goes on until somebody acts."""
        full = set()
        for summary in await self.storage.waiting(self.bus):
            route = self.table.route(summary.subscription)
            if route is not None and summary.stuck == summary.count >= route.policy.max_waiting:
                full.add(summary.subscription)
        return subscriptions <= full

    def _goal(self, reader: Reader) -> int:
        return self.end if reader.until is None else min(self.end, reader.until)

    async def _unread(self, reader: Reader) -> int:
        """How many deliveries a held reader has before it."""
        goal = self._goal(reader)
        claim = Claim(self.bus, reader.name, reader.position, goal, 0, "")
        start, count = reader.position, 0
        while start < goal and not self.table.matcher(claim).empty:
            try:
                records = await self.storage.read(self.bus, start, goal, limit=PAGE, max_bytes=PAGE_BYTES)
            except DamagedEvent as error:
                count += len(self.table.matcher(claim).served(error.offset))
                start = error.offset + 1
                continue
            if not records:
                break
            matcher = self.table.matcher(claim)
            count += sum(len(matcher(record.offset, record.event)) for record in records)
            start = records[-1].offset + 1
        return count
