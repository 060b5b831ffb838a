from __future__ import annotations

import math
import sys
from typing import Any

import pytest

from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex
from eventroute.filters.cover import cover
from eventroute.filters.predicates import Predicate, Present, Span
from eventroute.filters.syntax import Relation, Text

LARGEST = sys.float_info.max
Y2020, Y2021 = 1577836800000000.0, 1609459200000000.0


def told(predicate: Predicate) -> tuple[Any, ...]:
    match predicate:
        case Text(Relation() as relation, field, literal):
            return relation.value, str(field), literal
        case Span(field, low, high, instants):
            return "instants" if instants else "numbers", str(field), low, high
        case Present(field):
            return "present", str(field)
    raise AssertionError(predicate)


def covered(text: str) -> tuple[list[tuple[Any, ...]], bool] | None:
    rule, index = Filter.parse(text), FilterIndex[int]()
    found = cover(rule.syntax, index._cost)
    return None if found is None else ([told(one) for one in found.predicates], found.rest is None)


@pytest.mark.parametrize(
    ("text", "predicates", "decides"),
    [
        ("type = 't'", [("exact", "type", "t")], True),
        ("ext = 't'", [("exact", "ext", "t")], False),
        ("data.a = 't'", [("exact", "data.a", "t")], False),
        ("'t' = subject", [("exact", "subject", "t")], True),
        ("data.a = ''", [("exact", "data.a", "")], False),
        ("data.a", [("exact", "data.a", "true")], False),
        ("data.a = FALSE", [("exact", "data.a", "false")], False),
        ("data.a != FALSE", [("exact", "data.a", "true")], False),
        ("data.a = 5", [("numbers", "data.a", 5.0, 5.0)], False),
        ("data.a > 5", [("numbers", "data.a", 5.0, math.inf)], False),
        ("data.a <= 0.5", [("numbers", "data.a", -math.inf, 0.5)], False),
        (f"data.a >= 1{'0' * 400}", [("numbers", "data.a", LARGEST, math.inf)], False),
        (f"data.a < -1{'0' * 400}", [("numbers", "data.a", -math.inf, -LARGEST)], False),
        (f"data.a = 1{'0' * 400}", [("numbers", "data.a", LARGEST, math.inf)], False),
        ("data.a = 1e-400", [("numbers", "data.a", 0.0, 0.0)], False),
        ("data.a BETWEEN 1 AND 2.5", [("numbers", "data.a", 1.0, 2.5)], False),
        ("data.a BETWEEN 2 AND 1", [("present", "data.a")], False),
        ("data.a BETWEEN data.b AND 1", [("present", "data.b")], False),
        ("data.a > 1 AND data.a < 5 AND data.b < 3", [("numbers", "data.a", 1.0, 5.0)], False),
        ("data.a > 5 AND data.a < 1", [("numbers", "data.a", 5.0, math.inf)], False),
        ("time > '2020-01-01T00:00:00Z'", [("instants", "time", Y2020, math.inf)], False),
        ("time = '2020-01-01T00:00:00Z'", [("instants", "time", Y2020, Y2020)], False),
        (
            "time BETWEEN '2020-01-01T00:00:00Z' AND '2021-01-01T00:00:00Z'",
            [("instants", "time", Y2020, Y2021)],
            False,
        ),
        (
            "data.a BETWEEN '2020-01-01T00:00:00Z' AND 'x'",
            [("present", "data.a")],
            False,
        ),
        ("type IN ('a', 'b', 'a')", [("exact", "type", "a"), ("exact", "type", "b")], True),
        ("data.a IN ('a', 5)", [("exact", "data.a", "a"), ("numbers", "data.a", 5.0, 5.0)], False),
        ("data.a IN ('a', data.b)", [("present", "data.a")], False),
        ("data.a NOT IN ('a')", [("present", "data.a")], False),
        ("source LIKE 'a%'", [("prefix", "source", "a")], True),
        ("source LIKE 'a%b'", [("prefix", "source", "a")], False),
        ("source LIKE 'a_'", [("prefix", "source", "a")], False),
        ("source LIKE '%b'", [("suffix", "source", "b")], True),
        ("data.s LIKE '%a%b'", [("suffix", "data.s", "b")], False),
        ("source LIKE 'a'", [("exact", "source", "a")], True),
        ("data.s LIKE '%a%'", [("present", "data.s")], False),
        ("data.s NOT LIKE 'a%'", [("present", "data.s")], False),
        ("source STARTS WITH 'a'", [("prefix", "source", "a")], True),
        ("data.s ENDS WITH 'a'", [("suffix", "data.s", "a")], False),
        ("data.s STARTS WITH ''", [("present", "data.s")], False),
        ("data.s CONTAINS 'a'", [("present", "data.s")], False),
        (f"source LIKE '{'a' * 300}%'", [("prefix", "source", "a" * 256)], False),
        ("data.a != 'x'", [("present", "data.a")], False),
        ("data.a > 'x'", [("present", "data.a")], False),
        ("LOWER(data.a) = LOWER(data.b)", [("present", "data.b")], False),
        ("LOWER(type) = subject", [("present", "subject")], False),
        ("-data.a * 2 > 5", [("present", "data.a")], False),
        ("EXISTS data.a", [("present", "data.a")], False),
        ("data.a IS NOT NULL", [("present", "data.a")], False),
        ("ANY(data.l[*] = 1)", [("present", "data.l")], False),
        ("NONE(data.l[*].m[*] = 1)", [("present", "data.l")], False),
        ("a = 'x' XOR b = 'y'", [("exact", "a", "x"), ("exact", "b", "y")], False),
    ],
)
def test_covers(text: str, predicates: list[tuple[Any, ...]], decides: bool) -> None:
    assert covered(text) == (predicates, decides)


