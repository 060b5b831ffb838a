"""The syntax tree of a CESQL expression. It knows nothing of evaluation.

A tree is at most MAX_DEPTH deep, so walking it by recursion is safe. Operators of one precedence level that
follow one another are one Chain, however many they are: that makes no depth.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Final, TypeAlias

from attrs import field, frozen

from eventroute.filters.like import LikePattern

__all__ = [
    "CORE",
    "MAX_DEPTH",
    "REQUIRED",
    "Attribute",
    "Boolean",
    "Call",
    "Chain",
    "Exists",
    "In",
    "Integer",
    "Level",
    "Like",
    "Literal",
    "Negative",
    "Node",
    "Not",
    "Operator",
    "Step",
    "String",
    "children",
    "nodes",
]

MAX_DEPTH: Final = 100
"""How deep the operators, functions and parentheses of an expression may nest."""

REQUIRED: Final = frozenset({"id", "source", "specversion", "type"})
"""The attributes that every event has."""

CORE: Final = REQUIRED | {"datacontenttype", "dataschema", "subject", "time"}
"""The attributes that are texts wherever they are."""


class Level(Enum):
    """The precedence levels of binary operators, tightest first (section 3.6)."""

    PRODUCT = "product"
    SUM = "sum"
    COMPARISON = "comparison"
    LOGIC = "logic"


class Operator(Enum):
    """A binary operator, by the text that it is printed as."""

    TIMES = "*"
    DIVIDED = "/"
    MODULO = "%"
    PLUS = "+"
    MINUS = "-"
    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="
    AND = "AND"
    OR = "OR"
    XOR = "XOR"


# The literals are three classes, since True equals 1 in Python, and an expression with one is not the other.


@frozen
class Boolean:
    """`true` or `false`."""

    value: bool


@frozen
class Integer:
    """A whole number of 32 bits."""

    value: int


@frozen
class String:
    """A text in quotes."""

    value: str


@frozen
class Attribute:
    """The value of an attribute; the name is in lower case."""

    name: str


@frozen
class Exists:
    """EXISTS: whether the event has the attribute."""

    name: str


@frozen
class Call:
    """A function invocation; the name is in upper case. `position` is where it stands in the text."""

    name: str
    arguments: tuple[Node, ...]
    position: int = field(default=0, eq=False)


@frozen
class Not:
    """NOT: the operand as a boolean, inverted."""

    operand: Node


@frozen
class Negative:
    """Unary minus."""

    operand: Node


@frozen
class Like:
    """LIKE, or NOT LIKE if `negated`."""

    operand: Node
    pattern: LikePattern
    negated: bool


@frozen
class In:
    """IN, or NOT IN if `negated`."""

    operand: Node
    elements: tuple[Node, ...]
    negated: bool


@frozen
class Step:
    """A binary operator with its right operand."""

    operator: Operator
    operand: Node


@frozen
class Chain:
    """Binary operators of one level, applied from left to right."""

    level: Level
    first: Node
    steps: tuple[Step, ...]


Literal: TypeAlias = Boolean | Integer | String
Node: TypeAlias = Literal | Attribute | Exists | Call | Not | Negative | Like | In | Chain


def children(node: Node) -> tuple[Node, ...]:
    """The operands of a node."""
    match node:
        case Call(_, arguments):
            return arguments
        case Not(operand) | Negative(operand) | Like(operand):
            return (operand,)
        case In(operand, elements):
            return (operand, *elements)
        case Chain(_, first, steps):
            return (first, *(step.operand for step in steps))
    return ()


def nodes(root: Node) -> Iterator[Node]:
    """All nodes of a tree."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(children(node))
