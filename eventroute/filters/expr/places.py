"""Attributes and paths as `expr` writes them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from eventroute.errors import InvalidPath
from eventroute.filters.faults import meant
from eventroute.filters.syntax import Each
from eventroute.paths import Field
from eventroute.paths.parser import parse_segments
from eventroute.paths.syntax import WILDCARD, Steps

__all__ = ["CORE", "RESERVED", "place", "place_text"]

CORE: Final = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema")
"""The attributes of the CloudEvents specification. Each is a text."""

# fmt: off
RESERVED: Final = frozenset((
    "AND", "OR", "XOR", "NOT", "LIKE", "IN", "BETWEEN", "STARTS", "ENDS", "WITH", "CONTAINS", "EXISTS", "IS", "NULL",
    "TRUE", "FALSE", "ANY", "ALL", "NONE",
))
# fmt: on
"""The keywords, which name no attributes."""

_name = re.compile(r"[A-Za-z0-9_]+").match
_is_attribute = re.compile(r"[a-z0-9]+").fullmatch


@lru_cache(maxsize=4096)  # many filters read few fields
def place(text: str) -> Field | Each:
    """What a name, perhaps with a path, means. Names of attributes may be in any case. Raises InvalidPath."""
    found = _name(text)
    head = found[0] if found else ""
    name, path = head.lower(), text[len(head) :]
    if name == "data":
        steps = _steps(name + path)
        return Field(None, steps[0]) if len(steps) == 1 else Each(steps)
    if path:
        raise _refused(f"only data has paths: write data.{text[:80]}")
    if name.upper() in RESERVED:
        means = " (write IS NULL or IS NOT NULL)" if name == "null" else ""
        raise _refused(f"{name.upper()} is a keyword, and a value or a condition is expected{means}")
    if not _is_attribute(name):
        near = meant(name.replace("_", ""), CORE)
        raise _refused(f"an attribute has letters and digits only: write data.{head[:80]} for a member of data{near}")
    return Field(name)


def _steps(text: str) -> tuple[Steps, ...]:
    parts: list[list[str | int]] = [[]]
    for segment in parse_segments(text, len("data")):
        [selector] = segment.selectors if len(segment.selectors) == 1 and not segment.deep else (None,)
        if selector is WILDCARD:
            parts.append([])
        elif isinstance(selector, str | int):
            parts[-1].append(selector)
        else:
            raise _refused("a path has names, indexes and [*] only")
    return tuple(map(tuple, parts))


def place_text(value: Field | Each) -> str:
    """The text that `place` reads."""
    if isinstance(value, Field):
        return str(value)
    return "data" + "[*]".join(str(Field(None, steps)).removeprefix("data") for steps in value.path)


def _refused(reason: str) -> InvalidPath:
    return InvalidPath(reason)
