"""The canonical text of a scalar: what filters compare and what text templates print."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite

from eventroute.jsontext import SourceNumber

__all__ = ["canonical_text"]

_EXPONENT_FROM = 16
_LONGEST_FRACTION = 400


def canonical_text(value: object) -> str | None:
    """The one text of a string, boolean or number; None for null, arrays, objects and everything else.

    `true`, `5`, `12345678.5`: the shortest text that reads back as the same number, without an exponent below 1e16.
    Integers are exact at any size. A number that binary64 cannot hold keeps its digits as they were written.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
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


def _decimal_text(value: Decimal) -> str | None:
    text = str(value)
    if isinstance(value, SourceNumber):
        return _plain(value) if "e" in text.lower() and _near_one(value) else text
    if not value.is_finite():
        return None
    if not _near_one(value):
        return text
    text = _plain(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _plain(value: Decimal) -> str:
    return format(value, "f")


def _near_one(value: Decimal) -> bool:
    """Whether its text without an exponent is of a bearable length."""
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -_LONGEST_FRACTION and value.adjusted() < _EXPONENT_FROM
