"""Reading by names and indexes alone, which is nearly all that people write."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from eventroute.paths.syntax import Steps

__all__ = ["MISSING", "Missing", "getter"]


class Missing(Enum):
    """The type of MISSING."""

    MISSING = 0

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"

    __str__ = __repr__


MISSING: Final = Missing.MISSING
"""What a path that matches nothing gives. It is false, and it is not None, which is JSON's null."""


def getter(steps: Steps) -> Callable[[Any], Any]:
    """A function from a JSON value to what the names and indexes lead to in it, or MISSING."""
    if all(isinstance(step, str) for step in steps):

        def get_by_names(value: Any) -> Any:
            try:
                for name in steps:
                    value = value[name]
            except (KeyError, TypeError):  # TypeError: not an object
                return MISSING
            return value

        return get_by_names

    def get(value: Any) -> Any:
        for step in steps:
            # a string has indexes too, and is no array
            if not isinstance(value, dict if isinstance(step, str) else list):
                return MISSING
            try:
                value = value[step]  # type: ignore[index]  # the check above pairs them
            except LookupError:
                return MISSING
        return value

    return get
