"""The journal: ledger entries are collected in order, written in batches, and none let go before it is durable."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import anyio

from eventroute.clock import Clock
from eventroute.push.bell import Bell
from eventroute.push.patience import patiently
from eventroute.push.worker.attempt import without
from eventroute.storage.base import Entry, Session, Storage

__all__ = ["Journal"]

BATCH = 1_000
"""The most entries in one write, unless more belong together."""

LIMIT = 10_000
"""At this many unwritten entries no new attempt begins."""


class Journal:
    """Writes the entries of one worker, for one bus, in the order in which they were added.

    `version` tells up to which version of the bus the worker knows the subscriptions: what is written is about no later
    ones.
    """

    def __init__(
        self,
        storage: Storage,
        bus: str,
        session: Session,
        clock: Clock,
        version: Callable[[], int],
        written: Callable[[list[Entry]], None],
    ) -> None:
        self.done = anyio.Event()
        """Set once everything has been written after `close`."""
        self._storage = storage
        self._bus = bus
        self._session = session
        self._clock = clock
        self._version = version
        self._written = written
        self._groups: deque[Sequence[Entry]] = deque()
        self._in_hand = 0
        self._number = 0
        self._count = 0
        self._added = Bell()
        self._closing = False

    @property
    def full(self) -> bool:
        """Whether the storage is so far behind that no new attempt should begin."""
        return self._count >= LIMIT

    def add(self, entry: Entry) -> None:
        """Have an entry written, after all that were added before it."""
        self.add_together((entry,))

    def add_together(self, entries: Sequence[Entry]) -> None:
        """Have entries written in one change, after all that were added before them."""
        self._groups.append(entries)
        self._count += len(entries)
        self._added.ring()

    def forget(self, subscription: str) -> None:
        """A subscription is gone, and another one may have its id by now: what is not being written of it already is
        not written any more.
        """
        groups, self._groups = self._groups, deque()
        for place, group in enumerate(groups):
            kept = group if place < self._in_hand else without(group, subscription)
            self._count -= len(group) - len(kept)
            self._groups.append(kept)

    def close(self) -> None:
        """Let `run` return once everything has been written."""
        self._closing = True
        self._added.ring()

    async def run(self) -> None:
        """Write until closed. Raises LeaseLost; other failures of the storage are waited out."""
        while True:
            while self._groups:
                self._in_hand, batch = self._next()
                self._number += 1
                # A repeat of a write under its number has no effect, so it may be tried until it succeeds.
                await patiently(
                    self._clock,
                    self._storage.write,
                    self._bus,
                    self._session,
                    batch,
                    known=self._version(),
                    number=self._number,
                )
                for _ in range(self._in_hand):
                    self._groups.popleft()
                self._in_hand = 0
                self._count -= len(batch)
                self._written(batch)
            if self._closing:
                self.done.set()
                return
            await self._added.wait()

    def _next(self) -> tuple[int, list[Entry]]:
        """How many groups go into the next write, and their entries."""
        batch: list[Entry] = []
        for count, group in enumerate(self._groups):
            if batch and len(batch) + len(group) > BATCH:
                return count, batch
            batch += group
        return len(self._groups), batch
