"""How fast a lane gets on, and so how much of what lies before it should be in its hands."""

from __future__ import annotations

import math

import msgspec

__all__ = ["Tempo"]

WINDOW = 0.1
"""A rate is believed after so many seconds with something to do ..."""

ENOUGH = 16
"""... or so many deliveries."""

AHEAD = 0.25
"""For how long a lane has work in memory, in seconds: what is beyond that another process could begin sooner."""

UNKNOWN = 8
"""How many deliveries a lane takes whose tempo is not known yet."""


SPAN = 10.0
"""For how long what was delivered counts as done lately, in seconds."""


class Tempo(msgspec.Struct, gc=False):  # of numbers only, and there are very many
    """Counts the attempts that end while the lane has something to do. Times are of a monotonic clock."""

    _rate: float | None = None
    _seen: float = 0.0
    _busy: float = 0.0
    _ended: int = 0
    _span: float = 0.0
    _delivered: int = 0
    """In the span that began then."""
    _before: int = 0
    """In the span before it."""

    def begin(self, now: float) -> None:
        """The lane had nothing to do, and has now."""
        self._seen = now

    def end(self, deliveries: int, now: float) -> bool:
        """So many deliveries of an attempt have come to their end; whether the tempo is known anew."""
        self._busy += now - self._seen
        self._seen = now
        self._ended += deliveries
        if self._busy < WINDOW and self._ended < ENOUGH:
            return False
        self._rate = self._ended / self._busy if self._busy > 0 else math.inf
        self._busy, self._ended = 0.0, 0
        return True

    def deliver(self, deliveries: int, now: float) -> None:
        """So many were delivered."""
        passed = now - self._span
        if passed >= SPAN:
            self._before = self._delivered if passed < 2 * SPAN else 0
            self._delivered, self._span = 0, now - passed % SPAN
        self._delivered += deliveries

    def lately(self, now: float) -> float:
        """How many a second were delivered in the last SPAN seconds, as if the span before had got its own evenly."""
        passed = now - self._span
        counted, before = (self._delivered, self._before) if passed < SPAN else (0, self._delivered)
        return (counted + before * max(SPAN - (passed if passed < SPAN else passed - SPAN), 0.0) / SPAN) / SPAN

    def soon(self, at_once: int, most: int) -> int:
        """How many deliveries the lane will begin before long, at most `most`; twice as many as it has `at_once` at the
        least, so that it never waits for more.
        """
        least = 2 * at_once
        if self._rate is None:
            return min(max(least, UNKNOWN), most)
        return math.ceil(min(max(least, self._rate * AHEAD), most))
