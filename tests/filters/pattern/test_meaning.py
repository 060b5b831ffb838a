"""Each operator, each corner that the rules name, and each form of input that is out to do harm."""

from __future__ import annotations

import json
from contextlib import suppress
from time import process_time
from typing import Any

import pytest

from eventroute.errors import InvalidEvent
from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex


def event(data: Any = None, **attributes: Any) -> Event:
    """An event from JSON text, with data of one member, `a`, unless data is text itself."""
    members = {"specversion": "1.0", "id": "1", "type": "t", "source": "/s", **attributes}
    text = json.dumps(members)
    return Event.from_json(text if data is None else f'{text[:-1]}, "data": {data}}}')


def matches(pattern: Any, data: str | None = None, **attributes: Any) -> bool:
    """The one verdict of all ways to match."""
    rule, one = Filter.parse({"pattern": pattern}), event(data, **attributes)
    index: FilterIndex[str] = FilterIndex()
    index.add("key", rule)
    verdict = rule(one)
    assert index.match(one) == index.match_json(one.to_json()) == ({"key"} if verdict else set())
    assert rule.explain(one).matched is verdict
    return verdict


def of(*tests: Any) -> Any:
    return {"data": {"a": list(tests)}}


@pytest.mark.parametrize(
    ("test", "yes", "no"),
    [
        ("x", ['"x"', '["y", "x"]', '[["x"]]', '[{"x": 1}, "x"]'], ['"X"', '"xx"', "null", "5", '{"x": "x"}', "[]"]),
        ("", ['""'], ['" "', "null", "[]", "0", "false"]),
        ("5", ['"5"'], ["5"]),
        ("10.0.0.1", ['"10.0.0.1"'], ['"010.0.0.1"']),
        ("2001:db8::1", ['"2001:db8::1"'], ['"2001:DB8::1"']),
        (30, ["30", "30.0", "3.0e1", "3E+1", "[1, 30]"], ['"30"', "3", "true", "30.000000000000001", "null"]),
        (1, ["1", "1.0"], ["true", '"1"']),
        (0, ["0", "-0.0", "0e9"], ["false", "null", '""']),
        (0.1, ["0.1", "1e-1", "0.10"], ["0.1000000000000000055", '"0.1"']),
        (9007199254740993, ["9007199254740993", "9007199254740993.0"], ["9007199254740992", "9007199254740994"]),
        (True, ["true", "[false, true]"], ["1", '"true"', "false"]),
        (False, ["false"], ["0", "null", "[]"]),
        (None, ["null", "[1, null]"], ['"null"', "0", "{}", "[]", "false"]),
        ({"prefix": "ab"}, ['"ab"', '"abc"', '["x", "abc"]'], ['"Ab"', '"a"', '"cab"', "5"]),
        ({"prefix": ""}, ['""', '"x"'], ["5", "null", "[]"]),
        ({"prefix": "5"}, ['"55"'], ["55"]),
        ({"prefix": {"equals-ignore-case": "aB"}}, ['"AB"', '"abc"'], ['"a"', '"cab"']),
        ({"suffix": "ab"}, ['"ab"', '"cab"'], ['"aB"', '"abc"', "null"]),
        ({"suffix": {"equals-ignore-case": "ß"}}, ['"MASS"', '"Fuß"'], ['"s"', '"Masse"']),
        ({"equals-ignore-case": "Straße"}, ['"STRASSE"', '"straße"'], ['"strase"', '"STRASSEN"', "5"]),
        ({"equals-ignore-case": ""}, ['""'], ['"a"', "null"]),
        ({"wildcard": "a*c"}, ['"ac"', '"abc"', '"a\\nc"', '"acc"'], ['"ab"', '"xac"', '"a"', "5"]),
        ({"wildcard": "*/bin/*.jar"}, ['"/bin/.jar"', '"/x/bin/y.jar"'], ['"/bin.jar"', '"/bin/y.jar.gz"']),
        ({"wildcard": "ab*ba"}, ['"abba"', '"ab ba"'], ['"aba"', '"ab"']),
        ({"wildcard": "a\\*\\\\*"}, ['"a*\\\\"', '"a*\\\\b"'], ['"ab\\\\"', '"a*b"']),
        ({"wildcard": "*"}, ['""', '"x"'], ["5", "null"]),
        ({"wildcard": "é_%"}, ['"é_%"'], ['"éxx"']),
        ({"anything-but": "x"}, ['"y"', '["x", "y"]', "5", "null", "true", '""'], ['"x"', '["x", "x"]', "[]", "{}"]),
        ({"anything-but": ["x", "y"]}, ['"z"', '["x", "z"]', "5"], ['"x"', '["x", "y"]']),
        ({"anything-but": 5}, ["6", '"5"', "null", "[5, 6]"], ["5", "5.0", "0.5e1", "[5]"]),
        ({"anything-but": [5, 6]}, ["7", "true"], ["6", "5.0"]),
        ({"anything-but": {"prefix": "x"}}, ['"y"', '"yx"', "5", "null"], ['"x"', '"xy"']),
        ({"anything-but": {"prefix": ["x", "y"]}}, ['"z"'], ['"xa"', '"ya"', '["x", "y"]']),
        ({"anything-but": {"suffix": "x"}}, ['"xy"'], ['"x"', '"yx"']),
        ({"anything-but": {"suffix": ["x", "y"]}}, ['"z"'], ['"ax"', '"ay"']),
        ({"anything-but": {"equals-ignore-case": "x"}}, ['"y"', "5"], ['"X"', '"x"']),
        ({"anything-but": {"equals-ignore-case": ["x", "y"]}}, ['"z"'], ['"X"', '"Y"']),
        ({"anything-but": {"wildcard": "a*b"}}, ['"a"', "5"], ['"ab"', '"acb"']),
        ({"anything-but": {"wildcard": ["a*", "b*"]}}, ['"c"'], ['"a"', '"bc"']),
        ({"numeric": ["=", 3.018e2]}, ["301.8", "3018e-1"], ["301.80000000000001", '"301.8"']),
        ({"numeric": [">", 0, "<=", 5]}, ["5", "0.1", "5.0", "[9, 3]"], ["0", "5.1", "-1", '"3"', "true", "null"]),
        ({"numeric": [">=", 0]}, ["0", "-0.0", "1e300", "1e999"], ["-1e-999", '"0"']),
        ({"numeric": ["<", 10]}, ["9.999999999999999999", "-1e999"], ["10", "10.0", "11", "true"]),
        ({"numeric": ["<=", -5]}, ["-5", "-6"], ["-4.9"]),
        ({"numeric": [">", 9007199254740992]}, ["9007199254740993", "9007199254740992.5"], ["9007199254740992.0"]),
        ({"numeric": ["=", 0.1]}, ["0.1"], ["0.1000000000000000055"]),
        (
            {"cidr": "10.0.0.0/24"},
            ['"10.0.0.0"', '"10.0.0.255"'],
            ['"10.0.1.0"', '"10.0.0.1/32"', '"x"', "10", "167772160"],
        ),
        ({"cidr": "10.0.0.9/8"}, ['"10.255.0.1"'], ['"11.0.0.1"', '"10.0.0"', '"010.0.0.1"']),
        ({"cidr": "10.0.0.1/32"}, ['"10.0.0.1"'], ['"10.0.0.2"']),
        ({"cidr": "0.0.0.0/0"}, ['"1.2.3.4"'], ['"::1"', '""']),
        ({"cidr": "2001:db8::/32"}, ['"2001:DB8:0::1"', '"2001:db8:ffff::"'], ['"2001:db9::"', '"2001:db8::1%eth0"']),
        ({"exists": True}, ["1", "null", '""', "[1]", "[[null]]", "false"], ["{}", '{"b": 1}', "[]", "[{}]", "[[]]"]),
        ({"exists": False}, ["{}", '{"b": 1}', "[]", "[{}]", '[{"b": 1}, []]'], ["1", "null", '""', "[1]", "[{}, 1]"]),
    ],
)
def test_each_operator(test: Any, yes: list[str], no: list[str]) -> None:
    """For each value under the name, and within an array that has the name in an element."""
    for text in yes:
        assert matches(of(test), f'{{"a": {text}}}'), text
        assert matches({"data": {"l": {"a": [test]}}}, f'{{"l": [[], {{"a": {text}}}]}}'), text
    for text in no:
        assert not matches(of(test), f'{{"a": {text}}}'), text
        assert not matches({"data": {"l": {"a": [test]}}}, f'{{"l": [{{"a": {text}}}]}}'), text
    missing = test == {"exists": False}
    assert matches(of(test), "{}") is matches(of(test), "5") is matches(of(test)) is missing


