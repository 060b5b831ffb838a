"""The functions of JSONPath's filters (RFC 9535, section 2.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

import attrs

from eventroute.paths.getter import MISSING
from eventroute.paths.iregexp import IRegexp
from eventroute.paths.work import Work

__all__ = ["FUNCTIONS", "Function", "Kind"]

_STATES_A_VISIT = 1024
"""How many states a regular expression may be in, summed over the characters of a text, that count as one visit."""


class Kind(Enum):
    """The types of what functions take and give (section 2.4.1). PATTERN is a value that is used as an I-Regexp."""

    VALUE = "one value (a literal, a path of names and indexes, or a function that gives one)"
    PATTERN = "one text (a literal, a path of names and indexes, or a function that gives one)"
    NODES = "a path (from @ or $)"
    LOGICAL = "true or false"


@attrs.frozen
class Function:
    """What a function takes and gives. `apply` takes the evaluation, then the arguments."""

    parameters: tuple[Kind, ...]
    result: Kind
    apply: Callable[..., Any]


def _length(work: Work, value: Any) -> Any:
    """Section 2.4.4."""
    return len(value) if isinstance(value, str | list | dict) else MISSING


def _count(work: Work, nodes: list[Any]) -> int:
    """Section 2.4.5."""
    return len(nodes)


def _value(work: Work, nodes: list[Any]) -> Any:
    """Section 2.4.8."""
    return nodes[0] if len(nodes) == 1 else MISSING


def _match(work: Work, text: Any, regexp: IRegexp | None) -> bool:
    """Section 2.4.6."""
    return regexp is not None and _is_text(work, text, regexp) and regexp.matches(text)


def _search(work: Work, text: Any, regexp: IRegexp | None) -> bool:
    """Section 2.4.7."""
    return regexp is not None and _is_text(work, text, regexp) and regexp.is_in(text)


def _is_text(work: Work, text: Any, regexp: IRegexp) -> bool:
    if not isinstance(text, str):
        return False
    work.spend(len(text) * regexp.size // _STATES_A_VISIT)
    return True


FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "count": Function((Kind.NODES,), Kind.VALUE, _count),
        "length": Function((Kind.VALUE,), Kind.VALUE, _length),
        "match": Function((Kind.VALUE, Kind.PATTERN), Kind.LOGICAL, _match),
        "search": Function((Kind.VALUE, Kind.PATTERN), Kind.LOGICAL, _search),
        "value": Function((Kind.NODES,), Kind.VALUE, _value),
    }
)
