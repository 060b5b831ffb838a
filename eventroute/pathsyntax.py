"""The syntax of JSONPath (RFC 9535): text to segments, and segments back to text."""

from __future__ import annotations

import re
from enum import Enum
from math import prod
from typing import Final, TypeAlias

import attrs

from eventroute.errors import InvalidPath

__all__ = [
    "MAX_DESCENTS",
    "MAX_LENGTH",
    "MAX_UNION",
    "WILDCARD",
    "Condition",
    "Segment",
    "Selector",
    "parse_segments",
    "path_text",
]

MAX_LENGTH = 1024
"""The longest path, in characters."""

MAX_DESCENTS = 2
"""The most `..` in a path: each multiplies the work by the depth of the data."""

MAX_UNION = 64
"""The most alternatives that the brackets of a path may have, multiplied: `[0,1]['a','b']` has 4."""

_LARGEST_INDEX = 2**53 - 1  # RFC 9535, section 2.1

_shorthand = re.compile("[A-Za-z_\x80-\ud7ff\ue000-\U0010ffff][0-9A-Za-z_\x80-\ud7ff\ue000-\U0010ffff]*")
_integer = re.compile(r"-?[0-9]+")
_is_index = re.compile(r"0|-?[1-9][0-9]*").fullmatch
_slice = re.compile(
    r"(?P<start>-?[0-9]+)?[ \t\n\r]*:[ \t\n\r]*(?P<stop>-?[0-9]+)?(?:[ \t\n\r]*:[ \t\n\r]*(?P<step>-?[0-9]+)?)?"
)
_blank = re.compile(r"[ \t\n\r]*")
_escape = re.compile(r"\\(?:([bfnrt/\\'\"])|u([0-9A-Fa-f]{4})(?:\\u([Dd][C-Fc-f][0-9A-Fa-f]{2}))?)")
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Wildcard(Enum):
    """`*`: every member or element."""

    ALL = "*"


WILDCARD: Final = Wildcard.ALL


@attrs.frozen
class Condition:
    """`?...`: the members or elements for which an expression holds."""

    text: str


@attrs.frozen
class Slice:
    """`start:stop:step`, as RFC 9535 has it: a step of 0 selects nothing."""

    start: int | None
    stop: int | None
    step: int | None

    def __str__(self) -> str:
        start, stop, step = ("" if part is None else str(part) for part in (self.start, self.stop, self.step))
        return f"{start}:{stop}:{step}" if step else f"{start}:{stop}"


Selector: TypeAlias = str | int | Wildcard | Slice | Condition


@attrs.frozen
class Segment:
    """One step of a path: what it selects of each node, or (`deep`) of each node and all below it."""

    selectors: tuple[Selector, ...]
    deep: bool = False


def parse_segments(text: str, start: int) -> tuple[Segment, ...]:
    """The segments of `text` from position `start` to its end. Raises InvalidPath with the position."""
    if len(text) > MAX_LENGTH:
        raise InvalidPath(f"a path has at most {MAX_LENGTH} characters", where=text[:40] + "...")
    parser = _Parser(text, start)
    segments: list[Segment] = []
    while parser.position < len(text):
        segments.append(parser.segment())
    if sum(segment.deep for segment in segments) > MAX_DESCENTS:
        raise InvalidPath(f"a path has at most {MAX_DESCENTS} '..'", where=text)
    if prod(len(segment.selectors) for segment in segments) > MAX_UNION:
        raise InvalidPath(f"the alternatives in brackets multiply to at most {MAX_UNION}", where=text)
    return tuple(segments)


def path_text(segments: tuple[Segment, ...]) -> str:
    """The canonical text of segments: `.name` where it can be, `['name']` elsewhere."""
    return "".join(map(_segment_text, segments))


def _segment_text(segment: Segment) -> str:
    dots = ".." if segment.deep else ""
    if len(segment.selectors) == 1:
        selector = segment.selectors[0]
        if isinstance(selector, str) and _shorthand.fullmatch(selector):
            return f"{dots or '.'}{selector}"
    return f"{dots}[{','.join(map(_selector_text, segment.selectors))}]"


def _selector_text(selector: Selector) -> str:
    if isinstance(selector, str):
        return "'" + "".join(map(_escaped, selector)) + "'"
    if isinstance(selector, Condition):
        return f"?{selector.text}"
    return selector.value if isinstance(selector, Wildcard) else str(selector)


def _escaped(character: str) -> str:
    if character in "'\\":
        return "\\" + character
    return character if character >= " " else f"\\u{ord(character):04x}"


