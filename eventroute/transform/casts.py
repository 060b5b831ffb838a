"""What a command wants a value to be: functions from a JSON value to what the command reckons with.

Each raises ValueError, saying what it wants and what it got. A constant is cast once, when the transformer is made.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from eventroute.canonical import canonical_text
from eventroute.jsontext import MAX_DIGITS, encode_json
from eventroute.paths import MISSING

__all__ = [
    "any_value",
    "array",
    "found_or_missing",
    "interval",
    "non_empty_text",
    "number",
    "position",
    "rendered",
    "shown",
    "text",
]

_is_number = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,9})?").fullmatch
_LONGEST_SHOWN: Final = 60


def any_value(value: Any) -> Any:
    """Any JSON value, as it is."""
    if value is MISSING:
        raise ValueError("it is missing in this event")
    return value


def found_or_missing(value: Any) -> Any:
    """Any JSON value, or MISSING."""
    return value


def text(value: Any) -> str:
    """Text; a number or boolean in its canonical form, an object or array as compact JSON."""
    if value.__class__ is str:
        return value
    if value is None or value is MISSING:
        raise ValueError("it is missing in this event" if value is MISSING else "it is null, and no text")
    return rendered(value)


def rendered(value: Any) -> str:
    """The text that a template puts into a string for a value: as `text`, and `null` for null."""
    canonical = canonical_text(value)
    return encode_json(value).decode() if canonical is None else canonical


def non_empty_text(value: Any) -> str:
    """As `text`, and not empty."""
    found = text(value)
    if not found:
        raise ValueError("it is empty: give it at least one character")
    return found


def number(value: Any) -> int | Decimal:
    """A number, or text that is one, exactly; of at most MAX_DIGITS digits before and after the point."""
    if value.__class__ is int:
        return value  # decoding has bounded its digits
    if isinstance(value, str):
        if len(value) > MAX_DIGITS or not _is_number(value):
            raise ValueError(f"{shown(value)} is not a number")
        found = Decimal(value)
    elif isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("it is missing in this event" if value is MISSING else f"{shown(value)} is not a number")
    else:
        found = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not found.is_finite() or not -MAX_DIGITS < found.adjusted() < MAX_DIGITS:
        raise ValueError(f"{shown(value)} is too large or too small to reckon with")
    return found


def position(value: Any) -> int:
    """A number of characters: whole, and 0 or more."""
    found = number(value)
    whole = int(found)
    if whole != found:
        raise ValueError(f"{shown(value)} is not a whole number")
    if whole < 0:
        raise ValueError(f"{shown(value)} is negative: positions start at 0")
    return whole


def interval(value: Any) -> int:
    """As `position`, and at least 1."""
    found = position(value)
    if not found:
        raise ValueError("it is 0: give at least 1")
    return found


def array(value: Any) -> list[Any]:
    """An array."""
    if not isinstance(value, list):
        raise ValueError("it is missing in this event" if value is MISSING else f"{shown(value)} is not an array")
    return value


def shown(value: Any) -> str:
    """A value as an error shows it: its JSON, cut; an object or array by its name, since it may be large."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    if isinstance(value, str):
        return ascii(value[:_LONGEST_SHOWN]) + ("..." if len(value) > _LONGEST_SHOWN else "")
    if value is MISSING:
        return "missing"
    shown_text = rendered(value)
    return shown_text if len(shown_text) <= _LONGEST_SHOWN else shown_text[:_LONGEST_SHOWN] + "..."
