"""JSONPath (RFC 9535): text to syntax tree. What the RFC does not allow is refused here."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

from eventroute.errors import InvalidPath
from eventroute.jsontext import decode_json
from eventroute.paths.functions import FUNCTIONS, Kind
from eventroute.paths.syntax import (
    WILDCARD,
    And,
    Argument,
    Call,
    Comparison,
    Condition,
    Expression,
    Literal,
    Not,
    Operator,
    Or,
    Query,
    Segment,
    Selector,
    Slice,
    match_shorthand,
    path_text,
    steps_of,
)

__all__ = ["MAX_LENGTH", "MAX_NESTING", "parse_segments"]

MAX_LENGTH = 1024
"""The longest path, in characters, as it is written and as `str` writes it."""

MAX_NESTING = 16
"""How deep filters, parentheses and functions may nest in a path."""

_LONGER = 8  # times, at the most: `1e15` becomes 1000000000000000.0, and a blank comes to both sides of `<`
_LARGEST_INDEX = 2**53 - 1  # section 2.1

_integer = re.compile(r"-?[0-9]+")
_is_index = re.compile(r"0|-?[1-9][0-9]*").fullmatch
_slice = re.compile(
    r"(?P<start>-?[0-9]+)?[ \t\n\r]*:[ \t\n\r]*(?P<stop>-?[0-9]+)?(?:[ \t\n\r]*:[ \t\n\r]*(?P<step>-?[0-9]+)?)?"
)
_blank = re.compile(r"[ \t\n\r]*")
_escape = re.compile(r"\\(?:([bfnrt/\\'\"])|u([0-9A-Fa-f]{4})(?:\\u([Dd][C-Fc-f][0-9A-Fa-f]{2}))?)")
_number = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_word = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_operator = re.compile(r"[=!<>]=|[<>]")

T = TypeVar("T")

_ESCAPED: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_KEYWORDS: Final = {"true": True, "false": False, "null": None}


def parse_segments(text: str, start: int) -> tuple[Segment, ...]:
    """The segments of `text` from position `start` to its end. Raises InvalidPath with the position."""
    _check_length(text)
    parser = _Parser(text, start)
    segments = parser.segments()
    end = parser.position
    parser.skip_blanks()
    if parser.position < len(text):
        raise parser.fail("expected '.name' or '[...]'")
    if end < len(text):
        raise parser.fail("a path does not end in spaces", end)
    if len(text) > MAX_LENGTH // _LONGER:
        _check_length(text[:start] + path_text(segments))
    return segments


def _check_length(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise InvalidPath(f"a path has at most {MAX_LENGTH} characters", where=text[:40] + "...")


class _Parser:
    """Reads one path from left to right; linear in its length."""

    def __init__(self, text: str, position: int) -> None:
        self.text = text
        self.position = position
        self.nesting = 0
        self.blank_at = -1
        """Where brackets held a blank last."""

    def fail(self, reason: str, position: int | None = None) -> InvalidPath:
        at = self.position if position is None else position
        return InvalidPath(reason, where=f"{self.text!r} at position {at}")

    def skip_blanks(self) -> bool:
        start = self.position
        self.position = _blank.match(self.text, start).end()  # type: ignore[union-attr]  # matches anything
        return self.position > start

    def take(self, token: str) -> bool:
        if self.text.startswith(token, self.position):
            self.position += len(token)
            return True
        return False

    def nested(self, parse: Callable[[], T]) -> T:
        """What `parse` reads one level deeper, blanks around it."""
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise self.fail(f"filters, parentheses and functions nest at most {MAX_NESTING} deep")
        self.skip_blanks()
        result = parse()
        self.skip_blanks()
        self.nesting -= 1
        return result

    # Segments and selectors (sections 2.3 and 2.5)

    def segments(self) -> tuple[Segment, ...]:
        """All segments from here on; blanks after the last are left where they are."""
        segments: list[Segment] = []
        while True:
            start = self.position
            self.skip_blanks()
            if not self.text.startswith((".", "["), self.position):
                self.position = start
                return tuple(segments)
            segments.append(self.segment())

    def segment(self) -> Segment:
        deep = self.take("..")
        if self.take("["):
            return Segment(self.bracketed(), deep)
        if not deep:
            self.take(".")
        return Segment((self.dotted(),), deep)

    def dotted(self) -> Selector:
        if self.take("*"):
            return WILDCARD
        match = match_shorthand(self.text, self.position)
        if match is None:
            raise self.fail("expected a name after the dot: write ['...'] for a name with other characters")
        self.position = match.end()
        return match[0]

    def bracketed(self) -> tuple[Selector, ...]:
        selectors: list[Selector] = []
        while True:
            self.skip_blanks_in_brackets()
            selectors.append(self.selector())
            self.skip_blanks_in_brackets()
            if self.take("]"):
                return tuple(selectors)
            if not self.take(","):
                in_filter = isinstance(selectors[-1], Condition)
                raise self.fail("expected '&&', '||', ',' or ']'" if in_filter else "expected ',' or ']'")

    def skip_blanks_in_brackets(self) -> None:
        if self.skip_blanks():
            self.blank_at = self.position - 1

    def selector(self) -> Selector:
        if self.text.startswith(("'", '"'), self.position):
            return self.quoted()
        if self.take("*"):
            return WILDCARD
        if self.take("?"):
            return Condition(self.nested(self.either))
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
                raise self.fail(f"U+{ord(character):04X} must be escaped in quotes")
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

    # Filters (section 2.3.5)

    def either(self) -> Expression:
        operands = self.joined("||", self.both)
        return Or(operands) if len(operands) > 1 else operands[0]

    def both(self) -> Expression:
        operands = self.joined("&&", self.basic)
        return And(operands) if len(operands) > 1 else operands[0]

    def joined(self, token: str, operand: Callable[[], Expression]) -> tuple[Expression, ...]:
        operands = [operand()]
        self.skip_blanks()
        while self.take(token):
            self.skip_blanks()
            operands.append(operand())
            self.skip_blanks()
        return tuple(operands)

    def basic(self) -> Expression:
        if self.take("!"):
            self.skip_blanks()
            return Not(self.group() if self.take("(") else self.test(self.operand(), self.position))
        if self.take("("):
            return self.group()
        start = self.position
        left = self.operand()
        end = self.position
        self.skip_blanks()
        match = _operator.match(self.text, self.position)
        if match is None:
            return self.test(left, end)
        self.check_comparable(left, start)
        self.position = match.end()
        self.skip_blanks()
        start = self.position
        right = self.operand()
        self.check_comparable(right, start)
        return Comparison(left, Operator(match[0]), right)

    def group(self) -> Expression:
        expression = self.nested(self.either)
        if not self.take(")"):
            raise self.fail("expected '&&', '||' or ')'")
        return expression

    def test(self, operand: Argument, end: int) -> Query | Call:
        """What was read, if it can be true or false by itself."""
        if isinstance(operand, Literal) or (isinstance(operand, Call) and _gives_value(operand)):
            raise self.fail("expected a comparison: a value alone is no test", end)
        return operand

    def check_comparable(self, operand: Argument, start: int) -> None:
        if isinstance(operand, Call) and not _gives_value(operand):
            raise self.fail(f"{operand.function}() is true or false by itself, and is not compared", start)
        if not isinstance(operand, Query):
            return
        if steps_of(operand.segments) is None:
            reason = "a comparison takes one value, and this may find several: use count(), value() or a filter in it"
            raise self.fail(reason, start)
        if self.blank_at > start:
            raise self.fail("no blanks in the brackets of a path that is compared", self.blank_at)

    def operand(self) -> Argument:
        if self.text.startswith(("'", '"'), self.position):
            return Literal(self.quoted())
        if self.take("@"):
            return Query(self.segments())
        if self.take("$"):
            return Query(self.segments(), absolute=True)
        match = _number.match(self.text, self.position)
        if match is not None:
            self.position = match.end()
            return Literal(decode_json(match[0].encode("ascii")))
        match = _word.match(self.text, self.position)
        if match is None:
            raise self.fail("expected a path ('@' or '$'), a literal or a function")
        return self.word(match)

    def word(self, match: re.Match[str]) -> Literal | Call:
        word, start = match[0], self.position
        self.position = match.end()
        if self.take("("):
            return self.call(word, start)
        if word not in _KEYWORDS:
            raise self.fail(f"what is {word[:40]!r}? Write @.name for a member, quotes for a text", start)
        return Literal(_KEYWORDS[word])

    # Functions (section 2.4)

    def call(self, name: str, start: int) -> Call:
        if name not in FUNCTIONS:
            raise self.fail(f"there is no function {name[:40]!r}; there are {', '.join(FUNCTIONS)}", start)
        parameters = FUNCTIONS[name].parameters
        arguments = self.nested(lambda: self.arguments(parameters))
        if len(arguments) != len(parameters):
            raise self.fail(f"{name}() takes {len(parameters)} arguments, not {len(arguments)}", start)
        return Call(name, arguments)

    def arguments(self, parameters: tuple[Kind, ...]) -> tuple[Argument, ...]:
        arguments: list[Argument] = []
        if self.take(")"):
            return ()
        while True:
            start = self.position
            arguments.append(self.operand())
            if len(arguments) <= len(parameters):
                self.check_argument(arguments[-1], parameters[len(arguments) - 1], start)
            self.skip_blanks()
            if self.take(")"):
                return tuple(arguments)
            if not self.take(","):
                raise self.fail("expected ',' or ')'")
            self.skip_blanks()

    def check_argument(self, argument: Argument, kind: Kind, start: int) -> None:
        """Section 2.4.3."""
        if kind is Kind.NODES:
            fits = isinstance(argument, Query)
        elif isinstance(argument, Query):
            fits = steps_of(argument.segments) is not None
        else:
            fits = isinstance(argument, Literal) or _gives_value(argument)
        if not fits:
            raise self.fail(f"expected {kind.value} as this argument", start)


def _gives_value(call: Call) -> bool:
    return FUNCTIONS[call.function].result is Kind.VALUE
