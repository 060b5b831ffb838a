"""What is stored of a subscription: its definition, and how it is read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import frozen

from eventroute.errors import InvalidSubscription
from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.filters.filter import DialectParser, node_parsers
from eventroute.filters.stored import VERSION, Parsed, read, read_again
from eventroute.jsontext import decode_json, encode_json
from eventroute.push.route import unchanged
from eventroute.subscription import Subscription
from eventroute.transform import Command, Transformer

__all__ = [
    "Compiled",
    "Vocabulary",
    "compile_subscription",
    "definition_of",
    "document_of",
    "restore_filter",
    "restore_subscription",
]


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


def compile_subscription(subscription: Subscription, words: Vocabulary) -> Compiled:
    """Read a subscription's filters and transformer. Raises InvalidFilter, InvalidTransformer."""
    return _compiled(subscription, read(subscription.rules, node_parsers(words.dialects)), words)


def _compiled(subscription: Subscription, parsed: Parsed, words: Vocabulary) -> Compiled:
    transformer = subscription.transformer
    transform = unchanged if transformer is None else Transformer.parse(transformer, commands=words.commands)
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
    subscription, parsed = _read_again(definition, words)
    return _compiled(subscription, parsed, words)


def restore_filter(definition: bytes, words: Vocabulary) -> Filter:
    """The filter of `restore_subscription` alone, whether the transformer can be understood here or not. Raises
    InvalidSubscription, InvalidFilter.
    """
    return Filter(_read_again(definition, words)[1].node)


def _read_again(definition: bytes, words: Vocabulary) -> tuple[Subscription, Parsed]:
    document = _decoded(definition)
    known = document.pop(_PARSED, None)
    subscription = Subscription.from_dict(document)
    version, forms = (known.get(_VERSION), known.get(_FORMS)) if isinstance(known, dict) else (VERSION, [])
    return subscription, read_again(subscription.rules, node_parsers(words.dialects), version, forms)
