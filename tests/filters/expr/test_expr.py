from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex
from eventroute.filters.compiler import EVENT, for_row
from eventroute.filters.cover import cover
from eventroute.filters.explain import Explanation
from eventroute.filters.expr.parser import parse_expression
from eventroute.filters.expr.printing import expression_text
from eventroute.filters.reads import reads
from eventroute.paths import MISSING
from eventroute.testing.strategies.expr import Spec, written
from tests.filters.expr.interpreter import clauses, events, holds, raws, specs
from tests.filters.mixing import check_filter, check_index, mixed

quick = settings(suppress_health_check=[HealthCheck.too_slow])


def row_of(rule: Filter, event: Event) -> dict[str, Any]:
    row = {str(field): field(event) for field in reads(rule.syntax).fields}
    return {key: value for key, value in row.items() if value is not MISSING} | {EVENT: event}


@quick
@given(specs(), events())
def test_a_compiled_expression_is_the_naive_reading(spec: Spec, event: Event) -> None:
    assert Filter.parse(written(spec))(event) is holds(spec, event)


@quick
@given(specs(), events())
def test_a_row_is_as_good_as_the_event(spec: Spec, event: Event) -> None:
    rule = Filter.parse(written(spec))
    assert for_row(rule.syntax)(row_of(rule, event)) is holds(spec, event)


@quick
@given(specs())
def test_parse_and_print_are_inverse(spec: Spec) -> None:
    rule = Filter.parse(written(spec))
    text = expression_text(rule.syntax)
    assert parse_expression(text, "") == rule.syntax
    assert expression_text(parse_expression(text, "")) == text
    for again in (Filter.parse(str(rule)), Filter.parse(rule.to_dict()), Filter.parse(text)):
        assert again == rule
        assert hash(again) == hash(rule)
        assert str(again) == str(rule)


MIXED = mixed(specs().map(lambda spec: (written(spec), ("expr", spec))))
READINGS = {"expr": holds}


@quick
@given(MIXED, events())
def test_expressions_stand_wherever_filters_do(filters: Any, event: Event) -> None:
    check_filter(filters, event, READINGS)


@quick
@given(st.lists(MIXED, max_size=8), st.lists(raws(), min_size=1, max_size=2))
def test_the_index_is_brute_force(filters: list[Any], some: list[str]) -> None:
    check_index(filters, some, READINGS)


@quick
@given(st.lists(clauses(), min_size=4, max_size=12), events())
def test_each_clause_is_found(some: list[Spec], event: Event) -> None:
    index: FilterIndex[int] = FilterIndex()
    for key, spec in enumerate(some):
        index.add(key, Filter.parse(written(spec)))
    assert index.match(event) == {key for key, spec in enumerate(some) if holds(spec, event)}
    assert index.stats().candidates <= len(some)


@quick
@given(specs(), events())
def test_what_decides_decides(spec: Spec, event: Event) -> None:
    rule = Filter.parse(written(spec))
    found = cover(rule.syntax, lambda predicate: 1)
    if found is not None:
        index: FilterIndex[int] = FilterIndex()
        index.add(0, rule)
        assert (index.match(event) == {0}) is holds(spec, event)


@quick
@given(specs(), events())
def test_an_explanation_agrees_with_the_match(spec: Spec, event: Event) -> None:
    explanation = Filter.parse(written(spec)).explain(event)
    assert explanation.matched is holds(spec, event)
    assert str(explanation).isprintable() or "\n" in str(explanation)
    for part in parts(explanation):
        assert part.why
        if part.clause not in ("all", "any", "not", "xor"):
            assert Filter.parse(part.clause)(event) is part.matched


def parts(explanation: Explanation) -> list[Explanation]:
    return [explanation, *(below for part in explanation.parts for below in parts(part))]