@pytest.mark.parametrize(
    ("tests", "yes", "no"),
    [
        (("x", 5), ['"x"', "5"], ['"5"', "6"]),
        (("x", "y"), ['"x"', '"y"'], ['"z"', "5"]),
        ((1, 2.5), ["1", "2.5", "25e-1"], ["true", '"1"', "null", "{}"]),
        (({"exists": False}, "x"), ["{}", '"x"', "[]"], ["null", '"y"']),
        (({"exists": False}, None), ["{}", "null", "[]"], ["0", "false"]),
        (({"prefix": "a"}, {"prefix": "b"}), ['"ax"', '"bx"'], ['"c"']),
        (({"suffix": {"equals-ignore-case": "A"}}, {"suffix": {"equals-ignore-case": "b"}}), ['"xa"', '"xB"'], ['"c"']),
        (({"equals-ignore-case": "A"}, {"equals-ignore-case": "b"}), ['"a"', '"B"'], ['"c"']),
        (({"anything-but": "x"}, "x"), ['"x"', "1", "null"], ["{}", "[]"]),
        (({"numeric": ["<", 0]}, {"numeric": [">", 9]}, {"prefix": "n"}), ["-1", "10", '"n"'], ["5", '"x"']),
        (({"cidr": "10.0.0.0/8"}, {"cidr": "::/0"}), ['"10.0.0.1"', '"::1"'], ['"11.0.0.1"']),
        (({"wildcard": "a*"}, {"wildcard": "*b"}), ['"a"', '"b"'], ['"c"']),
        ((True, None, False), ["true", "false", "null"], ["0", '""']),
    ],
)
def test_one_of_several_is_enough(tests: tuple[Any, ...], yes: list[str], no: list[str]) -> None:
    for text in yes:
        assert matches(of(*tests), f'{{"a": {text}}}'), text
    for text in no:
        assert not matches(of(*tests), f'{{"a": {text}}}'), text


