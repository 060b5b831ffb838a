"""The filters in a JSONPath (`?@.price < 10`), evaluated by jsonpath-ng.

jsonpath-ng takes more than RFC 9535 allows: backtracking regular expressions, arithmetic, bare words, values where a
test should be. So an expression is read here first, and only what is in the RFC goes on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import accumulate
from typing import Any

from eventroute.errors import InvalidPath

__all__ = ["MAX_CONDITION", "compile_condition"]

MAX_CONDITION = 256
"""The longest filter in a path, in characters."""

_token = re.compile(
    r"""[ \t\n\r]*(?:
      (?P<query>@(?:\.[A-Za-z_][0-9A-Za-z_]*(?![0-9A-Za-z_@-])
        |\[[ ]*(?:(?P<many>\*)|0|-?[1-9][0-9]*|'[^'\\]*'|"[^"\\]*")[ ]*\])*)(?![0-9A-Za-z_@-])
    | (?P<literal>'[^'\\]*'|"[^"\\]*"|(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?|true|false|null)(?![0-9A-Za-z_.@-]))
    | (?P<compare>[!=<>]=|[<>])
    | (?P<logic>&&|\|\|)
    | (?P<not>!)
    | (?P<open>\()
    | (?P<close>\))
    )[ \t\n\r]*""",
    re.VERBOSE,
).match

# One letter a token: Query with one result, query with Many, Literal, Compare, and the rest as it is written.
_LETTERS = {"query": "Q", "literal": "L", "compare": "C", "logic": "&", "not": "!", "open": "(", "close": ")"}
_TERM = r"(?:!?\()*(?:!?[QM]|QC[QL])\)*"  # jsonpath-ng would take a value on the left for a name
_shape = re.compile(rf"{_TERM}(?:&{_TERM})*").fullmatch


def compile_condition(text: str) -> Callable[[list[Any]], list[Any]]:
    """A function that keeps those of a list of values for which the expression holds, in order.

    Raises InvalidPath for what is not in RFC 9535; and for functions, `$`, `..`, slices, escapes and filters within
    filters, which are not supported.
    """
    if len(text) > MAX_CONDITION:
        raise InvalidPath(f"a filter in a path has at most {MAX_CONDITION} characters", where=f"?{text[:40]}...")
    shape = _tokens(text)
    nesting = list(accumulate((letter == "(") - (letter == ")") for letter in shape))
    if not _shape(shape) or min(nesting) < 0 or nesting[-1] != 0:
        raise InvalidPath("expected tests (@.a) and comparisons (@.a == 1) joined by && and ||", where=f"?{text}")
    from jsonpath_ng.exceptions import JSONPathError  # slow to import, and few paths have filters
    from jsonpath_ng.ext.parser import parse

    try:
        parsed = parse(f"$[?{text}]")
    except JSONPathError as error:
        raise InvalidPath(f"this filter is not supported: {error}", where=f"?{text}") from None

    def keep(values: list[Any]) -> list[Any]:
        return [found.value for found in parsed.find(values)]

    return keep


def _tokens(text: str) -> str:
    letters: list[str] = []
    position = 0
    while position < len(text):
        match = _token(text, position)
        if match is None:
            raise InvalidPath("this is not supported in a filter", where=f"'?{text}' at position {position + 1}")
        letters.append("M" if match["many"] else _LETTERS[match.lastgroup or ""])
        position = match.end()
    return "".join(letters)
