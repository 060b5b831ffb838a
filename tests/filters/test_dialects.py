from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidFilter
from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.filters.filter import DialectParser
from eventroute.filters.syntax import MAX_CLAUSES, MAX_DEPTH, MAX_LITERAL, extent
from eventroute.testing.strategies import json_values
from tests.filters.interpreter import events, matches, specs

T = {"exact": {"type": "t"}}
EVENT = Event.create(type="t", source="/s", data={"a": 5})


def refused(spec: Any, where: str, *words: str, dialects: Any = None) -> None:
    with pytest.raises(InvalidFilter) as caught:
        Filter.parse(spec, dialects=dialects)
    assert caught.value.where == where
    assert len(str(caught.value)) < 2000
    for word in words:
        assert word in caught.value.reason


# -- refused when made


@pytest.mark.parametrize(
    ("spec", "where", "word"),
    [
        ({}, "", "it is empty"),
        ([T, {}], "filters[1]", "it is empty"),
        ({"all": [T, {}]}, "all[1]", "it is empty"),
        ({"not": {}}, "not", "it is empty"),
        ({"exact": {}}, "exact", "expected an object, field -> text"),
        ({"exact": T, "prefix": T}, "", "this has 2 ('exact', 'prefix')"),
        ({"all": []}, "all", "at least one filter"),
        ({"any": []}, "any", "at least one filter"),
        ({"any": T}, "any", "expected a list"),
        ({"any": "abc"}, "any", "expected a list"),
        ({"any": b"abc"}, "any", "expected a list"),
        ({"any": None}, "any", "expected a list"),
        ({"not": [T]}, "not", "expected an object"),
        ({"not": None}, "not", "expected an object"),
        ({"exact": [T]}, "exact", "expected an object, field -> text"),
        ({"exact": {"type": ""}}, "exact.type", "empty"),
        ({"exact": {"": "t"}}, "exact['']", "not a field"),
        ({"exact": {1: "t"}}, "exact", "a field is a text"),
        ({"prefix": {"type": 5}}, "prefix.type", "put it in quotes"),
        ({"suffix": {"type": None}}, "suffix.type", "expected a text"),
        ({"suffix": {"type": ["a"]}}, "suffix.type", "expected a text"),
        ({"exact": {"type": "\ud800"}}, "exact.type", "surrogate"),
        ({"exact": {"type": "x" * (MAX_LITERAL + 1)}}, "exact.type", f"at most {MAX_LITERAL}"),
        ({"exact": {"Type": "t"}}, "exact['Type']", "not a field"),
        ({"exact": {"data..a": "t"}}, "exact['data..a']", "not a field"),
        ({"exact": {"data.items[*]": "t"}}, "exact['data.items[*]']", "not a field"),
        ({"exact": {"data.a[": "t"}}, "exact['data.a[']", "at position"),
        ({"exact": {"database.a": "t"}}, "exact['database.a']", "not a field"),
        ({"exact": {"subject.a": "t"}}, "exact['subject.a']", "not a field"),
        ([{"any": [{"exact": {"type": ""}}]}], "filters[0].any[0].exact.type", "empty"),
        ([T, {"any": [{"not": {"exact": {"type": 1}}}]}], "filters[1].any[0].not.exact.type", "expected a text"),
        (None, "", "expected an object"),
        (5, "", "expected an object"),
        (b"{}", "", "expected an object"),
        ([None], "filters[0]", "expected an object"),
        ([[T]], "filters[0]", "expected an object"),
        ({1: T}, "", "unknown dialect 1"),
        ({None: T}, "", "unknown dialect None"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_place(spec: Any, where: str, word: str) -> None:
    refused(spec, where, word)


@pytest.mark.parametrize("name", ["patern", "x", "", "x" * 100_000])
def test_an_unknown_dialect_is_told_which_are_known(name: str) -> None:
    known = "all, any, ce_sql, cesql, exact, expr, not, pattern, prefix, sql, suffix"
    refused({name: T}, "", "unknown dialect", f"known are {known}")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("exakt", "exact"),
        ("Exact", "exact"),
        ("prefixes", "prefix"),
        ("sufix", "suffix"),
        ("ALL", "all"),
        ("mypy", "my"),
    ],
)
def test_a_misspelt_dialect_is_told_which_was_meant(name: str, meant: str) -> None:
    refused({name: T}, "", f"did you mean {meant!r}?", dialects={"my": lambda value, where: Filter.parse(value)})


# -- bounds


def nested(depth: int, joint: str = "not", of: Any = T) -> Any:
    spec = of
    for _ in range(depth - 1):
        spec = {joint: spec if joint == "not" else [spec]}
    return spec


@pytest.mark.parametrize("joint", ["not", "all", "any"])
def test_nesting_is_bounded(joint: str) -> None:
    assert extent(Filter.parse(nested(MAX_DEPTH, joint)).syntax) == (MAX_DEPTH, MAX_DEPTH)
    for depth in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(InvalidFilter, match=f"at most {MAX_DEPTH} deep"):
            Filter.parse(nested(depth, joint))


def test_a_list_of_filters_or_fields_nests_once_more() -> None:
    Filter.parse([nested(MAX_DEPTH)])
    Filter.parse([nested(MAX_DEPTH - 1), T])
    with pytest.raises(InvalidFilter, match=f"at most {MAX_DEPTH} deep"):
        Filter.parse([nested(MAX_DEPTH), T])
    with pytest.raises(InvalidFilter, match=f"at most {MAX_DEPTH} deep"):
        Filter.parse(nested(MAX_DEPTH, of={"exact": {"type": "t", "source": "s"}}))


@pytest.mark.parametrize(
    "build",
    [
        lambda size: [T] * (size - 1),
        lambda size: {"any": [T] * (size - 1)},
        lambda size: {"exact": {f"x{number}": "t" for number in range(size - 1)}},
        lambda size: {"all": [{"all": [T] * (size - 2)}]},
    ],
    ids=["list", "any", "fields", "nested"],
)
def test_the_number_of_clauses_is_bounded(build: Callable[[int], Any]) -> None:
    assert extent(Filter.parse(build(MAX_CLAUSES)).syntax)[1] == MAX_CLAUSES
    for size in (MAX_CLAUSES + 1, 300_000):
        with pytest.raises(InvalidFilter, match=f"at most {MAX_CLAUSES} clauses"):
            Filter.parse(build(size))


def test_the_longest_text() -> None:
    text = "x" * MAX_LITERAL
    assert Filter.parse({"exact": {"data.a": text}})(Event.create(type="t", source="/s", data={"a": text}))


@given(specs())
def test_a_tree_is_as_large_as_it_was_counted(spec: dict[str, Any]) -> None:
    filters = Filter.parse(spec)
    assert extent(filters.syntax) == extent(Filter.parse(filters.to_dict()).syntax)


names = st.sampled_from(["exact", "prefix", "suffix", "all", "any", "not", "sql", "type", "data.a", ""]) | st.text(
    max_size=3
)
garbage = st.recursive(
    st.one_of(json_values(3), st.binary(max_size=3), st.just(float("nan")), st.just(object)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names | st.none(), inner, max_size=2)),
)


