"""When the next attempt may begin: a lane's rate in events, and what its sink allows in requests."""

from __future__ import annotations

from eventroute.push.policy.rate import Rate, TokenBucket

__all__ = ["Pace"]

LEAST_WAIT = 0.001
"""The shortest wait, in seconds: a clock may tell no finer times apart."""


class Pace:
    """Two buckets, of which an attempt takes from both or from none."""

    def __init__(self) -> None:
        self._events: TokenBucket | None = None
        self._requests: TokenBucket | None = None
        self._empty_at: float | None = None

    def empty(self, now: float) -> None:
        """Have nothing to spend now: others may have spent it."""
        self._empty_at = now
        for bucket in (self._events, self._requests):
            if bucket is not None:
                bucket.empty(now)

    def follow(self, events: Rate | None, requests: Rate | None, now: float) -> None:
        """Go by these rates from now on: what was spent by the ones before is spent."""
        self._events = self._bucket(events, self._events, now)
        self._requests = self._bucket(requests, self._requests, now)

    @property
    def most(self) -> int | None:
        """The most events that may ever go at once; None: any number."""
        return None if self._events is None else self._events.rate.at_once

    def take(self, now: float, events: int) -> float:
        """Begin an attempt with so many events, or tell for how many seconds it has to wait.

        More than the burst can come only of a policy that has changed meanwhile, and count as the burst.
        """
        events = events if self.most is None else min(events, self.most)
        wait = max(
            0.0 if self._events is None else self._events.wait(now, events),
            0.0 if self._requests is None else self._requests.wait(now),
        )
        if wait > 0:
            return max(wait, LEAST_WAIT)
        if self._events is not None:
            self._events.take(now, events)
        if self._requests is not None:
            self._requests.take(now)
        return 0.0

    def _bucket(self, rate: Rate | None, before: TokenBucket | None, now: float) -> TokenBucket | None:
        if rate is None or (before is not None and before.rate == rate):
            return None if rate is None else before
        bucket = TokenBucket(rate)
        if self._empty_at is not None:
            bucket.empty(self._empty_at)
        if before is not None:
            bucket.lack(now, before.lacking(now))
        return bucket
