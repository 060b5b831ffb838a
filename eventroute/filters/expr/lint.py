"""What is odd about a filter in `expr`, though it is one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any, Final

from eventroute.event import Event
from eventroute.filters.compiler import for_event
from eventroute.filters.expr.functions import Kind
from eventroute.filters.expr.places import CORE
from eventroute.filters.expr.printing import expression_text, is_expression
from eventroute.filters.expr.values import instant, order
from eventroute.filters.oddity import Oddity
from eventroute.filters.syntax import (
    AllOf,
    AnyOf,
    Arithmetic,
    Between,
    Call,
    Comparator,
    Compare,
    Condition,
    Exists,
    In,
    IsNull,
    Like,
    Literal,
    Negative,
    Node,
    Text,
    Truth,
    Value,
    children,
)
from eventroute.paths import Field

__all__ = ["EXTENSIONS", "known", "lint"]

EXTENSIONS: Final = frozenset(
    {
        *("authclaims", "authid", "authtype", "correlationid", "causationid", "dataref", "expirytime", "opcuametadata"),
        *("partitionkey", "recordedtime", "sampledrate", "sequence", "sequencetype", "severitynumber", "severitytext"),
        *("traceparent", "tracestate", "deprecationfrom", "deprecationmigration", "deprecationsunset", "deprecated"),
        *("deadletterattempts", "deadlettererror", "deadletterreason", "deadlettersub", "deadlettertime"),
        *("deliverafter", "xvanusdeliverytime"),
    }
)
"""Attributes that the CloudEvents project documents as extensions, and those of this library."""

_REQUIRED: Final = frozenset({"specversion", "id", "source", "type"})
_LOWS: Final = (Comparator.EQUAL, Comparator.GREATER, Comparator.AT_LEAST)
_HIGHS: Final = (Comparator.EQUAL, Comparator.LESS, Comparator.AT_MOST)
_EQUALITIES: Final = (Comparator.EQUAL, Comparator.UNEQUAL)
_COMPARED: Final = 100  # comparisons of one value that are set against each other
_is_date = re.compile(r"[0-9]{4}-[0-9]{2}(?:-[0-9]{2})?(?:[Tt ].*)?").fullmatch
_is_number = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?").fullmatch


def lint(node: Node) -> Iterator[Oddity]:
    """Clauses that never match, and those that may not mean what they seem to; some may come twice."""
    waiting: list[Any] = [node]
    while waiting:
        one = waiting.pop()
        waiting.extend(reversed(children(one)))
        yield from (Oddity(_text(one), reason) for reason in _reasons(one))


def _text(one: Any) -> str:
    if isinstance(one, Text):
        return str(one.field)
    return expression_text(one) if not isinstance(one, AllOf | AnyOf) or is_expression(one) else _joint(one)


def _joint(one: AllOf | AnyOf) -> str:
    parts = [expression_text(operand) for operand in one.operands if isinstance(operand, Condition)]
    return (" AND " if isinstance(one, AllOf) else " OR ").join(parts)


def _reasons(one: Any) -> Iterator[str]:
    match one:
        case Text(_, field) | (Field() as field):
            yield from known(field)
        case AllOf(operands):
            yield from _never(operands)
        case AnyOf(operands):
            yield from _anything(operands)
        case Compare() | Between() | In() | Like() | Truth():
            yield from _constant(one) or _test(one)
        case Exists(value) | IsNull(value):
            if isinstance(value, Field) and value.attribute in _REQUIRED:
                yield f"each event has {value}"


def known(field: Field, data: str = "data in JSON is read by a path: data.{}") -> Iterator[str]:
    """What is odd about an attribute that CloudEvents does not know; `data` says how the dialect reads data."""
    name = field.attribute
    if name is None or name in CORE or name in EXTENSIONS:
        return
    near = difflib.get_close_matches(name[:64], [*CORE, "data"], n=1, cutoff=0.7)
    meant = f"did you mean {near[0]}?" if near else data.format(name)
    yield f"CloudEvents knows no attribute {name}, so it is one of your own, or missing; {meant}"


def _constant(node: Condition) -> list[str]:
    waiting: list[Any] = [node]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, Literal | Call | Arithmetic | Negative) and one is not node:
            return []
        waiting.extend(children(one))
    return [f"it is always {str(for_event(node)(_NOTHING)).lower()}: it reads nothing of the event"]


_NOTHING: Final = Event.create(type="t", source="/")


def _test(node: Any) -> Iterator[str]:
    match node:
        case Truth(Field(name)) if name in CORE:
            yield f"it never matches: {name} is a text, and not TRUE"
        case Compare(Field(name), comparator, Literal(literal)):
            yield from _compared(name, comparator, literal)
        case Between(_, Literal(low), Literal(high)) if order(*_alike(low, high)) == 1:
            yield "no value lies between these: the smaller one comes first"
        case Like(_, pattern):
            if "*" in pattern and "%" not in pattern:
                yield "* is a character like others: write % for any text"
            elif "%" not in pattern and "_" not in pattern:
                yield "the pattern has no % and no _: write = or !="
        case In(Field(name), options) if name in CORE:
            for option in options:
                if isinstance(option, Literal) and not isinstance(option.value, str):
                    yield f"{name} is a text, and never {expression_text(option)}"


def _compared(name: str | None, comparator: Comparator, literal: object) -> Iterator[str]:
    if name in CORE and not isinstance(literal, str):
        kind = "boolean" if isinstance(literal, bool) else "number"
        yield f"it never matches: {name} is a text, and this a {kind}"
    elif name in CORE and literal == "":
        yield f"{name} is never empty: write IS NULL where it may be missing"
    elif isinstance(literal, str) and comparator not in _EQUALITIES and instant(literal) is None:
        if _is_number(literal):
            yield "this compares texts: without quotes it compares numbers"
        elif _is_date(literal):
            yield "this compares texts: a time is compared with a date-time such as '2026-01-31T00:00:00Z'"


def _comparisons(operands: Iterable[Node]) -> dict[tuple[Value, bool], list[Compare]]:
    """The comparisons with literals, by what is compared, and whether as a time."""
    found: dict[tuple[Value, bool], list[Compare]] = {}
    for operand in operands:
        if isinstance(operand, Compare) and isinstance(operand.right, Literal):
            found.setdefault((operand.left, instant(operand.right.value) is not None), []).append(operand)
    return found


def _literal(node: Compare) -> Any:
    value = node.right.value if isinstance(node.right, Literal) else None
    moment = instant(value)
    return value if moment is None else moment


def _alike(one: object, other: object) -> tuple[object, object]:
    """Both as instants, if they are."""
    moments = instant(one), instant(other)
    return (one, other) if None in moments else moments


def _never(operands: tuple[Node, ...]) -> Iterator[str]:
    """What is odd about conditions that must hold together."""
    for (value, _), tests in _comparisons(operands).items():
        pairs = combinations(tests[:_COMPARED], 2)
        pair = next((pair for pair in pairs if _apart(*pair) or _apart(*reversed(pair))), None)
        if pair is not None:
            yield f"it never matches: {expression_text(value)} cannot be {_said(pair[0])} and {_said(pair[1])}"


def _apart(one: Compare, other: Compare) -> bool:
    """Whether no value passes both: the first asks for more than the second for at most."""
    low, high = _literal(one), _literal(other)
    if _kind(low) is not _kind(high):
        return True
    if isinstance(low, bool):
        return (low is high) is not (one.comparator is other.comparator)
    found = order(low, high)
    if found == 0:
        return {one.comparator, other.comparator} in _DISJOINT
    return found == 1 and one.comparator in _LOWS and other.comparator in _HIGHS


_DISJOINT: Final = (
    {Comparator.EQUAL, Comparator.UNEQUAL},
    {Comparator.EQUAL, Comparator.LESS},
    {Comparator.EQUAL, Comparator.GREATER},
    {Comparator.LESS, Comparator.GREATER},
    {Comparator.LESS, Comparator.AT_LEAST},
    {Comparator.AT_MOST, Comparator.GREATER},
)


def _kind(literal: object) -> Kind:
    if isinstance(literal, bool):
        return Kind.BOOLEAN
    return Kind.TEXT if isinstance(literal, str) else Kind.NUMBER


def _said(node: Compare) -> str:
    return f"{node.comparator.value} {expression_text(node.right)}"


def _anything(operands: tuple[Node, ...]) -> Iterator[str]:
    """What is odd about conditions of which one must hold."""
    for (value, _), tests in _comparisons(operands).items():
        unequal = {expression_text(test.right) for test in tests if test.comparator is Comparator.UNEQUAL}
        if len(unequal) > 1:
            text = expression_text(value)
            yield f"each {text} differs from one of {', '.join(sorted(unequal)[:5])}: write AND, or {text} NOT IN"
