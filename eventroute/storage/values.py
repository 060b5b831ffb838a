"""What goes into a `Storage` and comes out of it. The words are those of `base.py`."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from attrs import field, frozen

__all__ = [
    "DEFAULT_BUS",
    "LIVE",
    "STUCK",
    "Bounds",
    "BreakerState",
    "Changes",
    "Claim",
    "DeadLetter",
    "Delayed",
    "Dropped",
    "Fired",
    "Forward",
    "Forwards",
    "Mark",
    "Reader",
    "Record",
    "Session",
    "Span",
    "Start",
    "StoredSubscription",
    "Timer",
    "Waiting",
    "WaitingKey",
    "WaitingSummary",
]

LIVE = "live"
"""The name of the reader that all caught-up subscriptions of a bus share."""

DEFAULT_BUS = "default"
"""The bus that is there from the start."""

STUCK = math.inf
"""The due time of a delivery that waits until somebody acts on its dead letter."""

Start = Literal["latest", "earliest"] | int | float
"""Where a new subscription starts: at an int offset, or (float) at the first event appended at or after that time
in seconds since the epoch."""


class Record(NamedTuple):
    """One event in the log."""

    offset: int
    time: float
    """When it was appended, by the storage's clock, in seconds since the epoch, to the microsecond. Never less than
    that of the record before, even where the clock went back."""
    event: bytes
    """The event in the CloudEvents JSON format (structured mode)."""


class Mark(NamedTuple):
    """An event in the log without its content: what retention goes by."""

    offset: int
    time: float
    """As in `Record`."""
    size: int
    """The bytes of the event in its JSON form."""


@frozen
class Bounds:
    """The readable part of a log: `first` <= offset < `end`. Where it is empty, `first` == `end`."""

    first: int
    end: int


class Delayed(NamedTuple):
    """An event that is to be appended later."""

    due: float
    """Not before this time (seconds since the epoch); the caller's wall clock."""
    event: bytes
    identity: bytes | None = None
    """What tells its duplicates, where the bus has `dedup` on."""


@frozen
class Timer:
    """A delayed event in the ledger, durable and not in the log yet."""

    id: str
    """Opaque; of no other timer of the storage, ever."""
    due: float
    event: bytes


@frozen
class Fired:
    """What came of `fire_timers`."""

    count: int
    """How many timers were due: they are events in the log now, or duplicates of such."""
    next_due: float | None
    """When the earliest timer that is left is due, or None where there is none."""


@frozen
class Session:
    """A worker's lease: `id` is unique for ever; it lapses `ttl` seconds after it was opened or last extended."""

    id: str
    ttl: float


@frozen
class StoredSubscription:
    """A subscription as stored."""

    id: str
    bus: str
    definition: bytes
    revision: int
    """1 when created, raised by each `put_subscription` that changed the definition."""
    paused: str | None
    """Why it is paused, or None."""
    reader: str
    """The reader that serves it from now on: `live` or one of its own."""
    paused_at: float | None = None
    """Since when it is paused, by the storage's clock, or None."""
    removed: bool = field(default=False, converter=bool)
    """Only in `Changes`: the subscription is gone."""
    apart: bool = field(default=False, converter=bool)
    """Whether a reader of its own serves it, always."""
    born: int = field(default=0, eq=False)
    """What tells it from one before of the same id: it is never given twice on a bus. Not compared."""


@frozen
class Span:
    """A reader serves a subscription for `start` <= offset < `until` (None: open), by `definition`.

    `definition` is None while the subscription's current one holds; a span that ended since its matching changed, or
    was set aside by such a change, carries the definition that was in force.
    """

    reader: str
    subscription: str
    start: int
    until: int | None
    definition: bytes | None


@frozen
class Changes:
    """What has changed on a bus after a version: the current rows of all that changed.

    With `reset` true the rows are all there are, and what the caller knew is to be forgotten. Else each of
    `subscriptions` has changed, and `spans` are all the spans that these have: they replace what the caller knew of
    them. (So a removed one has none.)
    """

    version: int
    reset: bool
    subscriptions: tuple[StoredSubscription, ...]
    spans: tuple[Span, ...]


