"""Commands that reckon, in decimal: sums, differences and products exactly, quotients to 34 digits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Context, Decimal, DecimalException, DivisionByZero, Inexact, InvalidOperation, Overflow, Underflow
from functools import partial, reduce
from math import isfinite
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final

from eventroute.canonical import canonical_text
from eventroute.jsontext import MAX_DIGITS, SourceNumber, encode_json
from eventroute.paths import MISSING
from eventroute.transform.casts import any_value, found_or_missing, number, shown
from eventroute.transform.command import Argument, Command, Shape, Use

__all__ = ["COMMANDS", "QUOTIENT_DIGITS"]

QUOTIENT_DIGITS: Final = 34
"""To how many digits a quotient is rounded, half to even, unless its operands have more."""

_EXACT: Final = Context(
    prec=MAX_DIGITS,
    Emax=MAX_DIGITS - 1,
    Emin=-MAX_DIGITS,
    traps=[Inexact, Overflow, InvalidOperation, DivisionByZero],
)


def _exactly(operation: Callable[[Any, Any], Decimal], *values: int | Decimal) -> int | float | SourceNumber:
    try:
        return _json_number(Decimal(reduce(operation, values)))
    except DecimalException:
        raise ValueError(f"the result needs more than {MAX_DIGITS} digits") from None


def _quotient(value: int | Decimal, by: int | Decimal) -> int | float | SourceNumber:
    return _exactly(_divided, Decimal(value), Decimal(by))


def _divided(value: Decimal, by: Decimal) -> Decimal:
    whole, rest = _EXACT.divmod(value, by)
    if not rest:
        return whole
    digits = max(QUOTIENT_DIGITS, len(value.as_tuple().digits), len(by.as_tuple().digits))
    return Context(prec=digits, Emax=MAX_DIGITS - 1, Emin=-MAX_DIGITS, traps=[Overflow, Underflow]).divide(value, by)


def _json_number(value: Decimal) -> int | float | SourceNumber:
    """A number as decoding gives it: an int where it is whole, a float where that holds it exactly."""
    if value == value.to_integral_value():
        return int(value)
    text = str(value.normalize(_EXACT))
    rounded = float(text)
    return rounded if isfinite(rounded) and Decimal(repr(rounded)) == value else SourceNumber(text)


def _divisor(value: Any) -> int | Decimal:
    found = number(value)
    if not found:
        raise ValueError("it is 0, by which nothing can be divided")
    return found


def _comparable(value: Any) -> Any:
    """A value to compare by its text: null is itself, an object or array its compact JSON."""
    return encode_json(value).decode() if isinstance(value, dict | list) else any_value(value)


def _same_text(compare: Callable[[Any, Any], bool], one: Any, other: Any) -> bool:
    return compare(canonical_text(one), canonical_text(other))


def _by_number(compare: Callable[[Any, Any], bool], one: Any, other: Any) -> bool:
    return compare(number(one), number(other))


_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": partial(_same_text, eq),
    "!=": partial(_same_text, ne),
    ">=": partial(_by_number, ge),
    ">": partial(_by_number, gt),
    "<=": partial(_by_number, le),
    "<": partial(_by_number, lt),
}


def _operator(value: Any) -> Callable[[Any, Any], bool]:
    found = _OPERATORS.get(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{shown(value)} is no operator: it is one of {' '.join(_OPERATORS)}")
    return found


def _condition_if(value: Any, holds: Callable[[Any, Any], bool], other: Any, if_true: Any, if_false: Any) -> Any:
    return any_value(if_true if holds(value, other) else if_false)


def _check_condition(values: Sequence[Any]) -> None:
    _, one, holds, other, *_ = values
    if holds in _OPERATORS.values():
        for side in (one, other):
            if side is not MISSING:
                holds(side, side)


_TARGET: Final = Argument("target", use=Use.TARGET)
_NUMBER: Final = Argument("number", number)
_Leaf: Final = partial(Command, trusted=True)

COMMANDS: Final[Mapping[str, Shape]] = {
    "math_add": _Leaf(partial(_exactly, _EXACT.add), arguments=(_TARGET, _NUMBER, _NUMBER), rest=(_NUMBER,)),
    "math_mul": _Leaf(partial(_exactly, _EXACT.multiply), arguments=(_TARGET, _NUMBER, _NUMBER), rest=(_NUMBER,)),
    "math_sub": _Leaf(partial(_exactly, _EXACT.subtract), arguments=(_TARGET, _NUMBER, _NUMBER)),
    "math_div": _Leaf(_quotient, arguments=(_TARGET, _NUMBER, Argument("divisor", _divisor))),
    "condition_if": _Leaf(
        _condition_if,
        arguments=(
            _TARGET,
            Argument("value", _comparable),
            Argument("operator", _operator),
            Argument("other value", _comparable),
            Argument("value if true", found_or_missing),
            Argument("value if false", found_or_missing),
        ),
        check=_check_condition,
    ),
}
