"""Places in data as event patterns reach them: also through arrays, in each of their elements.

An index has a column for what is found so beside that for the plain place, as other filters mean the latter. A row has
an array on the way to such a place under a key of its own, and ARRAYS if it has any.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import attrs

from eventroute.filters.pattern.tree import DATA, Path
from eventroute.paths import Field

__all__ = ["ARRAYS", "Throughout", "array_key", "place"]

ARRAYS: Final = "[]"
"""The key in a row that says that there are arrays on the way to places; no field has this text."""


@attrs.frozen(repr=False)
class Throughout(Field):
    """A place in data, and in each element of the arrays on the way to it."""


@lru_cache(maxsize=4096)  # many filters read few places
def place(path: Path) -> Field | None:
    """What stands at a path from the top of an event; None for the data as a whole, which is no field."""
    if path[0] != DATA:
        return Field(path[0])
    return Throughout(None, path[1:]) if len(path) > 1 else None


@lru_cache(maxsize=4096)
def array_key(names: Path) -> str:
    """The key in a row of an array that stands in data where names lead, on the way to a place."""
    return f"{Field(None, names)}[]"
