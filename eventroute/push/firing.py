"""Firing: one task a bus appends delayed events to the log when they are due."""

from __future__ import annotations

from anyio.lowlevel import checkpoint

from eventroute.clock import Clock
from eventroute.push.bell import Bell
from eventroute.push.patience import patiently
from eventroute.storage.base import Storage

__all__ = ["Firing"]

FIRE = 200
"""The most timers that are fired in one change."""

LOOK_EVERY = 1.0
"""How often the wall clock and the timers are looked at, in seconds: the clock may jump, and other processes make
timers."""

LEAST_WAIT = 0.001
"""The shortest wait, in seconds: the wall clock tells no finer times apart for certain."""


class Firing:
    """Fires the timers of one bus, overdue ones at once. Several processes may do so: each timer fires once."""

    def __init__(self, storage: Storage, bus: str, clock: Clock) -> None:
        self._storage = storage
        self._bus = bus
        self._clock = clock
        self._put = Bell()

    def look(self) -> None:
        """A timer may have been made: look at once."""
        self._put.ring()

    async def run(self) -> None:
        """Run until cancelled."""
        clock = self._clock
        while True:
            due = await patiently(clock, self._storage.next_timer, self._bus)
            while due is not None and due <= clock.time():
                await checkpoint()
                fired = await patiently(clock, self._storage.fire_timers, self._bus, now=clock.time(), limit=FIRE)
                due = fired.next_due
            # The wait is bounded, since it goes by another clock than the one that tells what is due.
            wait = LOOK_EVERY if due is None else min(max(due - clock.time(), LEAST_WAIT), LOOK_EVERY)
            with clock.move_on_after(wait):
                await self._put.wait()
