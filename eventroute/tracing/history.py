"""The latest attempts that this process has made, kept in memory, for who asks where an event went."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any

from attrs import define, field, frozen
from attrs.validators import ge

from eventroute.hooks import Attempted, DeadLettered, DeadLetterForwarded, DeadLetterHeldUp, Happening
from eventroute.timestamps import rfc3339

__all__ = ["AttemptHistory", "PastAttempt"]

LONGEST_ERROR = 1_000
"""How many characters of an error are kept."""

_ROUGHLY = 300
"""About how many bytes one attempt takes beside its texts."""

Key = tuple[str, int, str]


@frozen
class PastAttempt:
    """One thing that happened to a delivery: an attempt, or what came of it in the end."""

    what: str
    """Of an attempt `delivered`, `retry` or `rejected`; of what came after `dead-letter`, `handed-over`, `held-up`."""
    attempt: int
    """The number of the attempt, from 1."""
    began: float | None
    """When, in seconds since the epoch; None where it is no attempt."""
    seconds: float
    """How long it took."""
    reason: str = ""
    error: str = ""
    target: str = ""
    """Where its dead letter goes."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; what is empty is left out."""
        told = {
            "what": self.what,
            "attempt": self.attempt,
            "began": rfc3339(self.began),
            "seconds": self.seconds,
            "reason": self.reason,
            "error": self.error,
            "target": self.target,
        }
        return {name: value for name, value in told.items() if value not in ("", None)}


@define
class AttemptHistory:
    """A hook that remembers attempts: `Router(storage, hooks=[history])`, then `router.trace(..., history=history)`.

    It is of this process and goes with it; a router in another one has made other attempts. Bounded by `deliveries` (1
    or more), by `attempts` of each of these (1 or more; the oldest go), and by about `max_bytes` in all: beyond
    them, the delivery of which nothing was heard for the longest time is forgotten. `forgotten` counts those.
    """

    deliveries: int = field(default=10_000, validator=ge(1))
    attempts_each: int = field(default=20, validator=ge(1))
    max_bytes: int = field(default=8_388_608, validator=ge(1))
    forgotten: int = field(default=0, init=False)
    size: int = field(default=0, init=False)
    """About how many it takes now."""
    _kept: OrderedDict[Key, deque[PastAttempt]] = field(factory=OrderedDict, init=False)

    def __call__(self, happening: Happening) -> None:
        """Take in what a router tells."""
        match happening:
            case Attempted():
                past = PastAttempt(
                    happening.outcome,
                    happening.attempt,
                    happening.began,
                    happening.seconds,
                    happening.reason,
                    happening.error[:LONGEST_ERROR],
                )
            case DeadLettered():
                error = happening.error[:LONGEST_ERROR]
                past = PastAttempt("dead-letter", happening.attempts, None, 0.0, happening.reason, error)
            case DeadLetterForwarded():
                past = PastAttempt("handed-over", happening.tries, None, 0.0, target=happening.target)
            case DeadLetterHeldUp():
                error = happening.error[:LONGEST_ERROR]
                past = PastAttempt("held-up", happening.tries, None, 0.0, error=error, target=happening.target)
            case _:
                return
        self._keep((happening.bus, happening.offset, happening.subscription), past)

    def attempts(self, bus: str, offset: int, subscription: str) -> tuple[PastAttempt, ...]:
        """What is remembered of one delivery, the oldest first."""
        return tuple(self._kept.get((bus, offset, subscription), ()))

    def __len__(self) -> int:
        """Of how many deliveries something is remembered."""
        return len(self._kept)

    def _keep(self, key: Key, past: PastAttempt) -> None:
        kept = self._kept.setdefault(key, deque())
        self._kept.move_to_end(key)
        if len(kept) == self.attempts_each:
            self.size -= _size(kept.popleft())
        kept.append(past)
        self.size += _size(past)
        while len(self._kept) > self.deliveries or (self.size > self.max_bytes and len(self._kept) > 1):
            _, gone = self._kept.popitem(last=False)
            self.size -= sum(map(_size, gone))
            self.forgotten += 1


def _size(past: PastAttempt) -> int:
    return _ROUGHLY + len(past.reason) + len(past.error) + len(past.target)
