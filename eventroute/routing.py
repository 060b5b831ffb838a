"""The routing table of one bus: which subscription gets which event, and how its events go."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from attrs import define, frozen

from eventroute.errors import EventrouteError, InvalidEvent, InvalidSubscription
from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex
from eventroute.filters.filter import DialectParser, node_parsers
from eventroute.filters.stored import VERSION, Parsed, read, read_again
from eventroute.filters.syntax import Node
from eventroute.jsontext import decode_json, encode_json
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.route import Matcher, Route
from eventroute.push.sinks.base import Sink
from eventroute.push.sinks.letters import letter_sink
from eventroute.push.sinks.registry import SinkRegistry
from eventroute.storage.base import Changes, Claim, Span, StoredSubscription
from eventroute.subscription import Subscription
from eventroute.transform import Command, Transformer

__all__ = [
    "Compiled",
    "Table",
    "Vocabulary",
    "compile_subscription",
    "definition_of",
    "document_of",
    "restore_subscription",
]


MANY: Final = 1_000
"""From how many subscriptions on no garbage is collected while they are read."""


@frozen(eq=False)
class Vocabulary:
    """What an application adds to the languages of filters and transformers."""

    dialects: Mapping[str, DialectParser] | None = None
    """Filter dialects, by name."""
    commands: Mapping[str, Command] | None = None
    """Pipeline commands, by name."""


@frozen(eq=False)
class Compiled:
    """A subscription with its filter and transformer ready to run."""

    subscription: Subscription
    filter: Filter
    forms: tuple[Any, ...]
    """What its text expressions are once they are read (`filters.stored`)."""
    transform: Callable[[Event], Event]


def _unchanged(event: Event) -> Event:
    return event


_EVERYTHING: Final = Filter.parse([])


def compile_subscription(subscription: Subscription, words: Vocabulary) -> Compiled:
    """Read a subscription's filters and transformer. Raises InvalidFilter, InvalidTransformer."""
    return _compiled(subscription, read(subscription.rules, node_parsers(words.dialects)), words)


def _compiled(subscription: Subscription, parsed: Parsed, words: Vocabulary) -> Compiled:
    transformer = subscription.transformer
    transform = _unchanged if transformer is None else Transformer.parse(transformer, commands=words.commands)
    return Compiled(subscription, Filter(parsed.node), parsed.forms, transform)


_FORMS: Final = "forms"
_VERSION: Final = "version"
_PARSED: Final = "parsed"
"""The key of a definition under which forms stand, which no subscription has."""


def definition_of(compiled: Compiled) -> bytes:
    """What is stored of a subscription: its JSON form, without where it started, and what its texts are once read."""
    document = compiled.subscription.to_dict()
    document.pop("start", None)
    if compiled.forms:
        document[_PARSED] = {_VERSION: VERSION, _FORMS: compiled.forms}
    return encode_json(document, sort=True)


def document_of(definition: bytes) -> dict[str, Any]:
    """The JSON form of the subscription that a definition defines. Raises InvalidSubscription."""
    document = _decoded(definition)
    document.pop(_PARSED, None)
    return document


