"""The circuit breaker: after failures in a row it stops a lane, and lets one attempt probe after a growing delay."""

from __future__ import annotations

from attrs import define, field, frozen

from eventroute.errors import InvalidSubscription
from eventroute.push.backoff import Backoff

__all__ = ["Breaker", "Circuit"]


def _check_failures(_instance: object, _attribute: object, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1_000_000:
        raise InvalidSubscription(f"{value!r} is not a whole number from 1 to 1000000", where="breaker.failures")


@frozen
class Breaker:
    """When a lane stops trying, and how long it waits before it probes.

    It opens after `failures` failed attempts in a row. One attempt is made after `delay.first` seconds, and while it
    fails the delay doubles, up to `delay.limit`. A success, or any answer that is final, closes it.
    """

    failures: int = field(default=10, validator=_check_failures)
    delay: Backoff = field(factory=lambda: Backoff(first=1.0, limit=60.0))


@define(eq=False)
class Circuit:
    """The state of one lane's breaker, in this process. Times are wall clock seconds."""

    failures: int = 0
    """Failed attempts in a row."""
    opened: float | None = None
    """When the present or last outage began."""
    closed: float | None = None
    """When it ended; None while it lasts."""
    trips: int = 0

    @property
    def is_open(self) -> bool:
        """Whether an outage lasts, so that at most one attempt probes."""
        return self.trips > 0

    def succeed(self, now: float) -> None:
        """The sink has answered."""
        self.failures = 0
        if self.is_open:
            self.trips = 0
            self.closed = now

    def fail(self, breaker: Breaker | None, now: float) -> float | None:
        """An attempt has failed. Returns for how many seconds the lane is to stop, or None."""
        self.failures += 1
        if breaker is None or self.failures < breaker.failures:
            return None
        if not self.is_open:
            self.opened, self.closed = now, None
        self.trips += 1
        return breaker.delay.ceiling(self.trips)

    def outage(self, since: float, now: float) -> float:
        """For how many seconds between `since` and `now` the present or last outage lasted."""
        if self.opened is None:
            return 0.0
        end = now if self.closed is None else min(self.closed, now)
        return max(0.0, end - max(self.opened, since))
