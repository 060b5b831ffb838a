from __future__ import annotations

from typing import Any

import pytest

from eventroute.event import Event
from eventroute.filters import Filter

EVENT = Event.create(
    type="t",
    source="/s",
    data={
        "text": "x" * 100,
        "n": 5,
        "flag": True,
        "null": None,
        "o": {"a": 1},
        "tags": ["a", "b"],
        "hollow": [[], {}],
        "l": [{"a": 1, "b": 1}, {"a": 2, "b": [2, 3]}],
    },
)


def told(pattern: Any, event: Event = EVENT) -> str:
    explanation = Filter.parse({"pattern": pattern}).explain(event)
    assert explanation.matched is Filter.parse({"pattern": pattern})(event)
    [part] = explanation.parts
    return part.why


def of(name: str, *tests: Any) -> Any:
    return {"data": {name: list(tests)}}


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (of("absent", 1), "the event has no data.absent"),
        (of("odd key", 1), "the event has no data['odd key']"),
        (of("null", 1), "data.null is null"),
        (of("o", 1), "data.o is an object, and only what its members are is compared"),
        (of("tags", "a"), "an element of data.tags, an array of 2, is so"),
        (of("tags", "c"), "no element of data.tags, an array of 2, is so"),
        (of("hollow", "c"), "data.hollow is an array with nothing in it that is compared"),
        (of("text", "y"), f"data.text is '{'x' * 59}... (102 characters)"),
        (of("n", 5), "data.n is 5"),
        (of("n", 6), "data.n is 5"),
        (of("n", "5"), "data.n is 5; that is a number, and a text is compared"),
        (of("n", "5", True), "data.n is 5; that is a number, and a text or a boolean is compared"),
        (of("flag", {"numeric": ["=", 1]}), "data.flag is true; that is a boolean, and a number is compared"),
        (of("flag", {"numeric": ["=", 1]}, {"anything-but": {"wildcard": "*"}}), "data.flag is true"),
        (of("text", {"cidr": "10.0.0.0/8"}), f"data.text is '{'x' * 59}... (102 characters); that is no IP address"),
        ({"type": ["u"]}, "type is 't'"),
        ({"subject": ["u"]}, "the event has no subject"),
        ({"subject": [{"exists": False}]}, "the event has no subject"),
        ({"data": ["x"]}, "data is an object, and only what its members are is compared"),
        ({"data": {"n": {"a": [1]}}}, "the event has no data.n.a"),
    ],
)
def test_a_leaf_tells_what_it_saw(pattern: Any, why: str) -> None:
    assert told(pattern) == why


def test_other_values_are_told() -> None:
    ip = Event.create(type="t", source="/", data={"ip": "10.0.0.1"})
    assert told(of("ip", {"cidr": "11.0.0.0/8"}), ip) == "data.ip is '10.0.0.1'"
    assert told(of("ip", {"cidr": "::/0"}, {"cidr": "11.0.0.0/8"}), ip) == "data.ip is '10.0.0.1'"
    assert told({"data": ["x"]}, Event.create(type="t", source="/", data=b"abc")) == "data is 3 bytes"
    assert told({"data": ["x"]}, Event.create(type="t", source="/")) == "the event has no data"


def test_an_array_tells_of_the_element_that_holds() -> None:
    explanation = Filter.parse({"pattern": {"data": {"l": {"a": [2], "b": [3]}}}}).explain(EVENT)
    assert str(explanation) == (
        "✓ pattern: 1 of 1 hold\n"
        '  ✓ {"pattern":{"data":{"l":{"a":[2],"b":[3]}}}}: element 1 of data.l, an array of 2, is so\n'
        '    ✓ {"pattern":{"data":{"l":{"a":[2]}}}}: data.l[1].a is 2\n'
        '    ✓ {"pattern":{"data":{"l":{"b":[3]}}}}: an element of data.l[1].b, an array of 2, is so'
    )


