"""What a filter says, whatever dialect said it: a small frozen tree that knows nothing of evaluation.

A tree is at most MAX_DEPTH deep, so walking it by recursion is safe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import field, frozen

from eventroute.filters.cesql.expression import Expression
from eventroute.filters.pattern.tree import Object
from eventroute.filters.pattern.tree import extent as extent_of_pattern
from eventroute.paths import Field
from eventroute.paths.syntax import Steps

if TYPE_CHECKING:
    from cloudevents.core.base import BaseCloudEvent

__all__ = [
    "MAX_CLAUSES",
    "MAX_DEPTH",
    "MAX_LITERAL",
    "AllOf",
    "AnyOf",
    "Arithmetic",
    "Between",
    "Call",
    "Comparator",
    "Compare",
    "Composed",
    "Condition",
    "Each",
    "EventPattern",
    "EventTest",
    "Exclusive",
    "Exists",
    "Function",
    "In",
    "Includes",
    "IsNull",
    "Like",
    "Literal",
    "Negative",
    "Node",
    "Not",
    "Operator",
    "Place",
    "Quantified",
    "Quantifier",
    "Relation",
    "Sql",
    "Text",
    "Truth",
    "Value",
    "children",
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


@frozen(weakref_slot=False)
class Text:
    """A field's text is the literal, or begins or ends with it."""

    relation: Relation
    field: Field
    literal: str


@frozen(weakref_slot=False)
class AllOf:
    """Every operand holds; without any, always true."""

    operands: tuple[Node, ...]


@frozen(weakref_slot=False)
class AnyOf:
    """At least one operand holds."""

    operands: tuple[Node, ...]


@frozen(weakref_slot=False)
class Not:
    """The operand does not hold."""

    operand: Node


@frozen(weakref_slot=False)
class Composed:
    """A clause in a dialect that the application handed in, which makes it of other clauses.

    `value` is the clause's JSON text.
    """

    dialect: str
    value: str
    meaning: Node


@frozen(weakref_slot=False)
class Function:
    """A clause in a dialect that the application handed in, which makes a function of it.

    `value` is the clause's JSON text.
    """

    dialect: str
    value: str
    test: EventTest


@frozen(weakref_slot=False)
class Sql:
    """A CESQL expression: its value is true, and nothing in it is an error."""

    expression: Expression


@frozen(weakref_slot=False)
class EventPattern:
    """An event pattern: the event looks as the object says. Its tree is one of its own."""

    tree: Object


# What the text language `expr` says beyond that. A missing value and null are alike, but for Exists.


def _typed(value: object) -> tuple[type, object]:
    return type(value), value


@frozen(weakref_slot=False)
class Literal:
    """A text, a number or a boolean. A whole number is an int, however it was written."""

    value: str | int | float | Decimal | bool = field(eq=_typed)


@frozen(weakref_slot=False)
class Each:
    """`data.a[*].b`: the value of `b` in that element of `data.a` that a quantifier has in hand.

    `path` is what stands before, between and after the stars.
    """

    path: tuple[Steps, ...]


@frozen(weakref_slot=False)
class Call:
    """The value of a function; the name is in upper case."""

    name: str
    arguments: tuple[Value, ...]


class Operator(Enum):
    """How numbers are reckoned with."""

    PLUS = "+"
    MINUS = "-"
    TIMES = "*"
    DIVIDED = "/"
    MODULO = "%"


@frozen(weakref_slot=False)
class Arithmetic:
    """Operators of one level, from left to right: there is one operand more than operators."""

    operands: tuple[Value, ...]
    operators: tuple[Operator, ...]


@frozen(weakref_slot=False)
class Negative:
    """Unary minus."""

    operand: Value


Value: TypeAlias = Field | Each | Literal | Call | Arithmetic | Negative


class Comparator(Enum):
    """How two values are compared."""

    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="


@frozen(weakref_slot=False)
class Compare:
    """Two values of one kind stand so to each other. Of a literal and another value, the literal is `right`."""

    left: Value
    comparator: Comparator
    right: Value


