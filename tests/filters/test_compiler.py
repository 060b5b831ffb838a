from __future__ import annotations

from typing import Any, ClassVar

import pytest
from hypothesis import given

from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.filters.compiler import EVENT, MAX_SHARED_SOURCE, for_event, for_row
from eventroute.filters.syntax import MAX_CLAUSES, MAX_DEPTH, Text, leaves
from tests.filters.interpreter import events, matches, specs


def row_of(rule: Filter, event: Event) -> dict[str, Any]:
    fields = {leaf.field for leaf in leaves(rule.syntax) if isinstance(leaf, Text)}
    return {str(field): field(event) for field in fields} | {EVENT: event}


@given(specs(), events())
def test_a_compiled_filter_is_the_naive_reading(spec: dict[str, Any], event: Event) -> None:
    assert Filter.parse(spec)(event) is matches(spec, event)


@given(specs(), events())
def test_a_row_is_as_good_as_the_event(spec: dict[str, Any], event: Event) -> None:
    rule = Filter.parse(spec)
    assert for_row(rule.syntax)(row_of(rule, event)) is matches(spec, event)


HOSTILE = [
    "__import__('os').abort()",
    "'); import os; ('",
    '"""',
    "\\",
    "\\N{DEGREE SIGN}",
    "{p}",
    "\n",
    "\0",
    "\u2028",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_filter_is_code(text: str) -> None:
    name = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\0", "\\u0000")
    event = Event.create(type="t", source="/s", data={text: {text: text}})
    spec = {"exact": {f"data['{name}']['{name}']": text}}
    assert Filter.parse(spec)(event)
    assert for_row(Filter.parse(spec).syntax)(row_of(Filter.parse(spec), event))


@pytest.mark.parametrize("compile_", [for_event, for_row])
def test_filters_of_one_shape_share_their_code(compile_: Any) -> None:
    def shape(one: str, other: str) -> Any:
        return compile_(Filter.parse([{"exact": {"type": one}}, {"prefix": {"data.a.b": other}}]).syntax)

    assert shape("a", "b").__code__ is shape("c", "'; d").__code__
    assert shape("a", "b").__defaults__ == ("a", "b")
    assert compile_(Filter.parse({"exact": {"subject": "a"}}).syntax).__code__ is not shape("a", "b").__code__


def code_of(rule: Filter) -> Any:
    test: Any = for_event(rule.syntax)
    return test.__code__


def test_a_long_source_is_not_kept() -> None:
    wide = Filter.parse([{"exact": {"type": "t"}}] * (MAX_SHARED_SOURCE // 50))
    assert code_of(wide) is not code_of(wide)
    assert code_of(Filter.parse([])) is code_of(Filter.parse([]))


def test_alternatives_for_one_field_are_one_lookup() -> None:
    types = [{"exact": {"type": f"t{number}"}} for number in range(100)]
    test: Any = for_event(Filter.parse({"any": types}).syntax)
    assert test.__defaults__ == (frozenset(f"t{number}" for number in range(100)),)


class Shy:
    """An event that nobody may ask for its data."""

    attributes: ClassVar[dict[str, str]] = {"type": "other"}

    @property
    def data(self) -> Any:
        raise AssertionError


def test_data_is_not_read_before_it_comes_to_that() -> None:
    test = for_event(Filter.parse([{"exact": {"type": "t"}}, {"exact": {"data.a": "1"}}]).syntax)
    assert not test(Shy())
    assert test(Event.create(type="t", source="/s", data={"a": 1}))


LONG_PATH = "data" + ".a" * 500


@pytest.mark.parametrize("field", ["type", "data", "data.a.a.a.a.a.a", LONG_PATH, "data.a[0]"])
@pytest.mark.parametrize("joint", ["not", "all", "any"])
def test_the_deepest_filter_compiles(joint: str, field: str) -> None:
    spec: dict[str, Any] = {"exact": {field: "1"}}
    for _ in range(MAX_DEPTH - 1):
        spec = {joint: spec if joint == "not" else [spec]}
    event = Event.create(type="t", source="/s")
    expected = joint == "not"  # an odd number of them
    rule = Filter.parse(spec)
    assert rule(event) is expected
    assert for_row(rule.syntax)(row_of(rule, event)) is expected


def test_the_widest_filter_compiles() -> None:
    alternatives = [{"not": {"exact": {f"data.a{number}": "1"}}} for number in range((MAX_CLAUSES - 1) // 2)]
    event = Event.create(type="t", source="/s")
    assert Filter.parse({"all": alternatives})(event)
    assert Filter.parse({"any": alternatives})(event)
