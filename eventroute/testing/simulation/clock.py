"""Simulated time: the wall clock may jump and be askew, the monotonic one is that of the loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any

import anyio
from attrs import define

__all__ = ["SimulatedClock", "Wall"]


@define
class Wall:
    """What the wall clocks of all processes show when the loop's time is 0, in seconds since the epoch."""

    start: float = 1_700_000_000.0
    timer: Callable[[], float] = float
    """The time of the loop, once that runs; 0 until then."""


class SimulatedClock:
    """A `Clock` over the time of the running loop, which is virtual; `skew` is how far its wall clock is off."""

    def __init__(self, wall: Wall, skew: float = 0.0) -> None:
        self._wall = wall
        self._skew = skew

    def time(self) -> float:
        """The wall clock, to the microsecond."""
        return round(self._wall.start + self._skew + self._wall.timer(), 6)

    def monotonic(self) -> float:
        """The loop's time."""
        return self._wall.timer()

    def sleep(self, seconds: float) -> Coroutine[Any, Any, None]:
        """Wait on the loop."""
        return anyio.sleep(max(0.0, seconds))

    def move_on_after(self, seconds: float) -> AbstractContextManager[anyio.CancelScope]:
        """A scope with a deadline."""
        return anyio.move_on_after(seconds)
