from __future__ import annotations

from typing import Any

import pytest

from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.filters.expr.reasons import MAX_ELEMENTS
from eventroute.paths import MISSING

EVENT = Event.create(
    type="t",
    source="/s",
    data={
        "n": 120,
        "f": 1.50,
        "s": "text",
        "t": True,
        "z": None,
        "l": [{"x": 1}, {"x": 2}],
        "o": {},
        "long": "x" * 1000,
        "many": list(range(500)),
    },
)


@pytest.mark.parametrize(
    ("text", "matched", "why", "value"),
    [
        ("data.n > 100", True, "data.n is 120", 120),
        ("data.n > 200", False, "data.n is 120", 120),
        ("data.f = 1.5", True, "data.f is 1.5", 1.5),
        ("data.n = data.f", False, "data.n is 120; data.f is 1.5", 120),
        ("data.s = 'x'", False, "data.s is 'text'", "text"),
        ("subject = 'x'", False, "the event has no subject", MISSING),
        ("subject != 'x'", False, "the event has no subject", MISSING),
        ("data.q.r NOT LIKE 'x'", False, "the event has no data.q.r", MISSING),
        ("data.z = 1", False, "data.z is null", None),
        ("data.z IS NULL", True, "data.z is null", None),
        ("data.q IS NULL", True, "the event has no data.q", MISSING),
        ("EXISTS data.q", False, "the event has no data.q", MISSING),
        ("data.s > 5", False, "data.s is 'text'; a text and a number do not compare", "text"),
        ("data.n != '120'", False, "data.n is 120; a number and a text do not compare", 120),
        ("data.n NOT IN ('a', 'b')", False, "data.n is 120; a number and a text do not compare", 120),
        ("data.s = data.n", False, "data.s is 'text'; data.n is 120; a text and a number do not compare", "text"),
        ("data.s < '2020-01-01T00:00:00Z'", False, "data.s is 'text'; that is no RFC 3339 date-time", "text"),
        ("data.n LIKE '1%'", False, "data.n is 120; a number is not a text", 120),
        ("data.t CONTAINS 'x'", False, "data.t is true; a boolean is not a text", True),
        ("data.s", False, "data.s is 'text'; a text is not a boolean", "text"),
        ("data.t", True, "data.t is true", True),
        ("data.l = data.l", False, "data.l is an array of 2; arrays and objects do not compare", [{"x": 1}, {"x": 2}]),
        ("data.o = 1", False, "data.o is an object; an object and a number do not compare", {}),
        ("data.n + 1 = 5", False, "data.n + 1 is 121", 121),
        ("-data.n = 5", False, "-data.n is -120", -120),
        ("data.n / 0 = 5", False, "data.n / 0 has no value", None),
        ("LOWER(data.n) = 'x'", False, "LOWER(data.n) has no value", None),
        ("LENGTH(data.l) = 2", True, "LENGTH(data.l) is 2", 2),
        ("1 = 2", False, "it reads nothing of the event", MISSING),
        ("ANY(data.q[*] = 1)", False, "the event has no data.q", MISSING),
        ("ALL(data.s[*] = 1)", False, "data.s is a text, not an array", "text"),
        ("NONE(data.z[*] = 1)", False, "data.z is null, not an array", None),
    ],
)
def test_why(text: str, matched: bool, why: str, value: Any) -> None:
    explanation = Filter.parse(text).explain(EVENT)
    assert (explanation.matched, explanation.why, explanation.value) == (matched, why, value)
    assert explanation.clause == text


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "ANY(data.l[*].x = 2)",
            [
                "✓ ANY(data.l[*].x = 2): an element of data.l, an array of 2, is so",
                "  ✓ data.l[1].x = 2: data.l[1].x is 2",
            ],
        ),
        ("ANY(data.l[*].x = 3)", ["✗ ANY(data.l[*].x = 3): no element of data.l, an array of 2, is so"]),
        ("ALL(data.l[*].x > 0)", ["✓ ALL(data.l[*].x > 0): each element of data.l, an array of 2, is so"]),
        (
            "ALL(data.l[*].x = 1)",
            [
                "✗ ALL(data.l[*].x = 1): an element of data.l, an array of 2, is not so",
                "  ✗ data.l[1].x = 1: data.l[1].x is 2",
            ],
        ),
        ("NONE(data.l[*].x = 3)", ["✓ NONE(data.l[*].x = 3): no element of data.l, an array of 2, is so"]),
        (
            "NONE(LENGTH(STRING(-data.l[*].x * 2)) IN (2, 5))",
            [
                "✗ NONE(LENGTH(STRING(-data.l[*].x * 2)) IN (2, 5)): an element of data.l, an array of 2, is so",
                "  ✓ LENGTH(STRING(-data.l[0].x * 2)) IN (2, 5): LENGTH(STRING(-data.l[0].x * 2)) is 2",
            ],
        ),
        (
            "data.n > 100 XOR subject = 'x' AND NOT data.t",
            [
                "✓ xor: 1 of 2 hold",
                "  ✓ data.n > 100: data.n is 120",
                "  ✗ all: 0 of 2 hold",
                "    ✗ subject = 'x': the event has no subject",
                "    ✗ not: what it inverts holds",
                "      ✓ data.t: data.t is true",
            ],
        ),
    ],
)
def test_the_tree(text: str, lines: list[str]) -> None:
    assert str(Filter.parse(text).explain(EVENT)).splitlines() == lines


def test_the_element_of_an_element_is_told() -> None:
    event = Event.create(type="t", source="/", data={"a": [{"b": [1, 2]}, {"b": [3]}]})
    lines = str(Filter.parse("ANY(data.a[*].b[*] = 3 AND EXISTS data.a[*].b)").explain(event)).splitlines()
    assert lines == [
        "✓ ANY(data.a[*].b[*] = 3 AND EXISTS data.a[*].b): an element of data.a, an array of 2, is so",
        "  ✓ ANY(data.a[1].b[*] = 3 AND EXISTS data.a[1].b): an element of data.a[1].b, an array of 1, is so",
        "    ✓ all: 2 of 2 hold",
        "      ✓ data.a[1].b[0] = 3: data.a[1].b[0] is 3",
        "      ✓ EXISTS data.a[1].b: data.a[1].b is an array of 1",
    ]


def test_only_so_many_elements_are_looked_at() -> None:
    near, far = (Filter.parse(f"ANY(data.many[*] = {at})").explain(EVENT) for at in (MAX_ELEMENTS - 1, MAX_ELEMENTS))
    assert near.matched
    assert far.matched
    assert [part.clause for part in near.parts] == [f"data.many[{MAX_ELEMENTS - 1}] = {MAX_ELEMENTS - 1}"]
    assert far.parts == ()


def test_long_values_and_clauses_are_cut() -> None:
    text = str(Filter.parse(f"LOWER(data.long) = '{'y' * 1000}'").explain(EVENT))
    assert len(text) < 300
    assert "(1002 characters)" in text
    assert len(str(Filter.parse("data.n" + " + data.n" * 100 + " = 1").explain(EVENT))) < 300


def test_the_tree_as_data() -> None:
    assert Filter.parse("ANY(data.l[*].x = 2)").explain(EVENT).to_dict() == {
        "clause": "ANY(data.l[*].x = 2)",
        "matched": True,
        "why": "an element of data.l, an array of 2, is so",
        "value": [{"x": 1}, {"x": 2}],
        "parts": [{"clause": "data.l[1].x = 2", "matched": True, "why": "data.l[1].x is 2", "value": 2}],
    }
