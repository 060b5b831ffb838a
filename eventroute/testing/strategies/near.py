"""Values near a literal: that which a filter compares with, and that which just misses it. Simple ones stand first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from eventroute.jsontext import decode_json
from eventroute.paths import MISSING
from eventroute.timestamps import format_timestamp, parse_timestamp

__all__ = ["ALWAYS", "fitting", "values_near"]

ALWAYS: Final[tuple[Any, ...]] = (MISSING, None, False, True, 0, "", [], {})
"""Values that are worth a try beside any literal."""

_LONGEST: Final = 16  # texts and arrays of a length that a number asks for
_LITERALS: Final = 20  # of one clause that are looked at
_units = re.compile(r"\\[%_]|.", re.DOTALL).findall


def values_near(literals: Iterable[object]) -> list[Any]:
    """Values at, and right beside, each of the first literals, and those of `ALWAYS`; each once."""
    found: dict[tuple[type, str], Any] = {(type(value), repr(value)): value for value in ALWAYS}
    several = [literal for literal, _ in zip(literals, range(_LITERALS), strict=False)]
    for literal in several:
        for value in (literal, *_beside(literal), [literal]):
            found.setdefault((type(value), repr(value)), value)
    if len(several) > 1:
        found[(list, "all")] = several
    return list(found.values())


def _beside(literal: object) -> Iterator[Any]:
    match literal:
        case bool():
            yield from (not literal, str(literal).lower())
        case str():
            yield from _beside_text(literal)
        case int() | float() | Decimal():
            yield from (literal + 1, literal - 1, str(literal))
            if isinstance(literal, int) and 0 < literal <= _LONGEST:
                yield from ("x" * literal, "x" * (literal + 1), ["x"] * literal, ["x"] * (literal + 1))


def _beside_text(text: str) -> Iterator[Any]:
    yield from (text + "x", "x" + text, text[:-1], text[1:], text.swapcase())
    with suppress(ValueError):
        yield decode_json(text.encode())  # a number, a boolean
    with suppress(ValueError, OverflowError):
        moment = parse_timestamp(text)
        yield from (format_timestamp(moment + timedelta(seconds=step)) for step in (1, -1))


def fitting(pattern: str) -> Iterator[str]:
    """Texts that fit a pattern of LIKE: the shortest one, and one with something for each `%`."""
    for run in ("", "x"):
        units = {"%": run, "_": "x"}
        yield "".join(units.get(unit, unit[-1]) for unit in _units(pattern))
