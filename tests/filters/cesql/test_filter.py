"""The dialect `sql` in filters and in an index."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidFilter
from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex
from eventroute.filters.cesql.tree import MAX_DEPTH as DEEPEST_EXPRESSION
from eventroute.filters.explain import Explanation
from eventroute.filters.syntax import MAX_CLAUSES, MAX_DEPTH
from eventroute.testing.strategies.sql import Spec, written
from tests.filters.cesql.interpreter import events, interpret, predicates, specs


def passes(spec: Spec, event: Event) -> bool:
    value, errors = interpret(spec, dict(event.attributes))
    return value is True and not errors


@given(specs(), events())
def test_a_filter_matches_where_the_value_is_true_and_nothing_erred(spec: Spec, event: Event) -> None:
    text = written(spec)
    assert Filter.parse({"sql": text})(event) is passes(spec, event)
    assert Filter.parse({"not": {"cesql": text}})(event) is not passes(spec, event)
    other = {"exact": {"type": "a"}}
    assert Filter.parse({"any": [other, {"ce_sql": text}]})(event) is (passes(spec, event) or event.type == "a")


@given(st.lists(specs() | predicates(), max_size=10), st.lists(events(), min_size=1, max_size=3))
def test_the_index_is_brute_force(all_specs: list[Spec], some: list[Event]) -> None:
    index: FilterIndex[int] = FilterIndex()
    for key, spec in enumerate(all_specs):
        index.add(key, Filter.parse({"sql": written(spec)}))
    index.add(-1, Filter.parse({"prefix": {"data": "x"}}))  # so that a row has the payload under `data`
    index.add(-2, Filter.parse("EXISTS ext"))
    for event in some:
        expected = {key for key, spec in enumerate(all_specs) if passes(spec, event)}
        assert index.match(event) - {-1, -2} == expected
        assert index.match_json(event.to_json()) - {-1, -2} == expected


@given(specs(), events())
def test_an_explanation_agrees_with_the_match(spec: Spec, event: Event) -> None:
    explanation = Filter.parse({"sql": written(spec)}).explain(event)
    assert explanation.matched is passes(spec, event)
    waiting = [explanation]
    while waiting:
        part = waiting.pop()
        waiting += part.parts
        assert part.why
        assert str(part)
        if part.clause == "NOT" and not part.why.endswith("Error)"):
            assert part.matched is not part.parts[0].matched
        if part.clause == "AND":
            assert part.matched is all(below.matched for below in part.parts)
        if part.clause == "OR" and part.matched:
            assert any(below.matched for below in part.parts)


@given(specs())
def test_lint_takes_any_expression(spec: Spec) -> None:
    rule = Filter.parse({"sql": written(spec)})
    for oddity in rule.lint():
        assert oddity.clause in str(rule.to_dict()["sql"])  # type: ignore[call-overload]
        assert oddity.reason


# -- an index finds them by what they need


def stats(*texts: str) -> tuple[int, int, int, int]:
    index: FilterIndex[str] = FilterIndex()
    for text in texts:
        index.add(text, Filter.parse({"sql": text}))
    told = index.stats()
    return told.exact, told.prefix, told.suffix, told.always


def test_an_index_finds_expressions() -> None:
    assert stats("type = 'x'", "source LIKE 'a%' AND n > 5", "type IN ('a', 'b')", "subject LIKE '%z'") == (2, 1, 1, 0)
    assert stats("type = 'x' OR source LIKE 'a%'") == (1, 1, 0, 0)
    assert stats("type != 'x'", "NOT (type = 'x')", "type LIKE '%x%'") == (0, 0, 0, 3)
    assert stats("n > 5", "EXISTS n", "n = 5 OR m = 6") == (0, 0, 0, 0)


EVENT = Event(
    {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "n": "5", "long": "x" * 1000, "flag": True},
    {"a": 1},
)
BEFORE = ["type = 't'", "type = 'u'"]


def test_an_attribute_that_is_null_in_json_is_missing() -> None:
    index: FilterIndex[str] = FilterIndex()
    for text in ("EXISTS m", "NOT EXISTS m", "m = 'x'", "m != 'x'"):
        index.add(text, Filter.parse({"sql": text}))
    index.add("expr", Filter.parse("EXISTS data.a"))
    raw = json.dumps({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "m": None, "data": {"a": None}})
    assert index.match_json(raw) == index.match(Event.from_json(raw)) == {"NOT EXISTS m", "expr"}


def test_raw_bytes_that_are_no_event_do_no_harm() -> None:
    index: FilterIndex[str] = FilterIndex()
    for text in ("LENGTH(type) > 1", "type LIKE 'a%' OR n IN ('a')", "n = 5", "NOT n", "type IN (n, source)"):
        index.add(text, Filter.parse({"sql": text}))
    values: list[Any] = [None, [], {}, 1.5, 10**30, True, [[]]]
    for value in values:
        assert "n = 5" not in index.match_json(json.dumps({"type": value, "n": value, "source": value}))


# -- bounds


def nested(spec: Any, depth: int) -> Any:
    for _ in range(depth):
        spec = {"not": spec}
    return spec


def test_the_depth_of_expression_and_filter_counts_together() -> None:
    text = "NOT " * (DEEPEST_EXPRESSION - 1) + "flag"
    assert Filter.parse({"sql": text})(EVENT) is False
    with pytest.raises(InvalidFilter, match=f"at most {MAX_DEPTH} deep"):
        Filter.parse({"not": {"sql": text}})
    half = "NOT " * (MAX_DEPTH // 2 - 1) + "flag"
    rule = Filter.parse(nested({"sql": half}, MAX_DEPTH // 2))
    assert rule(EVENT) is False
    assert Filter.parse(str(rule)) == rule
    index: FilterIndex[int] = FilterIndex()
    index.add(1, rule)
    assert index.match(EVENT) == set()


@pytest.mark.parametrize("inner", ["flag", "type = 't' OR n < 3", "(1 + n) * 2 = 12 AND LENGTH(LOWER(type)) IN (1, n)"])
def test_the_deepest_filter_with_the_deepest_source_compiles(inner: str) -> None:
    for depth in range(5, 16):
        text = inner
        for _ in range(depth // 5):
            text = f"NOT (type = 'x' XOR ({text}))"
        rule = Filter.parse(nested({"sql": text}, MAX_DEPTH - 40))
        assert rule(EVENT) is rule.explain(EVENT).matched
        index: FilterIndex[int] = FilterIndex()
        index.add(1, rule)
        assert index.match(EVENT) == ({1} if rule(EVENT) else set())


def test_the_size_of_expressions_counts() -> None:
    text = "EXISTS n" + " OR EXISTS n" * ((MAX_CLAUSES - 1) // 2 - 1)
    assert len(text) > 50_000
    assert Filter.parse({"sql": text})(EVENT)
    with pytest.raises(InvalidFilter, match=f"at most {MAX_CLAUSES} clauses"):
        Filter.parse([{"sql": text}, {"sql": text}, {"sql": text}, {"sql": text}])


# -- explanations


def explained(text: str) -> Explanation:
    return Filter.parse({"sql": text}).explain(EVENT)


NO_M = "the event has no m (MissingAttributeError)"


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("type = 't'", ["✓ type = 't': type is 't'"]),
        ("n < 5", ["✗ n < 5: n is '5'"]),
        ("flag", ["✓ flag: flag is true"]),
        ("n IN (n, 7)", ["✓ n IN (n, 7): n is '5'"]),
        ("type != source", ["✓ type != source: source is '/s', type is 't'"]),
        ("EXISTS m", ["✗ EXISTS m: the event has no m"]),
        ("1 = 1", ["✓ 1 = 1: it reads nothing of the event"]),
        ("m = 'a'", [f"✗ m = 'a': {NO_M}"]),
        ("type > 5", ["✗ type > 5: 't' is no Integer (CastError)"]),
        ("1 / 0 = 1", ["✗ 1 / 0 = 1: 1 / 0 divides by zero (MathError)"]),
        ("type", ["✗ type: its value is 't', and a filter's is a Boolean"]),
        ("n = m AND type", [f"✗ AND: {NO_M}", f"  ✗ n = m: {NO_M}", "  ✗ type: 't' is no Boolean (CastError)"]),
        ("NOT (n = 5)", ["✗ NOT: what it inverts holds", "  ✓ n = 5: n is '5'"]),
        ("NOT (m = 5)", [f"✗ NOT: {NO_M}", f"  ✗ m = 5: {NO_M}"]),
        ("type = 't' OR m = 5", ["✓ OR: 1 of 2 hold", "  ✓ type = 't': type is 't'", f"  ✗ m = 5: {NO_M}"]),
        ("flag XOR n = 5", ["✗ XOR: 2 of 2 hold", "  ✓ flag: flag is true", "  ✓ n = 5: n is '5'"]),
        (
            "flag OR n = 5 AND n = 6",
            [
                "✗ flag OR n = 5 AND n = 6: 2 of 3 hold",
                "  ✓ flag: flag is true",
                "  ✓ n = 5: n is '5'",
                "  ✗ n = 6: n is '5'",
            ],
        ),
    ],
)
def test_an_explanation_says_what_each_clause_saw(text: str, printed: list[str]) -> None:
    assert str(explained(text)).splitlines() == printed


def test_an_explanation_has_values_and_is_short() -> None:
    assert explained("n = 5").to_dict() == {"clause": "n = 5", "matched": True, "why": "n is '5'", "value": "5"}
    assert "value" not in explained("m = 5").to_dict()
    assert len(str(explained("long = 'y'"))) < 200
    assert len(str(explained("long = '" + "y" * 1000 + "'"))) < 300


# -- lint


def odd(text: str) -> list[str]:
    """What lint tells, but for attributes that it does not know: the expressions here are full of them."""
    told = [f"{oddity.clause}: {oddity.reason}" for oddity in Filter.parse({"any": [{"sql": text}]}).lint()]
    return [line for line in told if "CloudEvents knows no attribute" not in line]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("type = 'a' AND n = 5 OR n = 6", "part them by parentheses"),
        ("type = 'a' OR (flag XOR n = 6 OR flag)", "flag XOR n = 6 OR flag: AND, OR and XOR bind alike"),
        ("subject = 'a' OR type = 'b'", "an event without subject may not match"),
        ("n = 5 XOR type = 'b' XOR m = 5", "an event without m or n may not match"),
        ("type = 'a' AND type = 'b'", "it never matches: type cannot be 'a' and 'b'"),
        ("type = 't' AND 1 = 2", "1 = 2: it is always false"),
        ("type = 't' AND 'a' LIKE '_'", "'a' LIKE '_': it is always true"),
        ("'x' > 1", "'x' > 1: it is always an error"),
        ("n > 'x'", "it is always an error: < and > compare integers, and 'x' is none"),
        ("time > '2026-01-01T00:00:00Z'", "`expr` compares times"),
        ("time > start", "`expr` compares times"),
        ("subject = ''", "subject is never empty"),
        ("data = 'x'", "an event has no attribute data"),
        ("EXISTS data", "an event has no attribute data"),
        ("averyveryverylongname = 1", "a name of more than 20 characters"),
        ("n + 1", "its value is no Boolean"),
        ("-n", "its value is no Boolean"),
        ("5", "its value is no Boolean"),
        ("LENGTH(type)", "LENGTH returns no Boolean"),
    ],
)
def test_lint_tells_what_is_odd(text: str, words: str) -> None:
    told = odd(text)
    assert len(told) == 1
    assert words in told[0]


@pytest.mark.parametrize(
    "text",
    [
        "type = 'a' OR subject = 'b'",
        "(EXISTS subject AND subject = 'a') OR type = 'b'",
        "(type = 'a' AND n = 5) OR n = 6",
        "(type = 'a' OR type = 'b') AND n = 6 AND ext = ''",
        "type = 'a' AND source = 'a' AND type = 'a'",
        "BOOL(flag)",
        "flag",
        "n IN (1, 2) AND n < '7'",
        "anextensionnobodyknow = 1"[1:],
    ],
)
def test_lint_leaves_the_rest_alone(text: str) -> None:
    assert odd(text) == []


def test_lint_tells_attributes_that_nobody_knows() -> None:
    rule = Filter.parse({"all": [{"sql": "soruce = 'x' AND EXISTS foo"}, {"sql": "partitionkey = 'a' OR type = 'b'"}]})
    told = {oddity.clause: oddity.reason for oddity in rule.lint()}
    unknown = "CloudEvents knows no attribute {}, so it is one of your own, or missing; "
    assert told == {
        "foo": unknown.format("foo") + "data is read by `expr`, as in data.foo",
        "soruce": unknown.format("soruce") + "did you mean source?",
        "partitionkey = 'a' OR type = 'b'": told["partitionkey = 'a' OR type = 'b'"],
    }


def test_lint_has_nothing_to_say_of_other_dialects() -> None:
    assert Filter.parse([{"exact": {"type": "t"}}, "type = 'a' OR type = 'b' AND subject = 'c'"]).lint() == ()
