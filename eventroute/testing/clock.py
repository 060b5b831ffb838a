"""Virtual time: nothing waits, time moves only when a test moves it."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import anyio
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

__all__ = ["VirtualClock"]

QUIET_ROUNDS = 3

_Alarm = tuple[float, int, anyio.Event | anyio.CancelScope]


class VirtualClock:
    """A `Clock` whose time stands still until `advance` moves it. For one event loop, asyncio or trio.

    `advance` waits for the tasks of that loop alone: what threads, files and servers do takes real time, of which this
    clock knows nothing. Route through a storage on disk by the machine's own clock.
    """

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._start = start
        self._elapsed = 0.0
        self._serial = itertools.count()
        self._alarms: list[_Alarm] = []

    def time(self) -> float:
        """The virtual wall clock, in seconds since the epoch."""
        return self._start + self._elapsed

    def monotonic(self) -> float:
        """Virtual seconds since the clock was made."""
        return self._elapsed

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or (negative) back, as a clock correction does; nothing falls due by it."""
        self._start += seconds

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
        """Let `seconds` pass: each alarm rings at its own time, and all tasks run until they wait again.

        Several tasks may do so at once; the time is then moved as far as the furthest wants.
        """
        end = self._elapsed + seconds
        await _all_waiting()
        while self._alarms and self._alarms[0][0] <= end:
            at, _, alarm = heapq.heappop(self._alarms)
            self._elapsed = max(self._elapsed, at)
            if isinstance(alarm, anyio.Event):
                alarm.set()
            else:
                alarm.cancel()
            await _all_waiting()
        self._elapsed = max(self._elapsed, end)

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


async def _all_waiting() -> None:
    """Let the other tasks run until each of them waits for something."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        await wait_all_tasks_blocked()
        return
    # anyio's own way sleeps for 0.1 s of real time between two looks. A callback that is on its way to wake a task is
    # no task yet, hence several quiet rounds in a row.
    quiet = 0
    while quiet < QUIET_ROUNDS:
        await asyncio.sleep(0)
        quiet = quiet + 1 if _is_quiet(loop) else 0


def _is_quiet(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether every other task of the loop waits."""
    ready = getattr(loop, "_ready", None)  # what is to run next: asyncio's own loops have it, others need not
    if ready is not None:
        return not ready
    current = asyncio.current_task()
    return all(task is current or _waits(task) for task in asyncio.all_tasks())


def _waits(task: asyncio.Task[object]) -> bool:
    waiter = getattr(task, "_fut_waiter", None)
    return waiter is not None and not waiter.done()
