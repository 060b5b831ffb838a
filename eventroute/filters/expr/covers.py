"""By what an index finds the conditions of `expr`: predicates of which one holds whenever the condition does.

A comparison with a literal text is found by the tables of texts. These hold canonical texts, so they also find a number
that is written as the text is, and an array with the text in it: finding it decides only for attributes that
are always texts.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final, TypeAlias

from eventroute.filters.expr.places import CORE
from eventroute.filters.expr.values import instant
from eventroute.filters.like import LikePattern
from eventroute.filters.predicates import Predicate, Present, Span
from eventroute.filters.ranges import rounded
from eventroute.filters.syntax import (
    Between,
    Comparator,
    Compare,
    Condition,
    Exists,
    In,
    Includes,
    IsNull,
    Like,
    Literal,
    Node,
    Place,
    Quantified,
    Relation,
    Text,
    Truth,
    Value,
    children,
)
from eventroute.paths import Field

__all__ = ["Found", "condition_cover", "joint_spans"]

Found: TypeAlias = tuple[tuple[Predicate, ...], bool]
"""The predicates, and whether one of them holding decides that the condition does."""

_LARGEST: Final = sys.float_info.max
_ALWAYS_THERE: Final = frozenset({"specversion", "id", "source", "type"})
_RELATIONS: Final = {Place.START: Relation.PREFIX, Place.END: Relation.SUFFIX}


def condition_cover(node: Condition) -> Found | None:
    """What the condition is found by, or None where it must be evaluated always."""
    precise = _precise(node)
    if precise is not None:
        return precise
    field = next(_needed(node), None)
    return None if field is None else ((Present(field),), False)


def _precise(node: Condition) -> Found | None:
    match node:
        case Compare(Field() as field, comparator, Literal(literal)):
            return _compared(field, comparator, literal)
        case Truth(Field() as field):
            return (Text(Relation.EXACT, field, "true"),), False
        case In(Field() as field, options, False):
            return _one_of(field, options)
        case Between(Field() as field, Literal(low), Literal(high), False):
            return _between(field, low, high)
        case Like(Field() as field, pattern, False):
            return _like(field, LikePattern(pattern))
        case Includes(Field() as field, place, Literal(str() as part), False) if part and place in _RELATIONS:
            return (Text(_RELATIONS[place], field, part),), _is_text(field)
    return None


def _is_text(field: Field) -> bool:
    return field.attribute in CORE


def _compared(field: Field, comparator: Comparator, literal: object) -> Found | None:
    if isinstance(literal, bool):
        wanted = literal is (comparator is Comparator.EQUAL)
        return (Text(Relation.EXACT, field, "true" if wanted else "false"),), False
    span = _span(field, comparator, literal)
    if span is not None:
        return (span,), False
    if comparator is Comparator.EQUAL and isinstance(literal, str) and instant(literal) is None:
        return (Text(Relation.EXACT, field, literal),), _is_text(field)
    return None


def _span(field: Field, comparator: Comparator, literal: object) -> Span | None:
    """The span of a comparison with a number or an instant."""
    moment = instant(literal)
    number = literal if moment is None else moment
    if comparator is Comparator.UNEQUAL or isinstance(number, bool) or not isinstance(number, int | float | Decimal):
        return None
    low = _low(number) if comparator in _FROM else -math.inf
    high = _high(number) if comparator in _TO else math.inf
    return Span(field, low, high, moment is not None)


_FROM: Final = (Comparator.EQUAL, Comparator.GREATER, Comparator.AT_LEAST)
_TO: Final = (Comparator.EQUAL, Comparator.LESS, Comparator.AT_MOST)


def _low(number: Any) -> float:
    return min(rounded(number), _LARGEST)


def _high(number: Any) -> float:
    return max(rounded(number), -_LARGEST)


def _between(field: Field, low: object, high: object) -> Found | None:
    span = _joint([_span(field, Comparator.AT_LEAST, low), _span(field, Comparator.AT_MOST, high)])
    return None if span is None else ((span,), False)


def _joint(spans: Sequence[Span | None]) -> Span | None:
    """What lies in each of several spans of one field; None where they are not alike, or nothing does."""
    known = [span for span in spans if span is not None]
    if len(known) < len(spans) or len({span.instants for span in known}) != 1:
        return None
    low, high = max(span.low for span in known), min(span.high for span in known)
    return Span(known[0].field, low, high, known[0].instants) if low <= high else None


def joint_spans(operands: Iterable[Node]) -> list[Span]:
    """The spans that comparisons of one field, which all hold, leave together."""
    by_field: dict[tuple[Field, bool], list[Span]] = {}
    for operand in operands:
        if isinstance(operand, Compare) and isinstance(operand.left, Field) and isinstance(operand.right, Literal):
            span = _span(operand.left, operand.comparator, operand.right.value)
            if span is not None:
                by_field.setdefault((span.field, span.instants), []).append(span)
    joint = [_joint(spans) for spans in by_field.values() if len(spans) > 1]
    return [span for span in joint if span is not None]


def _one_of(field: Field, options: Sequence[Value]) -> Found | None:
    predicates: list[Predicate] = []
    decides = True
    for option in options:
        found = _compared(field, Comparator.EQUAL, option.value) if isinstance(option, Literal) else None
        if found is None:
            return None
        predicates += found[0]
        decides &= found[1]
    return tuple(dict.fromkeys(predicates)), decides


def _like(field: Field, pattern: LikePattern) -> Found | None:
    if pattern.exact is not None:
        return (Text(Relation.EXACT, field, pattern.exact),), _is_text(field)
    if pattern.prefix:
        return (Text(Relation.PREFIX, field, pattern.prefix),), pattern.is_prefix and _is_text(field)
    if pattern.suffix:
        return (Text(Relation.SUFFIX, field, pattern.suffix),), pattern.is_suffix and _is_text(field)
    return None


def _needed(node: Condition) -> Iterator[Field]:
    """Fields without which the condition does not hold."""
    waiting: list[Any] = []
    match node:
        case Quantified(_, [steps]) if steps:
            waiting = [Field(None, steps)]
        case In(value) | Exists(value) | IsNull(value, True):
            waiting = [value]
        case Compare() | Between() | Like() | Includes() | Truth():
            waiting = list(children(node))
    while waiting:
        one = waiting.pop()
        if isinstance(one, Field):
            if one.attribute not in _ALWAYS_THERE:
                yield one
        else:
            waiting.extend(children(one))
