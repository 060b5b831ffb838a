"""The routing table of one bus: which subscription gets which event, and how its events go."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from attrs import evolve, frozen

from eventroute.errors import EventrouteError, InvalidEvent, InvalidSubscription
from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex
from eventroute.filters.filter import DialectParser, node_parsers
from eventroute.filters.stored import VERSION, Parsed, read, read_again
from eventroute.jsontext import decode_json, encode_json
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.route import Matcher, Route
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


@frozen(eq=False)
class _ReaderIndex:
    """The spans that one reader serves, and the index over their filters; callable as a `Matcher`."""

    index: FilterIndex[tuple[str, int]]
    spans: dict[tuple[str, int], Span]

    @property
    def empty(self) -> bool:
        return not self.spans

    def __call__(self, offset: int, raw: bytes) -> Collection[str]:
        try:
            keys: Collection[tuple[str, int]] = self.index.match_json(raw)
        except InvalidEvent:  # no router wrote it: each subscription dead-letters it, so that it is seen
            keys = self.spans
        matched = []
        for key in keys:
            span = self.spans[key]
            if span.start <= offset and (span.until is None or offset < span.until):
                matched.append(span.subscription)
        matched.sort()  # a set's order differs from process to process; what is done should not
        return matched


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
        self._routes: dict[str, Route] = {}
        self._addresses: dict[str, str] = {}
        self._filters: dict[str, Filter] = {}
        self._spans: dict[str, tuple[Span, ...]] = {}
        self._readers: dict[str, _ReaderIndex] = {}

    @property
    def version(self) -> int:
        """The version of the bus up to which changes have been applied."""
        return self._version

    def route(self, subscription: str) -> Route | None:
        """The route of a subscription, or None where it is not known."""
        return self._routes.get(subscription)

    def routes(self) -> Mapping[str, Route]:
        """All routes, by subscription."""
        return self._routes

    def filters(self) -> Mapping[str, Filter]:
        """The filters in force, by subscription, of those that can be understood here."""
        return self._filters

    def matcher(self, claim: Claim) -> Matcher:
        """The matcher for a claimed range."""
        return self.reader(claim.reader)

    def reader(self, name: str) -> _ReaderIndex:
        """The spans of a reader; none where nothing is known of it."""
        known = self._readers.get(name)
        return _ReaderIndex(FilterIndex(), {}) if known is None else known

    def renew(self, subscription: str) -> None:
        """Look anew for the sink of a subscription: this process may hold its function now."""
        route, address = self._routes.get(subscription), self._addresses.get(subscription)
        if route is not None and address is not None:
            self._routes[subscription] = evolve(
                route,
                sink=self._sinks.sink(address, route.policy),
                policy=self._sinks.policy(address, route.policy),
            )

    def apply(self, changes: Changes) -> list[tuple[str, str]]:
        """Take changes in; returns (subscription, reason) for each that cannot be understood and is not paused yet."""
        if changes.reset:
            self._routes.clear()
            self._addresses.clear()
            self._filters.clear()
            self._spans.clear()
            self._readers.clear()
        faults = []
        spans: dict[str, list[Span]] = {}
        for span in changes.spans:
            spans.setdefault(span.subscription, []).append(span)
        with _uncollected(len(changes.subscriptions)):
            for stored in changes.subscriptions:
                self._forget(stored.id)
                if not stored.removed:
                    fault = self._learn(stored, tuple(spans.get(stored.id, ())))
                    if fault is not None and stored.paused is None:
                        faults.append((stored.id, fault))
        self._version = changes.version
        return faults

    def _forget(self, subscription: str) -> None:
        self._routes.pop(subscription, None)
        self._addresses.pop(subscription, None)
        self._filters.pop(subscription, None)
        for span in self._spans.pop(subscription, ()):
            reader = self._readers[span.reader]
            key = (subscription, span.start)
            del reader.spans[key]
            reader.index.discard(key)
            if not reader.spans:
                del self._readers[span.reader]

    def _learn(self, stored: StoredSubscription, spans: tuple[Span, ...]) -> str | None:
        """Take one subscription in; the return is why it cannot be understood, or None."""
        fault = None
        try:
            self._routes[stored.id], everything_else = self._route(stored)
        except EventrouteError as error:
            fault = f"invalid: {error}"
            self._routes[stored.id] = Route(stored.id, "", DeliveryPolicy(), None, _unchanged, stored.paused or fault)
            everything_else = Filter.parse([])
        self._spans[stored.id] = spans
        for span in spans:
            chosen = everything_else if span.definition is None else self._filter(span.definition)
            reader = self._readers.setdefault(span.reader, _ReaderIndex(FilterIndex(), {}))
            key = (stored.id, span.start)
            reader.spans[key] = span
            reader.index.add(key, chosen)
        return fault

    def _route(self, stored: StoredSubscription) -> tuple[Route, Filter]:
        compiled = restore_subscription(stored.definition, self._words)
        subscription = compiled.subscription
        sink = self._sinks.sink(subscription.address, subscription.policy)
        self._addresses[stored.id] = subscription.address
        self._filters[stored.id] = compiled.filter
        policy = self._sinks.policy(subscription.address, subscription.policy)
        route = Route(stored.id, subscription.address, policy, sink, compiled.transform, stored.paused)
        return route, compiled.filter

    def _filter(self, definition: bytes) -> Filter:
        """The filter of an earlier definition; one that cannot be understood matches everything, so nothing is lost."""
        try:
            return restore_subscription(definition, self._words).filter
        except EventrouteError:
            return Filter.parse([])
