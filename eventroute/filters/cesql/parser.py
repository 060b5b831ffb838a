"""CESQL as text to a syntax tree. The grammar is in `grammar.lark`; here is what is made of each rule."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from eventroute.filters.cesql.casts import LARGEST, SMALLEST
from eventroute.filters.cesql.hints import hint
from eventroute.filters.cesql.tree import (
    MAX_DEPTH,
    Attribute,
    Boolean,
    Call,
    Chain,
    Exists,
    In,
    Integer,
    Level,
    Like,
    Negative,
    Node,
    Not,
    Operator,
    Step,
    String,
)
from eventroute.filters.faults import Fault, Language, read
from eventroute.filters.like import LikePattern

if TYPE_CHECKING:
    from lark import Lark, Token

__all__ = ["Parsed", "parse"]


@frozen
class Parsed:
    """A part of the tree, with where it begins in the text.

    `depth` counts parentheses too, `size` all nodes but literals.
    """

    node: Node
    start: int
    depth: int = 1
    size: int = 1

    def within(self, node: Node, start: int, *others: Parsed) -> Parsed:
        """The node around this part and others."""
        depth = 1 + max(self.depth, *(other.depth for other in others)) if others else 1 + self.depth
        if depth > MAX_DEPTH:
            raise Fault(f"an expression nests at most {MAX_DEPTH} deep: flatten it, or make several filters", start)
        return Parsed(node, start, depth, 1 + self.size + sum(other.size for other in others))


def parse(text: str, where: str) -> Parsed:
    """The tree of an expression. Raises InvalidFilter with the place in the text."""
    result: Parsed = read(_LANGUAGE, text, where)
    return result


_attribute = lru_cache(maxsize=4096)(Attribute)  # many expressions read few attributes
_OPERATORS: Final = {operator.value: operator for operator in Operator} | {"<>": Operator.UNEQUAL}


class _Actions:
    """What is made of the grammar's rules, each by the name of its rule. It holds nothing: all texts share it."""

    def integer(self, children: list[Token]) -> Parsed:
        [digits] = children
        return _integer(digits, "", _start(digits))

    def minus_integer(self, children: list[Token]) -> Parsed:
        sign, digits = children
        if sign.end_pos == digits.start_pos:
            return _integer(digits, "-", _start(sign))
        return self.negative([sign, _integer(digits, "", _start(digits))])

    def plus_integer(self, children: list[Token]) -> Parsed:
        sign, digits = children
        if sign.end_pos != digits.start_pos:
            raise Fault("a plus sign stands right before the digits", _start(sign))
        return _integer(digits, "", _start(sign))

    def boolean(self, children: list[Token]) -> Parsed:
        [word] = children
        return Parsed(Boolean(word.lower() == "true"), _start(word), size=0)

    def string(self, children: list[Token]) -> Parsed:
        [token] = children
        return Parsed(String(_unquoted(token)), _start(token), size=0)

    def attribute(self, children: list[Token]) -> Parsed:
        [name] = children
        return Parsed(_attribute(name.lower()), _start(name))

    def exists(self, children: list[Token]) -> Parsed:
        keyword, name = children
        return Parsed(Exists(name.lower()), _start(keyword))

    def call(self, children: list[Any]) -> Parsed:
        name: Token = children[0]
        arguments: list[Parsed] = children[1:]
        start = _start(name)
        node = Call(name.upper(), tuple(argument.node for argument in arguments), start)
        return arguments[0].within(node, start, *arguments[1:]) if arguments else Parsed(node, start)

    def group(self, children: list[Parsed]) -> Parsed:
        [inner] = children
        outer = inner.within(inner.node, inner.start)
        return Parsed(outer.node, outer.start, outer.depth, inner.size)

    def not_(self, children: list[Any]) -> Parsed:
        keyword, operand = _prefixed(children)
        return operand.within(Not(operand.node), _start(keyword))

    def negative(self, children: list[Any]) -> Parsed:
        sign, operand = _prefixed(children)
        node = operand.node
        if isinstance(node, Integer) and node.value >= 0:  # `- 5`, `-(5)`: the same as -5
            return Parsed(Integer(-node.value), _start(sign), operand.depth, operand.size)
        return operand.within(Negative(node), _start(sign))

    def like(self, children: list[Any]) -> Parsed:
        return _like(children, negated=False)

    def not_like(self, children: list[Any]) -> Parsed:
        return _like(children, negated=True)

    def in_(self, children: list[Any]) -> Parsed:
        return _in(children, negated=False)

    def not_in(self, children: list[Any]) -> Parsed:
        return _in(children, negated=True)

    def product(self, children: list[Any]) -> Parsed:
        return _chain(Level.PRODUCT, children)

    def sum(self, children: list[Any]) -> Parsed:
        return _chain(Level.SUM, children)

    def comparison(self, children: list[Any]) -> Parsed:
        return _chain(Level.COMPARISON, children)

    def expression(self, children: list[Any]) -> Parsed:
        return _chain(Level.LOGIC, children)


