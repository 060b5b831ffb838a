"""What the tests of paths share: documents and syntax trees that hypothesis makes, and the obvious interpreter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from typing import Any

from hypothesis import strategies as st

from eventroute.event import Event
from eventroute.jsontext import SourceNumber
from eventroute.paths import MISSING
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
)

DATA: dict[str, Any] = {
    "action": "created",
    "repository": {"name": "eventroute", "stargazers_count": 101, "topics": ["a", "b", "c"]},
    "items": [{"id": 1, "price": 5.5}, {"id": 2, "price": 9}, {"id": 3}],
    "odd key": {"it's": {"é": 1}},
    "empty": [],
    "null": None,
    "text": "abc",
    "0": "zero",
}
EVENT = Event.create(
    type="com.example.t", source="/s", id="1", data=DATA, time="2018-04-05t17:31:00.10z", extensions={"count": 5}
)
TEXT = Event.create(type="t", source="/s", data="a line")
BYTES = Event.create(type="t", source="/s", data=b"\x00")
NOTHING = Event.create(type="t", source="/s")

any_names = st.text(max_size=4) | st.sampled_from(["a", "data", "it's", '"', "\\", "\n", "é", "*", "0", "\x7f", "😀"])
places = st.lists(any_names | st.integers(-3, 3), max_size=4)
garbage = st.text(st.sampled_from("$.[]*'\"?@,:-01a data()=<!&|\\u\n é"), max_size=16) | st.text(max_size=8)


def found(value: Any, place: list[str | int]) -> Any:
    """What names and indexes lead to, or MISSING."""
    return next(iter(find(tuple(Segment((step,)) for step in place), value, value)), MISSING)


def draw_place(data: st.DataObject, value: Any) -> list[str | int]:
    """Names and indexes that lead to some place in a value."""
    place: list[str | int] = []
    while isinstance(value, dict | list) and value and data.draw(st.booleans()):
        if isinstance(value, dict):
            step: str | int = data.draw(st.sampled_from(sorted(value)))
        else:
            step = data.draw(st.integers(-len(value), len(value) - 1))
        place.append(step)
        value = value[step]  # type: ignore[index]
    return place


# Few names, values and patterns, so that paths find something.

NAMES = ["a", "b", "it's", "\\", "\n", "é😀", ""]
PATTERNS = ["a", "a|b", "[ab]+", ".*b", "a?b{1,2}", "(ab)*", "[^a]"]
names = st.sampled_from(NAMES)
numbers = st.sampled_from([0, 1, 2, -1, 1.0, 1.5, -0.0, 10**20, 1e20, 10**23, 1e23, 2**53, 2**53 + 1, float(2**53)])
exact_numbers = numbers | st.sampled_from(
    [
        0.1,
        SourceNumber("0.1000000000000000055511151231257827021181583404541015625"),
        SourceNumber("1e400"),
        SourceNumber("100000000000000000000.5"),
    ]
)
texts = st.sampled_from(["", "a", "ab", "abb", "b", "é", "😀", "\uffff", "a'\"\\\n"]) | st.sampled_from(PATTERNS)


def documents(number: st.SearchStrategy[Any] = numbers) -> st.SearchStrategy[Any]:
    scalars = st.none() | st.booleans() | number | texts
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
        max_leaves=16,
    )


indexes = st.integers(-3, 3)
slices = st.builds(Slice, st.none() | indexes, st.none() | indexes, st.none() | indexes)
plain_selectors = names | indexes | st.just(WILDCARD) | slices
steps = st.lists(st.builds(lambda step: Segment((step,)), names | indexes), max_size=2).map(tuple)
singular = st.builds(Query, steps, st.booleans())


def literals(number: st.SearchStrategy[Any] = exact_numbers) -> st.SearchStrategy[Literal]:
    return st.builds(Literal, st.none() | st.booleans() | number | texts)


def segments(conditions: st.SearchStrategy[Condition] | None = None) -> st.SearchStrategy[tuple[Segment, ...]]:
    selector = plain_selectors if conditions is None else plain_selectors | conditions
    segment = st.builds(Segment, st.lists(selector, min_size=1, max_size=2).map(tuple), st.booleans())
    return st.lists(segment, max_size=3).map(tuple)


def _calls(argument: st.SearchStrategy[Argument], query: st.SearchStrategy[Query]) -> st.SearchStrategy[Call]:
    return st.one_of(
        st.builds(lambda value: Call("length", (value,)), argument),
        st.builds(lambda name, value: Call(name, (value,)), st.sampled_from(["count", "value"]), query),
    )


def expressions(
    number: st.SearchStrategy[Any] = exact_numbers, inner: st.SearchStrategy[Condition] | None = None
) -> st.SearchStrategy[Expression]:
    query = st.builds(Query, segments(inner), st.booleans())
    value: st.SearchStrategy[Argument] = literals(number) | singular
    value = value | _calls(value, query)
    pattern = st.sampled_from(PATTERNS).map(Literal) | singular
    regexps = st.builds(
        lambda name, text, pattern: Call(name, (text, pattern)), st.sampled_from(["match", "search"]), value, pattern
    )
    comparisons = st.builds(Comparison, value, st.sampled_from(Operator), value)
    leaves: st.SearchStrategy[Expression] = query | comparisons | regexps
    return st.recursive(
        leaves,
        lambda some: st.one_of(
            st.builds(Not, some),
            st.builds(And, st.lists(some, min_size=2, max_size=3).map(tuple)),
            st.builds(Or, st.lists(some, min_size=2, max_size=3).map(tuple)),
        ),
        max_leaves=4,
    )


def conditions(number: st.SearchStrategy[Any] = exact_numbers) -> st.SearchStrategy[Condition]:
    inner = st.builds(Condition, expressions(number))
    return st.builds(Condition, expressions(number, inner))


def paths(number: st.SearchStrategy[Any] = exact_numbers) -> st.SearchStrategy[tuple[Segment, ...]]:
    return segments(conditions(number))


# The obvious interpreter: RFC 9535, word for word.


def find(segments: tuple[Segment, ...], node: Any, root: Any) -> list[Any]:
    return reduce(lambda nodes, segment: [x for node in nodes for x in _segment(segment, node, root)], segments, [node])


def _segment(segment: Segment, node: Any, root: Any) -> Iterator[Any]:
    for selector in segment.selectors if not segment.deep else ():
        yield from _select(selector, node, root)
    if segment.deep:
        yield from _segment(Segment(segment.selectors), node, root)
        for child in _children(node):
            yield from _segment(segment, child, root)


def _children(node: Any) -> list[Any]:
    return list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []


def _select(selector: Selector, node: Any, root: Any) -> list[Any]:
    match selector:
        case str():
            return [node[selector]] if isinstance(node, dict) and selector in node else []
        case int():
            return [node[selector]] if isinstance(node, list) and -len(node) <= selector < len(node) else []
        case Slice(start, stop, step):
            return _slice(node, start, stop, 1 if step is None else step) if isinstance(node, list) else []
        case Condition(expression):
            return [child for child in _children(node) if holds(expression, child, root)]
    return _children(node)


def _slice(array: list[Any], start: int | None, stop: int | None, step: int) -> list[Any]:
    """Section 2.3.4.2.2."""

    def bounded(index: int, low: int, high: int) -> int:
        return min(max(index if index >= 0 else len(array) + index, low), high)

    if step == 0:
        return []
    if step > 0:
        begin = bounded(0 if start is None else start, 0, len(array))
        end = bounded(len(array) if stop is None else stop, 0, len(array))
        return [array[i] for i in range(begin, end, step)]
    begin = bounded(len(array) - 1 if start is None else start, -1, len(array) - 1)
    end = -1 if stop is None else bounded(stop, -1, len(array) - 1)
    return [array[i] for i in range(begin, end, step)]


def holds(expression: Expression, node: Any, root: Any) -> bool:
    match expression:
        case And(operands):
            return all(holds(operand, node, root) for operand in operands)
        case Or(operands):
            return any(holds(operand, node, root) for operand in operands)
        case Not(operand):
            return not holds(operand, node, root)
        case Query(segments, absolute):
            return find(segments, root if absolute else node, root) != []
        case Call():
            return bool(_call(expression, node, root))
        case Comparison(left, operator, right):
            return compare(_value(left, node, root), operator, _value(right, node, root))


def _value(argument: Argument, node: Any, root: Any) -> Any:
    match argument:
        case Literal(value):
            return value
        case Call():
            return _call(argument, node, root)
        case Query(segments, absolute):
            return next(iter(find(segments, root if absolute else node, root)), MISSING)


def _call(call: Call, node: Any, root: Any) -> Any:
    match call:
        case Call("count" | "value", (Query(segments, absolute),)):
            nodes = find(segments, root if absolute else node, root)
            return len(nodes) if call.function == "count" else nodes[0] if len(nodes) == 1 else MISSING
        case Call("length", (argument,)):
            value = _value(argument, node, root)
            return len(value) if isinstance(value, str | list | dict) else MISSING
    text, pattern = (_value(argument, node, root) for argument in call.arguments)
    if not isinstance(text, str) or pattern not in PATTERNS:
        return False
    matcher = re.fullmatch if call.function == "match" else re.search
    return matcher(pattern.replace(".", "[^\r\n]"), text) is not None


def compare(left: Any, operator: Operator, right: Any) -> bool:
    """Section 2.3.5.2.2."""
    match operator:
        case Operator.EQUAL:
            return same(left, right)
        case Operator.UNEQUAL:
            return not same(left, right)
        case Operator.LESS:
            if isinstance(left, str) and isinstance(right, str):
                return left < right
            return is_number(left) and is_number(right) and exact(left) < exact(right)
        case Operator.GREATER:
            return compare(right, Operator.LESS, left)
        case Operator.AT_MOST:
            return compare(left, Operator.LESS, right) or compare(left, Operator.EQUAL, right)
        case Operator.AT_LEAST:
            return compare(right, Operator.AT_MOST, left)


def same(left: Any, right: Any) -> bool:
    if is_number(left) and is_number(right):
        return exact(left) == exact(right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(value, right[name]) for name, value in left.items())
    return type(left) is type(right) and bool(left == right)


def is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def exact(number: float | Decimal) -> Fraction:
    """The number that was written."""
    return Fraction(repr(number)) if isinstance(number, float) else Fraction(number)
