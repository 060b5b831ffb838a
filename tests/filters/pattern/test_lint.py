from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.event import Event
from eventroute.filters import Filter
from tests.filters.pattern.interpreter import made_for, patterns


def odd(pattern: Any) -> list[str]:
    return [oddity.reason for oddity in Filter.parse({"pattern": pattern}).lint()]


def of(*tests: Any) -> Any:
    return {"data": {"a": list(tests)}}


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (of({"numeric": [">", 5, "<", 3]}), 'never matches: no number is in {"numeric":[">",5,"<",3]}'),
        (of({"numeric": [">", 5, "<=", 5.0]}), "it never matches"),
        (of({"wildcard": "*"}), "each text fits"),
        (of({"wildcard": "a\\*"}), "no * that is not escaped"),
        (of({"prefix": ""}), "each text has the empty prefix"),
        (of({"suffix": {"equals-ignore-case": ""}}), "each text has the empty suffix"),
        (of("a*"), "* is a character like others here: write {'wildcard': ...}"),
        (of({"prefix": "a*"}), "* is a character like others"),
        (of("x", 1, "x"), "the same twice"),
        (of({"exists": True}, "x", 5), 'exists says it all: "x", 5 adds nothing'),
        (of({"exists": True}, {"exists": False}), "it always matches"),
        (of({"anything-but": "x"}, {"anything-but": ["y", "z"]}), "write one anything-but with a list"),
        (of({"anything-but": ["x", "y"]}, "x", {"prefix": "y"}), "what anything-but leaves out stands beside it"),
        ({"sorce": ["x"]}, "CloudEvents knows no attribute sorce"),
        ({"type": [5]}, "type is a text, and never 5"),
        ({"type": [{"numeric": ["=", 5]}]}, 'type is a text, and never {"numeric":["=",5]}'),
        ({"subject": [True]}, "subject is a text, and never true"),
        ({"subject": [None]}, "subject is an attribute, and never null"),
        ({"type": [{"exists": False}]}, "each event has type"),
        ({"id": [{"exists": True}]}, "each event has id"),
        (
            {"data": {"a": [{"exists": False}], "$or": [{"a": ["x"]}, {"a": [1]}]}},
            "that it does not exist stands beside $or",
        ),
        (
            {"data": {"l": {"a": [1]}, "$or": [{"l": {"b": [1]}}, {"c": [1]}]}},
            "where it is an array, two elements may hold",
        ),
    ],
)
def test_what_is_odd_is_told(pattern: Any, reason: str) -> None:
    [told] = odd(pattern)
    assert reason in told


@pytest.mark.parametrize(
    "pattern",
    [
        of({"numeric": [">=", 5, "<=", 5]}),
        of({"numeric": [">", 5]}),
        of({"wildcard": "a*\\*"}),
        of({"exists": False}, "x"),
        of({"anything-but": "x"}),
        of({"anything-but": ["x", "y"]}, "x"),
        of({"anything-but": {"prefix": "x"}}, "x"),
        of({"anything-but": "x"}, {"anything-but": {"prefix": "x"}}),
        {"type": ["x"], "partitionkey": [{"exists": False}]},
        {"data": {"a": [{"exists": False}], "$or": [{"a": ["x", {"exists": False}]}, {"b": [1]}]}},
        {"data": {"$or": [{"l": {"a": [1]}}, {"l": {"b": [1]}}]}},
    ],
)
def test_what_is_not_odd_is_not_told(pattern: Any) -> None:
    assert odd(pattern) == []


def test_the_clause_is_named() -> None:
    pattern = {"data": {"l": {"a": [{"wildcard": "*"}], "b": [1]}}, "$or": [{"type": ["x*"]}, {"type": ["y"]}]}
    clauses = [oddity.clause for oddity in Filter.parse({"all": [{"not": {"pattern": pattern}}, "type = 'x'"]}).lint()]
    assert clauses == ['{"data":{"l":{"a":[{"wildcard":"*"}]}}}', '{"type":["x*"]}']
    both = {"data": {"l": {"a": [1]}, "$or": [{"l": {"b": [1]}}, {"c": [1]}]}}
    assert [oddity.clause for oddity in Filter.parse({"pattern": both}).lint()] == ["data.l"]


@given(st.data(), patterns())
def test_what_never_matches_never_does(data: st.DataObject, pattern: Any) -> None:
    rule = Filter.parse({"pattern": pattern})
    event = Event.from_json(data.draw(made_for(pattern)))
    for oddity in rule.lint():
        if oddity.reason.startswith("it never matches"):
            tests = Filter.parse('{"pattern":' + oddity.clause + "}")
            assert "numeric" in oddity.reason
            assert oddity.clause in str(tests)
    assert rule(event) in (True, False)
