"""The filters in a JSONPath (`?@.price < 10`), evaluated by jsonpath-ng.

jsonpath-ng takes more than RFC 9535 allows: backtracking regular expressions, arithmetic, bare words. So an
expression is read here first, and only what is in the RFC goes on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from eventroute.errors import InvalidPath

__all__ = ["MAX_CONDITION", "compile_condition"]

MAX_CONDITION = 256
"""The longest filter in a path, in characters."""

_token = re.compile(
    r"""[ \t\n\r]+ | '[^'\\]*' | "[^"\\]*" | [@()!] | && | \|\| | [!=<>]= | [<>]
    | -?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?![0-9A-Za-z_.]) | (?:true|false|null)(?![0-9A-Za-z_(])
    | \.[A-Za-z_][0-9A-Za-z_]* | \[[ ]*(?:\*|-?[0-9]+|'[^'\\]*'|"[^"\\]*")[ ]*\]""",
    re.VERBOSE,
)


def compile_condition(text: str) -> Callable[[list[Any]], list[Any]]:
    """A function that keeps those of a list of values for which the expression holds, in order.

    Raises InvalidPath for what is not in RFC 9535, and for functions, `$`, `..`, escapes and filters within it,
    which are not supported.
    """
    if len(text) > MAX_CONDITION:
        raise InvalidPath(f"a filter in a path has at most {MAX_CONDITION} characters", where=f"?{text[:40]}...")
    position = 0
    while position < len(text):
        match = _token.match(text, position)
        if match is None:
            raise InvalidPath(
                "this is not supported in the filter of a path", where=f"'?{text}' at position {position + 1}"
            )
        position = match.end()
    from jsonpath_ng.exceptions import JSONPathError  # slow to import, and few paths have filters
    from jsonpath_ng.ext.parser import parse

    try:
        parsed = parse(f"$[?{text}]")
    except JSONPathError as error:
        raise InvalidPath(f"it is not a filter: {error}", where=f"?{text}") from None

    def keep(values: list[Any]) -> list[Any]:
        return [found.value for found in parsed.find(values)]

    return keep
