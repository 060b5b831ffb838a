from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.testing.strategies.expr import Spec, written
from tests.filters.expr.interpreter import events, holds, specs


@pytest.mark.parametrize(
    ("text", "clause", "words"),
    [
        ("data.a = 1 AND data.a = 2", None, "never matches: data.a cannot be = 1 and = 2"),
        ("data.a > 5 AND data.a < 3", None, "never matches"),
        ("data.a > 5 AND data.a <= 5", None, "never matches"),
        ("data.a = 5 AND data.b AND data.a != 5", None, "cannot be = 5 and != 5"),
        ("data.a = 'x' AND data.a > 5", None, "cannot be = 'x' and > 5"),
        ("data.a = TRUE AND data.a = FALSE", None, "never matches"),
        ("data.a = TRUE AND data.a != TRUE", None, "never matches"),
        ("subject = 'a' AND subject = 'b'", None, "cannot be = 'a' and = 'b'"),
        ("time > '2021-01-01T00:00:00Z' AND time < '2020-01-01T00:00:00Z'", None, "never matches"),
        ("LENGTH(data.a) = 1 AND LENGTH(data.a) = 2", None, "LENGTH(data.a) cannot be"),
        ("NOT (data.a = 1 AND data.a = 2)", "data.a = 1 AND data.a = 2", "never matches"),
        ("ANY(data.l[*].x = 1 AND data.l[*].x = 2)", "data.l[*].x = 1 AND data.l[*].x = 2", "never matches"),
        ("data.a != 1 OR data.a != 2", None, "each data.a differs from one of 1, 2: write AND, or data.a NOT IN"),
        ("type = 5", None, "type is a text, and this a number"),
        ("source != TRUE", None, "source is a text, and this a boolean"),
        ("type", None, "never matches: type is a text"),
        ("type IN ('a', 5)", None, "type is a text, and never 5"),
        ("subject = ''", None, "subject is never empty"),
        ("typ = 'x'", "typ", "CloudEvents knows no attribute typ, so it is one of your own, or missing"),
        ("soruce = 'x'", "soruce", "did you mean source?"),
        ("repository = 'x'", "repository", "data in JSON is read by a path: data.repository"),
        ("EXISTS foo", "foo", "CloudEvents knows no attribute foo"),
        ("1 = 1", None, "always true"),
        ("TRUE AND type = 't'", "TRUE", "always true"),
        ("LENGTH('a') + 1 = 1", None, "always false"),
        ("'a' LIKE 'b'", None, "always false"),
        ("5 IN (1, 2)", None, "always false"),
        ("data.a BETWEEN 5 AND 1", None, "no value lies between"),
        ("time BETWEEN '2020-01-01T01:00:00Z' AND '2020-01-01T01:30:00+01:00'", None, "no value lies between"),
        ("type LIKE 'abc'", None, "no % and no _"),
        ("type LIKE 'abc*'", None, "write % for any text"),
        ("time > '2020-01-01'", None, "compared with a date-time"),
        ("data.a >= '2020-01-01 10:00'", None, "compares texts"),
        ("data.a > '5'", None, "without quotes it compares numbers"),
        ("type IS NULL", None, "each event has type"),
        ("EXISTS id", None, "each event has id"),
    ],
)  # fmt: skip
def test_what_is_odd(text: str, clause: str | None, words: str) -> None:
    oddities = Filter.parse(text).lint()
    assert [oddity.clause for oddity in oddities] == [clause or text]
    assert words in oddities[0].reason


@pytest.mark.parametrize(
    "text",
    [
        "type = 'com.github.star.created' AND source LIKE 'https://github.com/%' AND data.stars > 100",
        "data.a > 1 AND data.a < 5",
        "data.a >= 5 AND data.a <= 5",
        "data.a = 1 OR data.a = 2",
        "data.a != 1 AND data.a != 2",
        "data.a != 1 OR data.b != 1",
        "data.a = 1 AND data.b = 2",
        "ANY(data.l[*] = 1) AND ANY(data.l[*] = 2)",
        "subject IS NULL OR NOT EXISTS data.a",
        "time BETWEEN '2020-01-01T01:30:00+01:00' AND '2020-01-01T01:00:00Z'",
        "partitionkey = 'x' AND traceparent LIKE '00-%'",
        "data.a > 'b' AND time < '2020-01-01T00:00:00Z'",
        "data.a LIKE '%*' OR data.a LIKE 'a_c'",
        "specversion = '1.0'",
        "data.a = data.b AND data.a = 1",
    ],
)
def test_what_is_not(text: str) -> None:
    assert Filter.parse(text).lint() == ()


def test_all_filters_are_read() -> None:
    spec: Any = [{"exact": {"tpye": "x", "data.a": "1"}}, "data.a = 1", {"any": ["data.a = 2", {"not": "x1 = 5"}]}]
    assert [oddity.clause for oddity in Filter.parse(spec).lint()] == ["tpye", "x1"]
    spec = [{"not": {"exact": {"type": "t"}}}, "data.a = 1", "data.a = 2"]
    [oddity] = Filter.parse(spec).lint()
    assert oddity.clause == "data.a = 1 AND data.a = 2"


def test_a_filter_with_very_many_clauses_is_read_in_time() -> None:
    wide = " AND ".join(f"data.a > {number}" for number in range(3000))
    assert Filter.parse(wide).lint() == ()


@given(specs(), events())
def test_what_is_said_never_to_match_never_does(spec: Spec, event: Event) -> None:
    rule = Filter.parse(written(spec))
    whole = [oddity.reason for oddity in rule.lint() if {"expr": oddity.clause} == rule.to_dict()]
    if any("never matches" in reason or "always false" in reason for reason in whole):
        assert not holds(spec, event)
    if any("always true" in reason for reason in whole):
        assert holds(spec, event)
