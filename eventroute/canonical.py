"""The canonical text of a scalar: what filters compare and what text templates print."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite

__all__ = ["canonical_text"]

_EXPONENT_FROM = 16
_LONGEST_FRACTION = 400


def canonical_text(value: object) -> str | None:
    """The one text of a string, boolean or number; None for null, arrays, objects and everything else.

    `true`, `5`, `12345678.5`: the shortest text that reads back as the same number, without an exponent below 1e16.
    Integers are exact at any size. A decimal that binary64 cannot hold keeps its digits as they were written.
    """
    if isinstance(value, str):
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float_text(value) if isfinite(value) else None
    if isinstance(value, Decimal):
        return _decimal_text(value)
    return None


def _float_text(value: float) -> str:
    if value.is_integer() and abs(value) < 1e16:
        return str(int(value))
    text = repr(value)
    return format(Decimal(text), "f") if "e-" in text else text


def _decimal_text(value: Decimal) -> str:
    text = str(value)
    if "E" not in text.upper():
        return text
    exponent = value.as_tuple().exponent
    plain = isinstance(exponent, int) and exponent >= -_LONGEST_FRACTION
    return format(value, "f") if plain and value.adjusted() < _EXPONENT_FROM else text