@frozen(weakref_slot=False)
class In:
    """The value equals one of the options; if `negated`, it is of the kind of each and equals none."""

    value: Value
    options: tuple[Value, ...]
    negated: bool


@frozen(weakref_slot=False)
class Between:
    """The value lies between two of its kind, ends included; if `negated`, outside of them."""

    value: Value
    low: Value
    high: Value
    negated: bool


@frozen(weakref_slot=False)
class Like:
    """The value is a text that fits the pattern; if `negated`, one that does not."""

    value: Value
    pattern: str
    negated: bool


class Place(Enum):
    """Where in a text a part of it stands."""

    START = "STARTS WITH"
    END = "ENDS WITH"
    ANYWHERE = "CONTAINS"


@frozen(weakref_slot=False)
class Includes:
    """The value is a text with the part at the place; if `negated`, a text without it."""

    value: Value
    place: Place
    part: Value
    negated: bool


@frozen(weakref_slot=False)
class Exists:
    """There is such a value, null included."""

    value: Field | Each


@frozen(weakref_slot=False)
class IsNull:
    """The value is null or missing; if `negated`, it is neither."""

    value: Value
    negated: bool


@frozen(weakref_slot=False)
class Truth:
    """The value is `true`."""

    value: Value


@frozen(weakref_slot=False)
class Exclusive:
    """An odd number of the operands hold."""

    operands: tuple[Node, ...]


class Quantifier(Enum):
    """Of how many elements something must hold."""

    ANY = "ANY"
    ALL = "ALL"
    NONE = "NONE"


@frozen(weakref_slot=False)
class Quantified:
    """The condition holds for so many elements of an array; where there is no array, this does not hold.

    `array` is the array's path, in the way of `Each`: of several parts, it is an array in an element of another.
    """

    quantifier: Quantifier
    array: tuple[Steps, ...]
    condition: Node


Condition: TypeAlias = Compare | In | Between | Like | Includes | Exists | IsNull | Truth | Exclusive | Quantified
"""What only `expr` says."""

Node: TypeAlias = Text | AllOf | AnyOf | Not | Composed | Function | Sql | EventPattern | Condition

# From a class to what a tree of that class is made of.
_CHILDREN: Final[dict[type, Callable[[Any], tuple[Any, ...]]]] = {
    AllOf: lambda node: node.operands,
    AnyOf: lambda node: node.operands,
    Exclusive: lambda node: node.operands,
    Not: lambda node: (node.operand,),
    Composed: lambda node: (node.meaning,),
    Quantified: lambda node: (node.condition,),
    Compare: lambda node: (node.left, node.right),
    In: lambda node: (node.value, *node.options),
    Between: lambda node: (node.value, node.low, node.high),
    Includes: lambda node: (node.value, node.part),
    **dict.fromkeys((Like, Exists, IsNull, Truth), lambda node: (node.value,)),
    Call: lambda node: node.arguments,
    Arithmetic: lambda node: node.operands,
    Negative: lambda node: (node.operand,),
}
_JOINTS: Final = (AllOf, AnyOf, Not, Composed, Exclusive)
_VALUES: Final = (Field, Each, Literal, Call, Arithmetic, Negative)


def children(node: Node | Value) -> tuple[Node | Value, ...]:
    """The trees that a tree is made of."""
    of_class = _CHILDREN.get(type(node))
    return () if of_class is None else of_class(node)


def extent(node: Node | Value) -> tuple[int, int]:
    """The depth of a tree and the number of its clauses; a clause is as deep as the values in it."""
    if isinstance(node, Sql):
        return node.expression.depth, 1 + node.expression.size
    if isinstance(node, EventPattern):
        return extent_of_pattern(node.tree)
    depth, clauses = 0, 0
    for child in children(node):
        below, number = extent(child)
        depth = max(depth, below)
        clauses += number
    if isinstance(node, Field | Each | Literal):
        return 0, 0
    return depth + 1, clauses + (not isinstance(node, _VALUES))


def leaves(node: Node) -> Iterator[Node]:
    """All clauses in a tree that do not just join others, repeated ones too."""
    waiting: list[Any] = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, _JOINTS):
            waiting.extend(children(one))
        else:
            yield one
