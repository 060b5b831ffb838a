from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.conditions import MAX_CONDITION
from eventroute.errors import InvalidPath
from eventroute.event import Event
from eventroute.paths import MISSING, Field, Path
from eventroute.pathsyntax import MAX_DESCENTS, MAX_LENGTH, Segment
from tests.strategies import events, json_values

DATA: dict[str, Any] = {
    "action": "created",
    "repository": {"name": "eventroute", "stargazers_count": 101, "topics": ["a", "b", "c"]},
    "items": [{"id": 1, "price": 5.5}, {"id": 2, "price": 9}, {"id": 3}],
    "odd key": {"it's": {"é": 1}},
    "empty": [],
    "null": None,
    "text": "abc",
    "0": "zero",
}
EVENT = Event.create(
    type="com.example.t", source="/s", id="1", data=DATA, time="2018-04-05t17:31:00.10z", extensions={"count": 5}
)
TEXT = Event.create(type="t", source="/s", data="a line")
BYTES = Event.create(type="t", source="/s", data=b"\x00")
NOTHING = Event.create(type="t", source="/s")

names = st.text(max_size=4) | st.sampled_from(["a", "data", "it's", '"', "\\", "\n", "é", "*", "0", "\x7f", "😀"])
steps = st.lists(names | st.integers(-3, 3), max_size=4)
garbage = st.text(st.sampled_from("$.[]*'\"?@,:-01a data()=<!&|\\u\n é"), max_size=16) | st.text(max_size=8)


def naive(value: Any, path: list[str | int]) -> Any:
    """The obvious way to follow names and indexes."""
    for step in path:
        if isinstance(step, str):
            found = isinstance(value, dict) and step in value
        else:
            found = isinstance(value, list) and -len(value) <= step < len(value)
        if not found:
            return MISSING
        value = value[step]
    return value


def draw_place(data: st.DataObject, value: Any) -> list[str | int]:
    """Names and indexes that lead to some place in a value."""
    place: list[str | int] = []
    while isinstance(value, dict | list) and value and data.draw(st.booleans()):
        if isinstance(value, dict):
            step: str | int = data.draw(st.sampled_from(sorted(value)))
        else:
            step = data.draw(st.integers(-len(value), len(value) - 1))
        place.append(step)
        value = value[step]  # type: ignore[index]
    return place


def test_missing_is_false_and_is_not_none() -> None:
    assert not MISSING
    assert repr(MISSING) == "MISSING"
    assert MISSING is not None


# Path


@given(steps)
def test_a_path_is_read_as_it_is_written(place: list[str | int]) -> None:
    path = Path(tuple(Segment((step,)) for step in place))
    again = Path.parse(str(path))
    assert again == path
    assert hash(again) == hash(path)
    assert (str(again), again.singular) == (str(path), True)


@given(garbage)
def test_any_text_is_a_path_or_refused(text: str) -> None:
    for start in ("", "$", "$.data[", "$["):
        try:
            path = Path.parse(start + text)
        except InvalidPath as error:
            assert error.reason
            assert error.where
            continue
        assert Path.parse(str(path)) == path
        result = path(EVENT)
        assert path.singular or isinstance(result, list)


@given(json_values(), st.data())
def test_names_and_indexes_are_followed(value: Any, data: st.DataObject) -> None:
    place = draw_place(data, value) + data.draw(st.lists(names | st.integers(-3, 3), max_size=1))
    path = Path(tuple(Segment((step,)) for step in place))
    assert path.singular
    assert path.read(value) == naive(value, place)


