"""What `expr` does with values while it is evaluated.

Values are JSON's: text, numbers, booleans, arrays, objects. None, null and MISSING are no value, and neither is what an
operation has no result for. Whatever compares or reckons with no value, or with values of unlike kinds, is no value
or false. Nothing here raises, whatever it is given.

Numbers are exact: a float means the number that its shortest text says, as in the JSON that it came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, DecimalException, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Any, Final

from attrs import frozen

from eventroute.filters.syntax import Operator
from eventroute.jsontext import MAX_DIGITS
from eventroute.timestamps import parse_timestamp

__all__ = [
    "DIVISION_DIGITS",
    "Options",
    "begins",
    "contains",
    "differ",
    "exact",
    "finishes",
    "instant",
    "negative",
    "none_of",
    "one_of",
    "order",
    "reckon",
    "same",
    "texts",
]

DIVISION_DIGITS: Final = 34
"""How many significant digits a quotient keeps that has no end."""

_MAX_BITS: Final = 14_284  # of an int of MAX_DIGITS digits
_WHOLE: Final = 2**53  # a float up to here means the number that it is
_exact = Context(
    prec=MAX_DIGITS, Emax=10**9, Emin=-(10**9), traps=[InvalidOperation, DivisionByZero, Overflow, Inexact]
)
_rounded = Context(prec=DIVISION_DIGITS, Emax=10**9, Emin=-(10**9), traps=[InvalidOperation, DivisionByZero, Overflow])
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SHORTEST: Final = len("0001-01-01T00:00:00Z")


def exact(value: Any) -> int | Decimal | None:
    """The number that a value is, if it is one."""
    number: int | Decimal | None = None
    if isinstance(value, float):
        number = int(value) if -_WHOLE <= value <= _WHOLE and value.is_integer() else Decimal(repr(value))
    elif isinstance(value, int | Decimal) and not isinstance(value, bool):
        number = value
    return number


def order(left: Any, right: Any) -> int | None:
    """-1, 0 or 1 as the left is less than, equal to or greater than the right; None if they have no order."""
    if left.__class__ is str:
        if right.__class__ is not str:
            return None
    elif not (_is_plain(left) and _is_plain(right)):
        left, right = exact(left), exact(right)
        if left is None or right is None:
            return None
    return 1 if left > right else -1 if left < right else 0


def _is_plain(value: Any) -> bool:
    """Whether Python compares the number as it is meant."""
    kind = value.__class__
    return kind is int or (kind is float and -_WHOLE <= value <= _WHOLE)


def same(left: Any, right: Any) -> bool:
    """Whether two texts, numbers or booleans are equal."""
    if left.__class__ is bool:
        return left is right
    return order(left, right) == 0


def differ(left: Any, right: Any) -> bool:
    """Whether two values are of one kind, and not equal."""
    if left.__class__ is bool:
        return right.__class__ is bool and left is not right
    return order(left, right) in (-1, 1)


def instant(value: Any) -> int | None:
    """The instant of an RFC 3339 date-time in microseconds since 1970, or None for anything else."""
    if value.__class__ is not str or len(value) < _SHORTEST:
        return None
    try:
        return (parse_timestamp(value) - _EPOCH) // _MICROSECOND
    except ValueError:
        return None


def begins(value: Any, part: Any) -> bool:
    """Whether both are texts, and the first begins with the second."""
    return value.__class__ is str and part.__class__ is str and value.startswith(part)


def finishes(value: Any, part: Any) -> bool:
    """Whether both are texts, and the first ends with the second."""
    return value.__class__ is str and part.__class__ is str and value.endswith(part)


def contains(value: Any, part: Any) -> bool:
    """Whether both are texts, and the second is somewhere in the first."""
    return value.__class__ is str and part.__class__ is str and part in value


def texts(value: Any, part: Any) -> bool:
    """Whether both are texts."""
    return value.__class__ is str and part.__class__ is str


@frozen
class Options:
    """The literals of IN, by kind; numbers are exact, so that equal ones are equal here too."""

    texts: frozenset[str]
    numbers: frozenset[int | Decimal]
    instants: frozenset[int]
    booleans: frozenset[bool]

    def holds(self, value: Any) -> bool:
        """Whether a value is one of them."""
        kind = value.__class__
        if kind is str:
            return value in self.texts or (bool(self.instants) and instant(value) in self.instants)
        if kind is bool:
            return value in self.booleans
        return bool(self.numbers) and exact(value) in self.numbers

    def suit(self, value: Any) -> bool:
        """Whether a value can be compared with each of them."""
        kind = value.__class__
        if kind is str:
            alike = not self.numbers and not self.booleans
            return alike and (not self.instants or instant(value) is not None)
        if self.texts or self.instants:
            return False
        if kind is bool:
            return not self.numbers
        return not self.booleans and exact(value) is not None


def one_of(value: Any, literals: Options, others: Sequence[Any]) -> bool:
    """Whether a value equals one of the literals, or one of the others."""
    return literals.holds(value) or any(same(value, other) for other in others)


def none_of(value: Any, literals: Options, others: Sequence[Any]) -> bool:
    """Whether a value is of the kind of each of the literals and others, and equals none."""
    return literals.suit(value) and not literals.holds(value) and all(differ(value, other) for other in others)


# -- arithmetic


def reckon(operands: Sequence[Any], operators: Sequence[Operator]) -> int | Decimal | None:
    """What operators of one level make of the operands, from left to right."""
    result = exact(operands[0])
    for operand, operator in zip(operands[1:], operators, strict=True):
        number = exact(operand)
        if result is None or number is None:
            return None
        whole = result.__class__ is int and number.__class__ is int
        try:
            result = _WHOLES[operator](result, number) if whole else _DECIMALS[operator](result, number)
        except (DecimalException, ZeroDivisionError):
            return None
        if result.__class__ is int and result.bit_length() > _MAX_BITS:
            return None
    return result


def negative(value: Any) -> int | Decimal | None:
    """The value with its sign changed."""
    number = exact(value)
    return number.copy_negate() if isinstance(number, Decimal) else None if number is None else -number


def _divide(left: Any, right: Any) -> Any:
    try:
        return _exact.divide(left, right)
    except Inexact:
        return _rounded.divide(left, right)


def _divide_whole(left: int, right: int) -> Any:
    quotient, rest = divmod(left, right)
    return _divide(Decimal(left), Decimal(right)) if rest else quotient


def _remainder(left: int, right: int) -> int:
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


_WHOLES: Final[dict[Operator, Any]] = {
    Operator.PLUS: int.__add__,
    Operator.MINUS: int.__sub__,
    Operator.TIMES: int.__mul__,
    Operator.DIVIDED: _divide_whole,
    Operator.MODULO: _remainder,
}
_DECIMALS: Final[dict[Operator, Any]] = {
    Operator.PLUS: _exact.add,
    Operator.MINUS: _exact.subtract,
    Operator.TIMES: _exact.multiply,
    Operator.DIVIDED: _divide,
    Operator.MODULO: _exact.remainder,
}
