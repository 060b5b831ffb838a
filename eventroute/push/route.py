"""What the scheduler needs to know of subscriptions, without knowing what a filter or a transformer is."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from attrs import define

from eventroute.event import Event
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.sinks.base import Sink
from eventroute.storage.base import Changes, Claim

__all__ = ["Matcher", "Route", "RoutingTable", "unchanged"]


def unchanged(event: Event) -> Event:
    """The transformation of a subscription that asks for none: what has it is sent as it is stored."""
    return event


@define(eq=False, weakref_slot=False)
class Route:
    """The way of one subscription's events, as it is now. Another one takes its place when it changes."""

    subscription: str
    address: str
    policy: DeliveryPolicy
    sink: Sink | None
    """None where this process cannot reach the sink."""
    transform: Callable[[Event], Event]
    """Raises TransformError."""
    paused: str | None
    """Why it is paused, or None."""
    born: int = 0
    """Tells the subscription from another one that had its id before."""
    letters: Sink | None = None
    """Where its dead letters go, if its policy has them go elsewhere and this process can reach it."""

    @property
    def held(self) -> bool:
        """Whether this process makes no attempts for it now."""
        return self.paused is not None or self.sink is None


class Matcher(Protocol):
    """Which subscriptions get the event at an offset."""

    @property
    def empty(self) -> bool:
        """Whether no event can match, so that none needs to be read."""
        ...

    def __call__(self, offset: int, raw: bytes) -> Collection[str]:
        """The ids of the subscriptions that match the event, in its JSON form."""
        ...

    def served(self, offset: int) -> Collection[str]:
        """The ids of the subscriptions that are asked for the event at an offset, whether they match it or not."""
        ...


class RoutingTable(Protocol):
    """The subscriptions of one bus, brought up to date by `Changes`."""

    @property
    def version(self) -> int:
        """The version of the bus up to which changes have been applied."""
        ...

    def apply(self, changes: Changes) -> list[tuple[str, str]]:
        """Take changes in. Returns (subscription, reason) for each whose definition cannot be understood here.

        Such a one is held, and matches everything until it has been paused: so nothing of it is lost.
        """
        ...

    def route(self, subscription: str) -> Route | None:
        """The route of a subscription, or None where it is not known (gone)."""
        ...

    def matcher(self, claim: Claim) -> Matcher:
        """The matcher for a claimed range; changes up to the claim's version must have been applied."""
        ...

    def few(self, reader: str, most: int) -> Collection[str] | None:
        """The subscriptions that a reader serves from now on; None where they may be more than `most`."""
        ...
