"""The roster of one bus: its subscriptions, which of them an event at an offset is for, and by which filter."""

from __future__ import annotations

import gc
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

from attrs import define, field

from eventroute.definitions import Vocabulary, restore_filter
from eventroute.errors import EventrouteError
from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex
from eventroute.filters.syntax import Node
from eventroute.storage.base import Changes, Span, StoredSubscription

__all__ = ["EVERYTHING", "MANY", "Listed", "Lookup", "Member", "Roster", "Service"]

MANY: Final = 1_000
"""From how many subscriptions on no garbage is collected while they are read."""

EVERYTHING: Final = Filter.parse([])


class Service:
    """That a reader serves a subscription for `start` <= offset < `until` (None: open): a key of an index.

    It matches by `rule`, or everything where that cannot be understood here (None). `earlier` tells that this is not
    the subscription's present one.
    """

    __slots__ = ("earlier", "reader", "rule", "start", "subscription", "until")

    def __init__(self, span: Span, rule: Node | None) -> None:
        self.reader = span.reader
        self.subscription = span.subscription
        self.start = span.start
        self.until = span.until
        self.rule = rule
        self.earlier = span.definition is not None

    def holds(self, offset: int) -> bool:
        """Whether the event at an offset is among those that the reader brings."""
        return self.start <= offset and (self.until is None or offset < self.until)


class Member:
    """What a roster keeps of a subscription; another one takes its place when it changes. There may be very many."""

    __slots__ = ()

    paused: str | None
    rule: Node | None
    """None where it cannot be understood here."""
    born: int
    definition: bytes | None
    """Of one that cannot be understood here."""
    services: tuple[Service, ...]

    @property
    def reader(self) -> str | None:
        """The reader that serves it from now on."""
        for service in self.services:
            if service.until is None:
                return service.reader
        return None


@define(eq=False, weakref_slot=False)
class Listed(Member):
    """A member of which nothing more is known."""

    paused: str | None
    rule: Node | None
    born: int
    definition: bytes | None = None
    services: tuple[Service, ...] = field(default=(), init=False)


M = TypeVar("M", bound=Member)


@contextmanager
def _uncollected(subscriptions: int) -> Iterator[None]:
    """Collect no garbage while many subscriptions are read: what is made stays, and would be looked through over and
    over.
    """
    if subscriptions < MANY or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()  # else what was made is looked through once a generation while the first events come


class Roster(ABC, Generic[M]):
    """The subscriptions of one bus, brought up to date by `Changes`."""

    def __init__(self, words: Vocabulary) -> None:
        self._words = words
        self._version = 0
        self._known: dict[str, M] = {}
        self._names: tuple[str, ...] | None = None

    @property
    def version(self) -> int:
        """The version of the bus up to which changes have been applied."""
        return self._version

    @property
    def names(self) -> tuple[str, ...]:
        """The ids of all subscriptions, sorted."""
        if self._names is None:
            self._names = tuple(sorted(self._known))
        return self._names

    def members(self) -> Mapping[str, M]:
        """All subscriptions by id, as they are now: what changes later does not show."""
        return self._known.copy()

    def filters(self) -> Mapping[str, Filter]:
        """The filters in force, by subscription, of those that can be understood here."""
        return {name: Filter(known.rule) for name, known in self._known.items() if known.rule is not None}

    @abstractmethod
    def matching(self, event: Event) -> set[Service]:
        """The services whose filters match an event, at whatever offset."""

    def apply(self, changes: Changes) -> list[tuple[str, str]]:
        """Take changes in; returns (subscription, reason) for each that cannot be understood and is not paused yet."""
        if changes.reset:
            self._clear()
        faults = []
        spans: dict[str, list[Span]] = {}
        for span in changes.spans:
            spans.setdefault(span.subscription, []).append(span)
        with _uncollected(len(changes.subscriptions)):
            for stored in changes.subscriptions:
                self._forget(stored.id)
                if not stored.removed:
                    fault = self._learn(stored, spans.get(stored.id, ()))
                    if fault is not None and stored.paused is None:
                        faults.append((stored.id, fault))
        if changes.reset or changes.subscriptions:
            self._names = None
        self._version = changes.version
        return faults

    @abstractmethod
    def _restored(self, stored: StoredSubscription) -> tuple[M, Filter]:
        """What is kept of a subscription, and its filter. Raises EventrouteError."""

    @abstractmethod
    def _faulty(self, stored: StoredSubscription, fault: str) -> M:
        """What is kept of one that cannot be understood."""

    @abstractmethod
    def _enter(self, service: Service, chosen: Filter) -> None:
        """Hold a service under its filter."""

    @abstractmethod
    def _leave(self, service: Service) -> None:
        """Let go of a service."""

    def _clear(self) -> None:
        """Let go of all."""
        self._known.clear()

    def _forget(self, subscription: str) -> None:
        known = self._known.pop(subscription, None)
        for service in () if known is None else known.services:
            self._leave(service)

    def _learn(self, stored: StoredSubscription, spans: Sequence[Span]) -> str | None:
        """Take one subscription in; the return is why it cannot be understood, or None."""
        fault = None
        try:
            known, chosen = self._restored(stored)
        except EventrouteError as error:
            fault = f"invalid: {error}"
            known, chosen = self._faulty(stored, fault), EVERYTHING
        services = []
        for span in spans:
            by = (known.rule, chosen) if span.definition is None else self._earlier(span.definition)
            service = Service(span, by[0])
            self._enter(service, by[1])
            services.append(service)
        known.services = tuple(services)
        self._known[stored.id] = known
        return fault

    def _earlier(self, definition: bytes) -> tuple[Node | None, Filter]:
        """The filter of an earlier definition; one that cannot be understood matches everything, so nothing is lost."""
        try:
            chosen = restore_filter(definition, self._words)
        except EventrouteError:
            return None, EVERYTHING
        return chosen.syntax, chosen


class Lookup(Roster[Listed]):
    """A roster for who only asks which filters match: neither sinks nor transformers need be understood here."""

    def __init__(self, words: Vocabulary) -> None:
        super().__init__(words)
        self._index: FilterIndex[Service] = FilterIndex()

    def matching(self, event: Event) -> set[Service]:
        """See `Roster.matching`."""
        return self._index.match(event)

    def _restored(self, stored: StoredSubscription) -> tuple[Listed, Filter]:
        chosen = restore_filter(stored.definition, self._words)
        return Listed(stored.paused, chosen.syntax, stored.born), chosen

    def _faulty(self, stored: StoredSubscription, fault: str) -> Listed:
        return Listed(stored.paused, None, stored.born, stored.definition)

    def _enter(self, service: Service, chosen: Filter) -> None:
        self._index.add(service, chosen)

    def _leave(self, service: Service) -> None:
        self._index.discard(service)

    def _clear(self) -> None:
        super()._clear()
        self._index = FilterIndex()
