"""I-Regexp, the regular expressions of JSONPath (RFC 9485), matched in linear time by RE2."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib import import_module
from itertools import groupby
from typing import Any, Final

import attrs

from eventroute.errors import InvalidPath

__all__ = ["MAX_PATTERN", "IRegexp", "compile_iregexp", "load_engine", "translate"]

MAX_PATTERN = 1024
"""The longest regular expression, in characters."""

_KEPT = 64
_MEMORY = 2**20  # bytes, for each that is kept
_NO_ENGINE = "match() and search() need RE2, for linear time: pip install 'eventroute[re2]'"

_ESCAPE = r"\\[()*+\-.?\[\\\]^nrt{|}]"
_CATEGORY = r"\\[pP]\{(?:L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|Z[lps]?|S[ckmo]?|C[cfno]?)\}"
_IN_CLASS = rf"(?:[^\[\]\\\-\ud800-\udfff]|{_ESCAPE})"
_ITEM = rf"{_CATEGORY}|{_IN_CLASS}(?:-{_IN_CLASS})?"
_token = re.compile(
    rf"""(?P<plain>[^()*+.?\[\\\]{{|}}\ud800-\udfff]|{_ESCAPE})
       | (?P<dot>\.)
       | (?P<category>{_CATEGORY})
       | \[(?P<negated>\^(?!\]))?(?P<items>-(?:{_ITEM})*-?|(?:{_ITEM})+-?)\]
       | (?P<open>\()
       | (?P<close>\))
       | (?P<repeat>[*+?]|\{{[0-9]+(?:,[0-9]*)?\}})
       | (?P<branch>\|)""",
    re.VERBOSE | re.DOTALL,
).match
_items = re.compile(rf"{_CATEGORY}|{_ESCAPE}|[^\\]", re.DOTALL).findall
_CONTROLS: Final = {"n": "\n", "r": "\r", "t": "\t"}

# RE2 does not know the category of what is not assigned (Cn), which C holds too.
_ASSIGNED: Final = r"\p{L}\p{M}\p{N}\p{P}\p{S}\p{Z}"
_OTHERS: Final = r"\p{Cc}\p{Cf}\p{Co}"


@cache
def load_engine() -> Any:
    """The module re2. Raises InvalidPath where it is not installed."""
    try:
        return import_module("re2")  # slow to import, and an extra
    except ModuleNotFoundError:
        raise InvalidPath(_NO_ENGINE) from None


@attrs.frozen(eq=False)
class IRegexp:
    """A compiled regular expression. `size` is how many states it has: what a character may cost at the most."""

    _compiled: Any
    size: int

    def matches(self, text: str) -> bool:
        """Whether it matches the whole text."""
        encoded = _encoded(text)
        return encoded is not None and self._compiled.fullmatch(encoded) is not None

    def is_in(self, text: str) -> bool:
        """Whether it matches a part of the text."""
        encoded = _encoded(text)
        return encoded is not None and self._compiled.search(encoded) is not None


@lru_cache(_KEPT)
def compile_iregexp(pattern: str) -> IRegexp:
    """The compiled pattern.

    Raises ValueError where it is no I-Regexp, or more than RE2 takes (1,000 repetitions, 1 MiB when compiled), and
    InvalidPath without RE2.
    """
    re2 = load_engine()
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _MEMORY
    try:
        compiled = re2.compile(translate(pattern), options)
    except re2.error as error:
        raise ValueError(f"RE2 says: {error.args[0].decode()}") from None
    return IRegexp(compiled, compiled.programsize)


def translate(pattern: str) -> str:
    """The pattern in RE2's syntax. Raises ValueError, with the position, where it is no I-Regexp.

    Linear in its length. `^` and `$` are anchors, as RFC 9485 (section 5) hands them to other engines.
    """
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"a regular expression has at most {MAX_PATTERN} characters")
    parts: list[str] = []
    groups: list[int] = []
    position = 0
    repeatable = False
    while position < len(pattern):
        match = _token(pattern, position)
        if match is None:
            raise _wrong(pattern, position)
        if match["repeat"] and not repeatable:
            raise ValueError(f"nothing to repeat at position {position}")
        repeatable = not (match["open"] or match["branch"] or match["repeat"])
        if match["open"]:
            groups.append(position)
        elif match["close"]:
            if not groups:
                raise ValueError(f"this parenthesis was never opened, at position {position}")
            groups.pop()
        parts.append(_translated(match))
        position = match.end()
    if groups:
        raise ValueError(f"this parenthesis is never closed, at position {groups[-1]}")
    return "".join(parts)


def _encoded(text: str) -> bytes | None:
    """UTF-8, which RE2 reads; None for half of a surrogate pair, which is no text."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None


def _wrong(pattern: str, position: int) -> ValueError:
    found = pattern[position : position + 2] if pattern[position] == "\\" else pattern[position]
    hints = {r"\d": "write [0-9]", r"\s": r"write [ \t\n\r]", r"\w": "write [0-9A-Za-z_]"}
    hint = hints.get(found, "see RFC 9485")
    return ValueError(f"{found!a} is not in I-Regexp at position {position}: {hint}")


def _translated(match: re.Match[str]) -> str:
    if match["plain"]:
        # in a group of their own, anchors can be repeated
        return f"(?:{match['plain']})" if match["plain"] in "^$" else _character(match["plain"])
    if match["items"]:
        return f"[{'^' if match['negated'] else ''}{_class_items(match['items'])}]"
    if match["category"]:
        return f"[{_category(match['category'])}]"
    return {".": r"[^\n\r]", "(": "(?:"}.get(match[0], match[0])


def _class_items(text: str) -> str:
    """What stands in brackets: a hyphen is itself at the ends, and a range elsewhere."""
    items = _items(text)
    return "".join(
        _category(item)
        if item[1:2] in ("p", "P")
        else "-"
        if item == "-" and 0 < place < len(items) - 1
        else _character(item)
        for place, item in enumerate(items)
    )


def _character(text: str) -> str:
    """One character, plain or escaped, as something that RE2 takes for nothing else."""
    character = text[-1]
    if len(text) == 2:
        character = _CONTROLS.get(character, character)
    return character if character.isalnum() else f"\\x{{{ord(character):x}}}"


def _category(text: str) -> str:
    r"""`\p{..}` or `\P{..}` as something that may stand in brackets."""
    if text[3:-1] not in ("C", "Cn"):
        return text
    others = _OTHERS if text[3:-1] == "Cn" else ""
    if text[1] == "P":
        return _ASSIGNED + others
    return ("" if others else _OTHERS) + _unassigned()


@cache
def _unassigned() -> str:
    """The ranges of code points that no category but Cn has."""
    import unicodedata  # noqa: PLC0415  # a large module for a rare wish

    points = (point for point in range(0x110000) if unicodedata.category(chr(point)) == "Cn")
    runs = ([point for _, point in run] for _, run in groupby(enumerate(points), lambda pair: pair[1] - pair[0]))
    return "".join(f"\\x{{{run[0]:x}}}-\\x{{{run[-1]:x}}}" for run in runs)
