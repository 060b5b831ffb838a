"""Filters (RFC 9535, section 2.3.5)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from eventroute.paths import Path
from eventroute.paths.conditions import compile_condition, count_terms
from eventroute.paths.syntax import Condition, Expression
from eventroute.paths.walk import compile_query
from eventroute.paths.work import Work
from tests.paths import making

# The document of section 2.3.5.3.
EXAMPLE: dict[str, Any] = {
    "a": [3, 5, 1, 2, 4, 6, {"b": "j"}, {"b": "k"}, {"b": {}}, {"b": "kilo"}],
    "o": {"p": 1, "q": 2, "r": 3, "s": 5, "t": {"u": 6}},
    "e": "f",
}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("$.a[?@.b == 'kilo']", [{"b": "kilo"}]),
        ("$.a[?(@.b == 'kilo')]", [{"b": "kilo"}]),
        ("$.a[?@ > 3.5]", [5, 4, 6]),
        ("$.a[?@.b]", EXAMPLE["a"][6:]),
        ("$[?@.*]", [EXAMPLE["a"], EXAMPLE["o"]]),
        ("$[?@[?@.b]]", [EXAMPLE["a"]]),
        ("$.o[?@ < 3, ?@ < 3]", [1, 2, 1, 2]),
        ("$.a[?@ < 2 || @.b == 'k']", [1, {"b": "k"}]),
        ("$.a[?match(@.b, '[jk]')]", [{"b": "j"}, {"b": "k"}]),
        ("$.a[?search(@.b, '[jk]')]", [{"b": "j"}, {"b": "k"}, {"b": "kilo"}]),
        ("$.o[?@ > 1 && @ < 4]", [2, 3]),
        ("$.o[?@.u || @.x]", [{"u": 6}]),
        ("$.a[?@.b == $.x]", [3, 5, 1, 2, 4, 6]),
        ("$.a[?@ == @]", EXAMPLE["a"]),
    ],
)
def test_the_examples_of_the_rfc(text: str, values: list[object]) -> None:
    assert Path.parse(text).read(EXAMPLE) == values


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("@.a", [0, 1, 2, 3, 4]),  # null and false exist
        ("!@.a", [5, 6]),
        ("@.a == null", [1]),
        ("@.a == false", [2]),
        ("@.a && @.b", [4]),
        ("!(@.a && @.b)", [0, 1, 2, 3, 5, 6]),
        ("!@.a || @.b", [4, 5, 6]),
        ("@.a == 1 || @.b && @.a == 2", [0, 4]),
        ("(@.a == 1 || @.b) && @.a == 2", [4]),
        ("@.b[*]", [4]),
        ("@.a == $[0].a", [0]),
        ("$[0].a == 1 && @.b", [4]),
        ("1 == 1", [0, 1, 2, 3, 4, 5, 6]),
        ("1 != 1", []),
        ("@[0]", [6]),
        ("@['a', 'b']", [0, 1, 2, 3, 4]),
        ("@..c", [3]),
        ("$..c", [0, 1, 2, 3, 4, 5, 6]),
        ("$..none", []),
    ],
)
def test_logic(condition: str, kept: list[int]) -> None:
    rows: list[Any] = [{"a": 1}, {"a": None}, {"a": False}, {"a": {"c": 0}}, {"a": 2, "b": [0]}, {}, [7]]
    assert Path.parse(f"$[?{condition}]").read(rows) == [rows[place] for place in kept]
    members = {str(place): row for place, row in enumerate(rows)}
    if "$[0]" not in condition:
        assert Path.parse(f"$[?{condition}]").read(members) == [rows[place] for place in kept]


@pytest.mark.parametrize("document", ["text", 5, None, True, [], {}])
def test_scalars_and_what_is_empty_have_nothing_to_filter(document: object) -> None:
    assert Path.parse("$[?@ == @]").read(document) == []


@given(making.expressions(), making.documents(), making.documents())
def test_a_compiled_condition_holds_where_the_rfc_says(expression: Expression, node: Any, root: Any) -> None:
    holds = compile_condition(expression, compile_query)
    work = Work(root, "test")
    assert holds(node, work) is making.holds(expression, node, root)
    assert holds(node, work) is making.holds(expression, node, root)  # what is known by now is known rightly
    assert count_terms(expression) >= 1


def test_terms_are_counted_through_logic() -> None:
    selector = Path.parse("$[?(@.a == 1 || !@.b) && length(@.c) > 1 && @[?@.d && @.e]]").segments[0].selectors[0]
    assert isinstance(selector, Condition)
    assert count_terms(selector.expression) == 4
