"""What a filter says, whatever dialect said it: a small frozen tree that knows nothing of evaluation.

A tree is at most MAX_DEPTH deep, so walking it by recursion is safe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import frozen

from eventroute.paths import Field

if TYPE_CHECKING:
    from cloudevents.core.base import BaseCloudEvent

__all__ = [
    "MAX_CLAUSES",
    "MAX_DEPTH",
    "MAX_LITERAL",
    "AllOf",
    "AnyOf",
    "Composed",
    "EventTest",
    "Function",
    "Node",
    "Not",
    "Relation",
    "Text",
    "extent",
    "leaves",
]

MAX_DEPTH: Final = 100
"""How deep the clauses of a filter may nest."""

MAX_CLAUSES: Final = 10_000
"""How many clauses a filter may have, those that only join others included."""

MAX_LITERAL: Final = 65_536
"""How long a text may be that a field is compared with, in characters."""

EventTest: TypeAlias = "Callable[[BaseCloudEvent], bool]"
"""Says whether an event matches."""


class Relation(Enum):
    """How a field's text stands to a literal."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"


@frozen
class Text:
    """A field's text is the literal, or begins or ends with it."""

    relation: Relation
    field: Field
    literal: str


@frozen
class AllOf:
    """Every operand holds; without any, always true."""

    operands: tuple[Node, ...]


@frozen
class AnyOf:
    """At least one operand holds."""

    operands: tuple[Node, ...]


@frozen
class Not:
    """The operand does not hold."""

    operand: Node


@frozen
class Composed:
    """A clause in a dialect that the application handed in, which makes it of other clauses.

    `value` is the clause's JSON text.
    """

    dialect: str
    value: str
    meaning: Node


@frozen
class Function:
    """A clause in a dialect that the application handed in, which makes a function of it.

    `value` is the clause's JSON text.
    """

    dialect: str
    value: str
    test: EventTest


Node: TypeAlias = Text | AllOf | AnyOf | Not | Composed | Function


def extent(node: Node) -> tuple[int, int]:
    """The depth of a tree and the number of its clauses."""
    match node:
        case AllOf(operands) | AnyOf(operands):
            extents = [extent(operand) for operand in operands]
        case Not(inner) | Composed(meaning=inner):
            extents = [extent(inner)]
        case _:
            extents = []
    return 1 + max((depth for depth, _ in extents), default=0), 1 + sum(clauses for _, clauses in extents)


def leaves(node: Node) -> Iterator[Text | Function]:
    """All comparisons and functions in a tree, repeated ones too."""
    waiting: list[Node] = [node]
    while waiting:
        match waiting.pop():
            case AllOf(operands) | AnyOf(operands):
                waiting.extend(operands)
            case Not(inner) | Composed(meaning=inner):
                waiting.append(inner)
            case Text() | Function() as leaf:
                yield leaf
