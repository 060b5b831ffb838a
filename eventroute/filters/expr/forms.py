"""The form of an expression in `expr`, as `stored` keeps it.

A text is a field or a place in an element, a number or a boolean is a literal, and so is `["=", text]`. Any other array
is named by its first element.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from eventroute.filters.expr.functions import FUNCTIONS
from eventroute.filters.expr.literals import negated_number, number
from eventroute.filters.expr.places import place, place_text
from eventroute.filters.forms import BadForm, array, flag, named, word
from eventroute.filters.syntax import (
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
    Quantifier,
    Truth,
    Value,
)
from eventroute.paths import Field
from eventroute.paths.syntax import Steps

__all__ = ["condition_form", "condition_of"]

_LARGEST: Final = 2**63 - 1  # integers beyond it are not written by every JSON encoder


def condition_form(node: Any) -> list[Any]:
    """The form of a tree that the parser made."""
    return _FORMS[type(node)](node)


def _value_form(value: Value) -> Any:
    if isinstance(value, Field | Each):
        return place_text(value)
    if isinstance(value, Literal):
        return _literal_form(value.value)
    return _FORMS[type(value)](value)


def _literal_form(value: str | int | float | Decimal) -> Any:
    if isinstance(value, str):
        return ["=", value]
    if isinstance(value, Decimal) or (isinstance(value, int) and abs(value) > _LARGEST):
        return ["number", str(value)]
    return value


def _joined(name: str) -> Callable[[Any], list[Any]]:
    return lambda node: [name, *map(condition_form, node.operands)]


_FORMS: Final[dict[type, Callable[[Any], list[Any]]]] = {
    AllOf: _joined("and"),
    AnyOf: _joined("or"),
    Exclusive: _joined("xor"),
    Not: lambda node: ["not", condition_form(node.operand)],
    Compare: lambda node: [node.comparator.value, _value_form(node.left), _value_form(node.right)],
    In: lambda node: ["in", node.negated, _value_form(node.value), *map(_value_form, node.options)],
    Between: lambda node: ["between", node.negated, *map(_value_form, (node.value, node.low, node.high))],
    Like: lambda node: ["like", node.negated, _value_form(node.value), node.pattern],
    Includes: lambda node: [node.place.value, node.negated, _value_form(node.value), _value_form(node.part)],
    Exists: lambda node: ["exists", _value_form(node.value)],
    IsNull: lambda node: ["null", node.negated, _value_form(node.value)],
    Truth: lambda node: ["is", _value_form(node.value)],
    Quantified: lambda node: [node.quantifier.value, list(map(list, node.array)), condition_form(node.condition)],
    Call: lambda node: ["call", node.name, *map(_value_form, node.arguments)],
    Arithmetic: lambda node: ["reckon", [one.value for one in node.operators], *map(_value_form, node.operands)],
    Negative: lambda node: ["-", _value_form(node.operand)],
}


def condition_of(form: Any) -> Node:
    """The tree of a form. Raises BadForm, another ValueError, or InvalidPath, for what is none."""
    name, *parts = array(form)
    make = _CONDITIONS.get(word(name))
    if make is None:
        raise BadForm(f"there is no condition {name:.80}")
    return make(name, parts)


def _value(form: Any) -> Value:
    kind = form.__class__
    if kind is str:
        return place(form)
    if kind is int or kind is bool or kind is float:
        return Literal(form)
    name, *parts = array(form)
    make = _VALUES.get(word(name))
    if make is None:
        raise BadForm(f"there is no value {name:.80}")
    return make(*parts)


def _joint(kind: Callable[[tuple[Node, ...]], Node]) -> Callable[[str, list[Any]], Node]:
    def make(_name: str, parts: list[Any]) -> Node:
        if len(parts) < 2:
            raise BadForm("less than two conditions are joined")
        return kind(tuple(map(condition_of, parts)))

    return make


def _not(_name: str, parts: list[Any]) -> Node:
    [operand] = parts
    return Not(condition_of(operand))


_COMPARATORS: Final = named(Comparator)
_PLACES: Final = named(Place)
_QUANTIFIERS: Final = named(Quantifier)
_OPERATORS: Final = named(Operator)


def _compare(name: str, parts: list[Any]) -> Node:
    left, right = parts
    return Compare(_value(left), _COMPARATORS[name], _value(right))


def _in(_name: str, parts: list[Any]) -> Node:
    negated, value, first, *options = parts
    return In(_value(value), (_value(first), *map(_value, options)), flag(negated))


def _between(_name: str, parts: list[Any]) -> Node:
    negated, value, low, high = parts
    return Between(_value(value), _value(low), _value(high), flag(negated))


def _like(_name: str, parts: list[Any]) -> Node:
    negated, value, pattern = parts
    return Like(_value(value), word(pattern), flag(negated))


def _includes(name: str, parts: list[Any]) -> Node:
    negated, value, part = parts
    return Includes(_value(value), _PLACES[name], _value(part), flag(negated))


def _exists(_name: str, parts: list[Any]) -> Node:
    [text] = parts
    return Exists(place(word(text)))


def _is_null(_name: str, parts: list[Any]) -> Node:
    negated, value = parts
    return IsNull(_value(value), flag(negated))


def _truth(_name: str, parts: list[Any]) -> Node:
    [value] = parts
    return Truth(_value(value))


def _quantified(name: str, parts: list[Any]) -> Node:
    steps, condition = parts
    return Quantified(_QUANTIFIERS[name], tuple(map(_steps, array(steps))), condition_of(condition))


def _steps(form: Any) -> Steps:
    if not isinstance(form, list) or not all(step.__class__ is str or step.__class__ is int for step in form):
        raise BadForm("this is no list of names and indexes")
    return tuple(form)


_CONDITIONS: Final[dict[str, Callable[[str, list[Any]], Node]]] = {
    "and": _joint(AllOf),
    "or": _joint(AnyOf),
    "xor": _joint(Exclusive),
    "not": _not,
    **dict.fromkeys(_COMPARATORS, _compare),
    **dict.fromkeys(_PLACES, _includes),
    **dict.fromkeys(_QUANTIFIERS, _quantified),
    "in": _in,
    "between": _between,
    "like": _like,
    "exists": _exists,
    "null": _is_null,
    "is": _truth,
}


def _text(value: Any) -> Value:
    return Literal(word(value))


def _number(text: Any) -> Value:
    digits = word(text).removeprefix("-")
    return number(digits) if digits == text else negated_number(number(digits))


def _call(name: Any, *arguments: Any) -> Value:
    function = FUNCTIONS[word(name)]  # whose name becomes part of source
    if len(arguments) < function.least or (function.most is not None and len(arguments) > function.most):
        raise BadForm(f"{name} does not take {len(arguments)} arguments")
    return Call(name, tuple(map(_value, arguments)))


def _reckoning(operators: Any, *operands: Any) -> Value:
    if len(array(operators)) != len(operands) - 1:
        raise BadForm("there is no operator between two operands each")
    return Arithmetic(tuple(map(_value, operands)), tuple(_OPERATORS[one] for one in operators))


def _negative(operand: Any) -> Value:
    return Negative(_value(operand))


_VALUES: Final[dict[str, Callable[..., Value]]] = {
    "=": _text,
    "number": _number,
    "call": _call,
    "reckon": _reckoning,
    "-": _negative,
}