def _decoded(definition: bytes) -> dict[str, Any]:
    try:
        document = decode_json(definition)
    except ValueError as error:
        raise InvalidSubscription(f"what is stored of it is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise InvalidSubscription("what is stored of it is not a JSON object")
    return document


def restore_subscription(definition: bytes, words: Vocabulary) -> Compiled:
    """What was compiled when the definition was made. Raises InvalidSubscription, InvalidFilter, InvalidTransformer."""
    document = _decoded(definition)
    known = document.pop(_PARSED, None)
    subscription = Subscription.from_dict(document)
    version, forms = (known.get(_VERSION), known.get(_FORMS)) if isinstance(known, dict) else (VERSION, [])
    return _compiled(subscription, read_again(subscription.rules, node_parsers(words.dialects), version, forms), words)


class _Service:
    """That a reader serves a subscription for `start` <= offset < `until` (None: open): a key of the reader's index."""

    __slots__ = ("reader", "start", "subscription", "until")

    def __init__(self, reader: _ReaderIndex, subscription: str, span: Span) -> None:
        self.reader = reader
        self.subscription = subscription
        self.start = span.start
        self.until = span.until

    def holds(self, offset: int) -> bool:
        return self.start <= offset and (self.until is None or offset < self.until)


class _ReaderIndex:
    """The filters of all that one reader serves; callable as a `Matcher`."""

    __slots__ = ("index", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.index: FilterIndex[_Service] = FilterIndex()

    @property
    def empty(self) -> bool:
        return not len(self.index)

    def __call__(self, offset: int, raw: bytes) -> Collection[str]:
        try:
            found: Iterable[_Service] = self.index.match_json(raw)
        except InvalidEvent:  # no router wrote it: each subscription dead-letters it, so that it is seen
            found = self.index
        return _holding(found, offset)

    def served(self, offset: int) -> Collection[str]:
        return _holding(self.index, offset)


def _holding(services: Iterable[_Service], offset: int) -> list[str]:
    """The subscriptions that get the event at an offset. A set's order differs from process to process; what is done
    should not.
    """
    return sorted(service.subscription for service in services if service.holds(offset))


@define(eq=False, weakref_slot=False)
class _Known:
    """What a table keeps of a subscription. There may be very many, most of which get no event."""

    address: str
    policy: DeliveryPolicy
    transform: Callable[[Event], Event]
    paused: str | None
    rule: Node | None
    """None where it cannot be understood here."""
    born: int
    services: tuple[_Service, ...] = ()
    route: Route | None = None
    """Made when it is first asked for, with its sink."""


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


class Table:
    """The subscriptions of one bus as this process knows them (a `RoutingTable`)."""

    def __init__(self, sinks: SinkRegistry, words: Vocabulary) -> None:
        self._sinks = sinks
        self._words = words
        self._version = 0
        self._known: dict[str, _Known] = {}
        self._readers: dict[str, _ReaderIndex] = {}

    @property
    def version(self) -> int:
        """The version of the bus up to which changes have been applied."""
        return self._version

    def route(self, subscription: str) -> Route | None:
        """The route of a subscription, or None where it is not known."""
        known = self._known.get(subscription)
        if known is None:
            return None
        if known.route is None:
            known.route = self._route(subscription, known)
        return known.route

    def policies(self) -> Iterator[DeliveryPolicy]:
        """The policies of all subscriptions."""
        return (
            self._sinks.policy(known.address, known.policy) for known in self._known.values() if known.rule is not None
        )

    def filters(self) -> Mapping[str, Filter]:
        """The filters in force, by subscription, of those that can be understood here."""
        return {name: Filter(known.rule) for name, known in self._known.items() if known.rule is not None}

    def matcher(self, claim: Claim) -> Matcher:
        """The matcher for a claimed range."""
        return self.reader(claim.reader)

    def reader(self, name: str) -> Matcher:
        """What a reader serves; nothing where none is known of that name."""
        return self._readers.get(name) or _ReaderIndex(name)

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
            known.route = None

    def apply(self, changes: Changes) -> list[tuple[str, str]]:
        """Take changes in; returns (subscription, reason) for each that cannot be understood and is not paused yet."""
        if changes.reset:
            self._known.clear()
            self._readers.clear()
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
        self._version = changes.version
        return faults

    def _forget(self, subscription: str) -> None:
        known = self._known.pop(subscription, None)
        for service in () if known is None else known.services:
            service.reader.index.discard(service)
            if service.reader.empty:
                del self._readers[service.reader.name]

    def _learn(self, stored: StoredSubscription, spans: Sequence[Span]) -> str | None:
        """Take one subscription in; the return is why it cannot be understood, or None."""
        fault = None
        try:
            known, chosen = self._restored(stored)
        except EventrouteError as error:
            fault = f"invalid: {error}"
            known, chosen = (
                _Known("", DeliveryPolicy(), _unchanged, stored.paused or fault, None, stored.born),
                _EVERYTHING,
            )
        known.services = tuple([_Service(self._serving(span.reader), stored.id, span) for span in spans])
        for span, service in zip(spans, known.services, strict=True):
            service.reader.index.add(service, chosen if span.definition is None else self._filter(span.definition))
        self._known[stored.id] = known
        return fault

    def _serving(self, name: str) -> _ReaderIndex:
        reader = self._readers.get(name)
        if reader is None:
            reader = self._readers[name] = _ReaderIndex(name)
        return reader

    def _restored(self, stored: StoredSubscription) -> tuple[_Known, Filter]:
        compiled = restore_subscription(stored.definition, self._words)
        address, policy = compiled.subscription.address, compiled.subscription.policy
        self._sinks.sink(address, policy)  # made again for the first event: here it only must not be refused
        return _Known(
            address, policy, compiled.transform, stored.paused, compiled.filter.syntax, stored.born
        ), compiled.filter

    def _route(self, subscription: str, known: _Known) -> Route:
        if known.rule is None:
            return Route(subscription, "", known.policy, None, known.transform, known.paused, known.born)
        sink = self._sinks.sink(known.address, known.policy)
        policy = self._sinks.policy(known.address, known.policy)
        letters = self._letter_sink(policy)
        return Route(subscription, known.address, policy, sink, known.transform, known.paused, known.born, letters)

    def _letter_sink(self, policy: DeliveryPolicy) -> Sink | None:
        try:
            return letter_sink(policy, self._sinks)
        except InvalidSubscription:  # it was not when the policy was made: nothing here goes there any more
            return None

    def _filter(self, definition: bytes) -> Filter:
        """The filter of an earlier definition; one that cannot be understood matches everything, so nothing is lost."""
        try:
            return restore_subscription(definition, self._words).filter
        except EventrouteError:
            return _EVERYTHING