def test_an_array_tells_what_of_it_holds_for_some_element() -> None:
    explanation = Filter.parse({"pattern": {"data": {"l": {"a": [1], "$or": [{"b": [2]}, {"b": [9]}]}}}}).explain(EVENT)
    assert str(explanation) == (
        "✗ pattern: 0 of 1 hold\n"
        '  ✗ {"pattern":{"data":{"l":{"$or":[{"b":[2]},{"b":[9]}],"a":[1]}}}}: no element of data.l, an array of 2,'
        " is so, though for each part of it one is: all must hold for one element\n"
        '    ✓ {"pattern":{"data":{"l":{"a":[1]}}}}: element 0 of data.l is so\n'
        '    ✓ {"pattern":{"data":{"l":{"$or":[{"b":[2]},{"b":[9]}]}}}}: element 1 of data.l is so'
    )
    assert told({"data": {"l": {"a": [9], "b": [1]}}}) == "no element of data.l, an array of 2, is so"
    assert told({"data": {"l": {"a": [9]}}}) == "no element of data.l, an array of 2, is so"


def nested(innermost: str, depth: int) -> Event:
    """An event as it may stand in a log into which something else than a router wrote."""
    deep = f"{'[' * depth}{innermost}{']' * depth}"
    return Event.from_log(f'{{"specversion":"1.0","id":"1","type":"t","source":"/","data":{{"l":{deep}}}}}'.encode())


def test_an_element_of_arrays_in_an_array_is_told_with_all_its_indexes() -> None:
    event = nested('[[0],{"a":1},{"a":2,"b":3}]', 1)
    explanation = Filter.parse({"pattern": {"data": {"l": {"a": [2], "b": [3]}}}}).explain(event)
    assert str(explanation) == (
        "✓ pattern: 1 of 1 hold\n"
        '  ✓ {"pattern":{"data":{"l":{"a":[2],"b":[3]}}}}: element [0][2] of data.l, an array of 1, is so\n'
        '    ✓ {"pattern":{"data":{"l":{"a":[2]}}}}: data.l[0][2].a is 2\n'
        '    ✓ {"pattern":{"data":{"l":{"b":[3]}}}}: data.l[0][2].b is 3'
    )
    explanation = Filter.parse({"pattern": {"data": {"l": {"a": [1], "b": [3]}}}}).explain(event)
    assert [part.why for part in explanation.parts[0].parts] == [
        "element [0][1] of data.l is so",
        "element [0][2] of data.l is so",
    ]
    assert told({"data": {"l": {"a": [{"exists": False}]}}}, nested("[[],0]", 1)).startswith("element [0][0] of data.l")


@pytest.mark.parametrize("depth", [2, 128, 900])
def test_arrays_deeper_in_one_another_than_calls_can_be_are_explained(depth: int) -> None:
    for pattern in ({"a": [1]}, {"a": [2]}, {"a": [1], "b": [1]}, {"$or": [{"b": [1]}, {"a": [1]}]}):
        rule = Filter.parse({"pattern": {"data": {"l": pattern}}})
        event = nested('{"a":1}', depth)
        explanation = rule.explain(event)
        assert explanation.matched is rule(event) is (pattern in ({"a": [1]}, {"$or": [{"b": [1]}, {"a": [1]}]}))
        assert len(str(explanation).splitlines()) < 8
        assert explanation.to_dict()["matched"] is explanation.matched


def test_choices_tell_of_each() -> None:
    explanation = Filter.parse({"pattern": {"$or": [{"type": ["u"]}, {"type": ["t"], "data": {"n": [5]}}]}}).explain(
        EVENT
    )
    assert str(explanation) == (
        "✓ pattern: 1 of 1 hold\n"
        "  ✓ $or: 1 of 2 hold\n"
        '    ✗ {"pattern":{"type":["u"]}}: type is \'t\'\n'
        "    ✓ all: 2 of 2 hold\n"
        '      ✓ {"pattern":{"data":{"n":[5]}}}: data.n is 5\n'
        '      ✓ {"pattern":{"type":["t"]}}: type is \'t\''
    )
    assert explanation.to_dict()["parts"][0]["parts"][1]["parts"][0]["value"] == 5
