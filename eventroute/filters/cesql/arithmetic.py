"""Arithmetic and order on integers of 32 bits (sections 3.4.1 and 3.4.2)."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Final

from eventroute.filters.cesql.casts import fits
from eventroute.filters.cesql.tree import Operator

__all__ = ["ARITHMETIC", "ORDER", "divide", "minus", "modulo", "negate", "plus", "times"]


def plus(left: int, right: int) -> int | None:
    """The sum, or None if it has more than 32 bits."""
    return _bounded(left + right)


def minus(left: int, right: int) -> int | None:
    """The difference, or None if it has more than 32 bits."""
    return _bounded(left - right)


def times(left: int, right: int) -> int | None:
    """The product, or None if it has more than 32 bits."""
    return _bounded(left * right)


def divide(left: int, right: int) -> int | None:
    """The quotient rounded towards zero, or None by zero or if it has more than 32 bits."""
    if right == 0:
        return None
    quotient = abs(left) // abs(right)
    return _bounded(quotient if (left < 0) is (right < 0) else -quotient)


def modulo(left: int, right: int) -> int | None:
    """The remainder with the sign of the dividend, or None by zero."""
    if right == 0:
        return None
    remainder = abs(left) % abs(right)
    return -remainder if left < 0 else remainder


def negate(number: int) -> int | None:
    """The number with the other sign, or None if it has more than 32 bits then."""
    return _bounded(-number)


def _bounded(number: int) -> int | None:
    return number if fits(number) else None


ARITHMETIC: Final[dict[Operator, Callable[[int, int], int | None]]] = {
    Operator.PLUS: plus,
    Operator.MINUS: minus,
    Operator.TIMES: times,
    Operator.DIVIDED: divide,
    Operator.MODULO: modulo,
}
"""Operators that make a number of two, or None for a MathError."""

ORDER: Final[dict[Operator, Callable[[int, int], bool]]] = {
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.GREATER: operator.gt,
    Operator.AT_LEAST: operator.ge,
}
"""Comparisons that are for integers only."""
