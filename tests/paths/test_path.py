from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidPath, TransformError
from eventroute.event import Event
from eventroute.paths import MISSING, Path
from eventroute.paths.syntax import Segment
from eventroute.testing.strategies import events, json_values
from tests.paths import making
from tests.paths.making import BYTES, DATA, EVENT, NOTHING, TEXT, any_names, draw_place, found, garbage, places


@given(places)
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
    place = draw_place(data, value) + data.draw(st.lists(any_names | st.integers(-3, 3), max_size=1))
    path = Path(tuple(Segment((step,)) for step in place))
    assert path.singular
    assert path.read(value) == found(value, place)


@given(events(), st.data())
def test_the_document_of_an_event_is_its_attributes_and_data(event: Event, data: st.DataObject) -> None:
    document: dict[str, Any] = dict(event.attributes)
    if event.has_data and not isinstance(event.data, bytes):
        document["data"] = event.data
    assert Path.parse("$")(event) == document
    place = draw_place(data, document) + data.draw(st.lists(any_names, max_size=1))
    path = Path(tuple(Segment((step,)) for step in place))
    assert path(event) == path.read(document) == found(document, place)


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
        ("$..a..[*]", "$..a..*"),
        ("$..['a b']", "$..['a b']"),
        ("$.*[ * ]", "$.*.*"),
        ("$[1:2:1]", "$[1:2:1]"),
        ("$[:]", "$[:]"),
        ("$[0 , 'a']", "$[0,'a']"),
        ("$[? @.a ==  1 ]", "$[?@.a == 1]"),
        ("$['\\ud83d\\ude00']", "$.😀"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    path = Path.parse(text)
    assert str(path) == canonical
    assert repr(path) == f"Path({canonical!r})"
    assert Path.parse(canonical) == path


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
    assert Path.parse("$[?@ == 1]") != Path.parse("$[?@ == 1.0]")
    assert Path.parse("$[?@ == 1]") != Path.parse("$[?@ == true]")


@given(making.paths(), making.documents(making.exact_numbers))
def test_a_compiled_path_finds_what_the_rfc_says(segments: tuple[Segment, ...], document: Any) -> None:
    path = Path(segments)
    again = Path.parse(str(path))
    assert (again, hash(again), str(again)) == (path, hash(path), str(path))
    wanted = making.find(segments, document, document)
    result = path.read(document)
    if path.singular:
        result = [] if result is MISSING else [result]
    assert making.same(result, wanted)


@given(making.paths(), events())
def test_an_event_is_a_document_and_stays_as_it_is(segments: tuple[Segment, ...], event: Event) -> None:
    path = Path(segments)
    before = event.to_json()
    document = Path.parse("$")(event)
    assert making.same(path(event), path.read(document)) or path(event) is MISSING is path.read(document)
    assert event.to_json() == before


def test_a_path_that_explodes_is_stopped() -> None:
    deep: Any = [0] * 20_000
    for _ in range(100):
        deep = [deep]
    path = Path.parse("$..*..*")
    with pytest.raises(TransformError, match="more than 1000000 values") as caught:
        path.read(deep)
    assert caught.value.where == str(path)
