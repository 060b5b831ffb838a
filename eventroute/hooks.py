"""Hooks: functions that a router tells what it does, with frozen records; enough for metrics, traces and logs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from attrs import frozen

from eventroute.event import Event

__all__ = [
    "Attempted",
    "CaughtUp",
    "DeadLetterForwarded",
    "DeadLetterHeldUp",
    "DeadLettered",
    "DeadLettersDropped",
    "EventsLost",
    "Happening",
    "Hook",
    "Hooks",
    "Lagging",
    "Matched",
    "Paused",
    "Published",
    "Settled",
]

_log = logging.getLogger("eventroute")


@frozen
class Published:
    """Events were accepted: they are durable."""

    bus: str
    events: tuple[Event, ...]
    offsets: tuple[int | None, ...]
    """One an event; None for one that is delayed."""


@frozen
class Matched:
    """A claimed range of the log has been matched, for the subscriptions of one reader."""

    bus: str
    reader: str
    """`live`, or the own reader of one subscription."""
    start: int
    end: int
    """The range is `start` <= offset < `end`."""
    deliveries: int
    """How many came of it, over all subscriptions."""


@frozen
class Attempted:
    """One attempt has ended. It may have sent other events in the same request."""

    bus: str
    subscription: str
    offset: int
    attempt: int
    """The number of the attempt, from 1; 0 where nothing was sent."""
    outcome: Literal["delivered", "retry", "rejected"]
    reason: str
    """A short code; empty where it was delivered."""
    error: str
    began: float
    """When, by the wall clock, in seconds since the epoch."""
    seconds: float
    """How long it took."""
    event: bytes
    """The event as it is in the log, in JSON."""


@frozen
class Settled:
    """A delivery is done: delivered. It was known before it was durable, so after a crash it may be told again."""

    bus: str
    subscription: str
    offset: int
    attempts: int


@frozen
class DeadLettered:
    """A delivery was given up. It was known before it was durable, so after a crash it may be told again."""

    bus: str
    subscription: str
    offset: int
    attempts: int
    reason: str
    error: str


@frozen
class DeadLetterForwarded:
    """A dead letter has got where the policy wants it. It was known before it was durable, so it may be told again."""

    bus: str
    subscription: str
    offset: int
    target: str
    tries: int


@frozen
class DeadLetterHeldUp:
    """A dead letter could not be handed over: it stays in the ledger."""

    bus: str
    subscription: str
    offset: int
    target: str
    tries: int
    error: str
    due: float | None
    """When it is tried again, in seconds since the epoch; None: never, it can go nowhere."""


@frozen
class DeadLettersDropped:
    """A bound of the bus has taken dead letters away, for good."""

    bus: str
    subscription: str
    letters: int
    """How many, in this step."""
    reason: Literal["age", "limit"]


@frozen
class EventsLost:
    """Hard retention has taken events away that a subscription had yet to read. How many of them its filters would have
    matched nobody knows.
    """

    bus: str
    subscription: str
    events: int
    """How many, in this step."""


@frozen
class Paused:
    """A subscription is paused, by its owner or because of what its sink said."""

    bus: str
    subscription: str
    reason: str


@frozen
class Lagging:
    """A subscription is behind by more than a minute; told again every ten seconds, as long as it is."""

    bus: str
    subscription: str
    events: int
    """How many events of the log are behind its position, whether they match or not, and how many wait."""
    seconds: float
    """How long ago the first of them was appended."""


@frozen
class CaughtUp:
    """A subscription that was told of as lagging is no more than a minute behind, or was paused or removed."""

    bus: str
    subscription: str


Happening: TypeAlias = (
    Published
    | Matched
    | Attempted
    | Settled
    | DeadLettered
    | DeadLetterForwarded
    | DeadLetterHeldUp
    | DeadLettersDropped
    | EventsLost
    | Paused
    | Lagging
    | CaughtUp
)
"""What a hook is told."""

Hook = Callable[[Happening], None]
"""A plain function, called at once, on the router's event loop: it must be quick and must not block."""


class Hooks:
    """The hooks of one router. One that raises is logged, and disturbs neither the others nor the router."""

    def __init__(self, hooks: Iterable[Hook] = ()) -> None:
        self._hooks = tuple(hooks)

    def __bool__(self) -> bool:
        """Whether there is anybody to tell: else nothing need be made up."""
        return bool(self._hooks)

    def tell_all(self, happenings: Iterable[Happening]) -> None:
        """Call each with each."""
        for happening in happenings:
            self.tell(happening)

    def tell(self, happening: Happening) -> None:
        """Call each."""
        for hook in self._hooks:
            try:
                hook(happening)
            except Exception:  # noqa: BLE001 - whoever watches must not stop what is watched
                _log.exception("a hook failed on %s", type(happening).__name__)