def _start(token: Token) -> int:
    return token.start_pos or 0


def _prefixed(children: list[Any]) -> tuple[Token, Parsed]:
    prefix, operand = children
    return prefix, operand


def _integer(digits: Token, sign: str, start: int) -> Parsed:
    # Python reads at most 4,300 digits, and no number of 32 bits has more than ten.
    significant = digits.lstrip("0") or "0"
    number = int(sign + significant) if len(significant) <= 10 else LARGEST + 1
    if not SMALLEST <= number <= LARGEST:
        raise Fault(f"an integer is between {SMALLEST} and {LARGEST}: put a larger one in quotes, as text", start)
    return Parsed(Integer(number), start, size=0)


def _unquoted(token: Token) -> str:
    """The text of a literal: a backslash stays, but before the quote that encloses the literal."""
    quote = token[0]
    return _escaped.sub(lambda found: quote if found[0][1] == quote else found[0], token[1:-1])


_escaped = re.compile(r"\\.", re.DOTALL)


def _like(children: list[Any], *, negated: bool) -> Parsed:
    operand: Parsed = children[0]
    literal: Token = children[-1]
    return operand.within(Like(operand.node, LikePattern(_unquoted(literal)), negated), operand.start)


def _in(children: list[Any], *, negated: bool) -> Parsed:
    operand, *elements = [child for child in children if isinstance(child, Parsed)]
    node = In(operand.node, tuple(element.node for element in elements), negated)
    return operand.within(node, operand.start, *elements)


def _chain(level: Level, children: list[Any]) -> Parsed:
    """One chain of what stands side by side; a chain in parentheses at its beginning is part of it.

    But parentheses that part AND, OR and XOR from one another stay, for the reader.
    """
    first: Parsed = children[0]
    operators: list[Token] = children[1::2]
    operands: list[Parsed] = children[2::2]
    steps = [
        Step(_OPERATORS[operator.upper()], operand.node) for operator, operand in zip(operators, operands, strict=True)
    ]
    head: Node = first.node
    if isinstance(head, Chain) and head.level is level:
        joined = [*head.steps, *steps]
        if level is not Level.LOGIC or len({step.operator for step in joined}) == 1:
            head, steps = head.first, joined
    return first.within(Chain(level, head, tuple(steps)), first.start, *operands)


# -- the language


@cache
def _parser() -> Lark:
    from importlib.resources import files  # noqa: PLC0415  # slow to import, as lark is: only who needs it pays

    from lark import Lark

    grammar = files("eventroute.filters.cesql").joinpath("grammar.lark").read_text(encoding="utf-8")
    actions: Any = _Actions()  # lark wants the methods and no more
    return Lark(grammar, parser="lalr", lexer="basic", transformer=actions)


_WORDS: Final = {
    **dict.fromkeys(("NAME", "ATTRIBUTE"), "an attribute"),
    "STRING": "a text in quotes",
    "INTEGER": "a number",
    "FUNCTION": "a function",
    "_OPEN": "`(`",
    "COMPARISON": "a comparison such as `=`",
    "LIKE": "LIKE",
    "IN": "IN",
    "PRODUCT": "arithmetic",
    "LOGIC": "AND, OR, XOR",
    "_COMMA": "`,`",
    "_CLOSE": "`)`",
    "$END": "the end",
}


_LANGUAGE: Final = Language(_parser, _WORDS, hint)