@given(garbage)
def test_garbage_is_refused_and_nothing_else(spec: Any) -> None:
    try:
        parsed = Filter.parse(spec)
    except InvalidFilter as error:
        assert error.reason
    else:
        assert Filter.parse(parsed.to_dict()) == parsed


@given(specs(), events())
def test_any_mapping_and_sequence_will_do(spec: dict[str, Any], event: Event) -> None:
    assert Filter.parse((MappingProxyType(spec),))(event) is matches(spec, event)


# -- dialects that are handed in


def types(value: Any, where: str) -> Filter:
    if not isinstance(value, list):
        raise InvalidFilter("it wants a list of types", where=where)
    return Filter.parse({"any": [{"exact": {"type": name}} for name in value]})


def has_data(event: Any) -> bool:
    return event.get_data() is not None


DIALECTS: dict[str, DialectParser] = {"types": types, "hasdata": lambda value, where: has_data}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"types": ["a", "t"]}, True),
        ({"not": {"types": ["a", "b"]}}, True),
        ({"all": [{"hasdata": {}}, {"types": ["b"]}]}, False),
        ([{"hasdata": None}, {"exact": {"data.a": "5"}}], True),
        ({"not": {"hasdata": [1.5, "x"]}}, False),
    ],
)
def test_an_application_hands_dialects_in(spec: Any, expected: bool) -> None:
    rule = Filter.parse(spec, dialects=DIALECTS)
    assert rule(EVENT) is expected
    assert rule.explain(EVENT).matched is expected
    assert Filter.parse(rule.to_dict(), dialects=DIALECTS) == rule
    assert str(Filter.parse(rule.to_dict(), dialects=DIALECTS)) == str(rule)
    with pytest.raises(InvalidFilter, match="unknown dialect"):
        Filter.parse(spec)  # there is no registry


