"""The part of the interface `Storage` by which a bus moves from one storage to another; see `eventroute.copying`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from attrs import frozen

from eventroute.storage.values import BreakerState, Claim, Reader, Span, StoredSubscription

__all__ = ["Imported", "Placed", "Transfer"]


class Imported(NamedTuple):
    """An event that another log had."""

    time: float
    """When it was appended there, as in `Record`."""
    event: bytes
    identity: bytes | None = None
    """What is to tell its duplicates from now on, where the bus has `dedup` on."""


@frozen
class Placed:
    """All there is of a subscription, but for what waits of it and its dead letters.

    Names of readers count only within it: they tell which reader a span, a claim and the subscription mean. The
    subscription is served by one of `readers`, never by `live`. Of `stored`, the bus and `born` do not count, nor do
    the versions and sessions of claims and the number of the breaker.
    """

    stored: StoredSubscription
    spans: tuple[Span, ...]
    readers: tuple[Reader, ...]
    claims: tuple[Claim, ...] = ()
    breaker: BreakerState | None = None


class Transfer(ABC):
    """Nobody works on a bus while it is transferred: these calls need not be fast, and wait for no session."""

    @abstractmethod
    async def sessions(self) -> int:
        """How many sessions live (their lease has not run out): at 0 nobody works on the storage."""

    @abstractmethod
    async def claims(self, bus: str) -> tuple[Claim, ...]:
        """The open claims of all readers of a bus, whoever holds them, in the order of (reader, start)."""

    @abstractmethod
    async def import_events(self, bus: str, events: Sequence[Imported], *, end: int, first: int) -> None:
        """Append events with the times that they had elsewhere, all of them or none; durable on return. A time that is
        less than that of the record before becomes that one's.

        Raises StorageConflict where the log does not end at `end`, so that a repeat doubles nothing, and StorageFull
        where the storage has no room (`max_bytes` of the bus is not looked at). A log that is empty goes on at `first`,
        or beyond, also where there are no `events`. An identity is remembered, as of the event's time, unless it is
        already; whether `dedup` is on does not matter. The live reader, where it had nothing before it and nothing in
        hand, goes on behind the events.
        """

    @abstractmethod
    async def place_subscription(self, bus: str, placed: Placed) -> StoredSubscription:
        """Make a subscription as it was elsewhere, in one change, and return it: with its definition, revision, pause,
        spans, breaker, and readers of its own, which get new names. Claims are open, and nobody holds them.

        Raises StorageConflict where there is one of that id, on whatever bus.
        """
