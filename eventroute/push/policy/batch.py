"""Several events in one request: how many, and what to do with a request of many that is rejected."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import Generic, TypeVar

from attrs import field, frozen

from eventroute.push.outcome import Outcome, Rejected
from eventroute.push.policy.settings import count, number

__all__ = ["Batch", "Bisection", "blames_one"]

T = TypeVar("T")


@frozen(kw_only=True)
class Batch:
    """How many events go into one request where the mode is `batch`."""

    events: int = field(default=100, validator=count(1, 1_000, "batch"))
    """The most events in one request: 1 to 1,000."""
    bytes: int = field(default=1_048_576, validator=count(1, 16_777_216, "batch"))
    """The most bytes of events in one request, as they lie in the log: 1 to 16,777,216. One event is always taken."""
    linger: float = field(default=0.0, validator=number(0, 60, "batch"))
    """How many seconds to wait for more events before a request that is not full: 0 to 60."""

    def fill(self, sizes: Iterable[int], most: int) -> int:
        """How many events of these sizes, in bytes, go into one request: at most `most`, and no fewer than one."""
        count, left = 0, self.bytes
        for size in islice(sizes, most):
            left -= size
            if count and left < 0:
                break
            count += 1
        return count


_ALL_ALIKE = frozenset({"forbidden-address", "http-3xx", "http-401", "http-405"})


def blames_one(outcome: Outcome) -> bool:
    """Whether an outcome may be the fault of one event among several.

    What is about the endpoint (it is gone, it moved, it knows no such method or credential) would be the same for each.
    """
    return isinstance(outcome, Rejected) and outcome.pause is None and outcome.reason not in _ALL_ALIKE


class Bisection(Generic[T]):
    """Splits what is rejected in halves until the culprit is alone: a pure decision, the requests are made elsewhere.

    Ask for `next`, send it, tell `record` what came of it; do so until `next` is empty. What is settled is settled in
    the order given. For n items there are at most 2n - 1 requests.
    """

    def __init__(self, items: Sequence[T]) -> None:
        self._pending = [list(items)] if items else []

    @property
    def next(self) -> Sequence[T]:
        """What is to be sent next, all in one request."""
        return self._pending[-1] if self._pending else []

    @property
    def unsettled(self) -> list[T]:
        """All that has no outcome yet, in order."""
        return [item for part in reversed(self._pending) for item in part]

    def take_out(self, items: Collection[T]) -> None:
        """Have some of `next` sent no more: they have come to their end."""
        self._pending[-1] = [item for item in self._pending[-1] if item not in items]
        if not self._pending[-1]:
            self._pending.pop()

    def record(self, outcome: Outcome) -> list[T]:
        """Take in what came of `next`; returns the items for which it is the outcome: all of them, or none yet."""
        part = self._pending.pop()
        if len(part) == 1 or not blames_one(outcome):
            return part
        half = (len(part) + 1) // 2
        self._pending += [part[half:], part[:half]]
        return []
