"""The functions of `expr`. They take and give values as `values` tells, and have no value for unfit arguments."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from attrs import frozen

from eventroute.canonical import canonical_text
from eventroute.filters.expr.values import exact, negative
from eventroute.jsontext import MAX_DIGITS

__all__ = ["FUNCTIONS", "MAX_TEXT", "Kind", "Routine"]

MAX_TEXT: Final = 1_048_576
"""How long a text may be that CONCAT and CONCAT_WS make, in characters; a longer one is no value."""

# White_Space of Unicode; str.strip would take U+001C to U+001F too.
_WHITE_SPACE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_integer = re.compile(rf"[+-]?[0-9]{{1,{MAX_DIGITS}}}").fullmatch
_BOOLEANS: Final = {"true": True, "false": False}


class Kind(Enum):
    """What is known of a value before there is an event."""

    TEXT = "a text"
    NUMBER = "a number"
    BOOLEAN = "a boolean"
    ANY = "any value"


@frozen
class Routine:
    """A function: how many arguments it takes (`most` is None where there is no end), of what kinds, what it gives.

    The last of `takes` stands for all arguments beyond.
    """

    least: int
    most: int | None
    takes: tuple[Kind, ...]
    gives: Kind
    apply: Callable[..., Any]


def _whole(value: Any) -> int | None:
    """The whole number that a value is, if it is one of a bearable size."""
    number = exact(value)
    if isinstance(number, Decimal):
        return int(number) if number.adjusted() <= 18 and number == number.to_integral_value() else None
    return number


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, str | list) else None


def _lower(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) else None


def _upper(value: Any) -> str | None:
    return value.upper() if isinstance(value, str) else None


def _trim(value: Any) -> str | None:
    return value.strip(_WHITE_SPACE) if isinstance(value, str) else None


def _concat(*values: Any) -> str | None:
    return _concat_ws("", *values)


def _concat_ws(separator: Any, *values: Any) -> str | None:
    if not isinstance(separator, str) or not all(isinstance(value, str) for value in values):
        return None
    size = sum(map(len, values)) + len(separator) * max(len(values) - 1, 0)
    return separator.join(values) if size <= MAX_TEXT else None


def _left(value: Any, count: Any) -> str | None:
    size = _whole(count)
    return value[:size] if isinstance(value, str) and size is not None and size >= 0 else None


def _right(value: Any, count: Any) -> str | None:
    size = _whole(count)
    if not isinstance(value, str) or size is None or size < 0:
        return None
    return value[max(len(value) - size, 0) :]


def _substring(value: Any, position: Any, *count: Any) -> str | None:
    start = _whole(position)
    if not isinstance(value, str) or start is None or abs(start) > len(value):
        return None
    rest = value[start - 1 if start > 0 else len(value) + start :] if start else ""
    return _left(rest, *count) if count else rest


def _abs(value: Any) -> int | Decimal | None:
    number = exact(value)
    return negative(number) if number is not None and number < 0 else number


def _int(value: Any) -> int | None:
    if isinstance(value, str):
        return int(value) if _integer(value) else None
    if isinstance(value, bool):
        return int(value)
    number = exact(value)
    if isinstance(number, Decimal):
        return int(number) if number.is_finite() and number.adjusted() < MAX_DIGITS else None
    return number


def _bool(value: Any) -> bool | None:
    if isinstance(value, str):
        return _BOOLEANS.get(value.lower())
    if isinstance(value, bool):
        return value
    number = exact(value)
    return None if number is None else bool(number)


_ANY, _BOOLEAN, _NUMBER, _TEXT = Kind.ANY, Kind.BOOLEAN, Kind.NUMBER, Kind.TEXT
FUNCTIONS: Final = {
    "ABS": Routine(1, 1, (_NUMBER,), _NUMBER, _abs),
    "BOOL": Routine(1, 1, (_ANY,), _BOOLEAN, _bool),
    "CONCAT": Routine(0, None, (_TEXT,), _TEXT, _concat),
    "CONCAT_WS": Routine(1, None, (_TEXT,), _TEXT, _concat_ws),
    "INT": Routine(1, 1, (_ANY,), _NUMBER, _int),
    "LEFT": Routine(2, 2, (_TEXT, _NUMBER), _TEXT, _left),
    "LENGTH": Routine(1, 1, (_TEXT,), _NUMBER, _length),
    "LOWER": Routine(1, 1, (_TEXT,), _TEXT, _lower),
    "RIGHT": Routine(2, 2, (_TEXT, _NUMBER), _TEXT, _right),
    "STRING": Routine(1, 1, (_ANY,), _TEXT, canonical_text),
    "SUBSTRING": Routine(2, 3, (_TEXT, _NUMBER, _NUMBER), _TEXT, _substring),
    "TRIM": Routine(1, 1, (_TEXT,), _TEXT, _trim),
    "UPPER": Routine(1, 1, (_TEXT,), _TEXT, _upper),
}
"""All functions by name."""
