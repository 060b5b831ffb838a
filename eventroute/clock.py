"""Time, passed in: whoever needs the time or has to wait takes a `Clock`, so that a test can hand in virtual time."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Protocol

import anyio

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """What eventroute asks of time. All durations are in seconds."""

    def time(self) -> float:
        """The wall clock: seconds since 1970-01-01T00:00:00Z. It may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; 0 or less only lets other tasks run."""
        ...

    def move_on_after(self, seconds: float) -> AbstractContextManager[anyio.CancelScope]:
        """A scope that is cancelled once `seconds` have passed; its `cancelled_caught` tells whether it was."""
        ...


class SystemClock:
    """The clock of the machine."""

    def time(self) -> float:
        """Seconds since the epoch, by the system's wall clock."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds of the system's monotonic clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the running event loop."""
        await anyio.sleep(max(0.0, seconds))

    def move_on_after(self, seconds: float) -> AbstractContextManager[anyio.CancelScope]:
        """A cancel scope with a deadline on the running event loop."""
        return anyio.move_on_after(seconds)
