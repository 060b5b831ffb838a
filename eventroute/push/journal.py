"""The journal: ledger entries are collected in order, written in batches, and none let go before it is durable."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice

import anyio

from eventroute.clock import Clock
from eventroute.push.bell import Bell
from eventroute.push.patience import patiently
from eventroute.storage.base import Entry, Session, Storage

__all__ = ["Journal"]

BATCH = 1_000
"""The most entries in one write."""

LIMIT = 10_000
"""At this many unwritten entries no new attempt begins."""


class Journal:
    """Writes the entries of one worker, for one bus, in the order in which they were added."""

    def __init__(
        self, storage: Storage, bus: str, session: Session, clock: Clock, written: Callable[[list[Entry]], None]
    ) -> None:
        self.done = anyio.Event()
        """Set once everything has been written after `close`."""
        self._storage = storage
        self._bus = bus
        self._session = session
        self._clock = clock
        self._written = written
        self._entries: deque[Entry] = deque()
        self._added = Bell()
        self._closing = False

    @property
    def full(self) -> bool:
        """Whether the storage is so far behind that no new attempt should begin."""
        return len(self._entries) >= LIMIT

    def add(self, entry: Entry) -> None:
        """Have an entry written, after all that were added before it."""
        self._entries.append(entry)
        self._added.ring()

    def close(self) -> None:
        """Let `run` return once everything has been written."""
        self._closing = True
        self._added.ring()

    async def run(self) -> None:
        """Write until closed. Raises LeaseLost; other failures of the storage are waited out."""
        while True:
            while self._entries:
                batch = list(islice(self._entries, BATCH))
                # A repeat of the same write has no further effect, so it may be tried until it succeeds.
                await patiently(self._clock, self._storage.write, self._bus, self._session, batch)
                for _ in batch:
                    self._entries.popleft()
                self._written(batch)
            if self._closing:
                self.done.set()
                return
            await self._added.wait()
