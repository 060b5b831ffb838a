from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.vendor.pretty import pretty

from eventroute.errors import InvalidFilter
from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex
from eventroute.filters.cesql import Function, Type
from eventroute.filters.sql import sql_with
from eventroute.filters.syntax import MAX_CLAUSES, MAX_DEPTH
from eventroute.testing.strategies import events, events_for, filters

steady = settings(derandomize=True, database=None, max_examples=200, suppress_health_check=list(HealthCheck))

RULES: list[Any] = [
    {"pattern": {"type": ["com.a", {"prefix": "com.b"}], "data": {"n": [{"numeric": [">", 5, "<=", 9]}], "s": ["x"]}}},
    {"pattern": {"data": {"$or": [{"a": {"b": [{"wildcard": "x*y"}]}}, {"c": [{"anything-but": ["p", "q"]}]}]}}},
    {"pattern": {"subject": [{"equals-ignore-case": "AB"}], "data": {"ip": [{"cidr": "10.0.0.0/8"}], "z": [None]}}},
    {"exact": {"type": "com.example.order.placed", "data.region": "eu", "data.total": "15"}},
    {"prefix": {"source": "https://github.com/", "subject": "a"}},
    {"suffix": {"data.sender.login": "-bot"}},
    {"not": {"any": [{"prefix": {"type": "a"}}, {"suffix": {"data.s": "-bot"}}, "data.n = 5 XOR data.m = 3"]}},
    {"all": [{"not": {"exact": {"data.l[-2].a": "true"}}}, {"exact": {"flag": "true"}}]},
    {"exact": {"data": "plain text"}},
    {"exact": {"data": '{"a": 1}'}},
    "data.a > 5 AND data.a < 10 AND type STARTS WITH 'com.' AND subject LIKE '%x_y%' AND data.b IN (1, 2, 3)",
    "ANY(data.labels[*].name = 'bug') AND data.action IN ('opened', 'reopened') AND NOT data.login ENDS WITH '-bot'",
    "ALL(data.l[*].m[*] > 3) OR subject = 'x'",
    "NONE(data.l[*].n = 1 AND data.l[*].m = 2) AND ANY(data.l[*].n = 1)",
    "NOT ALL(data.l[*].n = data.most AND NONE(data.l[*].m[*].x = 'y'))",
    "ANY(data[*][0] = 'x')",
    "time BETWEEN '2020-01-01T00:00:00Z' AND '2021-01-01T00:00:00Z'",
    "LENGTH(data.name) > 3 AND LOWER(data.kind) = 'x' AND data.a + data.b = 10 AND data.c = data.d",
    "data.n IS NULL AND NOT EXISTS data.m",
    "datacontenttype LIKE 'text/%' OR EXISTS dataschema",
    {"sql": "type = 'com.example' AND sequence > 5 AND source LIKE 'https://github.com/%'"},
    {"sql": "(type = 'a' OR EXISTS subject) AND NOT (ext = 5)"},
    {"sql": "ext XOR other = 'x' XOR number IN (1, 5)"},
]


def verdicts(*rules: Filter, examples: int = 200) -> Counter[tuple[bool, ...]]:
    counted: Counter[tuple[bool, ...]] = Counter()

    @settings(steady, max_examples=examples)
    @given(events_for(*rules))
    def count(event: Event) -> None:
        counted[tuple(rule(event) for rule in rules)] += 1

    count()
    return counted


@pytest.mark.parametrize("spec", RULES, ids=str)
def test_both_verdicts_are_common(spec: Any) -> None:
    counted = verdicts(Filter.parse(spec))
    assert min(counted[(True,)], counted[(False,)]) >= counted.total() / 8


def test_two_filters_have_all_four() -> None:
    # The rarest comes once in fifty or so; which ones come depends on what modules Hypothesis finds constants in.
    one, other = Filter.parse("data.n > 5 AND type = 'a'"), Filter.parse("data.n > 100 AND type IN ('a', 'b')")
    counted = verdicts(one, other, examples=1_000)
    assert len(counted) == 4


def test_what_contradicts_itself_has_but_one_verdict() -> None:
    assert len(verdicts(Filter.parse("data.n = 1 AND data.n = 2"))) == 1
    assert len(verdicts(Filter.parse([]))) == 1
    assert len(verdicts(Filter.parse({"any": [[]]}) if False else Filter.parse("1 = 2"))) == 1


