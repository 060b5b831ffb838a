from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex
from eventroute.filters.explain import Explanation
from eventroute.filters.pattern.evaluation import pattern_holds
from eventroute.filters.syntax import EventPattern
from tests.filters.mixing import check_filter, check_index, mixed
from tests.filters.pattern.interpreter import events, made_for, matches, patterns, raws

quick = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


def parsed(pattern: Any) -> Filter:
    return Filter.parse({"pattern": pattern})


@quick
@given(patterns(), events())
@example({"data": {"a": [5]}}, Event.create(type="t", source="/", data={"a": True}))
@example({"data": {"a": [True]}}, Event.create(type="t", source="/", data={"a": 1}))
@example({"data": {"a": [None]}}, Event.create(type="t", source="/", data={}))
@example({"data": [{"exists": False}]}, Event.create(type="t", source="/"))
def test_a_compiled_pattern_is_the_naive_reading(pattern: Any, event: Event) -> None:
    rule = parsed(pattern)
    assert rule(event) is matches(pattern, event)
    assert isinstance(rule.syntax, EventPattern)
    assert pattern_holds(rule.syntax.tree, event) is matches(pattern, event)


@quick
@given(st.data(), patterns())
def test_a_pattern_matches_what_is_made_for_it(data: st.DataObject, pattern: Any) -> None:
    event = Event.from_json(data.draw(made_for(pattern)))
    assert parsed(pattern)(event) is matches(pattern, event)


@quick
@given(patterns())
def test_parse_and_print_are_inverse(pattern: Any) -> None:
    rule = parsed(pattern)
    for again in (Filter.parse(str(rule)), Filter.parse(rule.to_dict())):
        assert again == rule
        assert hash(again) == hash(rule)
        assert str(again) == str(rule)


MIXED = mixed(patterns().map(lambda pattern: ({"pattern": pattern}, ("pattern", pattern))))
READINGS = {"pattern": matches}


@quick
@given(MIXED, events())
def test_patterns_stand_wherever_filters_do(filters: Any, event: Event) -> None:
    check_filter(filters, event, READINGS)


@quick
@given(st.lists(MIXED, max_size=8), st.lists(raws(), min_size=1, max_size=2))
def test_the_index_is_brute_force(filters: list[Any], some: list[str]) -> None:
    check_index(filters, some, READINGS)


def test_what_an_object_has_not_is_not_null_though_another_filter_looks_into_it() -> None:
    index: FilterIndex[int] = FilterIndex()
    index.add(1, Filter.parse({"pattern": {"data": {"a": [{"anything-but": [""]}]}}}))
    index.add(2, Filter.parse({"exact": {"data.a[0]": "a"}}))
    event = Event.create(type="t", source="/s", data={})
    assert index.match(event) == index.match_json(event.to_json()) == set()
    null = Event.create(type="t", source="/s", data={"a": None})
    assert index.match(null) == index.match_json(null.to_json()) == {1}


@quick
@given(st.data(), st.lists(patterns(), min_size=1, max_size=8))
def test_patterns_alone_are_found(data: st.DataObject, some: list[Any]) -> None:
    index: FilterIndex[int] = FilterIndex()
    for key, pattern in enumerate(some):
        index.add(key, parsed(pattern))
    raw = data.draw(made_for(data.draw(st.sampled_from(some))))
    event = Event.from_json(raw)
    expected = {key for key, pattern in enumerate(some) if matches(pattern, event)}
    assert index.match(event) == expected
    assert index.match_json(raw) == expected


@quick
@given(st.data(), patterns())
def test_an_explanation_agrees_with_the_match(data: st.DataObject, pattern: Any) -> None:
    event = Event.from_json(data.draw(made_for(pattern)))
    explanation = parsed(pattern).explain(event)
    assert explanation.matched is matches(pattern, event)
    assert str(explanation).isprintable() or "\n" in str(explanation)
    for part in parts(explanation):
        assert part.why
        assert part.to_dict()["matched"] is part.matched


def parts(explanation: Explanation) -> list[Explanation]:
    return [explanation, *(below for part in explanation.parts for below in parts(part))]
