"""What may have been meant where a CESQL expression cannot be read: habits from other languages, misspelt keywords."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from eventroute.filters.faults import meant

__all__ = ["hint"]

_OPERATORS: Final = ("AND", "OR", "XOR", "LIKE", "IN", "NOT")
_PREFIXES: Final = ("EXISTS", "NOT")
_KEYWORDS: Final = frozenset({*_OPERATORS, *_PREFIXES, "TRUE", "FALSE"})
_FOREIGN: Final = frozenset({"BETWEEN", "IS", "STARTS", "ENDS", "CONTAINS", "ANY", "ALL", "NONE"})

_DATA: Final = "`sql` reads attributes only: write this filter in `expr`, which reads data, as in data.action"
# By the character at the fault, with the one before it if that matters.
_HABITS: Final = {
    "==": "write one `=`",
    "=>": "write `>=`",
    "&": "write AND",
    "|": "write OR",
    "!": "write NOT, or `!=` for unequal",
    "~": "write LIKE",
    "^": "write XOR",
    "`": "names stand without quotes",
    "[": _DATA,
    "''": "inside a text write a quote as \\'",
    '""': 'inside a text write a quote as \\"',
}

_word = re.compile(r"[A-Za-z0-9_]+")
_last_word = re.compile(r"([A-Za-z]+)\s+\Z")
_LOOK_BACK: Final = 64


def hint(text: str, position: int, expected: Collection[str]) -> str:
    """What may have been meant, given the terminals that could stand at the position; or nothing."""
    found = text[position : position + 1]
    before = text[max(position - 1, 0) : position]
    if found == ".":
        return "numbers are whole" if before.isdigit() and text[position + 1 : position + 2].isdigit() else _DATA
    if found and found in "'\"" and "STRING" in expected:
        return f"the text has no end: add {found}"
    habit = _HABITS.get(before + found) or _HABITS.get(found)
    if habit is not None:
        return habit
    word = _word.match(text, position)
    return _misspelt(word[0], text, position, expected) if word else ""


def _misspelt(word: str, text: str, position: int, expected: Collection[str]) -> str:
    upper = word.upper()
    if "NAME" in expected:
        if upper in _KEYWORDS:
            return f"{upper} is a keyword, and no attribute is read by that name"
        return "an attribute has letters and digits only, a function letters and `_`"
    if upper in _FOREIGN:
        return f"{upper} is not in `sql`: write this filter in `expr`"
    near = meant(upper, _OPERATORS)
    if near:
        return near.removeprefix("; ")
    last = _last_word.search(text, max(position - _LOOK_BACK, 0), position)
    return meant(last[1].upper(), _PREFIXES).removeprefix("; ") if last else ""
