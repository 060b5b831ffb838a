"""A CESQL syntax tree as text that reads back as the same tree: keywords in upper case, no needless parentheses."""

from __future__ import annotations

import re
from typing import Final

from eventroute.filters.cesql.casts import string
from eventroute.filters.cesql.tree import (
    Attribute,
    Boolean,
    Call,
    Chain,
    Exists,
    In,
    Integer,
    Level,
    Like,
    Literal,
    Negative,
    Node,
    Not,
    String,
)

__all__ = ["text_of"]

# How tight a node binds; an operand that binds looser than its place asks stands in parentheses.
_TIGHTEST: Final = 6
_UNARY: Final = 5
_POSTFIX: Final = 4
_CHAINS: Final = {Level.PRODUCT: 3, Level.SUM: 2, Level.COMPARISON: 1, Level.LOGIC: 0}

# What a literal's text consists of: a backslash with what it keeps, a quote, other characters.
_unit = re.compile(r"\\.?|['\"]|[^'\"\\]+", re.DOTALL)


def text_of(node: Node) -> str:
    """The text of a tree."""
    match node:
        case Boolean() | Integer() | String():
            return _literal(node)
        case Attribute(name):
            return name
        case Exists(name):
            return f"EXISTS {name}"
        case Call(name, arguments):
            return f"{name}({_list(arguments)})"
        case Chain(level, first, steps):
            place = _CHAINS[level] + 1
            rest = [f" {step.operator.value} {_operand(step.operand, place)}" for step in steps]
            return _operand(first, place) + "".join(rest)
    return _unary(node)


def _literal(node: Literal) -> str:
    if isinstance(node, String):
        return _quoted(node.value)
    return string(node.value).upper()


def _unary(node: Not | Negative | Like | In) -> str:
    match node:
        case Not(operand):
            return f"NOT {_operand(operand, _UNARY)}"
        case Negative(operand):
            return f"-{_operand(operand, _UNARY)}"
        case Like(operand, pattern, negated):
            return f"{_operand(operand, _POSTFIX)}{' NOT' if negated else ''} LIKE {_quoted(pattern.text)}"
        case In(operand, elements, negated):
            return f"{_operand(operand, _POSTFIX)}{' NOT' if negated else ''} IN ({_list(elements)})"


def _operand(node: Node, place: int) -> str:
    text = text_of(node)
    return text if _binding(node) >= place else f"({text})"


def _binding(node: Node) -> int:
    match node:
        case Not() | Negative():
            return _UNARY
        case Like() | In():
            return _POSTFIX
        case Chain(level):
            return _CHAINS[level]
    return _TIGHTEST


def _list(nodes: tuple[Node, ...]) -> str:
    return ", ".join(map(text_of, nodes))


def _quoted(value: str) -> str:
    """The text as a literal, in double quotes only where single ones cannot say it.

    A backslash in a literal keeps the character after it, and goes only if that is the literal's own quote. So
    neither can a text end in a single backslash, nor can a quote stand after one in quotes of its own kind; each text
    that was read from a literal can be written in one of the two ways.
    """
    return _in_quotes(value, "'") or _in_quotes(value, '"') or ""


def _in_quotes(value: str, quote: str) -> str | None:
    parts = _unit.findall(value)
    if any(part in ("\\", "\\" + quote) for part in parts):
        return None
    return quote + "".join("\\" + part if part == quote else part for part in parts) + quote
