"""The form of an expression in `sql`, as `stored` keeps it.

A text is an attribute, a number or a boolean is a literal, and so is `["=", text]`. Any other array is named by its
first element.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from eventroute.filters.cesql.casts import LARGEST, SMALLEST
from eventroute.filters.cesql.expression import Expression
from eventroute.filters.cesql.functions import BUILT_IN
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
    Negative,
    Node,
    Not,
    Operator,
    Step,
    String,
)
from eventroute.filters.forms import BadForm, array, flag, named, word
from eventroute.filters.like import LikePattern

__all__ = ["expression_form", "expression_of"]

_is_attribute = re.compile(r"[a-z0-9]+").fullmatch


def expression_form(expression: Expression) -> list[Any]:
    """The form of an expression that has no functions but the built-in ones."""
    return ["sql", expression.depth, expression.size, _form(expression.root)]


def _form(node: Any) -> Any:
    return _FORMS[type(node)](node)


def _chain_form(node: Chain) -> list[Any]:
    steps = [part for step in node.steps for part in (step.operator.value, _form(step.operand))]
    return [node.level.value, _form(node.first), *steps]


_FORMS: Final[dict[type, Callable[[Any], Any]]] = {
    Boolean: lambda node: node.value,
    Integer: lambda node: node.value,
    String: lambda node: ["=", node.value],
    Attribute: lambda node: node.name,
    Exists: lambda node: ["exists", node.name],
    Call: lambda node: ["call", node.name, node.position, *map(_form, node.arguments)],
    Not: lambda node: ["not", _form(node.operand)],
    Negative: lambda node: ["-", _form(node.operand)],
    Like: lambda node: ["like", node.negated, _form(node.operand), node.pattern.text],
    In: lambda node: ["in", node.negated, _form(node.operand), *map(_form, node.elements)],
    Chain: _chain_form,
}


def expression_of(form: Any) -> Expression:
    """The expression of a form. Raises BadForm or another ValueError for what is none."""
    name, depth, size, root = array(form)
    if name != "sql" or depth.__class__ is not int or size.__class__ is not int:
        raise BadForm("this is no expression")
    return Expression(_node(root), depth=depth, size=size)


def _node(form: Any) -> Node:
    kind = form.__class__
    if kind is str:
        return _attribute(form)
    if kind is bool:
        return Boolean(form)
    if kind is int:
        return _integer(form)
    name, *parts = array(form)
    make = _NODES.get(word(name))
    if make is None:
        raise BadForm(f"there is no {name:.80}")
    return make(name, parts)


@lru_cache(maxsize=4096)  # many expressions read few attributes
def _attribute(name: str) -> Attribute:
    if not _is_attribute(name):
        raise BadForm(f"{name!r:.80} is no attribute")
    return Attribute(name)


def _integer(value: int) -> Integer:
    if not SMALLEST <= value <= LARGEST:
        raise BadForm(f"{value} has more than 32 bits")
    return Integer(value)


def _string(_name: str, parts: list[Any]) -> Node:
    [text] = parts
    return String(word(text))


def _exists(_name: str, parts: list[Any]) -> Node:
    [name] = parts
    return Exists(_attribute(word(name)).name)


def _call(_name: str, parts: list[Any]) -> Node:
    name, position, *arguments = parts
    if BUILT_IN.find(word(name), len(arguments)) is None or position.__class__ is not int:
        raise BadForm(f"there is no function {name:.80} with {len(arguments)} arguments")
    return Call(name, tuple(map(_node, arguments)), position)


def _not(_name: str, parts: list[Any]) -> Node:
    [operand] = parts
    return Not(_node(operand))


def _negative(_name: str, parts: list[Any]) -> Node:
    [operand] = parts
    return Negative(_node(operand))


def _like(_name: str, parts: list[Any]) -> Node:
    negated, operand, pattern = parts
    return Like(_node(operand), LikePattern(word(pattern)), flag(negated))


def _in(_name: str, parts: list[Any]) -> Node:
    negated, operand, *elements = parts
    return In(_node(operand), tuple(map(_node, elements)), flag(negated))


_LEVELS: Final = named(Level)
_OPERATORS: Final = named(Operator)


def _chain(name: str, parts: list[Any]) -> Node:
    first, *steps = parts
    if not steps:
        raise BadForm("one operand is no chain")
    pairs = zip(steps[::2], steps[1::2], strict=True)
    return Chain(
        _LEVELS[name], _node(first), tuple(Step(_OPERATORS[operator], _node(operand)) for operator, operand in pairs)
    )


_NODES: Final[dict[str, Callable[[str, list[Any]], Node]]] = {
    "=": _string,
    "exists": _exists,
    "call": _call,
    "not": _not,
    "-": _negative,
    "like": _like,
    "in": _in,
    **dict.fromkeys(_LEVELS, _chain),
}