def test_attributes() -> None:
    assert matches({"type": ["t"], "source": [{"prefix": "/"}]})
    assert not matches({"type": ["t"], "source": [{"prefix": "x"}]})
    assert matches({"subject": [{"exists": False}]})
    assert matches({"subject": [{"exists": False}]}, subject=None)  # an attribute that is null is none
    assert not matches({"subject": [{"anything-but": "x"}]})
    assert matches({"subject": [{"anything-but": "x"}]}, subject="y")
    assert matches({"count": [5]}, count=5)
    assert matches({"flag": [True]}, flag=True)
    assert not matches({"flag": [1]}, flag=True)
    assert not matches({"subject": [True]}, subject="true")
    assert matches({"time": [{"prefix": "2026-11-23"}]}, time="2026-11-23T12:00:00Z")


def test_a_dot_in_a_name_is_a_dot() -> None:
    assert matches({"data": {"a.b": [1]}}, '{"a.b": 1}')
    assert not matches({"data": {"a.b": [1]}}, '{"a": {"b": 1}}')
    assert not matches({"data": {"a": {"b": [1]}}}, '{"a.b": 1}')


def test_names_of_operators_are_names_where_names_stand() -> None:
    assert matches({"data": {"prefix": ["x"], "$and": [1], "": [2]}}, '{"prefix": "x", "$and": 1, "": 2}')
    assert matches({"data": {"$or": [{"numeric": [1]}, {"prefix": ["x"]}]}}, '{"numeric": 1}')


def test_data_itself() -> None:
    assert matches({"data": [5]}, "5.0")
    assert matches({"data": ["x"]}, '["y", ["x"]]')
    assert matches({"data": [None]}, "null")
    assert matches({"data": [{"exists": True}]}, "null")
    assert not matches({"data": [None]})
    assert matches({"data": [{"exists": False}]})
    assert matches({"data": [{"exists": False}]}, '{"a": 1}')  # an object is no leaf
    assert matches({"data": [{"prefix": "plain"}]}, '"plain text"', datacontenttype="text/plain")
    picture = Event.create(type="t", source="/", data=b"\0", datacontenttype="image/png")
    for test, verdict in (
        ({"exists": True}, True),
        ({"exists": False}, False),
        ({"anything-but": "x"}, True),
        ("x", False),
    ):
        assert Filter.parse({"pattern": {"data": [test]}})(picture) is verdict
    assert not Filter.parse({"pattern": of("x")})(picture)
    assert Filter.parse({"pattern": of({"exists": False})})(picture)


