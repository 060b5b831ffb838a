from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex
from eventroute.filters.cover import cover
from eventroute.filters.pattern.covers import MAX_SPELLINGS, spellings
from eventroute.filters.pattern.tree import Edge
from eventroute.filters.predicates import Predicate, Present, Span
from eventroute.filters.syntax import Text

letters = st.text("aKks\u017fßẞﬁfiİ\u0131Σ\u03c3ς5-", max_size=6) | st.text(max_size=4)


def found(pattern: Any) -> list[str] | None:
    """What a pattern is found by, in words."""
    known = cover(Filter.parse({"pattern": pattern}).syntax, lambda predicate: 1)
    return None if known is None else [said(one) for one in known.predicates]


def said(one: Predicate) -> str:
    match one:
        case Text(relation, field, literal):
            return f"{field} {relation.value} {literal}"
        case Span(field, low, high):
            return f"{field} {low:g} to {high:g}"
        case Present(field):
            return f"{field} there"


@pytest.mark.parametrize(
    ("tests", "predicates"),
    [
        (["x"], ["exact x"]),
        (["x", True, 5], ["exact x", "exact true", "5 to 5"]),
        ([None], ["there"]),
        ([{"exists": True}], ["there"]),
        ([{"prefix": "ab"}, {"suffix": "c"}], ["prefix ab", "suffix c"]),
        ([{"prefix": ""}], ["there"]),
        ([{"prefix": {"equals-ignore-case": "k"}}], ["prefix k", "prefix K", "prefix \u212a"]),
        ([{"suffix": {"equals-ignore-case": "1a"}}], ["suffix 1a", "suffix 1A"]),
        ([{"equals-ignore-case": "42"}], ["prefix 42"]),
        ([{"equals-ignore-case": ""}], ["there"]),
        ([{"wildcard": "ab*cd"}], ["prefix ab"]),
        ([{"wildcard": "*cd"}], ["suffix cd"]),
        ([{"wildcard": "a\\*b"}], ["exact a*b"]),
        ([{"wildcard": "*c*"}], ["there"]),
        ([{"numeric": [">", 1, "<=", 2.5]}], ["1 to 2.5"]),
        ([{"numeric": ["<", 1]}], ["-inf to 1"]),
        ([{"numeric": [">", 2, "<", 1]}], ["2 to inf"]),
        ([{"cidr": "10.1.0.0/16"}], ["prefix 10.1."]),
        ([{"cidr": "10.1.0.0/20"}], ["prefix 10.1."]),
        ([{"cidr": "10.1.2.3/32"}], ["exact 10.1.2.3"]),
        ([{"cidr": "10.0.0.0/7"}], ["there"]),
        ([{"cidr": "2001:db8::/32"}], ["there"]),
        ([{"anything-but": "x"}], ["there"]),
        ([{"exists": False}, "x"], None),
    ],
)
def test_what_a_leaf_is_found_by(tests: list[Any], predicates: list[str] | None) -> None:
    for pattern, name in (({"data": {"a": tests}}, "data.a"), ({"subject": tests}, "subject")):
        assert found(pattern) == (None if predicates is None else [f"{name} {one}" for one in predicates])


def test_an_object_is_found_by_one_member_and_choices_by_each() -> None:
    assert found({"data": {"a": [{"exists": False}], "b": {"c": ["x"]}}}) == ["data.b.c exact x"]
    assert found({"$or": [{"type": ["x"]}, {"data": {"a": [5], "b": [1]}}]}) == ["type exact x", "data.a 5 to 5"]
    assert found({"$or": [{"type": ["x"]}, {"data": {"a": [{"exists": False}]}}]}) is None
    assert found({"data": ["x"]}) is None


def test_what_each_event_has_finds_nothing() -> None:
    assert found({"type": [{"exists": True}]}) is None
    assert found({"source": [{"anything-but": "x"}]}) is None
    assert found({"id": ["x", {"wildcard": "*y*"}]}) is None
    assert found({"subject": [{"anything-but": "x"}]}) == ["subject there"]