@frozen
class Claim:
    """A range `start` <= offset < `end` of a bus that one session works on for a reader.

    `version` is the bus's version when the range was first claimed: the range is matched by the spans in force then.
    """

    bus: str
    reader: str
    start: int
    end: int
    version: int
    session: str
    shared: bool = field(default=False, eq=False)
    """Of one that was claimed alone: whether other living sessions have asked for work of this reader, too."""


@frozen
class Reader:
    """A reader's progress: all below `position` is settled or waiting; `claimed` is the first unclaimed offset."""

    bus: str
    name: str
    position: int
    claimed: int
    until: int | None
    """Where it ends (it is then removed once it has got there), or None."""
    subscription: str | None = None
    """Whose own reader it is; None: the live one."""
    replayed_from: int | None = None
    """Where it began, if it is a replay (which always has an end), else None."""


@frozen(slots=True)
class Waiting:
    """A delivery that waits in the ledger."""

    subscription: str
    offset: int
    due: float
    """Not before this time (seconds since the epoch), the caller's wall clock; `STUCK`: until somebody acts."""
    attempts: int = 0
    first_attempt: float | None = None
    """When the first attempt began, less what outages had lasted by then (`BreakerState.spared`, and what had passed of
    the present one): by a clock that stands still while the breaker is open. A pause moves it ahead.
    """
    reason: str = ""
    """Why the last attempt did not deliver, as a short code; empty where there was none."""
    event: bytes | None = None
    """The event itself where the log may no longer hold it (redriven), else None."""
    key: int | None = None
    """Those of one key (64 bits, signed) are taken one behind the other, in the order of their offsets."""


class WaitingKey(NamedTuple):
    """A waiting delivery that has a key."""

    offset: int
    key: int
    stuck: bool
    """Whether it waits until somebody acts on its dead letter."""


@frozen
class WaitingSummary:
    """The waiting deliveries of one subscription."""

    subscription: str
    count: int
    unheld: int
    """How many of them no living session holds."""
    next_due: float | None
    """The earliest due time among the unheld that are the first of their key or have none, `STUCK` ones left out; None
    where there is none.
    """
    stuck: int = 0
    """How many wait until somebody acts: those that are `STUCK`, and those whose key's first one is."""


@frozen
class Forward:
    """A dead letter is on its way to where the policy of its subscription wants it."""

    due: float
    """Not tried before this time (seconds since the epoch); the caller's wall clock."""
    tries: int = 0
    """How often it was tried."""
    error: str = ""
    """Why the last try failed."""


@frozen
class DeadLetter:
    """A delivery that was given up. Its identity is (subscription, offset): a repeat overwrites."""

    subscription: str
    offset: int
    time: float
    reason: str
    error: str
    attempts: int
    event: bytes
    forward: Forward | None = None
    """Whether it is to go elsewhere; else it stays in the ledger."""
    born: int = field(default=0, eq=False)
    """What `born` its subscription had; told by the storage. Not compared."""


@frozen
class Forwards:
    """The dead letters of one subscription that are to go elsewhere."""

    subscription: str
    count: int
    next_due: float | None
    """The earliest due time among those that no living session holds, or None where there is none."""


@frozen
class Dropped:
    """Dead letters of one subscription that a bound of their bus has taken away."""

    subscription: str
    letters: int
    reason: Literal["age", "limit"]


@frozen
class BreakerState:
    """What of a subscription's circuit breaker outlives the process."""

    subscription: str
    serial: int
    """1 at first, and one more with each change."""
    spared: float = 0.0
    """How many seconds all outages that are over lasted together."""
    opened: float | None = None
    """When the present outage began (seconds since the epoch, the caller's wall clock); None: there is none."""
    trips: int = 0
    """How many probes of the present outage have been waited for, or are."""
    probe: float = 0.0
    """Not before this time is there another attempt (as `opened`)."""
    number: int = 0
    """Given by the storage: rises with each change of any breaker of the bus."""
