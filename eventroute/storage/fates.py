"""What a storage knows of the deliveries of one event, all of it at one moment."""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from eventroute.storage.values import Bounds, BreakerState, Changes, Claim, DeadLetter, Reader, Waiting, WaitingKey

__all__ = ["Fates", "Held", "TracingTables", "WaitingRow"]


@frozen
class WaitingRow:
    """A waiting delivery, and what keeps it."""

    waiting: Waiting
    held: bool
    """Whether a living session has it in hand."""
    behind: WaitingKey | None = None
    """The first waiting delivery of its key, where that is another one."""


@frozen(kw_only=True)
class Fates:
    """What is known of the event at one offset of a bus, for every subscription that the bus has or had."""

    bounds: Bounds
    changes: Changes
    """The subscriptions that have changed since what was known, with their spans: from version 0 on, every one."""
    readers: tuple[Reader, ...]
    claims: tuple[Claim, ...]
    """The open claims that hold the offset."""
    living: frozenset[str]
    """The sessions that live: a claim of another one is taken over by who next asks for work."""
    waiting: tuple[WaitingRow, ...]
    letters: tuple[DeadLetter, ...]
    """Those of removed subscriptions too."""
    breakers: tuple[BreakerState, ...]


Held = tuple[Waiting, str | None]
"""A waiting delivery with the session that holds it, or held it."""


class TracingTables(Protocol):
    """The part of `Tables` by which one event is followed."""

    def claims_over(self, bus: str, offset: int) -> list[Claim]:
        """The open claims that hold an offset."""
        ...

    def living(self, now: float) -> frozenset[str]:
        """The sessions that do not lapse at `now` or before."""
        ...

    def first_of_key(self, subscription: str, key: int) -> WaitingKey | None:
        """The first waiting delivery with this key."""
        ...

    def waiting_at(self, bus: str, offset: int) -> list[Held]:
        """Those that wait at one offset, of all subscriptions of the bus, by subscription."""
        ...

    def waiting_after(self, subscription: str, after: int, limit: int) -> list[Held]:
        """Those of one subscription above an offset, by offset, at most `limit`."""
        ...

    def letters_at(self, bus: str, offset: int) -> list[DeadLetter]:
        """The dead letters at one offset, by subscription."""
        ...
