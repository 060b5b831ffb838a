"""Why a condition of `expr` holds for an event, or does not."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, cast

from attrs import evolve, fields, frozen, has

from eventroute.canonical import canonical_text
from eventroute.event import Event
from eventroute.filters.expr.functions import FUNCTIONS
from eventroute.filters.expr.printing import expression_text
from eventroute.filters.expr.values import instant, negative, reckon
from eventroute.filters.syntax import (
    Arithmetic,
    Call,
    Condition,
    Each,
    Exists,
    Includes,
    IsNull,
    Like,
    Literal,
    Negative,
    Node,
    Quantified,
    Quantifier,
    Truth,
    Value,
    children,
    extent,
)
from eventroute.paths import MISSING, Field
from eventroute.paths.syntax import Steps

__all__ = ["MAX_ELEMENTS", "Reason", "elements", "reason"]

MAX_ELEMENTS: Final = 100
"""How many elements of an array are looked at, to tell which one decided; fewer if the condition is large."""

_MAX_CLAUSES: Final = 1_000  # of these elements' conditions together; each is compiled by itself

_LONGEST: Final = 60
_VERDICTS: Final = {
    (Quantifier.ANY, True): "an element of {} is so",
    (Quantifier.ANY, False): "no element of {} is so",
    (Quantifier.ALL, True): "each element of {} is so",
    (Quantifier.ALL, False): "an element of {} is not so",
    (Quantifier.NONE, True): "no element of {} is so",
    (Quantifier.NONE, False): "an element of {} is so",
}


@frozen
class Reason:
    """Why, in words; and the value of the first thing that the condition reads, MISSING where there is none."""

    why: str
    value: object


def reason(node: Condition, event: Event, *, matched: bool) -> Reason:
    """Why the condition holds or not, which is known."""
    if isinstance(node, Quantified):
        return _of_array(node, event, matched=matched)
    found = [(operand, _value(operand, event)) for operand in _operands(node) if not isinstance(operand, Literal)]
    value = found[0][1] if found else MISSING
    told = list(dict.fromkeys(_told(operand, value) for operand, value in found))
    if not matched and not isinstance(node, Exists | IsNull):
        unlike = _unlike(node, event)
        if unlike:
            told.append(unlike)
    return Reason("; ".join(told) or "it reads nothing of the event", value)


def _operands(node: Condition) -> tuple[Value, ...]:
    """The values that a condition compares: it has no other parts, unless it is quantified."""
    return cast("tuple[Value, ...]", children(node))


def _told(operand: Value, value: object) -> str:
    text = expression_text(operand)
    if value is MISSING and isinstance(operand, Field):
        return f"the event has no {text}"
    if value is None and isinstance(operand, Field):
        return f"{text} is null"
    if value is None or value is MISSING:
        return f"{_cut(text)} has no value"
    return f"{_cut(text)} is {_shown(value)}"


def _unlike(node: Condition, event: Event) -> str:
    """What is said where values of unlike kinds were compared, if they were."""
    operands = _operands(node)
    values = [_value(operand, event) for operand in operands]
    kinds = list(dict.fromkeys(kind for value in values if (kind := _kind(value)) is not None))
    if isinstance(node, Like | Includes | Truth):
        wanted = "a boolean" if isinstance(node, Truth) else "a text"
        return "".join(f"{kind} is not {wanted}" for kind in kinds[:1] if kinds != [wanted])
    if any(instant(operand.value) is not None for operand in operands[1:] if isinstance(operand, Literal)):
        return "that is no RFC 3339 date-time" if instant(values[0]) is None and kinds else ""
    if len(kinds) > 1:
        return f"{' and '.join(kinds)} do not compare"
    return "arrays and objects do not compare" if kinds and kinds[0] in ("an array", "an object") else ""


def _kind(value: object) -> str | None:
    match value:
        case bool():
            return "a boolean"
        case int() | float() | Decimal():
            return "a number"
        case str():
            return "a text"
        case list():
            return "an array"
        case dict():
            return "an object"
    return None


def _shown(value: object) -> str:
    match value:
        case str():
            return _cut(repr(value))
        case list():
            return f"an array of {len(value)}"
        case dict():
            return "an object"
    return _cut(str(canonical_text(value)))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"


def _value(value: Value, event: Event) -> Any:
    match value:
        case Field():
            return value(event)
        case Literal(content):
            return content
        case Call(name, arguments):
            return FUNCTIONS[name].apply(*(_value(argument, event) for argument in arguments))
        case Arithmetic(operands, operators):
            return reckon([_value(operand, event) for operand in operands], operators)
        case Negative(operand):
            return negative(_value(operand, event))
        case Each():
            raise AssertionError(value)


# -- quantifiers


def _array(node: Quantified, event: Event) -> tuple[str, Any]:
    """The text of the array's path, and what is there."""
    [steps] = node.array
    field = Field(None, steps)
    return str(field), field(event) if steps else event.data


def _of_array(node: Quantified, event: Event, *, matched: bool) -> Reason:
    name, value = _array(node, event)
    if value is MISSING:
        return Reason(f"the event has no {name}", value)
    if not isinstance(value, list):
        return Reason(f"{name} is {'null' if value is None else _kind(value)}, not an array", value)
    return Reason(_VERDICTS[node.quantifier, matched].format(f"{name}, an array of {len(value)},"), value)


def elements(node: Quantified, event: Event) -> Iterator[Node]:
    """The condition for each of the first elements of the array, by its index."""
    value = _array(node, event)[1]
    [steps] = node.array
    most = min(MAX_ELEMENTS, 1 + _MAX_CLAUSES // extent(node.condition)[1])
    for index in range(min(len(value), most) if isinstance(value, list) else 0):
        yield _of_element(node.condition, (*steps, index))


def _of_element(tree: Any, steps: Steps) -> Any:
    """The tree with the element of the outermost array replaced by where it is."""
    match tree:
        case Each([_, rest]):
            return Field(None, (*steps, *rest))
        case Each([_, rest, *more]):
            return Each(((*steps, *rest), *more))
        case Quantified(quantifier, [_, rest, *more], condition):
            return Quantified(quantifier, ((*steps, *rest), *more), _of_element(condition, steps))
        case tuple():
            return tuple(_of_element(one, steps) for one in tree)
    if isinstance(tree, Field) or not has(type(tree)):
        return tree
    return evolve(tree, **{part.name: _of_element(getattr(tree, part.name), steps) for part in fields(type(tree))})
