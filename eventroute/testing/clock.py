"""Virtual time: nothing waits, time moves only when a test moves it."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import anyio
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

__all__ = ["VirtualClock"]

_Alarm = tuple[float, int, anyio.Event | anyio.CancelScope]


class VirtualClock:
    """A `Clock` whose time stands still until `advance` moves it. For one event loop, asyncio or trio."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._wall = start
        self._elapsed = 0.0
        self._serial = itertools.count()
        self._alarms: list[_Alarm] = []

    def time(self) -> float:
        """The virtual wall clock, in seconds since the epoch."""
        return self._wall

    def monotonic(self) -> float:
        """Virtual seconds since the clock was made."""
        return self._elapsed

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or (negative) back, as a clock correction does; nothing falls due by it."""
        self._wall += seconds

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has moved time that far; 0 or less only lets other tasks run."""
        if seconds <= 0:
            await checkpoint()
            return
        rung = anyio.Event()
        self._alarm(seconds, rung)
        await rung.wait()

    def move_on_after(self, seconds: float) -> AbstractContextManager[anyio.CancelScope]:
        """A scope that is cancelled once `advance` has moved time that far."""
        return self._scope(seconds)

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass: each alarm rings at its own time, and all tasks run until they wait again."""
        end = self._elapsed + seconds
        await wait_all_tasks_blocked()
        while self._alarms and self._alarms[0][0] <= end:
            at, _, alarm = heapq.heappop(self._alarms)
            self._move_to(at)
            if isinstance(alarm, anyio.Event):
                alarm.set()
            else:
                alarm.cancel()
            await wait_all_tasks_blocked()
        self._move_to(end)

    def _move_to(self, elapsed: float) -> None:
        self._wall += elapsed - self._elapsed
        self._elapsed = elapsed

    def _alarm(self, seconds: float, alarm: anyio.Event | anyio.CancelScope) -> _Alarm:
        entry: _Alarm = (self._elapsed + max(0.0, seconds), next(self._serial), alarm)
        heapq.heappush(self._alarms, entry)
        return entry

    @contextmanager
    def _scope(self, seconds: float) -> Iterator[anyio.CancelScope]:
        with anyio.CancelScope() as scope:
            entry = self._alarm(seconds, scope)
            try:
                yield scope
            finally:
                if entry in self._alarms:
                    self._alarms.remove(entry)
                    heapq.heapify(self._alarms)
