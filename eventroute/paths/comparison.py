"""How values compare in a filter (RFC 9535, section 2.3.5.2.2): numbers exactly, and nothing but like with like."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from eventroute.paths.syntax import Operator
from eventroute.paths.work import Work

__all__ = ["comparer", "literal_comparer"]

_CHARACTERS_A_VISIT = 1024
_BITS_A_VISIT = 4
_SMALL = 2**64


def comparer(operator: Operator) -> Callable[[Any, Any, Work], bool]:
    """A function that says whether two values, of which each may be MISSING, compare so."""
    match operator:
        case Operator.EQUAL:
            return _equal
        case Operator.UNEQUAL:
            return lambda left, right, work: not _equal(left, right, work)
        case Operator.LESS:
            return _less
        case Operator.GREATER:
            return lambda left, right, work: _less(right, left, work)
        case Operator.AT_MOST:
            return lambda left, right, work: _less(left, right, work) or _equal(left, right, work)
        case Operator.AT_LEAST:
            return lambda left, right, work: _less(right, left, work) or _equal(left, right, work)


def literal_comparer(operator: Operator, literal: object) -> Callable[[Any], bool] | None:
    """A faster function that compares a value with a literal for `==` and `!=`, unless that may take long."""
    if operator is Operator.EQUAL:
        if literal is None or isinstance(literal, bool):
            return lambda value: value is literal
        if isinstance(literal, str):
            return lambda value: bool(value == literal)
        if isinstance(literal, float) or (isinstance(literal, int) and abs(literal) < _SMALL):
            return lambda value: value == literal and not isinstance(value, bool)
    elif operator is Operator.UNEQUAL:
        equal = literal_comparer(Operator.EQUAL, literal)
        return None if equal is None else lambda value: not equal(value)
    return None


def _less(left: Any, right: Any, work: Work) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        _pay(left, right, work)
        return left < right  # by code points
    if _is_number(left) and _is_number(right):
        _pay(left, right, work)
        return bool(left < right)
    return False


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _equal(one: Any, other: Any, work: Work) -> bool:
    """Deep equality. Nothing equals nothing (both paths find nothing), and no number is a boolean."""
    waiting = [(one, other)]
    while waiting:
        left, right = waiting.pop()
        if isinstance(left, dict) and isinstance(right, dict):
            if len(left) != len(right):
                return False
            work.spend(len(left))
            if left.keys() != right.keys():
                return False
            waiting.extend((value, right[name]) for name, value in left.items())
        elif isinstance(left, list) and isinstance(right, list):
            if len(left) != len(right):
                return False
            work.spend(len(left))
            waiting.extend(zip(left, right, strict=True))
        else:
            _pay(left, right, work)
            if left != right or isinstance(left, bool) is not isinstance(right, bool):
                return False
    return True


def _pay(left: Any, right: Any, work: Work) -> None:
    """Counts what it takes to compare two scalars: long texts, or a long integer with a Decimal, take their time."""
    if isinstance(left, str) and isinstance(right, str):
        work.spend(min(len(left), len(right)) // _CHARACTERS_A_VISIT)
    elif isinstance(left, int) and isinstance(right, Decimal):
        work.spend(left.bit_length() // _BITS_A_VISIT)
    elif isinstance(left, Decimal) and isinstance(right, int):
        work.spend(right.bit_length() // _BITS_A_VISIT)
