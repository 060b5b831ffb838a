"""What hooks are told of attempts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from eventroute.hooks import Attempted, DeadLettered, Settled
from eventroute.push.delivery import Delivery
from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.storage.base import DeadLetter

__all__ = ["attempted", "buried"]

_WORDS: Final[dict[type[Outcome], Literal["delivered", "retry", "rejected"]]] = {
    Delivered: "delivered",
    RetryLater: "retry",
    Rejected: "rejected",
}


def attempted(bus: str, deliveries: Sequence[Delivery], outcome: Outcome, now: float) -> Iterator[Attempted | Settled]:
    """What an attempt that has ended at `now` came to, for each event that it sent."""
    delivered = isinstance(outcome, Delivered)
    for one in deliveries:
        yield Attempted(
            bus=bus,
            subscription=one.subscription,
            offset=one.offset,
            attempt=one.attempts,
            outcome=_WORDS[type(outcome)],
            reason="" if isinstance(outcome, Delivered) else outcome.reason,
            error="" if isinstance(outcome, Delivered) else outcome.error,
            began=one.began,
            seconds=max(now - one.began, 0.0),
            event=one.raw,
        )
        if delivered:
            yield Settled(bus, one.subscription, one.offset, one.attempts)


def buried(bus: str, letter: DeadLetter) -> DeadLettered:
    """A delivery was given up."""
    return DeadLettered(bus, letter.subscription, letter.offset, letter.attempts, letter.reason, letter.error)
