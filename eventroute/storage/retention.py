"""Retention: how long a bus keeps its events, and the decision which of them may go now."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from attrs import field, frozen

from eventroute.errors import InvalidConfiguration
from eventroute.storage.values import Mark

__all__ = ["DAY", "MAX_AGE", "Decision", "Reason", "Retention", "State", "checked_keys", "decide"]

DAY = 86_400.0
"""A day in seconds."""

MAX_AGE = 3 * DAY
"""The age up to which a bus keeps its events unless it says otherwise, in seconds (3 days)."""

Reason = Literal["age", "events", "bytes", "settled"]
"""Why an event goes: it is too old, there are too many, they are too large, or everybody has settled it."""


def _check_age(_retention: Retention, _attribute: object, value: Any) -> None:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (known and 0 < value < math.inf):
        raise InvalidConfiguration(f"must be more than 0 seconds, or None for ever, not {value!r}", where="max_age")


def _check_bound(_retention: Retention, attribute: Any, value: object) -> None:
    if value is not None and not (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        raise InvalidConfiguration(f"must be a whole number from 1, or None, not {value!r}", where=attribute.name)


def _check_flag(_retention: Retention, attribute: Any, value: object) -> None:
    if not isinstance(value, bool):
        raise InvalidConfiguration(f"must be true or false, not {value!r}", where=attribute.name)


@frozen(kw_only=True)
class Retention:
    """How long a bus keeps its events. An event goes as soon as one of the bounds says so, the oldest first.

    `max_age` is in seconds (default 3 days), `max_bytes` bounds the events in their JSON form; None: no such bound.
    With `until_settled` an event goes once each subscription of the bus has settled it (delivered, dead-lettered or
    expired), however young; a bus without subscriptions keeps it. What a subscription has yet to settle stays beyond
    every bound, unless `hard` is true: then it goes all the same, and what was lost is counted and reported.
    Raises InvalidConfiguration.
    """

    max_age: float | None = field(default=MAX_AGE, validator=_check_age)
    max_bytes: int | None = field(default=None, validator=_check_bound)
    max_events: int | None = field(default=None, validator=_check_bound)
    until_settled: bool = field(default=False, validator=_check_flag)
    hard: bool = field(default=False, validator=_check_flag)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, all of it; null is no bound."""
        return {
            "max_age": self.max_age,
            "max_bytes": self.max_bytes,
            "max_events": self.max_events,
            "until_settled": self.until_settled,
            "hard": self.hard,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """From the JSON form; what is absent has its default. Raises InvalidConfiguration."""
        return cls(**checked_keys(document, ("max_age", "max_bytes", "max_events", "until_settled", "hard")))


def checked_keys(document: object, known: Sequence[str]) -> dict[str, Any]:
    """A JSON object that has none but known keys. Raises InvalidConfiguration."""
    if not isinstance(document, Mapping):
        raise InvalidConfiguration(f"must be an object, not {type(document).__name__}")
    for key in document:
        if key not in known:
            raise InvalidConfiguration(f"there is no such key; known: {', '.join(known)}", where=str(key))
    return dict(document)


@frozen(kw_only=True)
class State:
    """What a decision goes by: one state of a bus. `marks` are its oldest events, as many as are looked at."""

    events: int
    size: int
    """The bytes of the events."""
    needed: int
    """The first offset that a subscription has yet to settle, or the end of the log."""
    subscribed: bool
    """Whether the bus has a subscription."""
    marks: Sequence[Mark]


@frozen
class Decision:
    """What may go: all events below `before` (0: none)."""

    before: int
    reason: Reason | None
    """Why the last of them goes; None where none does."""
    held: bool = False
    """Whether more would go, were it not for a subscription that has yet to settle it."""


def decide(retention: Retention, state: State, now: float) -> Decision:
    """Which of the oldest events may go at the time `now` (seconds since the epoch)."""
    events, size = state.events, state.size
    before: int = 0
    why: Reason | None = None
    for mark in state.marks:
        reason = _reason(retention, state, mark, events, size, now)
        if reason is None:
            break
        if mark.offset >= state.needed and not retention.hard:
            return Decision(before, why, held=True)
        before, why = mark.offset + 1, reason
        events -= 1
        size -= mark.size
    return Decision(before, why)


def _reason(retention: Retention, state: State, mark: Mark, events: int, size: int, now: float) -> Reason | None:
    """Why the oldest of so many events of this size goes, or None where it stays."""
    if retention.max_age is not None and now - mark.time > retention.max_age:
        return "age"
    if retention.max_events is not None and events > retention.max_events:
        return "events"
    if retention.max_bytes is not None and size > retention.max_bytes:
        return "bytes"
    if retention.until_settled and state.subscribed and mark.offset < state.needed:
        return "settled"
    return None
