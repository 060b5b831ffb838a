"""Syntax trees as the text that `expr` reads them from."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from eventroute.filters.expr.literals import number_text
from eventroute.filters.expr.places import place_text
from eventroute.filters.expr.quantifiers import bind, unbound
from eventroute.filters.syntax import (
    AllOf,
    AnyOf,
    Arithmetic,
    Between,
    Call,
    Compare,
    Condition,
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
    Quantified,
    Truth,
    Value,
)
from eventroute.paths import Field

__all__ = ["expression_text", "is_expression"]

# How tight each operator binds; an operand that does not bind tighter stands in parentheses.
_OR, _XOR, _AND, _NOT, _TEST, _SUM, _PRODUCT, _SIGN, _ATOM = range(9)
_SUMS: Final = (Operator.PLUS, Operator.MINUS)


def is_expression(node: Node) -> bool:
    """Whether `expr` can say all of a tree: conditions of its own, and two or more of what it joins."""
    waiting: list[Node] = [node]
    while waiting:
        match waiting.pop():
            case AllOf(operands) | AnyOf(operands):
                if len(operands) < 2:
                    return False
                waiting.extend(operands)
            case Not(operand):
                waiting.append(operand)
            case Exclusive(operands):
                waiting.extend(operands)
            case Quantified(_, _, condition):
                waiting.append(condition)
            case one:
                if not isinstance(one, Condition):
                    return False
    return True


def expression_text(node: Node | Value) -> str:
    """The canonical text of a tree that `is_expression`, or of a value in one."""
    return _text(node)[0]


def _text(node: Node | Value) -> tuple[str, int]:
    """The text, and how tight it binds."""
    match node:
        case AllOf(operands):
            return " AND ".join(_each(operands, _AND)), _AND
        case AnyOf(operands):
            return " OR ".join(_each(operands, _OR)), _OR
        case Exclusive(operands):
            return " XOR ".join(_each(operands, _XOR)), _XOR
        case Not(operand):
            return f"NOT {_within(operand, _AND)}", _NOT
        case Truth(value):
            return _text(value)
        case Quantified(quantifier, _, condition):
            return f"{quantifier.value}({expression_text(_ranging(node) or condition)})", _ATOM
        case Field() | Each() | Literal() | Call() | Arithmetic() | Negative():
            return _value_text(node)
    return _test_text(node), _TEST


def _ranging(node: Quantified) -> Node | None:
    """The condition that one quantifier puts at the end of all the arrays in arrays that this one begins with."""
    inner = node
    while isinstance(inner.condition, Quantified):
        inner = inner.condition
    alone = Quantified(node.quantifier, (), unbound(inner.condition))
    return inner.condition if bind(alone, node.array[:-1]) == node else None


def _test_text(node: Node) -> str:
    match node:
        case Compare(left, comparator, right):
            return f"{_operand(left)} {comparator.value} {_operand(right)}"
        case In(value, options, negated):
            return f"{_operand(value)} {_not(negated)}IN ({', '.join(map(_operand, options))})"
        case Between(value, low, high, negated):
            return f"{_operand(value)} {_not(negated)}BETWEEN {_operand(low)} AND {_operand(high)}"
        case Like(value, pattern, negated):
            return f"{_operand(value)} {_not(negated)}LIKE {_quoted(pattern)}"
        case Includes(value, place, part, negated):
            return f"{_operand(value)} {_not(negated)}{place.value} {_operand(part)}"
        case IsNull(value, negated):
            return f"{_operand(value)} IS {_not(negated)}NULL"
        case Exists(value):
            return f"EXISTS {place_text(value)}"
    raise AssertionError(node)


def _value_text(value: Value) -> tuple[str, int]:
    match value:
        case Field() | Each():
            return place_text(value), _ATOM
        case Literal(content):
            return _literal_text(content)
        case Call(name, arguments):
            return f"{name}({', '.join(map(_operand, arguments))})", _ATOM
        case Negative(operand):
            return f"-{_within(operand, _PRODUCT)}", _SIGN
        case Arithmetic(operands, operators):
            level = _SUM if operators[0] in _SUMS else _PRODUCT
            first, *others = _each(operands, level)
            steps = [f" {operator.value} {other}" for operator, other in zip(operators, others, strict=True)]
            return first + "".join(steps), level


def _literal_text(content: str | int | float | Decimal | bool) -> tuple[str, int]:
    if isinstance(content, str):
        return _quoted(content), _ATOM
    if isinstance(content, bool):
        return "TRUE" if content else "FALSE", _ATOM
    text = number_text(content)
    return text, _SIGN if text.startswith("-") else _ATOM


def _each(operands: tuple[Node | Value, ...], level: int) -> list[str]:
    return [_within(operand, level) for operand in operands]


def _within(operand: Node | Value, level: int) -> str:
    text, own = _text(operand)
    return text if own > level else f"({text})"


def _operand(value: Value) -> str:
    return _within(value, _TEST)


def _not(negated: bool) -> str:
    return "NOT " if negated else ""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