def test_a_dialect_that_means_otherwise_is_another_filter() -> None:
    def others(value: Any, where: str) -> Filter:
        return Filter.parse({"not": {"exact": {"type": "t"}}})

    spec = {"types": ["t"]}
    assert Filter.parse(spec, dialects=DIALECTS) != Filter.parse(spec, dialects={"types": others})
    assert Filter.parse(spec, dialects=DIALECTS) != Filter.parse({"exact": {"type": "t"}})


def test_what_a_dialect_raises_keeps_its_place() -> None:
    refused([T, {"not": {"types": "t"}}], "filters[1].not.types", "wants a list", dialects=DIALECTS)


class Unhashable(list[Any]):
    def __call__(self, event: Any) -> bool:
        return True


@pytest.mark.parametrize("made", [None, "type = 't'", T, Unhashable()])
def test_a_dialect_must_make_a_filter_or_a_function(made: Any) -> None:
    refused({"my": 1}, "my", "must return a Filter or a hashable function", dialects={"my": lambda value, where: made})


@pytest.mark.parametrize("name", ["exact", "all", "not"])
def test_a_built_in_dialect_cannot_be_replaced(name: str) -> None:
    refused({name: T}, "dialects", "built in", dialects={name: types})


@pytest.mark.parametrize("value", [float("nan"), "\ud800", object(), {1: {(): 2}}])
def test_what_stands_under_a_dialect_is_json(value: Any) -> None:
    refused({"hasdata": value}, "hasdata", "not JSON", dialects=DIALECTS)


def test_a_dialect_gets_json_values_of_its_own() -> None:
    seen = []
    given = MappingProxyType({"a": (1, 10**30), "b": 1.5})

    def keeps(value: Any, where: str) -> Filter:
        seen.append(value)
        return Filter.parse([])

    rule = Filter.parse({"keeps": dict(given)}, dialects={"keeps": keeps})
    assert Filter.parse(rule.to_dict(), dialects={"keeps": keeps}) == rule
    assert seen == [{"a": [1, 10**30], "b": 1.5}] * 2


def test_dialects_within_dialects_are_bounded() -> None:
    def again(value: Any, where: str) -> Filter:
        return Filter.parse(value, dialects={"again": again})

    spec: Any = T
    for _ in range(40):
        spec = {"again": spec}
    assert Filter.parse(spec, dialects={"again": again})(EVENT)
    for depth in (200, 100_000):
        deep: Any = T
        for _ in range(depth):
            deep = {"again": deep}
        with pytest.raises(InvalidFilter):
            Filter.parse(deep, dialects={"again": again})

    def much(value: Any, where: str) -> Filter:
        return Filter.parse(nested(MAX_DEPTH))

    refused({"not": {"much": 1}}, "not.much", "deep", dialects={"much": much})


def test_what_a_function_raises_reaches_who_asked() -> None:
    def fails(event: Any) -> bool:
        raise ZeroDivisionError

    rule = Filter.parse({"fails": 1}, dialects={"fails": lambda value, where: fails})
    with pytest.raises(ZeroDivisionError):
        rule(EVENT)
