from __future__ import annotations

from typing import Any

import pytest

from eventroute.errors import InvalidFilter
from eventroute.event import Event
from eventroute.filters import Filter

EVENT = Event.create(
    type="t",
    source="/s",
    data={
        "labels": [{"name": "bug", "color": "red"}, {"name": "ui", "color": "blue"}],
        "orders": [{"id": 1, "items": [{"n": 1}, {"n": 2}]}, {"id": 2, "items": [{"n": 2}]}, {"id": 3}],
        "grid": [[1, 2], [3]],
        "empty": [],
        "holes": [None, {"name": None}, {}, "x"],
        "object": {"a": 1},
        "null": None,
        "wanted": "ui",
        "deep": [{"a": [{"b": [{"c": 5}]}]}],
    },
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ANY(data.labels[*].name = 'bug')", True),
        ("ALL(data.labels[*].name = 'bug')", False),
        ("NONE(data.labels[*].name = 'x')", True),
        # several conditions hold on one and the same element
        ("ANY(data.labels[*].name = 'bug' AND data.labels[*].color = 'blue')", False),
        ("ANY(data.labels[*].name = 'bug') AND ANY(data.labels[*].color = 'blue')", True),
        ("ANY(data.labels[*].name = 'ui' AND NOT data.labels[*].color = 'red')", True),
        # other fields may stand beside
        ("ANY(data.labels[*].name = data.wanted)", True),
        ("ALL(data.labels[*].name = data.wanted OR type = 't')", True),
        # an empty array, no array, nothing
        ("ANY(data.empty[*] = 1)", False),
        ("ALL(data.empty[*] = 1)", True),
        ("NONE(data.empty[*] = 1)", True),
        *(
            (f"{quantifier}(data.{path}[*] = 1)", False)
            for quantifier in ("ANY", "ALL", "NONE")
            for path in ("missing", "object", "null", "wanted", "labels[0]", "labels[9]")
        ),
        ("NOT ALL(data.missing[*] = 1)", True),
        # what elements lack
        ("ANY(EXISTS data.holes[*].name)", True),
        ("ANY(data.holes[*].name IS NOT NULL)", False),
        ("ALL(data.holes[*].name IS NULL)", True),
        ("ALL(EXISTS data.holes[*])", True),
        ("ANY(data.holes[*] = 'x')", True),
        ("ANY(data.holes[*] IS NULL)", True),
        # arrays in arrays
        ("ANY(data.grid[*][*] = 3)", True),
        ("ALL(data.grid[*][*] > 0)", True),
        ("NONE(data.grid[*][*] > 3)", True),
        ("ANY(data.orders[*].items[*].n = 2)", True),
        ("ALL(data.orders[*].items[*].n > 0)", False),
        ("NONE(data.orders[*].items[*].n = 3)", True),
        ("NONE(data.orders[*].items[*].n = 1)", False),
        ("ANY(data.orders[*].id = 2 AND data.orders[*].items[*].n = 2)", True),
        ("ANY(data.orders[*].id = 2 AND data.orders[*].items[*].n = 1)", False),
        ("ANY(data.deep[*].a[*].b[*].c = 5)", True),
        # one quantifier in another
        ("ANY(ALL(data.orders[*].items[*].n = 2))", True),
        ("ALL(ANY(data.orders[*].items[*].n = 2))", False),
        ("ANY(data.orders[*].id = 1 AND ALL(data.orders[*].items[*].n < 3))", True),
        ("ANY(data.orders[*].id = 1 AND ALL(data.orders[*].items[*].n < 2))", False),
        ("ANY(data.orders[*].id = 3 AND NOT ALL(data.orders[*].items[*].n < 3))", True),
        ("ANY(NONE(data.orders[*].items[*].n = 1))", True),
        ("ANY(ALL(data.orders[*].items[*].n >= data.orders[*].id))", True),
        ("ALL(data.orders[*].id = 3 XOR ANY(data.orders[*].items[*].n = 2))", True),
        ("ANY(ANY(data.deep[*].a[*].b[*].c = 5))", True),
        ("ANY(ALL(NONE(data.deep[*].a[*].b[*].c = 6)))", True),
        ("ANY(ANY(data.grid[*][*] = 1) AND ANY(data.grid[*][*] = 2))", True),
        ("ANY(ANY(data.grid[*][*] = 1) AND ANY(data.grid[*][*] = 3))", False),
        ("ANY(ANY(data.deep[*].a[*].b[*].c = 5) AND NONE(data.deep[*].x[*] = 1))", False),
        ("ANY(ANY(data.deep[*].a[*].b[*].c = 5) AND NOT ANY(data.deep[*].x[*] = 1))", True),
        ("LENGTH(data.labels) = 2 AND ANY(LENGTH(data.labels[*].name) = 3)", True),
        ("ANY(data.labels[*].name IN ('x', 'ui') AND data.labels[*].name NOT LIKE 'b%')", True),
        ("ANY(data.labels[*]['name'] BETWEEN 'a' AND 'c')", True),
        ("ANY(data.grid[*][0] = 3)", True),
    ],
)
def test_quantifiers(text: str, expected: bool) -> None:
    rule = Filter.parse(text)
    assert rule(EVENT) is expected
    assert rule.explain(EVENT).matched is expected
    assert Filter.parse(str(rule)) == rule


def test_the_data_itself_may_be_an_array() -> None:
    event = Event.create(type="t", source="/", data=[{"a": 1}, {"a": 2}])
    assert Filter.parse("ANY(data[*].a = 2) AND NOT ALL(data[*].a = 2)")(event)
    assert not Filter.parse("NONE(data[*].a = 2)")(event)
    assert str(Filter.parse("ANY(data[*].a = 2)").explain(event)).splitlines() == [
        "✓ ANY(data[*].a = 2): an element of data, an array of 2, is so",
        "  ✓ data[1].a = 2: data[1].a is 2",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ANY(a = 1)", "write a path with [*]"),
        ("ANY(data.a[*] = data.b[*])", "data.a[*] and data.b[*] are two"),
        ("ANY(data.a[*].b[*] = data.a[*].c[*])", "are two"),
        ("ANY(data.a[*] = 1 AND ANY(data.b[*] = 1))", "has another array, data.b[*]"),
        ("ANY(data.a[*] = 1 AND ANY(data.a[*] = 1))", "needs one [*] more"),
        ("ANY(ANY(data.a[*] = 1))", "needs one [*] more"),
        ("ANY(ANY(data.a[*].x[*] = 1) AND ANY(data.b[*].x[*] = 1))", "data.a[*] and data.b[*] are two"),
    ],
)
def test_what_a_quantifier_cannot_range_over(text: str, words: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        Filter.parse(text)
    assert words in caught.value.reason


def _nested(value: Any, times: int) -> Any:
    return value if times == 0 else [_nested(value, times - 1)] * 10


def test_the_work_is_bounded_by_event_and_filter() -> None:
    event = Event.create(type="t", source="/", data={"l": _nested(1, 4)})  # 10,000 numbers
    assert Filter.parse("ALL(data.l[*][*][*][*] = 1)")(event)
    assert not Filter.parse("ANY(data.l[*][*][*][*] = 2)").explain(event).matched
