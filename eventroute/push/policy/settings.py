"""What the settings of a policy have in common: how a value is checked, and how one is read from JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

import attrs

from eventroute.errors import InvalidSubscription

__all__ = ["TOKEN", "Check", "count", "instance_of", "mapping", "number", "one_of", "only", "optional", "plain"]

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
"""A header's name (RFC 9110, section 5.6.2), of bounded length."""

Check: TypeAlias = Callable[[Any, "attrs.Attribute[Any]", Any], None]
T = TypeVar("T")


def number(least: float, most: float, place: str = "policy") -> Check:
    """A number between two bounds, both included."""

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        right = isinstance(value, int | float) and not isinstance(value, bool)
        if not right or not least <= value <= most:  # type: ignore[operator]
            raise InvalidSubscription(
                f"{value!r} is not a number from {least:g} to {most:g}", where=f"{place}.{attribute.name}"
            )

    return check


def count(least: int, most: int, place: str = "policy") -> Check:
    """A whole number between two bounds, both included."""

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise InvalidSubscription(
                f"{value!r} is not a whole number from {least} to {most}", where=f"{place}.{attribute.name}"
            )

    return check


def one_of(choices: frozenset[str], place: str = "policy") -> Check:
    """One of a few words."""

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, str) or value not in choices:
            raise InvalidSubscription(
                f"{value!r} is none of {', '.join(sorted(choices))}", where=f"{place}.{attribute.name}"
            )

    return check


def instance_of(*kinds: type, place: str = "policy") -> Check:
    """A value of one of these classes. What it is instead is not shown: it may be a secret."""

    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, kinds):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise InvalidSubscription(
                f"a value of type {type(value).__name__} is not a {wanted}", where=f"{place}.{attribute.name}"
            )

    return check


def optional(check: Check) -> Check:
    """None, or what `check` accepts."""
    return attrs.validators.optional(check)


def mapping(value: object, where: str) -> Mapping[str, Any]:
    """A JSON object. What is there instead is not shown: it may be a secret."""
    if not isinstance(value, Mapping):
        raise InvalidSubscription(f"a value of type {type(value).__name__} is not an object", where=where)
    return value


def only(document: object, known: frozenset[str], where: str) -> dict[str, Any]:
    """A JSON object that has none but the known keys."""
    given = mapping(document, where)
    for key in given:
        if key not in known:
            raise InvalidSubscription(
                f"there is no such setting; known: {', '.join(sorted(known))}", where=f"{where}.{key}"
            )
    return dict(given)


def plain(kind: type[T], document: object, where: str) -> T:
    """An attrs value from a JSON object whose keys are its fields; its errors name the place in the document."""
    values = only(document, frozenset(one.name for one in attrs.fields(kind)), where)  # type: ignore[arg-type]
    for one in attrs.fields(kind):  # type: ignore[arg-type]
        if one.default is attrs.NOTHING and one.name not in values:
            raise InvalidSubscription("is missing", where=f"{where}.{one.name}")
    try:
        return kind(**values)
    except InvalidSubscription as error:
        name = error.where.rpartition(".")[2]
        raise InvalidSubscription(error.reason, where=f"{where}.{name}") from None