@given(st.data())
def test_any_filter_has_events(data: st.DataObject) -> None:
    rule, other = data.draw(filters()), data.draw(filters())
    event = data.draw(events_for(rule, other))
    assert rule.explain(event).matched is rule(event)
    index: FilterIndex[int] = FilterIndex()
    index.add(1, rule)
    index.add(2, other)
    assert index.match_json(event.to_json()) == index.match(event) == {
        key for key, one in ((1, rule), (2, other)) if one(event)
    }  # fmt: skip


# -- what is found is simple


@pytest.mark.parametrize(
    ("spec", "matched", "attributes", "data"),
    [
        ({"exact": {"type": "a"}}, True, {"type": "a"}, None),
        ({"exact": {"type": "a"}}, False, {}, None),
        ({"not": {"exact": {"data.a": "x"}}}, False, {}, {"a": "x"}),
        ("ANY(data.l[*].n = 5)", True, {}, {"l": [{"n": 5}]}),
        ("data.n > 5 AND subject LIKE 'a%'", True, {"subject": "a"}, {"n": 6}),
        ({"sql": "n > 5 AND EXISTS m"}, True, {"n": 6, "m": False}, None),
    ],
)
def test_the_simplest_event(spec: Any, matched: bool, attributes: dict[str, Any], data: Any) -> None:
    rule = Filter.parse(spec)
    event = find(events_for(rule), lambda event: rule(event) is matched, settings=steady)
    plain = {"specversion": "1.0", "id": "1", "source": "/", "type": "t"}
    found = {name: value for name, value in event.attributes.items() if plain.get(name) != value}
    found.pop("datacontenttype", None)
    assert (found, event.data) == (attributes, data)


# -- parts


def test_events_can_be_ones_own() -> None:
    rule = Filter.parse("data.total > 100 AND type = 'order'")
    orders = events(
        st.fixed_dictionaries({"id": st.integers(1, 9)}), {"source": st.just("/shop"), "type": st.just("order")}
    )

    @steady
    @given(events_for(rule, base=orders))
    def check(event: Event) -> None:
        assert event.source == "/shop"
        assert event.data["id"] in range(1, 10)

    check()
    counted = Counter[bool]()
    settings(steady, max_examples=100)(
        given(events_for(rule, base=orders))(lambda event: counted.update([rule(event)]))
    )()
    assert min(counted.values()) > 10


def odd(event: Any) -> bool:
    return len(event.get_attributes()["type"]) % 2 == 1


def test_dialects_of_ones_own() -> None:
    dialects: dict[str, Any] = {
        "types": lambda value, where: Filter.parse({"any": [{"exact": {"type": name}} for name in value]}),
        "odd": lambda value, where: odd,
        "own": sql_with(Function("TWICE", (Type.INTEGER,), Type.INTEGER, lambda number: 2 * number)),
    }
    for spec in ({"types": ["a", "bb"]}, {"own": "TWICE(n) = 12"}):
        counted = verdicts(Filter.parse(spec, dialects=dialects))
        assert (len(counted) == 2) is (spec == {"types": ["a", "bb"]})
    assert verdicts(Filter.parse([{"odd": 1}, {"types": ["a", "bb"]}], dialects=dialects))[(True,)]


def test_the_largest_filters() -> None:
    wide: dict[str, Any] = {"any": [{"exact": {f"data.a{number}": "x"}} for number in range(MAX_CLAUSES - 2)]}
    deep: Any = {"exact": {"type": "x"}}
    for _ in range(MAX_DEPTH - 1):
        deep = {"not": deep}
    chain = {"sql": " OR ".join(["n = 1 AND m = 2"] * 1000)}
    for spec in (wide, {"not": wide}, deep, chain, f"data{'.a' * 200} = 'x'"):
        rule = Filter.parse(spec)
        events = events_for(rule)
        assert find(events, lambda event: True, settings=settings(steady, max_examples=5, phases=[Phase.generate])).id


def test_no_filters_at_all() -> None:
    assert find(events_for(), lambda event: True, settings=steady).type == "t"


def test_a_filter_must_be_valid() -> None:
    with pytest.raises(InvalidFilter):
        events_for(Filter.parse({"exact": {}}))


@given(st.data())
def test_what_fails_is_shown_as_it_can_be_made_again(data: st.DataObject) -> None:
    rule = data.draw(filters())
    event = data.draw(events_for(rule))
    assert eval(pretty([rule, event]), {"Filter": Filter, "Event": Event}) == [rule, event]
