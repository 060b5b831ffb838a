"""Numbers of `expr`, as they are written and as `syntax.Literal` has them."""

from __future__ import annotations

import re
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Final

from eventroute.filters.syntax import Literal
from eventroute.jsontext import MAX_DIGITS, SourceNumber, encode_json

__all__ = ["MAX_EXPONENT", "negated_number", "number", "number_text"]

MAX_EXPONENT: Final = 400
"""How far from 1 a number with an exponent may be, in powers of ten: some more than binary64 holds."""

_TOO_FAR: Final = f"a number with an exponent lies between 1e-{MAX_EXPONENT} and 1e{MAX_EXPONENT}"
_LONGEST_EXPONENT: Final = 4  # digits
_LONGEST_ZEROS: Final = 20
_LENIENT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
_parts = re.compile(r"([0-9]+)(?:\.([0-9]+))?(?:[eE][+-]?0*([0-9]*))?").fullmatch


def number(text: str) -> Literal:
    """The number that digits say, perhaps with a point and an exponent.

    Whole numbers are ints and others floats, or SourceNumbers where binary64 cannot hold them: so equal numbers are
    equal literals, however they are written. Raises ValueError for one of more than MAX_DIGITS digits, or one with an
    exponent beyond MAX_EXPONENT.
    """
    parts = _parts(text)
    if parts is None or len(parts[1] + (parts[2] or "")) > MAX_DIGITS:
        raise ValueError(f"a number has at most {MAX_DIGITS} digits")
    if len(parts[3] or "") > _LONGEST_EXPONENT:
        raise ValueError(_TOO_FAR)
    if parts[2] is None and parts[3] is None:
        return Literal(int(text))
    exact = _LENIENT.create_decimal(text).normalize(_LENIENT)
    if parts[3] is not None and exact and abs(exact.adjusted()) > MAX_EXPONENT:
        raise ValueError(_TOO_FAR)
    if exact == exact.to_integral_value(context=_LENIENT):
        return Literal(int(exact))
    value = float(text)
    if _LENIENT.create_decimal(repr(value)) == exact:
        return Literal(value)
    return Literal(SourceNumber(str(exact) if abs(exact.adjusted()) <= MAX_EXPONENT else format(exact, "f")))


def negated_number(literal: Literal) -> Literal:
    """The number with its sign changed."""
    value = literal.value
    if isinstance(value, SourceNumber):
        return Literal(SourceNumber(value.text.removeprefix("-") if value.is_signed() else f"-{value.text}"))
    if isinstance(value, int | float):
        return Literal(-value)
    raise AssertionError(value)


def number_text(value: int | float | Decimal) -> str:
    """The number as text that `number` reads, but for its sign."""
    text = encode_json(value).decode("ascii")
    digits = text.rstrip("0")
    zeros = len(text) - len(digits)
    if isinstance(value, int) and zeros > _LONGEST_ZEROS and len(text) <= MAX_EXPONENT:
        return f"{digits}e{zeros}"
    return text
