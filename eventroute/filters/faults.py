"""How the text languages are read, and how their faults are told: line, caret, what was expected, what was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from eventroute.errors import InvalidFilter

if TYPE_CHECKING:
    from lark import Lark

__all__ = ["MAX_EXPRESSION", "Fault", "Language", "located", "meant", "read"]

MAX_EXPRESSION: Final = 65_536
"""How long an expression may be, in characters."""

_EXCERPT: Final = 40  # characters of the line that are shown on each side of the fault
_LONGEST_NAME: Final = 64  # comparing names takes quadratic time

_word = re.compile(r"\w{1,40}|.", re.DOTALL).match
_surrogate = re.compile("[\ud800-\udfff]").search


class Fault(Exception):
    """What a grammar's action, which does not know the whole text, finds wrong at a position in it."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position


@frozen
class Language:
    """A language and how it speaks of itself.

    `parser` loads the grammar, LALR with its actions built in, and keeps it. `words` says for a terminal how an error
    names it; terminals that are named alike are named once, in this order. `hint` says, given the text, the position of
    a fault and the terminals that could stand there, what may have been meant; or nothing.
    """

    parser: Callable[[], Lark]
    words: Mapping[str, str]
    hint: Callable[[str, int, Collection[str]], str]


def read(language: Language, text: str, where: str) -> Any:
    """What the grammar's actions make of the text. Raises InvalidFilter with the place in the text."""
    from lark.exceptions import UnexpectedInput  # slow to import

    if len(text) > MAX_EXPRESSION:
        raise InvalidFilter(
            f"the expression has {len(text)} characters, at most {MAX_EXPRESSION} are allowed: make several filters",
            where=where,
        )
    half = None if text.isascii() else _surrogate(text)
    if half is not None:
        raise located("half of a surrogate pair is not text", text, half.start(), where)
    try:
        return language.parser().parse(text)
    except Fault as fault:
        raise located(fault.reason, text, fault.position, where) from None
    except UnexpectedInput:
        position, expected = _stop(language.parser(), text)
    reason = _misplaced(language, text, position, expected)
    raise located(reason, text, position, where)


def _stop(parser: Lark, text: str) -> tuple[int, Collection[str]]:
    """Where the parser stops, and the terminals that could stand there."""
    from lark.exceptions import UnexpectedInput

    session: Any = parser.parse_interactive(text)
    try:
        session.exhaust_lexer()
    except UnexpectedInput as error:
        position = error.pos_in_stream
        return len(text) if position is None else position, session.accepts()
    return len(text), session.accepts()


def _misplaced(language: Language, text: str, position: int, expected: Collection[str]) -> str:
    found = _word(text, position)
    words = dict.fromkeys(word for name, word in language.words.items() if name in expected)
    hint = language.hint(text, position, expected)
    what = f"unexpected {found[0]!r}" if found else "it ends too early"
    return f"{what}; expected {_choice(words)}{f' ({hint})' if hint else ''}"


def _choice(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def meant(name: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` where a known name is near, else nothing."""
    near = difflib.get_close_matches(name[:_LONGEST_NAME], sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def located(reason: str, text: str, position: int, where: str) -> InvalidFilter:
    """The error at a position, with a look at the line and a caret. Lines and columns count from 1."""
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    end = len(text) if end < 0 else end
    left, right = max(start, position - _EXCERPT), min(end, position + _EXCERPT)
    shown = "".join(char if char.isprintable() else " " for char in text[left:right])
    line = text.count("\n", 0, position) + 1
    place = f"{where} line {line}, column {position - start + 1}".lstrip()
    return InvalidFilter(f"{reason}\n  {shown}\n  {' ' * (position - left)}^", where=place)
