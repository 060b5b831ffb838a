"""Templates: the text with placeholders, parsed to a frozen tree of parts that knows nothing of events."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import attrs

from eventroute.errors import InvalidPath, InvalidTransformer
from eventroute.paths import Path
from eventroute.transform.define import parse_path
from eventroute.transform.limits import Limits

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

__all__ = ["Hole", "Member", "Members", "Part", "Place", "Syntax", "Template", "TemplateType", "parse_template"]


class TemplateType(Enum):
    """What a transformer makes by its template: JSON, plain text, or nothing."""

    JSON = "json"
    TEXT = "text"
    NONE = "none"


class Syntax(Enum):
    """How a template writes its placeholders: `${name}` or `<name>`."""

    DOLLAR = "dollar"
    ANGLE = "angle"


class Place(Enum):
    """Where a placeholder stands: for a JSON value, within a JSON string, or in plain text."""

    VALUE = "value_hole"
    STRING = "string_hole"
    TEXT = "text_hole"


@attrs.frozen
class Hole:
    """A placeholder: the name of a variable or a path, and where it stands (line and column count from 1)."""

    source: str | Path
    place: Place
    line: int
    column: int


@attrs.frozen
class Member:
    """A member of an object or array that is there only if the path of `hole`, its value, finds something.

    `parts` is the whole member, with the white space before it.
    """

    parts: tuple[Part, ...]
    hole: Hole


@attrs.frozen
class Members:
    """Members of which each may be missing; commas stand between those that are there."""

    items: tuple[Member, ...]


Part: TypeAlias = "str | Hole | Members"
_Edit: TypeAlias = "tuple[int, int, Part]"
"""What replaces the template's text from one position to another."""


@attrs.frozen
class Template:
    """A parsed template: its text, what it makes, and the parts to put together for an event."""

    text: str
    type: TemplateType
    syntax: Syntax
    parts: tuple[Part, ...]


def parse_template(
    text: str,
    *,
    type: TemplateType | None,
    syntax: Syntax,
    defined: Collection[str],
    limits: Limits,
) -> Template:
    """Parses a template; `defined` are the names that it may use.

    Without a type, one whose first character (white space aside) is `{`, `[` or `"` is JSON, another is text.
    Raises InvalidTransformer, with the line, the column and a caret, where it cannot be understood.
    """
    guessed = TemplateType.JSON if text.lstrip(" \t\r\n").startswith(("{", "[", '"')) else TemplateType.TEXT
    kind = type or guessed
    reader = _Reader(text, syntax, defined, limits, guessed=kind is not type and kind is TemplateType.JSON)
    return Template(text, kind, syntax, reader.read(kind))


@cache
def _parser(syntax: Syntax) -> Lark:
    from importlib.resources import files  # noqa: PLC0415  # slow to import, as lark is: only who needs it pays

    from lark import Lark

    folder = files("eventroute.transform")
    grammar = "".join(
        folder.joinpath(f"{name}.lark").read_text(encoding="utf-8") for name in ("template", syntax.value)
    )
    return Lark(grammar, parser="lalr", lexer="contextual", start=["json", "text"])


_NESTING: Final = {"OBJECT": 1, "ARRAY": 1, "OBJECT_END": -1, "ARRAY_END": -1}
_HOLES: Final = {place.value: place for place in Place}
_WORDS: Final = {
    "QUOTE": "a name in quotes",
    "COLON": "`:`",
    "COMMA": "`,`",
    "OBJECT_END": "`}`",
    "ARRAY_END": "`]`",
    "NAME": "the name of a variable",
    "PATH": "a path such as $.data.x",
    "$END": "the end of the template",
}
_CLOSE: Final = {Syntax.DOLLAR: "`}`", Syntax.ANGLE: "`>`"}
_LITERALLY: Final = {
    Syntax.DOLLAR: "write $${ for a literal ${",
    Syntax.ANGLE: "write \\< for a literal <",
}
_EXCERPT: Final = 40

