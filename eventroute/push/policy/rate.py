"""Rates: how many events a second, and the bucket of tokens that holds to it without drift."""

from __future__ import annotations

import math
from fractions import Fraction

from attrs import evolve, field, frozen

from eventroute.errors import InvalidSubscription
from eventroute.push.policy.settings import count, number, optional

__all__ = ["Rate", "TokenBucket"]

LEAST, MOST = 0.000_1, 1_000_000.0
_SECOND = 1_000_000_000


@frozen
class Rate:
    """At most `burst` events at once, and `events` a second in the long run: never more than
    `burst + events * seconds` within any span of time.
    """

    events: float = field(validator=number(LEAST, MOST, "rate"))
    """Events a second: 0.0001 to 1,000,000."""
    burst: int | None = field(default=None, validator=optional(count(1, 1_000_000, "rate")))
    """Events at once, after a pause: 1 to 1,000,000. None: 1, or as many as a batch has, where there are batches."""

    @property
    def at_once(self) -> int:
        """How many events may go at once."""
        return 1 if self.burst is None else self.burst

    def in_batches(self, events: int) -> Rate:
        """The same rate for batches of so many events."""
        return evolve(self, burst=events) if self.burst is None else self

    @classmethod
    def per_minute(cls, requests: int) -> Rate:
        """As many requests a minute, spread evenly; rounded down, so that no minute has one too many."""
        return cls(min(max(math.floor(requests * _SECOND / 60) / _SECOND, LEAST), MOST))


class TokenBucket:
    """A bucket of `rate.at_once` tokens that fills by `rate.events` a second; full at the beginning.

    It remembers one number, the time at which it will be full again (the generic cell rate algorithm), as a whole
    number of units so small that nothing is ever rounded. Times are those of a clock that never goes back, in seconds.
    """

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        exact = Fraction(str(rate.events))
        self._units = exact.numerator
        """Units in a nanosecond."""
        self._token = exact.denominator * _SECOND
        """Units that it takes to gain a token."""
        self._full: int | None = None

    def wait(self, now: float, tokens: int = 1) -> float:
        """For how many seconds from `now` there are not so many tokens yet; 0 where there are. `tokens` is at most
        `rate.at_once`.
        """
        if not 1 <= tokens <= self.rate.at_once:
            raise InvalidSubscription(f"{tokens} tokens are not 1 to {self.rate.at_once}", where="rate.burst")
        if self._full is None:
            return 0.0
        short = self._full - (self.rate.at_once - tokens) * self._token - self._at(now)
        return math.ceil(Fraction(short, self._units)) / _SECOND if short > 0 else 0.0

    def empty(self, now: float) -> None:
        """Have no tokens at that time."""
        self.lack(now, self.rate.at_once)

    def lack(self, now: float, tokens: int) -> None:
        """Have so many tokens less than all at that time, or none."""
        full = self._at(now) + min(tokens, self.rate.at_once) * self._token
        self._full = full if self._full is None else max(self._full, full)

    def lacking(self, now: float) -> int:
        """How many tokens are not there; of one that is only in part there, none is."""
        short = 0 if self._full is None else max(self._full - self._at(now), 0)
        return -(-short // self._token)

    def take(self, now: float, tokens: int = 1) -> bool:
        """Take tokens, all or none; whether they were there."""
        if self.wait(now, tokens) > 0:
            return False
        at = self._at(now)
        self._full = max(at, at if self._full is None else self._full) + tokens * self._token
        return True

    def _at(self, now: float) -> int:
        return math.floor(now * _SECOND) * self._units