# -- $or


def test_or_stands_at_any_level() -> None:
    top = {"type": ["t"], "$or": [{"subject": ["x"]}, {"data": {"a": [1]}}]}
    assert matches(top, subject="x")
    assert matches(top, '{"a": 1}')
    assert not matches(top, '{"a": 2}', subject="y")
    assert not matches({**top, "type": ["u"]}, subject="x")
    below = {"data": {"a": [1], "$or": [{"b": [1]}, {"c": {"$or": [{"d": [1]}, {"e": [1]}]}}]}}
    assert matches(below, '{"a": 1, "b": 1}')
    assert matches(below, '{"a": 1, "c": {"e": 1}}')
    assert not matches(below, '{"a": 1, "c": {"f": 1}}')
    assert not matches(below, '{"b": 1}')


def test_or_holds_for_one_element() -> None:
    pattern = {"data": {"l": {"a": [1], "$or": [{"b": [1]}, {"c": [1]}]}}}
    assert matches(pattern, '{"l": [{"a": 2, "b": 1}, {"a": 1, "c": 1}]}')
    assert not matches(pattern, '{"l": [{"a": 2, "b": 1}, {"a": 1, "c": 2}]}')


# -- arrays

EMPLOYEES = {
    "employees": [
        {"first": "John", "last": "Doe", "tags": ["x"]},
        {"first": "Anna", "last": "Smith", "tags": ["y"]},
        {"first": "Peter", "last": "Jones", "tags": []},
    ]
}


@pytest.mark.parametrize(
    ("pattern", "verdict"),
    [
        ({"first": ["Anna"]}, True),
        ({"first": ["Anna"], "last": ["Smith"]}, True),
        ({"first": ["Anna"], "last": ["Jones"]}, False),
        ({"first": ["Anna"], "tags": ["y"]}, True),
        ({"first": ["Anna"], "tags": ["x"]}, False),
        ({"first": [{"anything-but": "Anna"}], "last": ["Smith"]}, False),
        ({"first": ["Peter"], "tags": [{"exists": False}]}, True),
        ({"first": ["Anna"], "tags": [{"exists": False}]}, False),
        ({"tags": [{"exists": False}]}, True),
    ],
)
def test_what_one_object_asks_for_one_element_has(pattern: Any, verdict: bool) -> None:
    for depth in range(4):
        value = EMPLOYEES["employees"]
        for _ in range(depth):
            value = [[], value]  # type: ignore[list-item]
        assert matches({"data": {"employees": pattern}}, json.dumps({"employees": value})) is verdict
    assert matches({"data": pattern}, json.dumps(EMPLOYEES["employees"])) is verdict


def test_arrays_in_arrays_in_one_another() -> None:
    pattern = {"data": {"orders": {"id": [1], "items": {"n": [2], "m": [3]}}}}
    assert matches(pattern, '{"orders": [{"id": 2}, {"id": 1, "items": [{"n": 2}, {"n": 2, "m": 3}]}]}')
    assert not matches(pattern, '{"orders": [{"id": 2, "items": [{"n": 2, "m": 3}]}, {"id": 1, "items": []}]}')
    assert not matches(pattern, '{"orders": {"id": 1, "items": [{"n": 2}, {"m": 3}]}}')


def test_arrays_beside_one_another_do_not_mix() -> None:
    pattern = {"data": {"a": {"x": [1]}, "b": {"x": [2]}}}
    assert matches(pattern, '{"a": [{"x": 0}, {"x": 1}], "b": [{"x": 2}]}')
    assert not matches(pattern, '{"a": [{"x": 2}], "b": [{"x": 1}]}')


def test_what_is_no_object_has_no_members() -> None:
    absent = {"data": {"a": {"b": [{"exists": False}]}}}
    for text in (
        "{}",
        '{"a": 5}',
        '{"a": null}',
        '{"a": []}',
        '{"a": [5]}',
        '{"a": {}}',
        '{"a": [{"b": 1}, {}]}',
        "[]",
    ):
        assert matches(absent, text), text
    for text in ('{"a": {"b": null}}', '{"a": [{"b": 1}]}', '[{"a": {"b": 1}}]'):
        assert not matches(absent, text), text


