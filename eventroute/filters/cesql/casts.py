"""Values of CESQL and the casts between their types (section 3.7)."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, TypeAlias

__all__ = ["LARGEST", "SMALLEST", "Type", "Value", "boolean", "cast", "fits", "integer", "shown", "string", "type_of"]

Value: TypeAlias = bool | int | str

SMALLEST: Final = -(2**31)
LARGEST: Final = 2**31 - 1

# Longer texts are not integers of 32 bits, unless they begin with zeros.
_integer = re.compile(r"([+-]?)0*([0-9]{1,10})").fullmatch
_BOOLEANS: Final = {"true": True, "false": False}


_LONGEST: Final = 80


class Type(Enum):
    """A type of values, by its name in the specification."""

    BOOLEAN = "Boolean"
    INTEGER = "Integer"
    STRING = "String"

    @property
    def zero(self) -> Value:
        """What stands where an error leaves no value."""
        return _ZEROS[self]


_ZEROS: Final[dict[Type, Value]] = {Type.BOOLEAN: False, Type.INTEGER: 0, Type.STRING: ""}
_TYPES: Final[dict[type, Type]] = {bool: Type.BOOLEAN, int: Type.INTEGER, str: Type.STRING}


def type_of(value: Value) -> Type:
    """The type of a value."""
    return _TYPES[type(value)]


def fits(number: int) -> bool:
    """Whether a number has 32 bits at most."""
    return SMALLEST <= number <= LARGEST


def string(value: Value) -> str:
    """The value as a String. There is always one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def integer(value: Value) -> int | None:
    """The value as an Integer, or None where that is an error."""
    if not isinstance(value, str):
        return int(value)
    found = _integer(value)
    if found is None:
        return None
    number = int(found[1] + found[2])
    return number if fits(number) else None


def boolean(value: Value) -> bool | None:
    """The value as a Boolean, or None where that is an error."""
    return _BOOLEANS.get(value.lower()) if isinstance(value, str) else bool(value)


def cast(value: Value, to: Type) -> Value | None:
    """The value in another type, or None where that is an error, which has the type's zero value."""
    if to is Type.STRING:
        return string(value)
    return integer(value) if to is Type.INTEGER else boolean(value)


def shown(value: Value) -> str:
    """The value as an error shows it: a text in quotes, and cut."""
    text = repr(value[: _LONGEST + 1]) if isinstance(value, str) else string(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