@given(events(), st.data())
def test_the_document_of_an_event_is_its_attributes_and_data(event: Event, data: st.DataObject) -> None:
    document: dict[str, Any] = dict(event.attributes)
    if event.has_data and not isinstance(event.data, bytes):
        document["data"] = event.data
    assert Path.parse("$")(event) == document
    place = draw_place(data, document) + data.draw(st.lists(names, max_size=1))
    path = Path(tuple(Segment((step,)) for step in place))
    assert path(event) == path.read(document) == naive(document, place)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$.type", "com.example.t"),
        ("$.time", "2018-04-05t17:31:00.10z"),
        ("$.count", 5),
        ("$['type']", "com.example.t"),
        ("$.subject", MISSING),
        ("$.type.x", MISSING),
        ("$[0]", MISSING),
        ("$.data", DATA),
        ("$.data.repository.name", "eventroute"),
        ("$.data['odd key']", {"it's": {"é": 1}}),
        ("$.data[\"odd key\"]['it\\'s'].é", 1),
        ("$.data['odd key'][\"it's\"]['\\u00e9']", 1),
        ("$.data.items[-1]", {"id": 3}),
        ("$.data.items[0].price", 5.5),
        ("$.data.items[3]", MISSING),
        ("$.data.items[-4]", MISSING),
        ("$.data.items.id", MISSING),
        ("$.data.null", None),
        ("$.data.null.x", MISSING),
        ("$.data.text[0]", MISSING),
        ("$.data[0]", MISSING),
        ("$.data['0']", "zero"),
        ("$ .data\n[ 'text' ]", "abc"),
    ],
)
def test_singular_paths(text: str, value: object) -> None:
    path = Path.parse(text)
    assert path.singular
    assert path(EVENT) == value


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("$.data.items[*].id", [1, 2, 3]),
        ("$.data.items[*].price", [5.5, 9]),
        ("$.data.empty[*]", []),
        ("$.data.nothing[*]", []),
        ("$.data.text[*]", []),
        ("$.data.repository.*", ["eventroute", 101, ["a", "b", "c"]]),
        ("$.data.repository.topics[0,2]", ["a", "c"]),
        ("$.data['text','0','none']", ["abc", "zero"]),
        ("$.data.repository.topics[0,'x',0]", ["a", "a"]),
        ("$.data.repository.topics[1:]", ["b", "c"]),
        ("$.data.repository.topics[:-1]", ["a", "b"]),
        ("$.data.repository.topics[::-1]", ["c", "b", "a"]),
        ("$.data.repository.topics[ 0 : 3 : 2 ]", ["a", "c"]),
        ("$.data.repository.topics[::0]", []),
        ("$.data.text[0:2]", []),
        ("$..id", ["1", 1, 2, 3]),
        ("$.data..[0]", ["a", {"id": 1, "price": 5.5}]),
        ("$.data.items..*", [{"id": 1, "price": 5.5}, {"id": 2, "price": 9}, {"id": 3}, 1, 5.5, 2, 9, 3]),
        ("$.data.items[?@.price > 6].id", [2]),
        ("$.data.items[?(@.price)].id", [1, 2]),
        ("$.data.items[?@.id == 1 || @.id == 3].id", [1, 3]),
        ("$.data.items[?@.id >= 2 && @.price].id", [2]),
        ("$.data.items[?!@.price].id", [3]),
        ("$.data.repository.topics[?@ == 'b']", ["b"]),
        ('$.data.repository.topics[?@ != "b", 0]', ["a", "c", "a"]),
        ("$.data[?@['name'] == 'eventroute'].name", ["eventroute"]),
        ("$.data[?@[0]]", [["a", "b", "c"], DATA["items"]][1:]),
        ("$.data.items[?@.none == null]", []),
        ("$.data.items[?(@.id == 1 || @.id == 2) && (@.price < 6)].id", [1]),
        ("$.data[?@[*]]", [*DATA.values()][1:4]),
        ("$.data.items[?@.price >= @.id].id", [1, 2]),
        ("$.data[?@ == null]", [None]),
        ("$.data.items[?@.price == 5.5].id", [1]),
        ("$.data.text[?@ == 'a']", []),
    ],
)
def test_paths_to_many(text: str, values: list[object]) -> None:
    path = Path.parse(text)
    assert not path.singular
    assert path(EVENT) == values


