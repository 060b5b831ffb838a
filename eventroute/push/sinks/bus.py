"""Another bus as a sink, `bus:NAME`: an event is appended to it once, however often it is delivered."""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import field, frozen

from eventroute.errors import InvalidSubscription
from eventroute.event import Event
from eventroute.push.outcome import Delivered, Outcome, Rejected
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.rate import Rate
from eventroute.push.policy.reply import Append, hops_of, with_hops
from eventroute.push.sinks.base import Message, refuse_http_only
from eventroute.push.sinks.replies import append_once

__all__ = ["BusSink", "BusSinks"]

_ADDRESS = re.compile(r"bus:[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")


@frozen
class BusSink:
    """One bus that events are appended to; each has made one more hop then."""

    append: Append = field(repr=False)
    bus: str
    max_hops: int

    @property
    def rate(self) -> Rate | None:
        """Any number."""
        return None

    async def send(self, event: Event) -> Outcome:
        """Append one event; the same event again appends nothing."""
        return await self.send_messages((Message(event, event, f"{event.source} {event.id}"),))

    async def send_messages(self, messages: Sequence[Message]) -> Outcome:
        """Append events, each under an id of its delivery, so that a repeat appends nothing."""
        for message in messages:
            moved = with_hops(message.event, hops_of(message.original), self.max_hops)
            if isinstance(moved, Rejected):
                return moved
            failure = await append_once(self.append, self.bus, (moved,), "forward", message.key)
            if failure is not None:
                return failure
        return Delivered()


@frozen
class BusSinks:
    """The buses of the storage that a router has."""

    append: Append = field(repr=False)

    @property
    def schemes(self) -> frozenset[str]:
        """`bus`."""
        return frozenset({"bus"})

    async def open(self) -> None:
        """Nothing to open."""

    async def aclose(self) -> None:
        """Nothing to close."""

    def check(self, address: str, policy: DeliveryPolicy) -> None:
        """An address is `bus:NAME`; the bus need not be there yet. A policy has nothing that a bus cannot heed."""
        if not _ADDRESS.fullmatch(address):
            raise InvalidSubscription("another bus is bus:NAME", where="sink")
        refuse_http_only(policy, "a bus")

    def sink(self, address: str, policy: DeliveryPolicy) -> BusSink:
        """The sink that is a bus."""
        return BusSink(self.append, address.partition(":")[2], policy.max_hops)
