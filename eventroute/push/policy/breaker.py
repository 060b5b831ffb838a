"""The circuit breaker: after failures in a row it stops a lane, and lets one attempt probe after a growing delay."""

from __future__ import annotations

from typing import Final

from attrs import define, evolve, field, frozen

from eventroute.errors import InvalidSubscription
from eventroute.push.policy.backoff import Backoff
from eventroute.storage.base import BreakerState

__all__ = ["UNTROUBLED", "Breaker", "Circuit"]


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
    """The state of one lane's breaker. Times are wall clock seconds.

    What it has learnt is written down with each change of `serial`, so that neither the end of a process nor a lost
    lease forgets an outage: other processes, and those to come, go on from there.
    """

    subscription: str = ""
    failures: int = 0
    """Failed attempts in a row, as this process has seen them."""
    serial: int = 0
    """How often it has changed."""
    noted: int = 0
    """Up to which of these changes it is written down."""
    over: float = 0.0
    """How many seconds all outages that are over lasted together."""
    opened: float | None = None
    """When the present outage began; None: there is none."""
    trips: int = 0
    """How many times in the present outage it was decided to wait before the next attempt."""
    probe: float = 0.0
    """No attempt before this time, while there is an outage."""

    @property
    def is_open(self) -> bool:
        """Whether an outage lasts, so that at most one attempt probes."""
        return self.opened is not None

    def spared(self, now: float) -> float:
        """How many seconds of all the time up to `now` do not count towards any age, since there was an outage."""
        return self.over + (0.0 if self.opened is None else max(now - self.opened, 0.0))

    def succeed(self, now: float) -> None:
        """The sink has answered, or it is another one now."""
        self.failures = 0
        if self.is_open:
            self.over, self.opened = self.spared(now), None
            self.trips, self.probe = 0, 0.0
            self.serial += 1

    def fail(self, breaker: Breaker | None, now: float) -> float | None:
        """An attempt has failed. Returns for how many seconds the lane is to stop, or None."""
        self.failures += 1
        if breaker is None or (self.failures < breaker.failures and not self.is_open):
            return None
        if self.opened is None:
            self.opened = now
        self.trips += 1
        self.serial += 1
        wait = breaker.delay.ceiling(self.trips)
        self.probe = now + wait
        return wait

    def wait(self, breaker: Breaker | None, now: float) -> float:
        """For how many seconds the next attempt has to wait, by what was written down; 0 where there is no outage."""
        if breaker is None or not self.is_open:
            return 0.0
        return min(max(self.probe - now, 0.0), breaker.delay.limit)  # no longer, however the clock has jumped

    @property
    def state(self) -> BreakerState:
        """What is written down of it."""
        return BreakerState(self.subscription, self.serial, self.over, self.opened, self.trips, self.probe)

    def adopt(self, state: BreakerState, now: float) -> bool:
        """Go by what another process has written down, where that is later; whether it was.

        What was spared so far stays spared, also where the other one has seen the outage end earlier: else what began
        meanwhile would be as much older at once.
        """
        if state.serial < self.serial or evolve(state, number=0) == self.state:
            return False
        spared = self.spared(now)
        self.serial = self.noted = state.serial
        self.over, self.opened = state.spared, state.opened
        self.over += max(spared - self.spared(now), 0.0)
        self.trips, self.probe = state.trips, state.probe
        if not self.is_open:
            self.failures = 0
        return True


UNTROUBLED: Final = Circuit()
"""That of each lane whose sink has not failed yet, as most never do. It learns nothing; such a lane gets its own."""
