"""A bell: whoever waits is woken when it rings; a ring that nobody hears is kept for the next who waits."""

from __future__ import annotations

import anyio

__all__ = ["Bell"]


class Bell:
    """A wake-up for tasks of one event loop. Many rings before a wait are one; a ring costs next to nothing."""

    __slots__ = ("_rung", "_waiters")

    def __init__(self) -> None:
        self._rung = False
        self._waiters: list[anyio.Event] | None = None  # there are very many bells for which nobody ever waits

    def ring(self) -> None:
        """Wake all who wait, or let the next wait return at once."""
        if not self._waiters:
            self._rung = True
            return
        for waiter in self._waiters:
            waiter.set()

    async def wait(self) -> None:
        """Wait for a ring, and take it."""
        if self._rung:
            self._rung = False
            return
        waiter = anyio.Event()
        if self._waiters is None:
            self._waiters = []
        self._waiters.append(waiter)
        heard = False
        try:
            await waiter.wait()
            heard = True
        finally:
            self._waiters.remove(waiter)
            if waiter.is_set() and not heard:  # cancelled as it rang: the ring is kept
                self._rung = True