class _Parser:
    """Reads one path from left to right; linear in its length."""

    def __init__(self, text: str, position: int) -> None:
        self.text = text
        self.position = position

    def fail(self, reason: str, position: int | None = None) -> InvalidPath:
        at = self.position if position is None else position
        return InvalidPath(reason, where=f"{self.text!r} at position {at}")

    def skip_blanks(self) -> None:
        self.position = _blank.match(self.text, self.position).end()  # type: ignore[union-attr]  # matches anything

    def take(self, token: str) -> bool:
        if self.text.startswith(token, self.position):
            self.position += len(token)
            return True
        return False

    def segment(self) -> Segment:
        deep = self.take("..")
        if not deep:
            self.skip_blanks_before_segment()
            deep = self.take("..")
        if not deep and not self.text.startswith((".", "["), self.position):
            raise self.fail("expected '.name' or '[...]'")
        if self.take("["):
            return Segment(self.bracketed(), deep)
        if not deep:
            self.take(".")
        return Segment((self.dotted(),), deep)

    def skip_blanks_before_segment(self) -> None:
        start = self.position
        self.skip_blanks()
        if self.position == len(self.text):
            raise self.fail("a path does not end in spaces", start)

    def dotted(self) -> Selector:
        if self.take("*"):
            return WILDCARD
        match = _shorthand.match(self.text, self.position)
        if match is None:
            raise self.fail("expected a name after the dot: write ['...'] for a name with other characters")
        self.position = match.end()
        return match[0]

    def bracketed(self) -> tuple[Selector, ...]:
        selectors: list[Selector] = []
        while True:
            self.skip_blanks()
            selectors.append(self.selector())
            self.skip_blanks()
            if self.take("]"):
                return tuple(selectors)
            if not self.take(","):
                raise self.fail("expected ',' or ']'")

    def selector(self) -> Selector:
        if self.text.startswith(("'", '"'), self.position):
            return self.quoted()
        if self.take("*"):
            return WILDCARD
        if self.take("?"):
            return self.condition()
        match = _slice.match(self.text, self.position)
        if match is not None:
            return self.slice(match)
        match = _integer.match(self.text, self.position)
        if match is None:
            raise self.fail("expected a quoted name, an index, '*', a slice or a filter")
        index = self.integer(match)
        self.position = match.end()
        return index

    def integer(self, match: re.Match[str], group: str | int = 0) -> int:
        digits, start = match[group], match.start(group)
        if not _is_index(digits):
            raise self.fail(f"{digits[:20]!r} is not an index: no leading zeros", start)
        if len(digits) > 17 or abs(int(digits)) > _LARGEST_INDEX:
            raise self.fail("an index has at most 53 bits", start)
        return int(digits)

    def slice(self, match: re.Match[str]) -> Slice:
        bounds = [self.integer(match, name) if match[name] else None for name in ("start", "stop", "step")]
        self.position = match.end()
        return Slice(*bounds)

    def quoted(self) -> str:
        quote = self.text[self.position]
        opened = self.position
        self.position += 1
        parts: list[str] = []
        while self.position < len(self.text):
            character = self.text[self.position]
            if character == quote:
                self.position += 1
                return "".join(parts)
            if character == "\\":
                parts.append(self.escape(quote))
                continue
            if character < " " or "\ud800" <= character <= "\udfff":
                raise self.fail(f"U+{ord(character):04X} must be escaped in a name")
            parts.append(character)
            self.position += 1
        raise self.fail(f"the quote {quote} is never closed", opened)

    def escape(self, quote: str) -> str:
        match = _escape.match(self.text, self.position)
        if match is None or (match[1] in ("'", '"') and match[1] != quote):
            raise self.fail("this is not an escape of RFC 9535")
        simple, high, low = match.groups()
        if simple:
            self.position = match.end()
            return _ESCAPED.get(simple, simple)
        code = int(high, 16)
        if 0xD800 <= code < 0xDC00 and low:
            self.position = match.end()
            return chr(0x10000 + (code - 0xD800) * 0x400 + int(low, 16) - 0xDC00)
        if 0xD800 <= code < 0xE000:
            raise self.fail("half of a surrogate pair is no character")
        self.position += 6
        return chr(code)

    def condition(self) -> Condition:
        """The text of a filter, to the bracket or comma that ends it."""
        start = self.position
        depth = 0
        while self.position < len(self.text):
            character = self.text[self.position]
            if character in "'\"":
                self.quoted()
                continue
            if depth == 0 and character in ",]":
                break
            depth += (character in "([") - (character in ")]")
            self.position += 1
        text = self.text[start : self.position].strip()
        if not text:
            raise self.fail("expected a filter after '?'")
        return Condition(text)
