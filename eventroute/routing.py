"""The routing table of one bus: which subscription gets which event, and how its events go."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from copy import copy

from attrs import define, field

from eventroute.definitions import Vocabulary, restore_subscription
from eventroute.errors import InvalidEvent, InvalidSubscription
from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex
from eventroute.filters.syntax import Node
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.route import Matcher, Route, unchanged
from eventroute.push.sinks.base import Sink
from eventroute.push.sinks.letters import letter_sink
from eventroute.push.sinks.registry import SinkRegistry
from eventroute.storage.base import Claim, StoredSubscription
from eventroute.tracing.roster import Member, Roster, Service

__all__ = ["Table"]


class _ReaderIndex:
    """The filters of all that one reader serves; callable as a `Matcher`."""

    __slots__ = ("index",)

    def __init__(self) -> None:
        self.index: FilterIndex[Service] = FilterIndex()

    @property
    def empty(self) -> bool:
        return not len(self.index)

    def __call__(self, offset: int, raw: bytes) -> Collection[str]:
        try:
            found: Collection[Service] = self.index.match_json(raw)
        except InvalidEvent:  # no router wrote it: each subscription dead-letters it, so that it is seen
            found = list(self.index)
        return _holding(found, offset)

    def served(self, offset: int) -> Collection[str]:
        return _holding(list(self.index), offset)


def _holding(services: Collection[Service], offset: int) -> list[str]:
    """The subscriptions that get the event at an offset. A set's order differs from process to process; what is done
    should not.
    """
    if len(services) == 1:  # as most times, and faster so
        for service in services:
            until = service.until
            return [service.subscription] if service.start <= offset and (until is None or offset < until) else []
    held = [
        service.subscription
        for service in services
        if service.start <= offset and (service.until is None or offset < service.until)
    ]
    if len(held) > 1:
        held.sort()
    return held


@define(eq=False, weakref_slot=False)
class _Known(Route, Member):
    """What a table keeps of a subscription: its route, too. There may be very many, most of which get no event, so that
    sinks are looked for when the route is first asked for.
    """

    rule: Node | None = None
    definition: bytes | None = None
    services: tuple[Service, ...] = field(default=(), init=False)
    written: DeliveryPolicy | None = field(default=None, init=False)
    """The policy as it is written, where the sinks have been looked for: a sink may want it otherwise."""

    @property
    def own_policy(self) -> DeliveryPolicy:
        """As it is written."""
        return self.policy if self.written is None else self.written


class Table(Roster[_Known]):
    """The subscriptions of one bus as this process knows them (a `RoutingTable`)."""

    def __init__(self, sinks: SinkRegistry, words: Vocabulary) -> None:
        super().__init__(words)
        self._sinks = sinks
        self._readers: dict[str, _ReaderIndex] = {}

    def route(self, subscription: str) -> Route | None:
        """The route of a subscription, or None where it is not known."""
        known = self._known.get(subscription)
        if known is not None and known.written is None:
            self._find_sinks(known)
        return known

    def policies(self) -> Iterator[DeliveryPolicy]:
        """The policies of all subscriptions."""
        return (
            self._sinks.policy(known.address, known.own_policy)
            for known in self._known.values()
            if known.rule is not None
        )

    def matching(self, event: Event) -> set[Service]:
        """See `Roster.matching`."""
        found: set[Service] = set()
        for reader in self._readers.values():
            found |= reader.index.match(event)
        return found

    def matcher(self, claim: Claim) -> Matcher:
        """The matcher for a claimed range."""
        return self.reader(claim.reader)

    def reader(self, name: str) -> Matcher:
        """What a reader serves; nothing where none is known of that name."""
        return self._readers.get(name) or _ReaderIndex()

    def few(self, reader: str, most: int) -> Collection[str] | None:
        """The subscriptions that a reader serves from now on, or None where they may be more than `most`."""
        index = self._readers.get(reader)
        services = () if index is None else index.index
        return None if len(services) > most else [one.subscription for one in services if one.until is None]

    def behind(self, reader: str) -> list[str]:
        """The subscriptions that a reader serves from now on and that are not paused."""
        index = self._readers.get(reader)
        services = () if index is None else index.index
        return sorted(
            one.subscription
            for one in services
            if one.until is None and one.subscription in self._known and self._known[one.subscription].paused is None
        )

    def renew(self, subscription: str) -> None:
        """Look anew for the sink of a subscription: this process may hold its function now."""
        known = self._known.get(subscription)
        if known is not None:
            self._known[subscription] = anew = copy(known)
            anew.policy, anew.written, anew.sink, anew.letters = known.own_policy, None, None, None

    def _clear(self) -> None:
        super()._clear()
        self._readers.clear()

    def _enter(self, service: Service, chosen: Filter) -> None:
        reader = self._readers.get(service.reader)
        if reader is None:
            reader = self._readers[service.reader] = _ReaderIndex()
        reader.index.add(service, chosen)

    def _leave(self, service: Service) -> None:
        reader = self._readers[service.reader]
        reader.index.discard(service)
        if reader.empty:
            del self._readers[service.reader]

    def _restored(self, stored: StoredSubscription) -> tuple[_Known, Filter]:
        compiled = restore_subscription(stored.definition, self._words)
        address, policy = compiled.subscription.address, compiled.subscription.policy
        self._sinks.sink(address, policy)  # made again for the first event: here it only must not be refused
        way = (stored.id, address, policy, None, compiled.transform, stored.paused, stored.born)
        return _Known(*way, rule=compiled.filter.syntax), compiled.filter

    def _faulty(self, stored: StoredSubscription, fault: str) -> _Known:
        paused = stored.paused or fault
        way = (stored.id, "", DeliveryPolicy(), None, unchanged, paused, stored.born)
        return _Known(*way, definition=stored.definition)

    def _find_sinks(self, known: _Known) -> None:
        known.written = known.policy
        if known.rule is not None:
            known.sink, known.policy = self._sinks.found(known.address, known.policy)
            known.letters = None if known.policy.dead_letter is None else self._letter_sink(known.policy)

    def _letter_sink(self, policy: DeliveryPolicy) -> Sink | None:
        try:
            return letter_sink(policy, self._sinks)
        except InvalidSubscription:  # it was not when the policy was made: nothing here goes there any more
            return None
