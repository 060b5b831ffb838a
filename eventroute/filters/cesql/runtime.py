"""What the compiled functions of CESQL expressions call. An error is None here, and what gets None returns it.

In an index these functions see the attributes of events that nobody has checked yet, so they survive any value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import frozen

from eventroute.filters.cesql import arithmetic
from eventroute.filters.cesql.casts import Type, Value, boolean, cast, integer, string, type_of
from eventroute.filters.cesql.errors import FunctionFailure
from eventroute.filters.cesql.evaluation import Read, evaluate_tree
from eventroute.filters.cesql.functions import Function, Functions
from eventroute.filters.cesql.tree import Literal, Node

__all__ = ["NAMES", "Invocation", "Members", "Walked"]

_PRIMITIVE: Final[frozenset[Any]] = frozenset({bool, int, str})


def _as_string(value: Any) -> str | None:
    if value.__class__ is str:
        text: str = value
        return text
    return string(value) if value.__class__ in _PRIMITIVE else None


def _as_integer(value: Any) -> int | None:
    return integer(value) if value.__class__ in _PRIMITIVE else None


def _as_boolean(value: Any) -> bool | None:
    return boolean(value) if value.__class__ in _PRIMITIVE else None


def _equal(left: Any, right: Any) -> bool | None:
    """`=`: the left operand is cast to the type of the right one."""
    if left.__class__ not in _PRIMITIVE or right.__class__ not in _PRIMITIVE:
        return None
    value = cast(left, type_of(right))
    return None if value is None else value == right


def _contains(value: Any, elements: tuple[Any, ...]) -> bool | None:
    """IN: the elements are cast to the type of the value."""
    if value.__class__ not in _PRIMITIVE:
        return None
    to = type_of(value)
    values = [cast(element, to) if element.__class__ in _PRIMITIVE else None for element in elements]
    return None if None in values else value in values


def _total(operation: Callable[[int, int], int | None]) -> Callable[[int | None, int | None], int | None]:
    return lambda left, right: None if left is None or right is None else operation(left, right)


def _negate(number: int | None) -> int | None:
    return None if number is None else arithmetic.negate(number)


NAMES: Final[dict[str, Any]] = {
    "sql_as_boolean": _as_boolean,
    "sql_as_integer": _as_integer,
    "sql_as_string": _as_string,
    "sql_contains": _contains,
    "sql_divide": _total(arithmetic.divide),
    "sql_equal": _equal,
    "sql_minus": _total(arithmetic.minus),
    "sql_modulo": _total(arithmetic.modulo),
    "sql_negate": _negate,
    "sql_plus": _total(arithmetic.plus),
    "sql_times": _total(arithmetic.times),
}
"""All that the source of an expression names."""


@frozen
class Members:
    """IN with literals only: they are cast to each type once. `members(value)` says whether the value is one."""

    _elements: dict[type, frozenset[Value] | None]

    @classmethod
    def of(cls, literals: tuple[Literal, ...]) -> Members:
        """What the literals are in each type; None in one that some cannot be cast to."""
        elements: dict[type, frozenset[Value] | None] = {}
        for kind in Type:
            values = [cast(literal.value, kind) for literal in literals]
            known = frozenset(value for value in values if value is not None)
            elements[type(kind.zero)] = None if None in values else known
        return cls(elements)

    def __call__(self, value: Any) -> bool | None:
        elements = self._elements.get(value.__class__)
        return None if elements is None else value in elements


@frozen
class Invocation:
    """A call of a function with arguments of the right types."""

    function: Function

    def __call__(self, *arguments: Any) -> Value | None:
        if None in arguments:
            return None
        try:
            return self.function.call(arguments)
        except FunctionFailure:
            return None


@frozen
class Walked:
    """What is nested too deep, or too large, to be compiled: it is walked at each evaluation."""

    node: Node
    functions: Functions

    def __call__(self, get: Callable[[str], Any]) -> Value | None:
        result = evaluate_tree(self.node, _primitives(get), self.functions)
        return None if result.errors else result.value


def _primitives(get: Callable[[str], Any]) -> Read:
    """Reads attributes; `data` is none, whatever an index has under that name."""

    def read(name: str) -> Value | None:
        value = get(name)
        return value if value.__class__ in _PRIMITIVE and name != "data" else None

    return read
