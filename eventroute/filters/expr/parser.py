"""`expr` as text to a syntax tree: what is wrong with it is told by line and caret."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

from attrs import frozen

from eventroute.errors import InvalidFilter, InvalidPath
from eventroute.filters.expr.functions import FUNCTIONS, Kind
from eventroute.filters.expr.hints import QUANTIFIERS, WORDS, hint, unknown_function
from eventroute.filters.expr.literals import negated_number, number
from eventroute.filters.expr.places import RESERVED, place
from eventroute.filters.expr.printing import expression_text
from eventroute.filters.expr.quantifiers import NotBound, bind
from eventroute.filters.faults import MAX_EXPRESSION, Fault, Language, read
from eventroute.filters.syntax import (
    MAX_DEPTH,
    AllOf,
    AnyOf,
    Arithmetic,
    Between,
    Call,
    Comparator,
    Compare,
    Each,
    Exclusive,
    Exists,
    In,
    Includes,
    IsNull,
    Like,
    Literal,
    Negative,
    Node,
    Not,
    Operator,
    Place,
    Quantified,
    Truth,
    Value,
    extent,
)

if TYPE_CHECKING:
    from lark import Lark, Token

__all__ = ["parse_expression"]


def parse_expression(text: str, where: str) -> Node:
    """The tree of an expression. Raises InvalidFilter with the place in it."""
    node: Node = read(_LANGUAGE, text, where)
    if len(text) * _GROWTH > MAX_EXPRESSION:
        size = len(expression_text(node))
        if size > MAX_EXPRESSION:
            raise InvalidFilter(
                f"the expression has {size} characters as it is printed, at most {MAX_EXPRESSION} are allowed: "
                "make several filters",
                where=where,
            )
    return node


_GROWTH: Final = 8  # what is printed is no longer than so many times what was read


@frozen
class _Part:
    """A condition or a value on the way: `kind` is None for a condition, `at` where it stands in the text.

    `star` is where a path with `[*]` stands that no quantifier has taken yet.
    """

    node: Any
    kind: Kind | None
    at: int
    depth: int = 0
    star: int | None = None


_TOO_DEEP: Final = f"it nests more than {MAX_DEPTH} deep: flatten it, or make several filters"


def _made(node: Node | Value, kind: Kind | None, at: int, *parts: _Part) -> _Part:
    depth = 1 + max((part.depth for part in parts), default=0)
    if depth > MAX_DEPTH:
        raise Fault(_TOO_DEEP, at)
    star = next((part.star for part in parts if part.star is not None), None)
    return _Part(node, kind, at, depth, star)


def _condition(part: _Part) -> Node:
    if part.kind is None:
        return cast("Node", part.node)
    if part.kind in (Kind.ANY, Kind.BOOLEAN):
        return Truth(part.node)
    raise Fault(f"this is {part.kind.value}, and a condition is expected: compare it with something", part.at)


def _value(part: _Part) -> Value:
    if part.kind is None:
        raise Fault("this is a condition, and a value is expected: AND, OR, XOR and NOT join conditions", part.at)
    return cast("Value", part.node)


def _of_kind(part: _Part, kind: Kind, doing: str) -> Value:
    value = _value(part)
    if kind is not Kind.ANY and part.kind not in (kind, Kind.ANY):
        raise Fault(f"{doing} takes {kind.value}, and this is {_kind(part).value}", part.at)
    return value


def _kind(part: _Part) -> Kind:
    return part.kind or Kind.BOOLEAN


def _alike(left: _Part, right: _Part) -> None:
    """Refuses to compare what is known to be unlike."""
    _value(left)
    _value(right)
    if left.kind is not right.kind and Kind.ANY not in (left.kind, right.kind):
        raise Fault(f"{_kind(left).value} and {_kind(right).value} are never alike: nothing is cast", right.at)


def _ordered(*parts: _Part) -> None:
    for part in parts:
        if part.kind is Kind.BOOLEAN:
            raise Fault("booleans have no order: they are only equal or not", part.at)


_MIRRORED: Final = {
    Comparator.LESS: Comparator.GREATER,
    Comparator.AT_MOST: Comparator.AT_LEAST,
    Comparator.GREATER: Comparator.LESS,
    Comparator.AT_LEAST: Comparator.AT_MOST,
}
_COMPARATORS: Final = {**{one.value: one for one in Comparator}, "<>": Comparator.UNEQUAL}
_EQUALITIES: Final = (Comparator.EQUAL, Comparator.UNEQUAL)


class _Actions:
    """What the grammar's rules make of what they have read. Lark calls them by the rules' names."""

    def start(self, found: list[_Part]) -> Node:
        [part] = found
        node = _condition(part)
        if part.star is not None:
            raise Fault("a path with [*] has many values: put its condition into ANY(), ALL() or NONE()", part.star)
        return bind(node)

    def disjunction(self, found: list[_Part]) -> _Part:
        return _made(AnyOf(tuple(map(_condition, found))), None, found[0].at, *found)

    def exclusion(self, found: list[_Part]) -> _Part:
        return _made(Exclusive(tuple(map(_condition, found))), None, found[0].at, *found)

    def conjunction(self, found: list[_Part]) -> _Part:
        return _made(AllOf(tuple(map(_condition, found))), None, found[0].at, *found)

    def negated(self, found: Sequence[Any]) -> _Part:
        token, part = found
        return _made(Not(_condition(part)), None, _at(token), part)

    def compare(self, found: Sequence[Any]) -> _Part:
        left, token, right = found
        comparator = _COMPARATORS[token]
        _alike(left, right)
        if comparator not in _EQUALITIES:
            _ordered(left, right)
        if isinstance(left.node, Literal) and not isinstance(right.node, Literal):
            left, right, comparator = right, left, _MIRRORED.get(comparator, comparator)
        return _made(Compare(left.node, comparator, right.node), None, found[0].at, left, right)

    def like(self, found: Sequence[Any]) -> _Part:
        part, inverted, token = found
        value = _of_kind(part, Kind.TEXT, "LIKE")
        return _made(Like(value, _unquoted(token), inverted is not None), None, part.at, part)

    def among(self, found: Sequence[Any]) -> _Part:
        part, inverted, *options = found
        for option in options:
            _alike(part, option)
        node = In(part.node, tuple(option.node for option in options), inverted is not None)
        return _made(node, None, part.at, part, *options)

    def between(self, found: Sequence[Any]) -> _Part:
        part, inverted, low, high = found
        _alike(part, low)
        _alike(part, high)
        _alike(low, high)
        _ordered(part, low, high)
        return _made(Between(part.node, low.node, high.node, inverted is not None), None, part.at, part, low, high)

    def includes(self, found: Sequence[Any]) -> _Part:
        part, inverted, token, within = found
        where = _PLACES[token.type]
        value = _of_kind(part, Kind.TEXT, where.value)
        text = _of_kind(within, Kind.TEXT, where.value)
        return _made(Includes(value, where, text, inverted is not None), None, part.at, part, within)

    def is_null(self, found: Sequence[Any]) -> _Part:
        part, inverted = found
        return _made(IsNull(_value(part), inverted is not None), None, part.at, part)

    def exists(self, found: Sequence[Token]) -> _Part:
        token, field = found
        part = self.field([field])
        return _made(Exists(part.node), None, _at(token), part)

    def addition(self, found: Sequence[Any]) -> _Part:
        parts, operators = found[::2], tuple(Operator(str(token)) for token in found[1::2])
        for before, part, operator in zip(parts, parts[1:], operators, strict=False):
            _of_kind(before, Kind.NUMBER, operator.value)
            _of_kind(part, Kind.NUMBER, operator.value)
        return _made(Arithmetic(tuple(part.node for part in parts), operators), Kind.NUMBER, parts[0].at, *parts)

    multiplication = addition

    def negative(self, found: Sequence[Any]) -> _Part:
        token, part = found
        value = _of_kind(part, Kind.NUMBER, "-")
        if isinstance(value, Literal):
            return _Part(negated_number(value), Kind.NUMBER, _at(token))
        return _made(Negative(value), Kind.NUMBER, _at(token), part)

    def number(self, found: list[Token]) -> _Part:
        try:
            return _Part(number(found[0]), Kind.NUMBER, _at(found[0]))
        except ValueError as error:
            raise Fault(str(error), _at(found[0])) from None

    def text(self, found: list[Token]) -> _Part:
        return _Part(Literal(_unquoted(found[0])), Kind.TEXT, _at(found[0]))

    def boolean(self, found: list[Token]) -> _Part:
        return _Part(Literal(found[0].upper() == "TRUE"), Kind.BOOLEAN, _at(found[0]))

    def field(self, found: Sequence[Token]) -> _Part:
        token = found[0]
        try:
            value = place(str(token))
        except InvalidPath as error:
            raise Fault(error.reason, _at(token)) from None
        return _Part(value, Kind.ANY, _at(token), star=_at(token) if isinstance(value, Each) else None)

    def call(self, found: Sequence[Any]) -> _Part:
        token, *parts = found
        name, at = token.upper(), _at(token)
        if name in QUANTIFIERS:
            return _quantified(name, parts, at)
        if name in RESERVED:
            raise Fault(f"{name} is a keyword, and a value or a condition is expected", at)
        function = FUNCTIONS.get(name)
        if function is None:
            raise Fault(unknown_function(token), at)
        if len(parts) < function.least or (function.most is not None and len(parts) > function.most):
            raise Fault(f"{name} takes {_count(function.least, function.most)}, not {len(parts)}", at)
        arguments = tuple(
            _of_kind(part, function.takes[min(number, len(function.takes) - 1)], name)
            for number, part in enumerate(parts)
        )
        return _made(Call(name, arguments), function.gives, at, *parts)


_PLACES: Final = {"STARTS": Place.START, "ENDS": Place.END, "CONTAINS": Place.ANYWHERE}


def _quantified(name: str, parts: Sequence[_Part], at: int) -> _Part:
    if len(parts) != 1:
        raise Fault(f"{name} takes one condition, not {len(parts)}", at)
    node = Quantified(QUANTIFIERS[name], (), _condition(parts[0]))
    part = _made(node, None, at, parts[0])
    try:
        depth, _ = extent(bind(node))
    except NotBound as error:
        raise Fault(str(error), at) from None
    if depth > MAX_DEPTH:
        raise Fault(_TOO_DEEP, at)
    return _Part(node, None, at, max(depth, part.depth))


def _count(least: int, most: int | None) -> str:
    if most is None:
        return f"at least {least} argument{'' if least == 1 else 's'}"
    return f"{least} argument{'' if least == 1 else 's'}" if most == least else f"{least} to {most} arguments"


def _at(token: Token) -> int:
    return token.start_pos or 0


def _unquoted(token: Token) -> str:
    return str(token[1:-1]).replace("''", "'")


@cache
def _parser() -> Lark:
    from importlib.resources import files  # noqa: PLC0415  # slow to import, as lark is: only who needs it pays

    from lark import Lark

    grammar = files("eventroute.filters.expr").joinpath("grammar.lark").read_text(encoding="utf-8")
    # Lark asks of a transformer no more than methods by the rules' names.
    actions = cast("Any", _Actions())
    return Lark(grammar, parser="lalr", lexer="contextual", maybe_placeholders=True, transformer=actions)


_LANGUAGE: Final = Language(_parser, WORDS, hint)
