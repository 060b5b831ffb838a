"""The expressions in a path's filters, compiled to functions (RFC 9535, sections 2.3.5 and 2.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from eventroute.errors import InvalidPath
from eventroute.paths.comparison import comparer, literal_comparer
from eventroute.paths.functions import FUNCTIONS, Kind
from eventroute.paths.getter import MISSING, getter
from eventroute.paths.iregexp import IRegexp, compile_iregexp, load_engine
from eventroute.paths.syntax import (
    And,
    Argument,
    Call,
    Comparison,
    Expression,
    Literal,
    Not,
    Or,
    Query,
    steps_of,
)
from eventroute.paths.work import Work

__all__ = ["Find", "Holds", "compile_condition", "count_terms"]

_COMPILING = 20_000
"""How many visits it counts to compile a regular expression that is found in the document."""

T = TypeVar("T")
Holds: TypeAlias = Callable[[Any, Work], bool]
"""Whether a value passes the filter."""

Read: TypeAlias = Callable[[Any, Work], Any]
Find: TypeAlias = Callable[[Query], Callable[[Any, Work], list[Any]]]
"""From a query to the function that finds its nodes."""


def compile_condition(expression: Expression, find: Find) -> Holds:
    """A function that says whether the expression holds for a value (`@`).

    Raises InvalidPath where a regular expression that is written in the path is none.
    """
    match expression:
        case And(operands):
            return _every([compile_condition(operand, find) for operand in operands])
        case Or(operands):
            return _some([compile_condition(operand, find) for operand in operands])
        case Not(operand):
            holds = compile_condition(operand, find)
            return lambda node, work: not holds(node, work)
        case Query():
            return _exists(expression, find)
        case Call():
            return _call(expression, find)
        case Comparison():
            return _compare(expression, find)


def count_terms(expression: Expression) -> int:
    """How many tests, comparisons and calls an expression has, those of inner filters not counted."""
    if isinstance(expression, And | Or):
        return sum(map(count_terms, expression.operands))
    return count_terms(expression.operand) if isinstance(expression, Not) else 1


def _every(operands: list[Holds]) -> Holds:
    def every(node: Any, work: Work) -> bool:
        for holds in operands:  # noqa: SIM110  # a generator would cost as much as the operands
            if not holds(node, work):
                return False
        return True

    return every


def _some(operands: list[Holds]) -> Holds:
    def some(node: Any, work: Work) -> bool:
        for holds in operands:  # noqa: SIM110
            if holds(node, work):
                return True
        return False

    return some


def _exists(query: Query, find: Find) -> Holds:
    if steps_of(query.segments) is not None:
        read = _read(query, find)
        return lambda node, work: read(node, work) is not MISSING
    nodes = _nodes(query, find)
    return lambda node, work: bool(nodes(node, work))


def _compare(comparison: Comparison, find: Find) -> Holds:
    left, operator, right = comparison.left, comparison.operator, comparison.right
    read_left = _read(left, find)
    quick = literal_comparer(operator, right.value) if isinstance(right, Literal) else None
    if quick is not None:
        if isinstance(left, Query) and not left.absolute:
            get = getter(steps_of(left.segments) or ())
            return lambda node, work: quick(get(node))
        return lambda node, work: quick(read_left(node, work))
    read_right = _read(right, find)
    compare = comparer(operator)

    def holds(node: Any, work: Work) -> bool:
        return compare(read_left(node, work), read_right(node, work), work)

    return holds if _is_relative(left) or _is_relative(right) else _once(holds)


def _call(call: Call, find: Find) -> Read:
    function = FUNCTIONS[call.function]
    readers = [
        _argument(argument, kind, find) for argument, kind in zip(call.arguments, function.parameters, strict=True)
    ]
    apply = function.apply

    def read(node: Any, work: Work) -> Any:
        return apply(work, *[read(node, work) for read in readers])

    return read if _is_relative(call) else _once(read)


def _argument(argument: Argument, kind: Kind, find: Find) -> Read:
    if kind is Kind.PATTERN:
        return _pattern(argument, find)
    if kind is Kind.NODES and isinstance(argument, Query):
        return _nodes(argument, find)
    return _read(argument, find)


def _pattern(argument: Argument, find: Find) -> Read:
    """A function that reads a regular expression; None for what is none."""
    load_engine()
    if isinstance(argument, Literal):
        regexp = _written_pattern(argument)
        return lambda node, work: regexp
    read = _read(argument, find)

    def pattern(node: Any, work: Work) -> IRegexp | None:
        text = read(node, work)
        if not isinstance(text, str):
            return None
        if text not in work.known:
            work.spend(_COMPILING)
            work.known[text] = _pattern_or_none(text)
        regexp: IRegexp | None = work.known[text]
        return regexp

    return pattern


def _written_pattern(argument: Literal) -> IRegexp | None:
    if not isinstance(argument.value, str):
        return None
    try:
        return compile_iregexp(argument.value)
    except ValueError as error:
        raise InvalidPath(f"this regular expression would never match: {error}", where=str(argument)) from None


def _pattern_or_none(text: str) -> IRegexp | None:
    try:
        return compile_iregexp(text)
    except ValueError:
        return None


def _read(argument: Argument, find: Find) -> Read:
    """A function that reads one value, or MISSING."""
    if isinstance(argument, Literal):
        value = argument.value
        return lambda node, work: value
    if isinstance(argument, Call):
        return _call(argument, find)
    get = getter(steps_of(argument.segments) or ())
    if argument.absolute:
        return lambda node, work: get(work.root)
    return lambda node, work: get(node)


def _nodes(query: Query, find: Find) -> Callable[[Any, Work], list[Any]]:
    nodes = find(query)
    return _once(nodes) if query.absolute else nodes


def _is_relative(argument: Argument) -> bool:
    """Whether its value depends on what is tested (`@`)."""
    if isinstance(argument, Call):
        return any(map(_is_relative, argument.arguments))
    return isinstance(argument, Query) and not argument.absolute


def _once(read: Callable[[Any, Work], T]) -> Callable[[Any, Work], T]:
    """Reads once an evaluation, however many values are tested: else `$..[?$..a]` would take quadratic time."""

    def known(node: Any, work: Work) -> T:
        if read not in work.known:
            work.known[read] = read(node, work)
        result: T = work.known[read]
        return result

    return known
