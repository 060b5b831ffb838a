"""Comparisons (RFC 9535, section 2.3.5.2.2)."""

from __future__ import annotations

import operator as op
from itertools import product
from typing import Any

import pytest
from hypothesis import given

from eventroute.errors import TransformError
from eventroute.jsontext import SourceNumber, decode_json
from eventroute.paths import MISSING, Path
from eventroute.paths.comparison import comparer, literal_comparer
from eventroute.paths.syntax import Literal, Operator
from eventroute.paths.work import Work
from tests.paths import making

values = making.documents(making.exact_numbers)


def compare(left: object, operator: str, right: object) -> bool:
    return comparer(Operator(operator))(left, right, Work(None, "test"))


@given(values, values)
def test_any_two_values(left: Any, right: Any) -> None:
    for one, other in ((left, right), (left, left), (left, MISSING), (MISSING, right)):
        equal, less = compare(one, "==", other), compare(one, "<", other)
        assert equal is (MISSING not in (one, other) and making.same(one, other))
        assert less is making.compare(one, Operator.LESS, other)
        assert compare(one, "!=", other) is not equal
        assert compare(one, "<=", other) is (less or equal)
        assert compare(other, ">", one) is less
        assert compare(other, ">=", one) is (less or equal)
        assert not (less and equal)


@given(making.literals(), values)
def test_the_fast_comparison_with_a_literal_is_the_same(literal: Literal, value: Any) -> None:
    for operator in Operator:
        quick = literal_comparer(operator, literal.value)
        for left in (value, literal.value, MISSING):
            assert quick is None or quick(left) is compare(left, operator.value, literal.value)


def test_nothing_equals_nothing_alone() -> None:
    assert compare(MISSING, "==", MISSING)
    assert compare(MISSING, "<=", MISSING)
    assert not compare(MISSING, "<", MISSING)
    assert not compare(MISSING, "!=", MISSING)
    assert not compare(MISSING, "==", None)


NUMBERS = [
    "-1e400",
    "-100000000000000000000000000000",
    "-9007199254740993",
    "-1.5",
    "-1e-400",
    "0",
    "1e-400",
    "0.1",
    "0.1000000000000000055511151231257827",
    "0.1000000000000000055511151231257827021181583404541015625",
    "0.3",
    "1",
    "9007199254740992",
    "9007199254740993",
    "9007199254740993.5",
    "9007199254740994",
    "18446744073709551616",
    "18446744073709551617",
    "99999999999999991611392",
    "1e23",
    "100000000000000000000001",
    "1e309",
    "1.0000000000000000000000000001e309",
]


@pytest.mark.parametrize("places", list(product(range(len(NUMBERS)), repeat=2)))
def test_numbers_compare_exactly(places: tuple[int, int]) -> None:
    """As they were written, beyond binary64 too."""
    left, right = (decode_json(NUMBERS[place].encode()) for place in places)
    for sign, wanted in (("==", op.eq), ("!=", op.ne), ("<", op.lt), ("<=", op.le), (">", op.gt), (">=", op.ge)):
        assert compare(left, sign, right) is wanted(*places)
        path = Path.parse(f"$[?@ {sign} {NUMBERS[places[1]]}]")
        assert path.read([left]) == ([left] if wanted(*places) else [])


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("1", "1.0"),
        ("1", "1e0"),
        ("1e23", "100000000000000000000000"),
        ("-0", "0.0"),
        ("100", "1E+2"),
        ("18446744073709551616", "18446744073709551616.0"),
    ],
)
def test_one_number_written_in_two_ways(left: str, right: str) -> None:
    assert compare(decode_json(left.encode()), "==", decode_json(right.encode()))
    assert Path.parse(f"$[?@ == {left}]").read([decode_json(right.encode())]) != []


def test_texts_compare_by_code_points() -> None:
    order = ["", "A", "Z", "a", "aa", "b", "é", "\uffff", "😀"]
    for left, right in product(order, order):
        assert compare(left, "<", right) is (order.index(left) < order.index(right))


@pytest.mark.parametrize(
    ("left", "right"),
    [(1, True), (0, False), (1, "1"), (None, False), ("", None), ([], {}), ([1], 1), ({"a": 1}, "a"), ([0], [False])],
)
def test_unlike_types_are_neither_equal_nor_ordered(left: object, right: object) -> None:
    for one, other in ((left, right), (right, left)):
        assert compare(one, "!=", other)
        assert not any(compare(one, sign, other) for sign in ("==", "<", "<=", ">", ">="))


@pytest.mark.parametrize("value", [True, False, None, [1], {"a": 1}, [], {}])
def test_what_has_no_order_is_at_most_and_at_least_itself(value: object) -> None:
    assert compare(value, "<=", value)
    assert compare(value, ">=", value)
    assert not compare(value, "<", value)


def test_equality_is_deep() -> None:
    left = {"a": [1, {"b": [SourceNumber("1e400"), None, "x"]}], "c": 2.0}
    assert compare(left, "==", {"c": 2, "a": [1.0, {"b": [SourceNumber("10e399"), None, "x"]}]})
    assert compare(left, "!=", {"c": 2, "a": [1.0, {"b": [SourceNumber("10e399"), False, "x"]}]})
    assert compare({"a": 1}, "!=", {"a": 1, "b": 2})
    assert compare({"a": 1}, "!=", {"b": 1})
    assert compare([1, 2], "!=", [1])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a" * 2000, "a" * 1999 + "b"),
        ([1], [1]),
        ({"a": 1}, {"a": 2}),
        (10**400, SourceNumber("1e400")),
        (SourceNumber("1e400"), 10**400),
    ],
)
def test_what_takes_time_is_counted(one: Any, other: Any) -> None:
    work = Work(None, "test")
    work.left = 0
    with pytest.raises(TransformError):
        comparer(Operator.EQUAL)(one, other, work)
    if not isinstance(one, list | dict):
        with pytest.raises(TransformError):
            comparer(Operator.LESS)(one, other, work)
