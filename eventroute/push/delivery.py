"""A delivery in memory, and the claimed range that it came from."""

from __future__ import annotations

from attrs import define, field

from eventroute.storage.base import Claim

__all__ = ["Delivery", "Range"]


@define(eq=False)
class Delivery:
    """One event on its way to one subscription."""

    subscription: str
    offset: int
    raw: bytes
    """The event in its JSON form."""
    range: Range | None = None
    """The claimed range it came from, while that is open."""
    attempts: int = 0
    first_attempt: float | None = None
    """When the first attempt began, by a clock that stands still while the breaker is open (see `Circuit.spared`)."""
    begun: bool = False
    """Whether an attempt has begun."""
    began: float = 0.0
    """When the last one did, by the wall clock."""
    copied: bool = False
    """Whether its row in the ledger carries the event, since the log may no longer hold it."""
    recorded: bool = False
    """Whether the ledger has a row for it."""


@define(eq=False)
class Range:
    """A claimed range: open until each of its deliveries is settled or recorded in the ledger."""

    claim: Claim
    """What is left of it: it begins at the first offset that is neither settled nor recorded, as far as is written."""
    deadline: float
    """When what is not settled is to be recorded (the clock's monotonic time)."""
    pending: dict[Delivery, None] = field(factory=dict)
    """In the order of the log: what is written of them is in that order too, in every run."""
    matched: bool = False
    """Whether all its records have been matched."""

    @property
    def done(self) -> bool:
        """Whether the reader's position may move past it."""
        return self.matched and not self.pending
