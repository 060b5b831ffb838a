"""The syntax tree of JSONPath (RFC 9535), and its text."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import Enum
from typing import Final, TypeAlias

import attrs

from eventroute.jsontext import encode_json

__all__ = [
    "WILDCARD",
    "And",
    "Argument",
    "Call",
    "Comparable",
    "Comparison",
    "Condition",
    "Expression",
    "Literal",
    "Not",
    "Operator",
    "Or",
    "Query",
    "Segment",
    "Selector",
    "Slice",
    "Steps",
    "Wildcard",
    "match_shorthand",
    "path_text",
    "steps_of",
]

Steps: TypeAlias = tuple[str | int, ...]
"""Names and indexes."""

match_shorthand = re.compile("[A-Za-z_\x80-\ud7ff\ue000-\U0010ffff][0-9A-Za-z_\x80-\ud7ff\ue000-\U0010ffff]*").match
"""What may follow a dot (section 2.5.1.1)."""


class Wildcard(Enum):
    """`*`: every member or element (section 2.3.2)."""

    ALL = "*"


WILDCARD: Final = Wildcard.ALL


@attrs.frozen
class Slice:
    """`start:stop:step` (section 2.3.4): a step of 0 selects nothing."""

    start: int | None
    stop: int | None
    step: int | None

    def __str__(self) -> str:
        start, stop, step = ("" if part is None else str(part) for part in (self.start, self.stop, self.step))
        return f"{start}:{stop}:{step}" if step else f"{start}:{stop}"


@attrs.frozen
class Condition:
    """`?...`: the members or elements for which an expression holds (section 2.3.5)."""

    expression: Expression

    def __str__(self) -> str:
        return f"?{self.expression}"


Selector: TypeAlias = str | int | Wildcard | Slice | Condition


@attrs.frozen
class Segment:
    """One step of a path: what it selects of each node, or (`deep`) of each node and all below it (section 2.5)."""

    selectors: tuple[Selector, ...]
    deep: bool = False

    def __str__(self) -> str:
        dots = ".." if self.deep else ""
        selector = self.selectors[0] if len(self.selectors) == 1 else None
        if selector is WILDCARD:
            return f"{dots or '.'}*"
        if isinstance(selector, str) and (match := match_shorthand(selector)) and match.end() == len(selector):
            return f"{dots or '.'}{selector}"
        return f"{dots}[{','.join(map(_selector_text, self.selectors))}]"


def _scalar_type(value: str | int | float | Decimal | bool | None) -> tuple[type, object]:
    return type(value), value


@attrs.frozen
class Literal:
    """A JSON scalar in a filter. `1`, `1.0` and `true` are three, though Python holds them equal."""

    value: str | int | float | Decimal | bool | None = attrs.field(eq=_scalar_type)

    def __str__(self) -> str:
        return _quoted(self.value) if isinstance(self.value, str) else encode_json(self.value).decode("ascii")


@attrs.frozen
class Query:
    """A path in a filter: from the tested value (`@`), or from the document (`$`, absolute)."""

    segments: tuple[Segment, ...]
    absolute: bool = False

    def __str__(self) -> str:
        return ("$" if self.absolute else "@") + path_text(self.segments)


@attrs.frozen
class Call:
    """A function with its arguments (section 2.4)."""

    function: str
    arguments: tuple[Argument, ...]

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.arguments))})"


Comparable: TypeAlias = Literal | Query | Call
Argument: TypeAlias = Comparable


class Operator(Enum):
    """How two values are compared (section 2.3.5.2.2)."""

    EQUAL = "=="
    UNEQUAL = "!="
    AT_MOST = "<="
    AT_LEAST = ">="
    LESS = "<"
    GREATER = ">"


@attrs.frozen
class Comparison:
    """Two values compared."""

    left: Comparable
    operator: Operator
    right: Comparable

    def __str__(self) -> str:
        return f"{self.left} {self.operator.value} {self.right}"


@attrs.frozen
class Not:
    """`!`: what does not hold."""

    operand: Expression

    def __str__(self) -> str:
        return f"!{self.operand}" if isinstance(self.operand, Query | Call) else f"!({self.operand})"


@attrs.frozen
class And:
    """`&&`: at least two expressions that all hold."""

    operands: tuple[Expression, ...]

    def __str__(self) -> str:
        return " && ".join(f"({part})" if isinstance(part, And | Or) else str(part) for part in self.operands)


@attrs.frozen
class Or:
    """`||`: at least two expressions of which one holds."""

    operands: tuple[Expression, ...]

    def __str__(self) -> str:
        return " || ".join(f"({part})" if isinstance(part, Or) else str(part) for part in self.operands)


Expression: TypeAlias = Query | Call | Comparison | Not | And | Or
"""What a filter tests. A query holds if it finds something."""


def path_text(segments: tuple[Segment, ...]) -> str:
    """The canonical text of segments: `.name` where it can be, `['name']` elsewhere."""
    return "".join(map(str, segments))


def steps_of(segments: tuple[Segment, ...]) -> Steps | None:
    """The names and indexes of a path that has nothing else (a singular one, section 2.3.5.1), or None."""
    steps: list[str | int] = []
    for segment in segments:
        selector = segment.selectors[0]
        if segment.deep or len(segment.selectors) > 1 or not isinstance(selector, str | int):
            return None
        steps.append(selector)
    return tuple(steps)


def _selector_text(selector: Selector) -> str:
    if isinstance(selector, str):
        return _quoted(selector)
    return selector.value if isinstance(selector, Wildcard) else str(selector)


def _quoted(text: str) -> str:
    return "'" + "".join(map(_escaped, text)) + "'"


def _escaped(character: str) -> str:
    if character in "'\\":
        return "\\" + character
    return character if character >= " " else f"\\u{ord(character):04x}"
