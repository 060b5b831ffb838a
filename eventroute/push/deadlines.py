"""Deadlines of attempts: one task watches over all, since a scope and a timer each would cost more than the rest."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import ContextVar, Token
from functools import partial

import anyio
from attrs import define

from eventroute.clock import Clock
from eventroute.push.bell import Bell

__all__ = ["Deadlines", "Extend", "Watched", "extending"]


@define(eq=False)
class Watched:
    """A worker task's scope, and until when its present attempt may last (monotonic time; infinite between them)."""

    scope: anyio.CancelScope
    deadline: float = math.inf
    leased: bool = False
    """Whether it ends with the lease, too."""
    lapsed: bool = False
    """Whether that was why it was cut off."""
    before: Token[tuple[Deadlines, Watched]] | None = None
    """Brings back what watched over attempts of the task before it."""


Extend = Callable[[float], None]
"""Gives the attempt under way so many seconds from now on."""


def extending() -> Extend:
    """For a sink, called in an attempt: what moves the deadline of that attempt, while it is under way."""
    deadlines, watched = _attempt.get()
    return partial(deadlines.set, watched)


class Deadlines:
    """Cancels the scope of each attempt that outlasts its deadline."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._watched: dict[Watched, None] = {}
        self._next = math.inf
        self._earlier = Bell()
        self.lease_until = math.inf
        """Until when others cannot have taken over, for certain."""

    @property
    def lapsed(self) -> bool:
        """Whether others may have taken over."""
        return self._clock.monotonic() >= self.lease_until

    def watch(self, scope: anyio.CancelScope, *, leased: bool = False) -> Watched:
        """Begin to watch over the scope in which the running task makes attempts; `forget` ends it."""
        watched = Watched(scope, leased=leased)
        self._watched[watched] = None
        watched.before = _attempt.set((self, watched))  # once for all attempts of the scope
        return watched

    def forget(self, watched: Watched) -> None:
        """Watch no longer; called in the same task."""
        self._watched.pop(watched, None)
        if watched.before is not None:
            _attempt.reset(watched.before)
            watched.before = None

    def set(self, watched: Watched, seconds: float) -> None:
        """The attempt that begins, or is under way, may take so long from now on."""
        watched.deadline = self._clock.monotonic() + seconds
        ends = self._end_of(watched) if watched.leased else watched.deadline
        if ends < self._next:
            self._next = ends
            self._earlier.ring()

    def _end_of(self, watched: Watched) -> float:
        leased = watched.leased and watched.deadline < math.inf
        return min(watched.deadline, self.lease_until) if leased else watched.deadline

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            now = self._clock.monotonic()
            for watched in self._watched:
                if self._end_of(watched) <= now:
                    watched.lapsed = watched.deadline > now
                    watched.deadline = math.inf
                    watched.scope.cancel()
            self._next = min(map(self._end_of, self._watched), default=math.inf)
            if self._next == math.inf:
                await self._earlier.wait()
            else:
                with self._clock.move_on_after(self._next - now):
                    await self._earlier.wait()


_attempt: ContextVar[tuple[Deadlines, Watched]] = ContextVar("attempt")
