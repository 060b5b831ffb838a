from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.filters.cover import LONGEST_AFFIX, Cover, cover
from eventroute.filters.predicates import Predicate
from eventroute.filters.printing import json_text
from eventroute.filters.syntax import Text
from tests.filters.interpreter import events, matches, specs

T, U = {"exact": {"type": "t"}}, {"exact": {"subject": "u"}}
V, NOT_U = {"exact": {"type": "v"}}, {"not": U}


def covered(spec: Any, costs: dict[str, float] | None = None, dialects: Any = None) -> Cover | None:
    known = costs or {}
    return cover(Filter.parse(spec, dialects=dialects).syntax, lambda one: known.get(text(one).literal, 1))


def predicates(spec: Any, costs: dict[str, float] | None = None) -> list[str] | None:
    found = covered(spec, costs)
    return None if found is None else [json_text(text(predicate)) for predicate in found.predicates]


def text(predicate: Predicate) -> Text:
    assert isinstance(predicate, Text)
    return predicate


def _any_cost(text: Text) -> float:
    return len(text.literal)


@given(specs(), events(), st.functions(like=_any_cost, returns=st.floats(0, 10), pure=True))
def test_one_predicate_holds_whenever_the_filter_matches(spec: dict[str, Any], event: Event, cost: Any) -> None:
    found = cover(Filter.parse(spec).syntax, cost)
    if found is None:
        return
    holds = any(Filter(text(predicate))(event) for predicate in found.predicates)
    if matches(spec, event):
        assert holds
    if holds:
        assert matches(spec, event) is (found.rest is None or Filter(found.rest)(event))


@pytest.mark.parametrize(
    ("spec", "expected", "decides"),
    [
        (T, ['{"exact":{"type":"t"}}'], True),
        ({"all": [T]}, ['{"exact":{"type":"t"}}'], True),
        ([T, U], ['{"exact":{"type":"t"}}'], False),
        ([{"not": T}, U], ['{"exact":{"subject":"u"}}'], False),
        ({"any": [T, U, T]}, ['{"exact":{"type":"t"}}', '{"exact":{"subject":"u"}}'], True),
        ({"any": [T, {"all": [U, T]}]}, ['{"exact":{"type":"t"}}', '{"exact":{"subject":"u"}}'], False),
    ],
)
def test_covers(spec: Any, expected: list[str], decides: bool) -> None:
    assert predicates(spec) == expected
    found = covered(spec)
    assert found is not None
    assert (found.rest is None) is decides


@pytest.mark.parametrize("spec", [[], {"not": T}, {"any": [T, {"not": U}]}, [{"not": T}, {"not": U}], {"my": 1}])
def test_what_has_no_cover(spec: Any) -> None:
    assert covered(spec, dialects={"my": lambda value, where: bool}) is None


@pytest.mark.parametrize(
    ("spec", "rest"),
    [
        ([T, NOT_U], [NOT_U]),
        ([NOT_U, T, V], [NOT_U, V]),
        ([NOT_U, {"any": [T, V]}, U], [NOT_U, {"any": [T, V]}]),
        ([NOT_U, {"all": [T, U]}], [NOT_U, U]),
        ([{"any": [{"all": [T, U]}, T]}], [{"any": [{"all": [T, U]}, T]}]),
    ],
)
def test_a_conjunction_leaves_its_other_operands(spec: list[Any], rest: list[Any]) -> None:
    found = covered(spec)
    assert found is not None
    assert found.rest == Filter.parse(rest).syntax


def test_a_dialect_made_of_filters_has_their_cover() -> None:
    found = covered({"my": 1}, dialects={"my": lambda value, where: Filter.parse(T)})
    assert found == covered(T)


def test_a_conjunction_is_held_by_its_cheapest_operand() -> None:
    assert predicates([T, U], {"t": 5}) == ['{"exact":{"subject":"u"}}']
    either = {"any": [{"exact": {"type": "a"}}, {"exact": {"type": "b"}}]}
    assert predicates([either, T], {"a": 2, "b": 2, "t": 3}) == ['{"exact":{"type":"t"}}']
    assert predicates([either, T], {"a": 2, "b": 2, "t": 5}) == ['{"exact":{"type":"a"}}', '{"exact":{"type":"b"}}']


@pytest.mark.parametrize("dialect", ["prefix", "suffix"])
def test_a_long_prefix_or_suffix_is_looked_up_by_a_part_of_it(dialect: str) -> None:
    for size, decides in ((LONGEST_AFFIX, True), (LONGEST_AFFIX + 1, False)):
        text = "a" + "x" * (size - 2) + "b"
        found = covered({dialect: {"type": text}})
        assert found is not None
        [predicate] = found.predicates
        assert isinstance(predicate, Text)
        assert len(predicate.literal) == LONGEST_AFFIX
        assert (text.startswith if dialect == "prefix" else text.endswith)(predicate.literal)
        assert (found.rest is None) is decides
