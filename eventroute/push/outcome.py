"""What came of an attempt, and the table that reads an HTTP answer as an outcome.

An outcome is a value. Cancellation is not an outcome: an attempt that was cut off is not done yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from attrs import field, frozen

from eventroute.errors import InvalidSubscription

__all__ = [
    "DEFAULT_OUTCOMES",
    "MAX_RETRY_AFTER",
    "Delivered",
    "Outcome",
    "OutcomeTable",
    "Rejected",
    "RetryLater",
]

MAX_RETRY_AFTER = 86_400.0
"""The ceiling on a wait that a sink asks for, in seconds (1 day)."""

MAX_ERROR_LENGTH = 1_000
"""How many characters of an error text are kept with a delivery."""


def _shorten(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate can be stored nowhere
    return text if len(text) <= MAX_ERROR_LENGTH else f"{text[: MAX_ERROR_LENGTH - 1]}…"


def _bounded(after: float | None) -> float | None:
    return None if after is None else min(max(after, 0.0), MAX_RETRY_AFTER)


@frozen
class Delivered:
    """The sink took the event."""

    counts: ClassVar[bool] = True


@frozen
class RetryLater:
    """The sink could not take the event now.

    `reason` is a short code (`http-503`, `timeout`), `error` says more. `after` is the least wait in seconds that the
    sink asked for, or None; `hold_lane` says that the wait is for everything that goes to this sink.
    """

    reason: str
    error: str = field(default="", converter=_shorten)
    after: float | None = field(default=None, converter=_bounded)
    hold_lane: bool = False
    counts: bool = True
    """Whether it was an attempt; else the delivery was only given back, and is due at once."""


@frozen
class Rejected:
    """The sink will never take the event; `pause` is a reason to pause the whole subscription, or None."""

    reason: str
    error: str = field(default="", converter=_shorten)
    pause: str | None = None
    counts: ClassVar[bool] = True


Outcome = Delivered | RetryLater | Rejected

Kind = Literal["delivered", "retry", "retry-hold", "reject", "reject-pause"]
_KINDS: frozenset[str] = frozenset({"delivered", "retry", "retry-hold", "reject", "reject-pause"})


def _copy(rules: Mapping[str, str]) -> dict[str, str]:
    return dict(rules)


def _check_rules(_instance: object, _attribute: object, rules: Mapping[str, str]) -> None:
    for key, kind in rules.items():
        plain = len(key) == 3 and key[0] in "12345" and (key[1:].isdecimal() or key[1:] == "xx") and key.isascii()
        if not plain:
            raise InvalidSubscription(f"{key!r} is not a status code such as '404' or '5xx'", where="outcomes")
        if not isinstance(kind, str) or kind not in _KINDS:
            raise InvalidSubscription(f"{kind!r} is none of {', '.join(sorted(_KINDS))}", where=f"outcomes.{key}")


@frozen
class OutcomeTable:
    """Which HTTP status means which outcome: a key is a code (`404`) or a class (`5xx`); the code goes first.

    The values: `delivered`; `retry`; `retry-hold` (a Retry-After holds the whole lane); `reject`; `reject-pause`
    (and the subscription is paused). A status that no key covers is retried as `bad-answer`.
    """

    rules: Mapping[str, str] = field(converter=_copy, validator=_check_rules)

    def outcome(self, status: int, *, retry_after: float | None = None, error: str = "") -> Outcome:
        """The outcome of an answer with `status`; total: every integer has one."""
        kind = self.rules.get(str(status)) or self.rules.get(f"{status // 100}xx")
        if kind == "delivered":
            return Delivered()
        if kind == "retry":
            return RetryLater(f"http-{status}", error, retry_after)
        if kind == "retry-hold":
            return RetryLater(f"http-{status}", error, retry_after, hold_lane=retry_after is not None)
        if kind == "reject":
            return Rejected("http-3xx" if status // 100 == 3 else f"http-{status}", error)
        if kind == "reject-pause":
            reason = "gone" if status == 410 else f"http-{status}"
            return Rejected(reason, error, pause=reason)
        return RetryLater("bad-answer", error or f"the answer had status {status}")

    def changed(self, rules: Mapping[str, str]) -> OutcomeTable:
        """This table with `rules` laid over it."""
        return OutcomeTable({**self.rules, **rules})


DEFAULT_OUTCOMES = OutcomeTable(
    {
        "2xx": "delivered",
        "3xx": "reject",
        "4xx": "reject",
        "5xx": "retry",
        "404": "retry",
        "408": "retry",
        "409": "retry",
        "410": "reject-pause",
        "425": "retry",
        "429": "retry-hold",
        "503": "retry-hold",
    }
)
