"""A bell: whoever waits is woken when it rings; a ring that nobody hears is kept for the next who waits."""

from __future__ import annotations

import anyio

__all__ = ["Bell"]


class Bell:
    """A wake-up for one task of one event loop, cheaper than a stream: many rings before a wait are one."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = anyio.Event()

    def ring(self) -> None:
        """Wake the waiter, or let the next wait return at once."""
        self._event.set()

    async def wait(self) -> None:
        """Wait for a ring, and take it."""
        await self._event.wait()
        self._event = anyio.Event()
