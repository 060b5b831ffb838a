"""How values compare in a filter (RFC 9535, section 2.3.5.2.2): numbers exactly, and nothing but like with like."""

from __future__ import annotations

import operator as op
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from eventroute.paths.syntax import Operator
from eventroute.paths.work import Work

__all__ = ["comparer", "literal_comparer"]

_CHARACTERS_A_VISIT = 1024
_BITS_A_VISIT = 4
_SAFE = 2**53  # a float that is less is as exact as an integer


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
    """A faster function that compares a value with a literal; None where that may take long, or is rare."""
    unlike = operator is Operator.UNEQUAL  # what comparing with another type gives
    if isinstance(literal, str):
        return _text_comparer(_PYTHON[operator], literal, unlike)
    if isinstance(literal, int | float) and not isinstance(literal, bool) and abs(literal) < _SAFE:
        return _number_comparer(_PYTHON[operator], literal, unlike)
    if literal is not None and not isinstance(literal, bool):
        return None
    if operator is Operator.UNEQUAL:
        return lambda value: value is not literal
    return (lambda value: value is literal) if operator is Operator.EQUAL else None


_PYTHON: Final = {
    Operator.EQUAL: op.eq,
    Operator.UNEQUAL: op.ne,
    Operator.LESS: op.lt,
    Operator.GREATER: op.gt,
    Operator.AT_MOST: op.le,
    Operator.AT_LEAST: op.ge,
}


def _text_comparer(compare: Callable[[Any, Any], bool], literal: str, unlike: bool) -> Callable[[Any], bool]:
    return lambda value: compare(value, literal) if isinstance(value, str) else unlike


def _number_comparer(compare: Callable[[Any, Any], bool], literal: float, unlike: bool) -> Callable[[Any], bool]:
    exact = _decimal(literal)

    def holds(value: Any) -> bool:
        if isinstance(value, Decimal):
            return compare(value, exact)
        return compare(value, literal) if _is_number(value) else unlike

    return holds


def _less(left: Any, right: Any, work: Work) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        _pay(left, right, work)
        return left < right  # by code points
    if _is_number(left) and _is_number(right):
        _pay(left, right, work)
        left, right = _exact(left, right)
        return bool(left < right)
    return False


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, Decimal)) and value.__class__ is not bool  # unions are slower


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
            left, right = _exact(left, right)
            if left != right or isinstance(left, bool) is not isinstance(right, bool):
                return False
    return True


def _exact(left: Any, right: Any) -> tuple[Any, Any]:
    """Two scalars as Python compares them rightly: a float stands for the decimal that was written.

    The float 1e23 is a little less than 10**23, and so is 0.1 no tenth; what was written is.
    """
    if isinstance(left, float) and _is_exact(right):
        return _decimal(left), right
    if isinstance(right, float) and _is_exact(left):
        return left, _decimal(right)
    return left, right


def _is_exact(value: object) -> bool:
    return isinstance(value, Decimal) or (isinstance(value, int) and abs(value) >= _SAFE)


def _decimal(number: float) -> Decimal:
    return Decimal(repr(number))


def _pay(left: Any, right: Any, work: Work) -> None:
    """Counts what it takes to compare two scalars: long texts, or a long integer with a Decimal, take their time."""
    if isinstance(left, str) and isinstance(right, str):
        work.spend(min(len(left), len(right)) // _CHARACTERS_A_VISIT)
    elif isinstance(left, int) and isinstance(right, Decimal):
        work.spend(left.bit_length() // _BITS_A_VISIT)
    elif isinstance(left, Decimal) and isinstance(right, int):
        work.spend(right.bit_length() // _BITS_A_VISIT)