@pytest.mark.parametrize(
    ("event", "text", "value"),
    [
        (TEXT, "$.data", "a line"),
        (TEXT, "$.data.x", MISSING),
        (TEXT, "$.data[0]", MISSING),
        (BYTES, "$.data", MISSING),
        (BYTES, "$.data[0]", MISSING),
        (NOTHING, "$.data", MISSING),
        (NOTHING, "$.data.x", MISSING),
        (NOTHING, "$.data[*]", []),
    ],
)
def test_data_that_is_not_json(event: Event, text: str, value: object) -> None:
    assert Path.parse(text)(event) == value


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("$", "$"),
        ("$['a'] [ \"b\" ]", "$.a.b"),
        ("$.a[ -1 ]", "$.a[-1]"),
        ("$['a b']['it\\'s']['\\n\\\\']", "$['a b']['it\\'s']['\\u000a\\\\']"),
        ("$['0']", "$['0']"),
        ("$['']", "$['']"),
        ("$..a..*", "$..a..[*]"),
        ("$..['a b']", "$..['a b']"),
        ("$.*[ * ]", "$[*][*]"),
        ("$[1:2:1]", "$[1:2:1]"),
        ("$[:]", "$[:]"),
        ("$[0 , 'a']", "$[0,'a']"),
        ("$[? @.a ==  1 ]", "$[?@.a ==  1]"),
        ("$['\\ud83d\\ude00']", "$.😀"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    path = Path.parse(text)
    assert str(path) == canonical
    assert repr(path) == f"Path({canonical!r})"
    assert Path.parse(canonical) == path


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("", 0, "starts with"),
        ("data.a", 0, "starts with"),
        (" $", 0, "starts with"),
        ("$ ", 1, "does not end in spaces"),
        ("$.a ", 3, "does not end in spaces"),
        ("$.", 2, "expected a name"),
        ("$.0", 2, "expected a name"),
        ("$.a-b", 3, "expected '.name' or '[...]'"),
        ("$. a", 2, "expected a name"),
        ("$a", 1, "expected '.name'"),
        ("$...a", 3, "expected a name"),
        ("$.'a'", 2, "expected a name"),
        ("$[", 2, "expected a quoted name"),
        ("$[]", 2, "expected a quoted name"),
        ("$['a'", 5, "expected ',' or ']'"),
        ("$['a',]", 6, "expected a quoted name"),
        ("$['a", 2, "never closed"),
        ("$['a\\x']", 4, "not an escape"),
        ("$['\\\"']", 3, "not an escape"),
        ("$['\\ud800']", 3, "surrogate"),
        ("$['\\udc00']", 3, "surrogate"),
        ("$['\\ud800\\u0041']", 3, "surrogate"),
        ("$['a\n']", 4, "U+000A must be escaped"),
        ("$[01]", 2, "no leading zeros"),
        ("$[-0]", 2, "no leading zeros"),
        ("$[1.0]", 3, "expected ',' or ']'"),
        ("$[9007199254740992]", 2, "53 bits"),
        (f"$[{'9' * 500}]", 2, "53 bits"),
        ("$[1:01]", 4, "no leading zeros"),
        ("$[1:2:-0]", 6, "no leading zeros"),
        ("$[a]", 2, "expected a quoted name"),
        ("$[?]", 3, "expected a filter"),
        ("$[?@.a", 6, "expected ',' or ']'"),
        ("$[?@ == 'a]", 8, "never closed"),
    ],
)
def test_malformed_paths(text: str, position: int, reason: str) -> None:
    with pytest.raises(InvalidPath) as caught:
        Path.parse(text)
    assert reason in caught.value.reason
    assert caught.value.where.endswith(f"at position {position}")


@pytest.mark.parametrize(
    "condition",
    [
        "@.a =~ 'a'",
        "length(@.a) > 1",
        "@.a == b",
        "@.a = 1",
        "@.a == 'it\\'s'",
        "$.a == 1",
        "@..a",
        "@.a[?@.b]",
        "@.a + 1 == 2",
        "@.`len`",
        "!!@.a",
        "@.a ==",
        "(@.a",
        "1 == 1 == 1",
        "@.a == 01",
        "@.a == truex",
        "@.a == @true",
        "'a'",
        "1 == @.a",
        "@.a[*] == 1",
        "!@.a == 1",
        "@.a) || (@.b",
        "@.a @.b",
        "@.b-1 == 1",
        "!(@.a == 1)",
        "@.a,",
    ],
)
def test_filters_that_are_refused(condition: str) -> None:
    with pytest.raises(InvalidPath):
        Path.parse(f"$[?{condition}]")


def test_bounds() -> None:
    for text in (
        "$." + "a" * (MAX_LENGTH - 2),
        "$" + "..a" * MAX_DESCENTS,
        f"$[?@.{'a' * (MAX_CONDITION - 2)}]",
        "$" + "[0,0,0,0]" * 3,
    ):
        assert str(Path.parse(text)) == text
    for text in (
        "$." + "a" * (MAX_LENGTH - 1),
        "$" + "..a" * (MAX_DESCENTS + 1),
        f"$[?@.{'a' * (MAX_CONDITION - 1)}]",
        "$" + "[0,0,0,0]" * 3 + "[0,0]",
    ):
        with pytest.raises(InvalidPath, match="at most"):
            Path.parse(text)


