"""A delivery in memory, and the claimed range that it came from."""

from __future__ import annotations

import math

from attrs import define, field

from eventroute.event import Event
from eventroute.storage.base import Claim, Entry

__all__ = ["Delivery", "Range", "Shared"]


@define(eq=False)
class Shared:
    """What is known of an event that goes to several subscriptions."""

    event: Event | None = None
    """As it was read for the first of them; each gets a copy of its own, since data can be changed."""


@define(eq=False)
class Delivery:
    """One event on its way to one subscription."""

    subscription: str
    offset: int
    raw: bytes
    """The event in its JSON form."""
    range: Range | None = None
    """The claimed range it came from, while that is open."""
    noted: Range | None = None
    """The range with whose completion what came of it is written, until then what comes after it, too."""
    attempts: int = 0
    first_attempt: float | None = None
    """When the first attempt began, by a clock that stands still while the breaker is open (see `Circuit.spared`)."""
    begun: bool = False
    """Whether an attempt has begun."""
    began: float = 0.0
    """When the last one did, by the wall clock."""
    copied: bool = False
    """Whether its row in the ledger carries the event, since the log may no longer hold it, or not as it is sent."""
    recorded: bool = False
    """Whether the ledger has a row for it."""
    key: int | None = None
    """Those of one key go one at a time."""
    keyed: bool = True
    """Whether its row in the ledger has the key: not where it comes out of order, redriven after its key went on."""
    shared: Shared | None = None
    """Where others get the event, too."""

    def event(self) -> Event:
        """The event, for this one alone. Raises InvalidEvent."""
        shared = self.shared
        if shared is None:
            return Event.from_log(self.raw)
        if shared.event is None:
            shared.event = Event.from_log(self.raw)
        return shared.event.fresh()

    @property
    def row_key(self) -> int | None:
        """The key of its row."""
        return self.key if self.keyed else None


@define(eq=False)
class Range:
    """A claimed range: open until each of its deliveries is settled or recorded in the ledger."""

    claim: Claim
    """What is left of it: it begins at the first offset that is neither settled nor recorded, as far as is written."""
    deadline: float
    """When what is not settled is to be recorded (the clock's monotonic time)."""
    latest: float = math.inf
    """When it is to be completed whatever is pending (the clock's monotonic time)."""
    pending: dict[Delivery, None] = field(factory=dict)
    """In the order of the log: what is written of them is in that order too, in every run."""
    horizon: int = 0
    """Behind the last of its deliveries that is settled or recorded."""
    matched: bool = False
    """Whether all its records have been matched."""
    resting: bool = False
    """Whether there is nothing to write down of it until more of it is settled."""
    in_order: bool = False
    """Whether it is worked on alone: what comes of it is written in one change, behind the ranges before it."""
    entries: list[Entry] = field(factory=list)
    """What is to be written in the change in which it is completed, or advances past what they are about."""

    @property
    def done(self) -> bool:
        """Whether the reader's position may move past it."""
        return self.matched and not self.pending
