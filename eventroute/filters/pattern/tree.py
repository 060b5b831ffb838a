"""What an event pattern says: a small frozen tree that knows nothing of evaluation.

A pattern is an object that mirrors the event. Its members are objects in turn, or leaves: tests, one of which must hold
for the value that stands in the event at the leaf's place. It is at most `syntax.MAX_DEPTH` deep.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from typing import Final, TypeAlias

from attrs import field, frozen

__all__ = [
    "DATA",
    "Affix",
    "AnythingBut",
    "Cidr",
    "Edge",
    "Equal",
    "Exists",
    "IgnoreCase",
    "Leaf",
    "Limit",
    "Number",
    "Numeric",
    "Object",
    "Path",
    "Test",
    "Wildcard",
    "can_miss",
    "extent",
    "leaves",
    "parts",
    "tells_null",
]

DATA: Final = "data"
"""The member of a pattern that mirrors the event's data; the others are attributes."""

Number: TypeAlias = int | float | Decimal
"""A whole number is an int, however it was written."""

Path: TypeAlias = tuple[str, ...]
"""The names that lead to a place in the event, from its top."""


def _typed(value: object) -> tuple[type, object]:
    return type(value), value


@frozen
class Equal:
    """The value is this text, number or boolean, or null."""

    value: str | Number | bool | None = field(eq=_typed)


class Edge(Enum):
    """Where in a text a part of it stands."""

    PREFIX = "prefix"
    SUFFIX = "suffix"


@frozen
class Affix:
    """The value is a text that begins or ends with this, in any case of letters if `ignore_case`."""

    edge: Edge
    text: str
    ignore_case: bool


@frozen
class IgnoreCase:
    """The value is this text, in any case of letters."""

    text: str


@frozen
class Wildcard:
    r"""The value is a text that fits: `*` is any run of characters, `\*` is an asterisk, `\\` a backslash."""

    text: str


@frozen
class Limit:
    """An end of a range of numbers."""

    number: Number = field(eq=_typed)
    included: bool


@frozen
class Numeric:
    """The value is a number in a range; at least one of its ends is there."""

    low: Limit | None
    high: Limit | None


@frozen
class Cidr:
    """The value is the text of an IP address in this network."""

    network: str


@frozen
class Exists:
    """There is such a value, null included; or there is none, if `wanted` is false."""

    wanted: bool


@frozen
class AnythingBut:
    """There is a value, and none of the tests, which are of one class, holds for it."""

    tests: tuple[Equal | Affix | IgnoreCase | Wildcard, ...]


Test: TypeAlias = Equal | Affix | IgnoreCase | Wildcard | Numeric | Cidr | Exists | AnythingBut


@frozen
class Leaf:
    """One of the tests holds for the value, or for an element of it if that is an array."""

    tests: tuple[Test, ...]


@frozen
class Object:
    """Each member holds for the member of that name, and one of the choices, if there are any, for the whole.

    Where the event has an array, all of this holds for one of its elements. Members are sorted by name.
    """

    members: tuple[tuple[str, Object | Leaf], ...]
    choices: tuple[Object, ...] = ()


def parts(tree: Object) -> Iterator[Object]:
    """What must hold of an event for the whole to hold, attributes first; the top of an event is never an array."""
    for member in sorted(tree.members, key=lambda member: member[0] == DATA):
        yield Object((member,))
    if tree.choices:
        yield Object((), tree.choices)


def leaves(one: Object | Leaf, path: Path = ()) -> Iterator[tuple[Path, Leaf]]:
    """All leaves, each with its place."""
    if isinstance(one, Leaf):
        yield path, one
        return
    for name, below in one.members:
        yield from leaves(below, (*path, name))
    for choice in one.choices:
        yield from leaves(choice, path)


def extent(one: Object | Leaf) -> tuple[int, int]:
    """How deep objects nest in one another, and the number of clauses: objects and tests."""
    if isinstance(one, Leaf):
        return 0, sum(len(test.tests) if isinstance(test, AnythingBut) else 1 for test in one.tests)
    below = [extent(part) for part in (*(part for _, part in one.members), *one.choices)]
    return 1 + max(depth for depth, _ in below), 1 + sum(clauses for _, clauses in below)


def can_miss(one: Object | Leaf) -> bool:
    """Whether it holds where the event has nothing at its place."""
    if isinstance(one, Leaf):
        return Exists(False) in one.tests
    holds = all(can_miss(below) for _, below in one.members)
    return holds and (not one.choices or any(map(can_miss, one.choices)))


def tells_null(leaf: Leaf) -> bool:
    """Whether it makes a difference to the leaf if its value is null or missing."""
    return any(isinstance(test, Exists | AnythingBut) or test == _NULL for test in leaf.tests)


_NULL: Final = Equal(None)
