"""How long to wait before the next attempt: exponential backoff with full jitter, bounded at any attempt number."""

from __future__ import annotations

from attrs import field, frozen

from eventroute.errors import InvalidSubscription

__all__ = ["Backoff"]


def _positive(instance: object, attribute: object, value: float) -> None:
    if not 0 < value <= 31_536_000:
        name = getattr(attribute, "name", "value")
        raise InvalidSubscription(f"{value!r} is not a number of seconds above 0 and up to one year", where=name)


@frozen
class Backoff:
    """Waits between attempts: before attempt n + 1 at most `first` * 2**(n - 1) seconds, never more than `limit`."""

    first: float = field(default=1.0, validator=_positive)
    limit: float = field(default=3_600.0, validator=_positive)

    def ceiling(self, attempts: int) -> float:
        """The longest wait after `attempts` attempts (1 or more), in seconds."""
        return min(self.limit, self.first * 2.0 ** min(max(attempts, 1) - 1, 64))

    def wait(self, attempts: int, draw: float, *, at_least: float | None = None) -> float:
        """The wait after `attempts` attempts, in seconds.

        `draw` is a random number in [0, 1): full jitter spreads what failed together. `at_least` is what the sink asked
        for; the jitter is then added to it, so that all who were told the same do not come back together.
        """
        jittered = self.ceiling(attempts) * draw
        return jittered if at_least is None else at_least + min(jittered, self.first)
