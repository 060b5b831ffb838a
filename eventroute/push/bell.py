"""A bell: whoever waits is woken when it rings; a ring that nobody hears is kept for the next who waits."""

from __future__ import annotations

import anyio

__all__ = ["Bell"]


class Bell:
    """A wake-up for one task of one event loop. Many rings before a wait are one; a ring costs next to nothing."""

    __slots__ = ("_rung", "_waiter")

    def __init__(self) -> None:
        self._rung = False
        self._waiter: anyio.Event | None = None

    def ring(self) -> None:
        """Wake the waiter, or let the next wait return at once."""
        if self._waiter is None:
            self._rung = True
        else:
            self._waiter.set()

    async def wait(self) -> None:
        """Wait for a ring, and take it."""
        if not self._rung:
            self._waiter = anyio.Event()
            try:
                await self._waiter.wait()
            finally:
                self._rung = self._waiter.is_set()  # where the wait was cancelled, the ring is kept
                self._waiter = None
        self._rung = False