@pytest.mark.parametrize(
    "text",
    [
        "data.a IS NULL",
        "NOT data.a = 1",
        "type LIKE '%x%'",
        "LENGTH(type) > 3",
        "TRUE",
        "ANY(data[*] = 1)",
        "a = 'x' XOR NOT b",
        "a = 'x' OR a IS NULL",
        "EXISTS type",
    ],
)
def test_what_has_no_cover(text: str) -> None:
    assert covered(text) is None


def test_numbers_are_found_however_they_are_written() -> None:
    index: FilterIndex[str] = FilterIndex()
    for text in ("data.a = 100000000000000000000000", "data.a = 5", "data.a = 0.1", "data.a > 9007199254740992"):
        index.add(text, Filter.parse(text))
    for written, expected in (
        ("1e23", {"data.a = 100000000000000000000000", "data.a > 9007199254740992"}),
        ("5.0", {"data.a = 5"}),
        ("50e-1", {"data.a = 5"}),
        ("0.10", {"data.a = 0.1"}),
        ("0.1000000000000000055511151231257827", set()),
        ("9007199254740993", {"data.a > 9007199254740992"}),
        ("9007199254740992", set()),
        ("9007199254740992.5", {"data.a > 9007199254740992"}),
        ("1e400", {"data.a > 9007199254740992"}),
        ('"5"', set()),
        ("true", set()),
        ("[5]", set()),
    ):
        raw = f'{{"specversion":"1.0","id":"1","source":"s","type":"t","data":{{"a":{written}}}}}'
        assert index.match_json(raw) == index.match(Event.from_json(raw)) == expected, written
    assert index.stats().range == 4


def test_null_is_there_and_missing_is_not() -> None:
    index: FilterIndex[str] = FilterIndex()
    for text in (
        "EXISTS data.a",
        "EXISTS data.l[0].x",
        "EXISTS subject",
        "EXISTS data",
        "data.a IS NULL",
        "NOT EXISTS data.a",
    ):
        index.add(text, Filter.parse(text))
    base = '{"specversion":"1.0","id":"1","source":"s","type":"t"'
    for rest, expected in (
        (',"data":{"a":null}}', {"EXISTS data.a", "EXISTS data", "data.a IS NULL"}),
        (',"data":{"a":1}}', {"EXISTS data.a", "EXISTS data"}),
        (',"data":{"l":[{"x":null}]}}', {"EXISTS data.l[0].x", "EXISTS data", "data.a IS NULL", "NOT EXISTS data.a"}),
        (',"data":null}', {"EXISTS data", "data.a IS NULL", "NOT EXISTS data.a"}),
        (',"subject":null}', {"data.a IS NULL", "NOT EXISTS data.a"}),
        (',"subject":"x"}', {"EXISTS subject", "data.a IS NULL", "NOT EXISTS data.a"}),
    ):
        assert index.match_json(base + rest) == index.match(Event.from_json(base + rest)) == expected, rest
    assert index.stats().present == 4


def test_times_are_found_as_instants() -> None:
    index: FilterIndex[str] = FilterIndex()
    for text in (
        "time > '2020-01-01T00:00:00Z'",
        "time = '2020-06-01T12:00:00Z'",
        "data.at BETWEEN '2020-01-01T00:00:00Z' AND '2020-12-31T00:00:00Z'",
    ):
        index.add(text, Filter.parse(text))
    for time, at, expected in (
        ("2020-06-01T14:00:00+02:00", "2020-06-01", {"time > '2020-01-01T00:00:00Z'", "time = '2020-06-01T12:00:00Z'"}),
        ("2019-12-31T23:00:00-02:00", 1590000000000000, {"time > '2020-01-01T00:00:00Z'"}),
        (
            "2019-12-31T23:00:00Z",
            "2020-01-01T01:00:00.5+01:00",
            {"data.at BETWEEN '2020-01-01T00:00:00Z' AND '2020-12-31T00:00:00Z'"},
        ),
        (None, ["2020-06-01T00:00:00Z"], set()),
    ):
        event = Event.create(type="t", source="/", time=time, data={"at": at})
        assert index.match(event) == index.match_json(event.to_json()) == expected
    assert index.stats().range == 3
    assert index.stats().candidates == 1  # an array of texts is looked up too


def test_few_of_many_ranges_are_looked_at() -> None:
    index: FilterIndex[int] = FilterIndex()
    for number in range(3000):
        index.add(number, Filter.parse(f"type = 't' AND data.n > {number} AND data.n <= {number + 1}"))
    for value in (0.5, 1500, 2999.5):
        event = Event.create(type="t", source="/", data={"n": value})
        assert index.match(event) == {math.ceil(value) - 1}
        assert index.stats().candidates <= 8
    for number in range(3000):
        index.discard(number)
    assert not index._columns