@pytest.mark.parametrize(
    ("pattern", "decides"),
    [
        ({"type": ["x", {"prefix": "y"}]}, True),
        ({"subject": [{"suffix": "x"}]}, True),
        ({"$or": [{"type": ["x"]}, {"source": ["y"]}]}, True),
        ({"type": ["x", 5]}, False),
        ({"subject": [True]}, False),
        ({"extension": ["x"]}, False),
        ({"type": [{"equals-ignore-case": "x"}]}, False),
        ({"type": [{"wildcard": "x*"}]}, False),
        ({"type": ["x"], "source": ["y"]}, False),
        ({"data": {"a": ["x"]}}, False),
        ({"type": [{"prefix": "x" * 300}]}, False),
    ],
)
def test_being_found_decides_where_an_attribute_is_a_text(pattern: Any, decides: bool) -> None:
    known = cover(Filter.parse({"pattern": pattern}).syntax, lambda predicate: 1)
    assert known is not None
    assert (known.rest is None) is decides


@given(letters, letters, st.sampled_from(Edge))
@example("ﬁ", "x", Edge.SUFFIX)
@example("ss", "ß", Edge.PREFIX)
def test_each_text_in_another_case_is_spelt(text: str, more: str, edge: Edge) -> None:
    known = spellings(text, edge)
    assert len(known) <= max(MAX_SPELLINGS, 20)
    variants = (text, text.upper(), text.lower(), text.title(), text.swapcase(), text.casefold(), more)
    for variant in variants:
        whole = variant + more if edge is Edge.PREFIX else more + variant
        folded, wanted = whole.casefold(), text.casefold()
        if edge is Edge.PREFIX and folded.startswith(wanted) and known:
            assert whole.startswith(known)
        if edge is Edge.SUFFIX and folded.endswith(wanted) and known:
            assert whole.endswith(known)


def test_each_character_is_spelt() -> None:
    for char in map(chr, range(sys.maxunicode + 1)):
        folded = char.casefold()
        if folded != char:
            assert char.startswith(spellings(folded, Edge.PREFIX))
            assert char.endswith(spellings(folded, Edge.SUFFIX))


def test_the_index_counts_patterns_by_how_they_are_found() -> None:
    index: FilterIndex[int] = FilterIndex()
    for key in range(1_000):
        index.add(key, Filter.parse({"pattern": {"data": {"items": {"sku": [f"sku-{key}"], "n": [{"exists": True}]}}}}))
    items = [{"sku": f"sku-{key}", "n": 1} for key in (3, 5)] + [{"sku": "sku-7"}]
    one = Event.create(type="t", source="/", data={"items": items})
    assert index.match(one) == index.match_json(one.to_json()) == {3, 5}
    stats = index.stats()
    assert (stats.exact, stats.always, stats.candidates) == (1_000, 0, 3)


def test_an_array_finds_nothing_for_filters_that_do_not_reach_through_it() -> None:
    index: FilterIndex[str] = FilterIndex()
    index.add("exact", Filter.parse({"exact": {"data.l.a": "x"}}))
    index.add("all", Filter.parse({"all": [{"exact": {"data.l.a": "x"}}, {"exact": {"type": "t"}}]}))
    index.add("expr", Filter.parse("data.l.a = 'x'"))
    index.add("index", Filter.parse({"exact": {"data.l[0].a": "x"}}))
    index.add("pattern", Filter.parse({"pattern": {"data": {"l": {"a": ["x"]}}}}))
    index.add("not", Filter.parse({"all": [{"pattern": {"type": ["t"]}}, {"not": {"exact": {"data.l.a": "x"}}}]}))
    for data, keys in (
        ({"l": [{"a": "x"}]}, {"index", "pattern", "not"}),
        ({"l": {"a": "x"}}, {"exact", "all", "expr", "pattern"}),
        ({"l": {"a": ["x"]}}, {"exact", "all", "pattern"}),
        ({"l": {"a": [["x"]]}}, {"pattern", "not"}),
    ):
        one = Event.create(type="t", source="/", data=data)
        assert index.match(one) == index.match_json(one.to_json()) == keys