# -- out to do harm


def test_a_pattern_of_a_megabyte() -> None:
    texts = [f"{number:0150}" for number in range(7_000)]
    rule = Filter.parse({"pattern": of(*texts)})
    assert len(str(rule)) > 1_000_000
    assert rule(event(json.dumps({"a": texts[-1]})))
    assert not rule(event('{"a": "x"}'))
    wide = Filter.parse({"pattern": {"data": {text: [1] for text in texts[:4_000]}}})
    assert wide(event(json.dumps(dict.fromkeys(texts, 1))))
    assert not wide(event(json.dumps(dict.fromkeys(texts[1:], 1))))
    choices = Filter.parse({"pattern": {"data": {"$or": [{"a": [text]} for text in texts[:4_000]]}}})
    assert choices(event(json.dumps({"a": [texts[0]]})))


def test_the_deepest_pattern_and_event() -> None:
    for wrap in (lambda below: {"a": below}, lambda below: [below], lambda below: [{"a": below}]):
        pattern: Any = [1]
        value: Any = 1
        for depth in range(98):
            pattern = {"a": pattern}
            value = wrap(value) if depth < 28 else {"a": value}
        assert isinstance(matches({"data": pattern}, json.dumps(value)), bool)
    choices: Any = {"a": [1]}
    for _ in range(97):
        choices = {"$or": [{"b": [1]}, choices]}
    assert matches({"data": choices}, '{"a": 1}')
    assert matches({"data": {"l": choices}}, '{"l": [[{"a": 1}]]}')
    top: Any = {"type": ["t"]}
    for _ in range(98):
        top = {"$or": [{"type": ["u"]}, top]}
    assert matches(top)


def test_an_event_nested_10_000_deep_is_none() -> None:
    raw = f'{{"specversion": "1.0", "id": "1", "type": "t", "source": "/", "data": {"[" * 10_000}{"]" * 10_000}}}'
    with pytest.raises(InvalidEvent):
        Event.from_json(raw)
    index: FilterIndex[int] = FilterIndex()
    index.add(1, Filter.parse({"pattern": {"data": {"a": [1]}}}))
    with pytest.raises(InvalidEvent):
        index.match_json(raw)


@pytest.mark.parametrize("innermost", ["", "[]", "1", '{"a":1}'])
def test_arrays_deeper_in_one_another_than_calls_can_be(innermost: str) -> None:
    """As they may stand in a log into which something else than a router wrote."""
    deep = f"{'[' * 500}{innermost}{']' * 500}"
    raw = f'{{"specversion":"1.0","id":"1","type":"t","source":"/","data":{deep}}}'.encode()
    found = Event.from_log(raw)
    has_object, has_number = innermost.startswith("{"), innermost == "1"
    expected = {
        Filter.parse({"pattern": {"data": {"a": [{"exists": False}]}}}): not has_object,
        Filter.parse({"pattern": {"data": {"a": [1]}}}): has_object,
        Filter.parse({"pattern": {"data": [1]}}): has_number,
        Filter.parse({"pattern": {"data": [{"exists": False}]}}): not has_number,
    }
    for rule, holds in expected.items():
        assert rule(found) is holds
        index: FilterIndex[int] = FilterIndex()
        index.add(1, rule)
        assert bool(index.match(found)) is holds
        with suppress(InvalidEvent):  # where it reads all of the data
            assert bool(index.match_json(raw)) is holds


def test_an_event_of_a_million_names_or_elements() -> None:
    several = {"data": {"l": {"a": [{"wildcard": "*b*b*b"}], "b": [{"anything-but": [5, 6]}]}}}
    rule = Filter.parse({"pattern": several})
    index: FilterIndex[int] = FilterIndex()
    index.add(1, rule)
    elements = ",".join(['{"a":"b","c":1}'] * 100_000)
    names = ",".join(f'"{number}":1' for number in range(1_000_000))
    for text in (
        f'{{"l":[{elements}]}}',
        f'{{"l":[{{{names}}}]}}',
        f"{{{names}}}",
        f'{{"l":[{",".join("1" * 1_000_000)}]}}',
    ):
        one = event(text)
        assert one.data
        started = process_time()
        assert not rule(one)
        assert index.match(one) == set()
        assert process_time() - started < 30
