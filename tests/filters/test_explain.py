from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.filters.explain import LONGEST_TEXT, Explanation
from eventroute.filters.filter import DialectParser
from eventroute.filters.syntax import MAX_CLAUSES, MAX_DEPTH
from eventroute.paths import MISSING
from tests.filters.interpreter import events, matches, specs

EVENT = Event.create(
    type="com.example.made",
    source="/s",
    data={"a": {"b": 1}, "n": 5.0, "l": [1, "x"], "e": [], "z": None, "long": "x" * 1000},
)


def explained(spec: Any) -> Explanation:
    return Filter.parse(spec).explain(EVENT)


@given(specs(), events())
def test_an_explanation_agrees_with_the_match(spec: dict[str, Any], event: Event) -> None:
    explanation = Filter.parse(spec).explain(event)
    assert explanation.matched is matches(spec, event)
    waiting = [explanation]
    while waiting:
        part = waiting.pop()
        waiting += part.parts
        assert part.why
        match part.clause:
            case "all":
                assert part.matched is all(below.matched for below in part.parts)
            case "any":
                assert part.matched is any(below.matched for below in part.parts)
            case "not":
                assert part.matched is not part.parts[0].matched
            case clause:
                assert part.matched is matches(json.loads(clause), event)


@pytest.mark.parametrize(
    ("fields", "matched", "why", "value"),
    [
        ({"type": "com.example.made"}, True, "type is 'com.example.made'", "com.example.made"),
        ({"type": "x"}, False, "type is 'com.example.made'", "com.example.made"),
        ({"subject": "x"}, False, "the event has no subject", MISSING),
        ({"data.a.c": "x"}, False, "the event has no data.a.c", MISSING),
        ({"data['n']": "5"}, True, "data.n is '5'", 5.0),
        ({"data.z": "null"}, False, "data.z is null", None),
        ({"data.a": "x"}, False, "data.a is an object, and only texts, numbers and booleans are compared", {"b": 1}),
        ({"data.l": "1"}, True, "an element of data.l, an array of 2, is so", [1, "x"]),
        ({"data.l": "2"}, False, "no element of data.l, an array of 2, is so", [1, "x"]),
        ({"data.e": "2"}, False, "no element of data.e, an array of 0, is so", []),
    ],
)
def test_why(fields: dict[str, str], matched: bool, why: str, value: object) -> None:
    explanation = explained({"exact": fields})
    assert (explanation.matched, explanation.why, explanation.value) == (matched, why, value)


def test_the_tree_as_text() -> None:
    spec = [
        {"exact": {"type": "com.example.made"}},
        {"any": [{"prefix": {"source": "https://"}}, {"not": {"suffix": {"data.n": "5"}}}]},
    ]
    assert str(explained(spec)).splitlines() == [
        "✗ all: 1 of 2 hold",
        """  ✓ {"exact":{"type":"com.example.made"}}: type is 'com.example.made'""",
        "  ✗ any: 0 of 2 hold",
        """    ✗ {"prefix":{"source":"https://"}}: source is '/s'""",
        "    ✗ not: what it inverts holds",
        """      ✓ {"suffix":{"data.n":"5"}}: data.n is '5'""",
    ]
    assert str(explained([])) == "✓ all: a filter without clauses matches everything"


def test_the_tree_as_data() -> None:
    assert explained({"not": {"exact": {"subject": "x"}}}).to_dict() == {
        "clause": "not",
        "matched": True,
        "why": "what it inverts does not hold",
        "parts": [{"clause": '{"exact":{"subject":"x"}}', "matched": False, "why": "the event has no subject"}],
    }
    assert explained({"exact": {"data.z": "x"}}).to_dict()["value"] is None


def test_dialects_that_were_handed_in() -> None:
    dialects: dict[str, DialectParser] = {
        "types": lambda value, where: Filter.parse({"any": [{"exact": {"type": name}} for name in value]}),
        "odd": lambda value, where: _odd,
    }
    spec: list[dict[str, Any]] = [{"types": ["a"]}, {"odd": [1]}]
    text = str(Filter.parse(spec, dialects=dialects).explain(EVENT)).splitlines()
    assert text == [
        "✗ all: 1 of 2 hold",
        "  ✗ types: what it stands for says so",
        "    ✗ any: 0 of 1 hold",
        """      ✗ {"exact":{"type":"a"}}: type is 'com.example.made'""",
        """  ✓ {"odd":[1]}: its own function says so""",
    ]


def _odd(event: Any) -> bool:
    return bool(event)


def test_a_printed_line_is_short_and_harmless() -> None:
    event = Event.create(type="t", source="/s", data={"a": "\x1b[2J\x9b\u202e" + "x" * 100_000})
    text = str(Filter.parse({"exact": {"data.a": "\x9b" + "y" * 1000}}).explain(event))
    assert len(text) < 3 * LONGEST_TEXT + 100
    assert text.isprintable()
    assert "characters)" in text


def test_the_largest_filters_are_explained() -> None:
    deep: Any = {"exact": {"type": "t"}}
    for _ in range(MAX_DEPTH - 1):
        deep = {"not": deep}
    assert len(str(explained(deep)).splitlines()) == MAX_DEPTH
    wide = explained({"any": [{"exact": {"type": "t"}}] * (MAX_CLAUSES - 1)})
    assert len(str(wide).splitlines()) == MAX_CLAUSES
