"""What somebody may have meant who wrote an `expr` that is none."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from typing import Final

from eventroute.filters.expr.functions import FUNCTIONS
from eventroute.filters.faults import meant
from eventroute.filters.syntax import Quantifier

__all__ = ["QUANTIFIERS", "WORDS", "hint", "unknown_function"]

QUANTIFIERS: Final = {quantifier.value: quantifier for quantifier in Quantifier}

_VALUE: Final = "a value"
_OPERATOR: Final = "an operator"
WORDS: Final = {
    "FIELD": _VALUE,
    "STRING": "a text in single quotes",
    "COMPARATOR": "a comparison",
    "_LIKE": "LIKE",
    "_IN": "IN",
    "_BETWEEN": "BETWEEN",
    "STARTS": "STARTS WITH",
    "ENDS": "ENDS WITH",
    "CONTAINS": "CONTAINS",
    "_IS": "IS",
    "_WITH": "WITH",
    "_NULL": "NULL",
    "_AND": "AND",
    "_XOR": "XOR",
    "_OR": "OR",
    "_OPEN": "(",
    "_COMMA": "a comma",
    "_CLOSE": ")",
    "$END": "the end",
}
"""How errors name the terminals; those that are not here are told by one that is."""

_INSTEAD: Final = (
    ("==", "write = for equality"),
    ("&&", "write AND"),
    ("||", "write OR"),
    ("!", "write NOT"),
    ("^", "write XOR"),
    ("=~", "write LIKE with % for any text"),
    ("~", "write LIKE with % for any text"),
    ('"', "a text stands in single quotes"),
    ("`", "a text stands in single quotes, a name in none"),
    ("$.", "leave out the $."),
    ("$", "leave out the $"),
    (";", "an expression has no end mark"),
)
_word = re.compile(r"\w+").match
_string = re.compile(r"'(?:[^']|'')*'")
_LONGEST_NAME: Final = 64


def hint(text: str, position: int, expected: Collection[str]) -> str:
    """What may have been meant at the position of a fault; nothing if that is anybody's guess."""
    rest = text[position : position + _LONGEST_NAME]
    if rest.startswith("'"):
        return "the text has no end: write a quote within a text twice" if "STRING" in expected else ""
    if rest.startswith(")"):
        return "" if _open(text[:position]) is not None else "no parenthesis is open"
    if rest[:1] in ("[", "{"):
        return "write a list in parentheses" if "_OPEN" in expected else "a path has .name, [index], ['name'] and [*]"
    for written, advice in _INSTEAD:
        if rest.startswith(written):
            return advice
    if rest[:1] in ("=", "<", ">") and "_AND" in expected:
        return "comparisons do not chain: write a < b AND b < c"
    if not rest:
        opened = _open(text)
        return "" if opened is None else f"the parenthesis at position {opened + 1} is open"
    return _keyword(rest, expected)


def _keyword(rest: str, expected: Collection[str]) -> str:
    found = _word(rest)
    if found is None:
        return ""
    words = {word for name in expected for word in (WORDS.get(name, "")).split() if word.isupper()}
    near = difflib.get_close_matches(found[0].upper(), sorted(words), n=1)
    return f"did you mean {near[0]}?" if near else ""


def _open(text: str) -> int | None:
    """Where the last parenthesis stands that is not closed; those in texts do not count."""
    opened: list[int] = []
    for place, char in enumerate(_string.sub(lambda found: " " * len(found[0]), text)):
        if char == "(":
            opened.append(place)
        elif char == ")" and opened:
            opened.pop()
    return opened[-1] if opened else None


def unknown_function(name: str) -> str:
    """Says that there is no such function, and which there may have been meant."""
    known = {*FUNCTIONS, *QUANTIFIERS}
    return f"there is no function {name[:_LONGEST_NAME]}{meant(name.upper(), known) or f': known are {_listed(known)}'}"


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
