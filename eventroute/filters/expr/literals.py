"""Numbers of `expr`, as they are written and as `syntax.Literal` has them."""

from __future__ import annotations

import re
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Final

from eventroute.filters.syntax import Literal
from eventroute.jsontext import MAX_DIGITS, SourceNumber, encode_json

__all__ = ["negated_number", "number", "number_text"]

_LENIENT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
_LONGEST_EXPONENT: Final = len(str(MAX_DIGITS))
_parts = re.compile(r"([0-9]+)(?:\.([0-9]+))?(?:[eE][+-]?0*([0-9]*))?").fullmatch


def number(text: str) -> Literal:
    """The number that digits say, perhaps with a point and an exponent.

    Whole numbers are ints and others floats, or SourceNumbers where binary64 cannot hold them: so equal numbers are
    equal literals, however they are written. Raises ValueError for one of more than MAX_DIGITS digits.
    """
    parts = _parts(text)
    if parts is None or len(parts[1] + (parts[2] or "")) > MAX_DIGITS or len(parts[3] or "") > _LONGEST_EXPONENT:
        raise ValueError(_TOO_LONG)
    if parts[2] is None and parts[3] is None:
        return Literal(int(text))
    exact = _LENIENT.create_decimal(text)
    if exact.adjusted() >= MAX_DIGITS or exact.adjusted() < -MAX_DIGITS:
        raise ValueError(_TOO_LONG)
    if exact == exact.to_integral_value():
        return Literal(int(exact))
    value = float(text)
    shortest = _LENIENT.create_decimal(repr(value))
    return Literal(value if shortest == exact else SourceNumber(str(exact.normalize(_LENIENT))))


_TOO_LONG: Final = f"a number has at most {MAX_DIGITS} digits"


def negated_number(literal: Literal) -> Literal:
    """The number with its sign changed."""
    value = literal.value
    if isinstance(value, SourceNumber):
        return Literal(SourceNumber(value.text.removeprefix("-") if value.is_signed() else f"-{value.text}"))
    if isinstance(value, int | float):
        return Literal(-value)
    raise AssertionError(value)


def number_text(value: int | float | Decimal) -> str:
    """The number as text that `number` reads."""
    return encode_json(value).decode("ascii")