_control = re.compile(r"[\x00-\x1f]").search


class _Reader:
    """Reads one template."""

    def __init__(self, text: str, syntax: Syntax, defined: Collection[str], limits: Limits, *, guessed: bool) -> None:
        self.text = text
        self.syntax = syntax
        self.defined = defined
        self.limits = limits
        self.guessed = guessed
        self.holes = 0
        self.edits: list[_Edit] = []

    def read(self, type: TemplateType) -> tuple[Part, ...]:
        if len(self.text) > self.limits.template_length:
            raise InvalidTransformer(
                f"it has {len(self.text)} characters, more than template_length={self.limits.template_length}",
                where="template",
            )
        try:
            self.text.encode()
        except UnicodeEncodeError as error:
            raise self.wrong("half of a surrogate pair is not text", error.start) from None
        self.visit(self.parse(type.value))
        return _parts(self.text, 0, len(self.text), self.edits)

    def parse(self, start: str) -> Tree[Token]:
        from lark.exceptions import UnexpectedInput  # see _parser

        session: Any = _parser(self.syntax).parse_interactive(self.text, start=start)
        ended = False
        try:
            self.check(session.iter_parse())
            ended = True
            tree: Tree[Token] = session.feed_eof()
        except UnexpectedInput as error:
            position = len(self.text) if ended else cast(int, error.pos_in_stream)
            raise self.misplaced(position, session.accepts()) from None
        return tree

    def check(self, tokens: Iterable[Token]) -> None:
        """Checks the bounds while the tokens are parsed, and that no string has a control character."""
        depth = 0
        for count, token in enumerate(tokens):
            depth += _NESTING.get(token.type, 0)
            if depth > self.limits.nesting:
                raise self.wrong(f"it nests deeper than nesting={self.limits.nesting}", _start(token))
            if count >= self.limits.template_tokens:
                raise self.wrong(f"it has more than template_tokens={count} tokens", _start(token))
            if token.type == "CHARS" and (control := _control(token)):
                reason = f"a string cannot hold {control[0]!r}: write it as an escape such as \\n"
                raise self.wrong(reason, _start(token) + control.start())

    def visit(self, tree: Tree[Token]) -> None:
        if tree.data in _HOLES:
            self.hole(tree)
        elif tree.data in ("object", "array"):
            self.container(tree)
        else:
            for child in tree.children:
                if not isinstance(child, str):
                    self.visit(child)
                elif child.type == "ESCAPED":
                    self.edits.append((_start(child), _end(child), child[1:]))

    def hole(self, tree: Tree[Token]) -> tuple[Hole, int]:
        """The placeholder, and where it ends."""
        opening, source, closing = _tokens(tree)
        self.holes += 1
        if self.holes > self.limits.placeholders:
            raise self.wrong(f"it has more placeholders than placeholders={self.limits.placeholders}", _start(opening))
        hole = Hole(
            self.path(source) if source.type == "PATH" else self.variable(source),
            _HOLES[tree.data],
            opening.line or 1,
            opening.column or 1,
        )
        self.edits.append((_start(opening), _end(closing), hole))
        return hole, _end(closing)

    def path(self, token: Token) -> Path:
        try:
            return parse_path(token.rstrip(" \t\r\n"))
        except InvalidPath as error:
            raise self.wrong(str(error), _start(token)) from error

    def variable(self, token: Token) -> str:
        name = str(token)
        if name in self.defined:
            return name
        shown = name[:_EXCERPT]
        near = get_close_matches(shown, self.defined, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"add {shown!r} to define"
        raise self.wrong(f"the variable {shown!r} is not defined; {hint}", _start(token))

    def container(self, tree: Tree[Token]) -> None:
        """Visits the members, and wraps up those that a missing path leaves out.

        Each of them takes one comma with it: the one after it if it stands before the first member that is
        always there, else the one before it. Where no member is always there, the commas go between what is.
        """
        marks, items = _tokens(tree), _trees(tree)
        optional = [_is_path(item) for item in items]
        if all(optional):
            self.alternatives(marks, items)
            return
        anchor = optional.index(False)
        for number, item in enumerate(items):
            start = marks[number]
            if not optional[number]:
                self.visit(item)
            elif number < anchor:
                self.edits.append(self.member(item, _end(start), _end(marks[number + 1])))
            else:
                self.edits.append(self.member(item, _start(start), None))

    def alternatives(self, marks: list[Token], items: list[Tree[Token]]) -> None:
        """Wraps up the members of a container in which each may be missing."""
        found: list[Member] = []
        start = end = _end(marks[0])
        for item, before, after in zip(items, marks, marks[1:], strict=False):
            _, end, members = self.member(item, _end(before), _start(after) if after.type == "COMMA" else None)
            found += members.items
        if found:
            self.edits.append((start, end, Members(tuple(found))))

    def member(self, item: Tree[Token], start: int, end: int | None) -> tuple[int, int, Members]:
        """What stands for the text of an optional member, which ends after its placeholder unless `end` is given."""
        outer, self.edits = self.edits, []
        *name, value = _trees(item)
        for tree in name:
            self.visit(tree)
        hole, stop = self.hole(value)
        end = end or stop
        member = Member(_parts(self.text, start, end, self.edits), hole)
        self.edits = outer
        return start, end, Members((member,))

    def misplaced(self, position: int, expected: Collection[str]) -> InvalidTransformer:
        found = self.text[position : position + 1]
        if "CHARS" in expected:
            if found:
                return self.wrong("this is no escape of JSON: write a backslash as two", position)
            return self.wrong("the string has no end: add a double quote", position)
        known = {"CLOSE": _CLOSE[self.syntax], **_WORDS}
        words = [word for name, word in known.items() if name in expected]
        if "LITERAL" in expected:
            words = ["a JSON value", *(word for word in words if word != _WORDS["QUOTE"])]
        reason = f"{f'unexpected {found!r}' if found else 'it ends too early'}; expected {' or '.join(words)}"
        if "NAME" in expected:
            reason += f" ({_LITERALLY[self.syntax]})"
        elif self.guessed:
            reason += ' (it starts as JSON does; if it is text, say "template_type": "text")'
        return self.wrong(reason, position)

    def wrong(self, reason: str, position: int) -> InvalidTransformer:
        """The error at a position, with a look at the line and a caret."""
        start = self.text.rfind("\n", 0, position) + 1
        end = self.text.find("\n", position)
        end = len(self.text) if end < 0 else end
        left, right = max(start, position - _EXCERPT), min(end, position + _EXCERPT)
        shown = "".join(char if char.isprintable() else " " for char in self.text[left:right])
        where = f"template line {self.text.count(chr(10), 0, position) + 1}, column {position - start + 1}"
        return InvalidTransformer(f"{reason}\n  {shown}\n  {' ' * (position - left)}^", where=where)


def _tokens(tree: Tree[Token]) -> list[Token]:
    return [child for child in tree.children if isinstance(child, str)]


def _trees(tree: Tree[Token]) -> list[Tree[Token]]:
    return [child for child in tree.children if not isinstance(child, str)]


def _is_path(item: Tree[Token]) -> bool:
    """Whether the value of a member or element is nothing but a placeholder for a path."""
    value = item.children[-1]
    return not isinstance(value, str) and value.data == "value_hole" and _tokens(value)[1].type == "PATH"


def _start(token: Token) -> int:
    return token.start_pos or 0


def _end(token: Token) -> int:
    return token.end_pos or 0


def _parts(text: str, start: int, end: int, edits: Iterable[_Edit]) -> tuple[Part, ...]:
    """The text from start to end with the edits made."""
    parts: list[Part] = []
    for begin, stop, part in edits:
        parts += (text[start:begin], part)
        start = stop
    parts.append(text[start:end])
    return tuple(part for part in parts if part != "")
