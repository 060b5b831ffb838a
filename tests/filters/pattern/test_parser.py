from __future__ import annotations

import json
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidFilter
from eventroute.filters import Filter
from eventroute.filters.pattern.operators import OPERATORS
from eventroute.filters.syntax import MAX_CLAUSES, MAX_DEPTH, MAX_LITERAL
from eventroute.testing.strategies import json_values
from tests.filters.pattern.interpreter import patterns


def parsed(pattern: Any) -> Filter:
    return Filter.parse({"pattern": pattern})


def leaf(*tests: Any) -> Any:
    return {"data": {"a": list(tests)}}


def refused(pattern: Any, where: str, *words: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        parsed(pattern)
    assert caught.value.where == where
    assert len(str(caught.value)) < 2000
    for word in words:
        assert word in caught.value.reason


# -- refused when made, with the place


@pytest.mark.parametrize(
    ("pattern", "where", "word"),
    [
        ({}, "pattern", "the object is empty"),
        ([], "pattern", "expected an object such as"),
        (None, "pattern", "expected an object such as"),
        ("type", "pattern", "expected an object such as"),
        ({"data": {}}, "pattern.data", "the object is empty"),
        ({"data": {"a": {}}}, "pattern.data.a", "the object is empty"),
        ({"type": []}, "pattern.type", "the array is empty"),
        ({"data": {"a": []}}, "pattern.data.a", "the array is empty"),
        ({"type": "t"}, "pattern.type", "put it in [ ]"),
        ({"data": 5}, "pattern.data", "put it in [ ]"),
        ({"data": {"a": None}}, "pattern.data.a", "put it in [ ]"),
        ({"data": {"a b": True}}, "pattern.data['a b']", "put it in [ ]"),
        ({1: ["t"]}, "pattern[1]", "a name is a text"),
        ({"data": {"\ud800": [1]}}, r"pattern.data['\ud800']", "surrogate"),
        ({"data": {"x" * (MAX_LITERAL + 1): [1]}}, "pattern.data['xxxxxxxxxxxx...xxxxxxxxxxxxx']", "at most"),
        # attributes
        ({"type": {"a": [1]}}, "pattern.type", "attributes have no members: write {'type': [...]}"),
        ({"type": {"prefix": "a"}}, "pattern.type", "write [{'prefix': ...}]"),
        ({"detail": {"state": [1]}}, "pattern.detail", "CloudEvents has 'data' for 'detail'"),
        ({"detail-type": ["t"]}, "pattern.detail-type", "CloudEvents has 'type' for it"),
        ({"Source": ["t"]}, "pattern.Source", "did you mean source?"),
        ({"data_schema": ["t"]}, "pattern.data_schema", "did you mean dataschema?"),
        ({"my-own": ["t"]}, "pattern.my-own", "did you mean myown?"),
        ({"": ["t"]}, "pattern['']", "lower-case letters and digits only"),
        # operators
        ({"data": {"a": {"exists": True}}}, "pattern.data.a.exists", "write [{'exists': True}]"),
        (leaf({}), "pattern.data.a[0]", "this is empty"),
        (leaf("x", {"prefix": "a", "suffix": "b"}), "pattern.data.a[1]", "this has 2 ('prefix', 'suffix')"),
        (leaf({"prefx": "a"}), "pattern.data.a[0]", "did you mean prefix?"),
        (leaf({"Equals_Ignore_Case": "a"}), "pattern.data.a[0]", "did you mean equals-ignore-case?"),
        (leaf({"anything but": "a"}), "pattern.data.a[0]", "did you mean anything-but?"),
        (leaf({"x": 1}), "pattern.data.a[0]", "known are anything-but, cidr, equals-ignore-case, exists, numeric"),
        (leaf({1: 1}), "pattern.data.a[0]", "unknown operator 1"),
        (leaf(["a"]), "pattern.data.a[0]", "and no arrays"),
        (leaf(b"a"), "pattern.data.a[0]", "no arrays"),
        (leaf(object), "pattern.data.a[0]", "expected a text, a number"),
        (leaf("\udfff"), "pattern.data.a[0]", "surrogate"),
        (leaf("x" * (MAX_LITERAL + 1)), "pattern.data.a[0]", "at most"),
        (leaf(float("nan")), "pattern.data.a[0]", "cannot be compared"),
        (leaf(Decimal("1e500")), "pattern.data.a[0]", "between 1e-400 and 1e400"),
        (leaf(10**5000), "pattern.data.a[0]", "cannot be compared"),
        (leaf({"prefix": 5}), "pattern.data.a[0].prefix", "expected a text, not 5"),
        (leaf({"prefix": {"suffix": "a"}}), "pattern.data.a[0].prefix", "known are equals-ignore-case"),
        (leaf({"prefix": ["a"]}), "pattern.data.a[0].prefix", "expected a text"),
        (leaf({"suffix": {"equals-ignore-case": 1}}), "pattern.data.a[0].suffix.equals-ignore-case", "expected a text"),
        (leaf({"equals-ignore-case": None}), "pattern.data.a[0].equals-ignore-case", "expected a text"),
        (leaf({"wildcard": "a**b"}), "pattern.data.a[0].wildcard", "two * in a row say no more than one (position 2)"),
        (leaf({"wildcard": "**"}), "pattern.data.a[0].wildcard", "(position 1)"),
        (leaf({"wildcard": r"a\b"}), "pattern.data.a[0].wildcard", "a backslash stands before * or another"),
        (leaf({"wildcard": "a\\"}), "pattern.data.a[0].wildcard", "(position 1)"),
        (leaf({"cidr": "10.0.0.0"}), "pattern.data.a[0].cidr", "how many bits"),
        (leaf({"cidr": "10.0.0/8"}), "pattern.data.a[0].cidr", "this is no network"),
        (leaf({"cidr": "10.0.0.0/33"}), "pattern.data.a[0].cidr", "this is no network"),
        (leaf({"cidr": "10.0.0.0/255.0.0.0"}), "pattern.data.a[0].cidr", "how many bits"),
        (leaf({"cidr": "fe80::1%eth0/64"}), "pattern.data.a[0].cidr", "how many bits"),
        (leaf({"cidr": 5}), "pattern.data.a[0].cidr", "expected a text"),
        (leaf({"exists": "true"}), "pattern.data.a[0].exists", "exists is true or false"),
        (leaf({"exists": 1}), "pattern.data.a[0].exists", "exists is true or false"),
        (leaf({"numeric": 5}), "pattern.data.a[0].numeric", "expected one or two comparisons"),
        (leaf({"numeric": ">5"}), "pattern.data.a[0].numeric", "expected one or two comparisons"),
        (leaf({"numeric": [">"]}), "pattern.data.a[0].numeric", "expected one or two comparisons"),
        (leaf({"numeric": ["==", 5]}), "pattern.data.a[0].numeric[0]", "known are =, >, >=, <, <="),
        (leaf({"numeric": [5, ">"]}), "pattern.data.a[0].numeric[0]", "unknown comparison 5"),
        (leaf({"numeric": [">", "5"]}), "pattern.data.a[0].numeric[1]", "expected a number"),
        (leaf({"numeric": [">", 5, "<", True]}), "pattern.data.a[0].numeric[3]", "expected a number"),
        (leaf({"numeric": ["<", 5, ">", 0]}), "pattern.data.a[0].numeric", "> or >= and then < or <="),
        (leaf({"numeric": ["=", 5, "<", 6]}), "pattern.data.a[0].numeric", "not = and <"),
        (leaf({"anything-but": []}), "pattern.data.a[0].anything-but", "the list is empty"),
        (leaf({"anything-but": ["a", 5]}), "pattern.data.a[0].anything-but", "all of one kind"),
        (leaf({"anything-but": None}), "pattern.data.a[0].anything-but", "texts or numbers"),
        (leaf({"anything-but": [True]}), "pattern.data.a[0].anything-but", "texts or numbers"),
        (leaf({"anything-but": [["a"]]}), "pattern.data.a[0].anything-but[0]", "no arrays"),
        (leaf({"anything-but": {"prefix": ""}}), "pattern.data.a[0].anything-but.prefix", "nothing would be left"),
        (leaf({"anything-but": {"suffix": ["a", ""]}}), "pattern.data.a[0].anything-but.suffix", "nothing would"),
        (leaf({"anything-but": {"prefix": [5]}}), "pattern.data.a[0].anything-but.prefix[0]", "expected a text"),
        (leaf({"anything-but": {"wildcard": ["a", "**"]}}), "pattern.data.a[0].anything-but.wildcard[1]", "in a row"),
        (leaf({"anything-but": {"numeric": ["=", 5]}}), "pattern.data.a[0].anything-but", "unknown operator 'numeric'"),
        (leaf({"anything-but": {}}), "pattern.data.a[0].anything-but", "this is empty"),
        # $or
        ({"$or": {"type": ["a"]}}, "pattern.$or", "a list of two or more objects"),
        ({"$or": [{"type": ["a"]}]}, "pattern.$or", "a list of two or more objects"),
        ({"$or": []}, "pattern.$or", "a list of two or more objects"),
        ({"$or": [{"type": ["a"]}, {}]}, "pattern.$or[1]", "the object is empty"),
        ({"$or": [{"type": ["a"]}, "b"]}, "pattern.$or[1]", "expected an object"),
        ({"$or": [{"type": ["a"]}, {"Type": ["b"]}]}, "pattern.$or[1].Type", "did you mean type?"),
        ({"data": {"$or": [{"a": [1]}, {"b": [{"x": 1}]}]}}, "pattern.data.$or[1].b[0]", "unknown operator"),
    ],
)
def test_what_makes_no_sense_is_refused(pattern: Any, where: str, word: str) -> None:
    refused(pattern, where, word)


def test_the_place_goes_on_from_where_the_pattern_stands() -> None:
    with pytest.raises(InvalidFilter, match=r"filters\[1\]\.any\[0\]\.not\.pattern\.type"):
        Filter.parse(["type = 'a'", {"any": [{"not": {"pattern": {"type": "a"}}}]}])


@given(
    json_values() | st.recursive(st.none() | st.text(max_size=3), lambda of: st.dictionaries(st.text(max_size=3), of))
)
def test_nothing_else_is_raised(value: Any) -> None:
    for pattern in (value, {"data": value}, {"data": {"a": [value]}}, {"$or": value}):
        try:
            parsed(pattern)
        except InvalidFilter as error:
            assert error.where.startswith("pattern")


@given(st.sampled_from(sorted(OPERATORS)), json_values())
def test_no_operand_raises_anything_else(name: str, value: Any) -> None:
    for of in (value, {"equals-ignore-case": value}, {"prefix": value}, {"wildcard": value}, [value, value]):
        try:
            assert parsed(leaf({name: of})) == Filter.parse(str(parsed(leaf({name: of}))))
        except InvalidFilter as error:
            assert error.where.startswith(f"pattern.data.a[0].{name}")


# -- bounds


def nested(depth: int) -> Any:
    below: Any = [1]
    for _ in range(depth):
        below = {"a": below}
    return {"data": below}


def test_a_pattern_nests_so_deep() -> None:
    deepest = parsed(nested(MAX_DEPTH - 1))
    assert Filter.parse(str(deepest)) == deepest
    refused(nested(MAX_DEPTH), ("pattern.data" + ".a" * (MAX_DEPTH - 1))[:200], f"{MAX_DEPTH} deep")


def test_choices_nest_so_deep() -> None:
    spec: Any = {"type": ["a"]}
    for _ in range(MAX_DEPTH - 1):
        spec = {"$or": [spec, {"type": ["b"]}]}
    deepest = parsed(spec)
    assert Filter.parse(str(deepest)) == deepest
    with pytest.raises(InvalidFilter, match=f"at most {MAX_DEPTH} deep"):
        parsed({"$or": [{"$or": [spec, spec]}, {"type": ["b"]}]})


def test_what_stands_around_a_pattern_counts() -> None:
    spec: Any = {"pattern": nested(50)}
    for _ in range(60):
        spec = {"not": spec}
    with pytest.raises(InvalidFilter, match=f"at most {MAX_DEPTH} deep"):
        Filter.parse(spec)


@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_the_deepest_patterns_are_refused_in_good_time(depth: int) -> None:
    spec: Any = [1]
    for _ in range(depth):
        spec = {"a": spec}
    with pytest.raises(InvalidFilter, match="deep"):
        parsed({"data": spec})


def test_a_pattern_has_so_many_clauses() -> None:
    parsed(leaf(*range(MAX_CLAUSES - 2)))
    parsed(leaf({"anything-but": list(range(MAX_CLAUSES - 2))}))
    for many in (leaf(*range(MAX_CLAUSES)), leaf({"anything-but": list(range(MAX_CLAUSES))})):
        with pytest.raises(InvalidFilter, match=f"at most {MAX_CLAUSES} clauses"):
            parsed(many)
    with pytest.raises(InvalidFilter, match="clauses"):
        parsed({"data": {str(name): [1] for name in range(MAX_CLAUSES)}})


# -- printed, and equal by meaning


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ({"type": ["a", 1.0, True, None]}, '{"type":["a",1,true,null]}'),
        ({"type": ["t"], "data": {"b": [1], "a": [2]}}, '{"data":{"a":[2],"b":[1]},"type":["t"]}'),
        (leaf(3.0e1, -0.0, -2.50, 10**20), '{"data":{"a":[30,0,-2.5,100000000000000000000]}}'),
        (leaf(Decimal("0.10"), Decimal("1E+2")), '{"data":{"a":[0.1,100]}}'),
        (leaf({"prefix": {"equals-ignore-case": "A"}}), '{"data":{"a":[{"prefix":{"equals-ignore-case":"A"}}]}}'),
        (leaf({"suffix": "é"}), '{"data":{"a":[{"suffix":"é"}]}}'),
        (leaf({"anything-but": ["a"]}), '{"data":{"a":[{"anything-but":"a"}]}}'),
        (leaf({"anything-but": [1, 2.0]}), '{"data":{"a":[{"anything-but":[1,2]}]}}'),
        (leaf({"anything-but": {"prefix": ["a"]}}), '{"data":{"a":[{"anything-but":{"prefix":"a"}}]}}'),
        (leaf({"numeric": [">=", 5, "<=", 5.0]}), '{"data":{"a":[{"numeric":["=",5]}]}}'),
        (leaf({"numeric": [">", 0, "<=", 0.5]}), '{"data":{"a":[{"numeric":[">",0,"<=",0.5]}]}}'),
        (leaf({"numeric": ["<", 5]}), '{"data":{"a":[{"numeric":["<",5]}]}}'),
        (leaf({"cidr": "10.1.2.3/8"}), '{"data":{"a":[{"cidr":"10.0.0.0/8"}]}}'),
        (leaf({"cidr": "2001:DB8:0::/32"}), '{"data":{"a":[{"cidr":"2001:db8::/32"}]}}'),
        (
            {"type": ["t"], "$or": [{"b": [1], "a": [1]}, {"c": [1]}]},
            '{"$or":[{"a":[1],"b":[1]},{"c":[1]}],"type":["t"]}',
        ),
    ],
)
def test_it_is_printed_canonically(pattern: Any, text: str) -> None:
    rule = parsed(pattern)
    assert str(rule) == f'{{"pattern":{text}}}'
    assert Filter.parse(str(rule)) == rule
    assert rule.to_dict() == json.loads(str(rule))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (leaf(1), leaf(True)),
        (leaf(1), leaf("1")),
        (leaf(None), leaf("null")),
        (leaf(1, 2), leaf(2, 1)),
        (leaf({"prefix": "a"}), leaf({"suffix": "a"})),
        (leaf({"prefix": "a"}), leaf({"prefix": {"equals-ignore-case": "a"}})),
        (leaf({"numeric": ["<", 1]}), leaf({"numeric": ["<=", 1]})),
        ({"data": {"a.b": [1]}}, {"data": {"a": {"b": [1]}}}),
        (leaf(9007199254740993), leaf(9007199254740992)),
    ],
)
def test_what_says_something_else_is_not_equal(one: Any, other: Any) -> None:
    assert parsed(one) != parsed(other)


def test_any_mapping_and_sequence_will_do() -> None:
    spec = MappingProxyType({"data": MappingProxyType({"a": ("x", MappingProxyType({"numeric": ("=", 5)}))})})
    assert parsed(spec) == parsed(leaf("x", {"numeric": ["=", 5]}))


@given(patterns(), st.randoms())
def test_the_order_of_members_does_not_count(pattern: Any, random: Any) -> None:
    assert parsed(_shuffled(pattern, random)) == parsed(pattern)


def _shuffled(value: Any, random: Any) -> Any:
    if isinstance(value, dict):
        items = list(value.items())
        random.shuffle(items)
        return {name: _shuffled(below, random) for name, below in items}
    return [_shuffled(one, random) for one in value] if isinstance(value, list) else value