@pytest.mark.parametrize("name", ["*", "a,b", "a.b", "0", "`this`", "$", "@", "", "true", "where"])
def test_names_in_a_filter_are_taken_literally(name: str) -> None:
    assert Path.parse(f"$[?@['{name}']]").read([{"a": {"b": 1}}, {name: 0}, [1]]) == [{name: 0}]


def test_a_path_reads_other_documents() -> None:
    assert Path.parse("$.a[0]").read({"a": [1]}) == 1
    assert Path.parse("$[0]").read([1]) == 1
    assert Path.parse("$").read(None) is None


def test_equality() -> None:
    assert Path.parse("$.a") == Path.parse("$['a']")
    assert Path.parse("$.a") != Path.parse("$..a")
    assert Path.parse("$['*']") != Path.parse("$.*")
    assert Path.parse("$[0]") != Path.parse("$['0']")


# Field


@given(st.sampled_from(["type", "x1", "0"]) | st.none(), steps)
def test_a_field_is_read_as_it_is_written(attribute: str | None, place: list[str | int]) -> None:
    field = Field(attribute) if attribute else Field(None, tuple(place))
    again = Field.parse(str(field))
    assert again == field
    assert hash(again) == hash(field)
    assert (again.attribute, again.segments) == (field.attribute, field.segments)


@given(garbage)
def test_any_text_is_a_field_or_refused(text: str) -> None:
    for start in ("", "data", "data.", "data['"):
        try:
            field = Field.parse(start + text)
        except InvalidPath as error:
            assert error.reason
            assert error.where
            continue
        assert Field.parse(str(field)) == field
        for event in (EVENT, TEXT, BYTES, NOTHING):
            field(event)


@given(events(), st.data())
def test_a_field_reads_what_a_path_reads(event: Event, data: st.DataObject) -> None:
    is_json = event.has_data and not isinstance(event.data, bytes)
    place = draw_place(data, event.data if is_json else None) + data.draw(st.lists(names, min_size=1, max_size=1))
    path = Path(tuple(Segment((step,)) for step in ("data", *place)))
    assert Field(None, tuple(place))(event) == path(event)
    for name in event.attributes:
        assert Field.parse(name)(event) == event.attributes[name]


@pytest.mark.parametrize(
    ("event", "text", "value"),
    [
        (EVENT, "type", "com.example.t"),
        (EVENT, "count", 5),
        (EVENT, "subject", MISSING),
        (EVENT, "time", "2018-04-05t17:31:00.10z"),
        (EVENT, "data", json.dumps(DATA, ensure_ascii=False, separators=(",", ":"))),
        (EVENT, "data.action", "created"),
        (EVENT, "data.items[0].id", 1),
        (EVENT, "data['odd key']", {"it's": {"é": 1}}),
        (EVENT, "data.null", None),
        (EVENT, "data.nothing", MISSING),
        (EVENT, "data.text[0]", MISSING),
        (TEXT, "data", "a line"),
        (TEXT, "data.x", MISSING),
        (TEXT, "data[0]", MISSING),
        (BYTES, "data", MISSING),
        (BYTES, "data[0]", MISSING),
        (NOTHING, "data", MISSING),
        (NOTHING, "data.x", MISSING),
    ],
)
def test_fields(event: Event, text: str, value: object) -> None:
    assert Field.parse(text)(event) == value


@pytest.mark.parametrize(
    ("text", "attribute", "segments", "canonical"),
    [
        ("type", "type", (), "type"),
        ("datacontenttype", "datacontenttype", (), "datacontenttype"),
        ("data", None, (), "data"),
        ("data.items[0].id", None, ("items", 0, "id"), "data.items[0].id"),
        ("data['odd key'][-1]", None, ("odd key", -1), "data['odd key'][-1]"),
        ("data['a']", None, ("a",), "data.a"),
        ("data[ 'a' ]", None, ("a",), "data.a"),
    ],
)
def test_parts_of_a_field(text: str, attribute: str | None, segments: tuple[str | int, ...], canonical: str) -> None:
    field = Field.parse(text)
    assert (field.attribute, field.segments, str(field)) == (attribute, segments, canonical)
    assert repr(field) == f"Field({canonical!r})"


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "Type", "a.b", "a-b", "data_base64", "data.", "data[", "data..a", "data.*", "data[*]", "data[1:]"),
        *("data[0,1]", "data[?@.a]", "$.data.a", "data.odd-key", "dataX", "type ", "data ", "é"),
    ],
)
def test_what_is_no_field(text: str) -> None:
    with pytest.raises(InvalidPath):
        Field.parse(text)
