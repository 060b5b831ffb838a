from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidPath
from eventroute.event import Event
from eventroute.paths import MISSING, Field, Path
from eventroute.paths.syntax import Segment
from eventroute.testing.strategies import events
from tests.paths.making import BYTES, DATA, EVENT, NOTHING, TEXT, any_names, draw_place, garbage, places


@given(st.sampled_from(["type", "x1", "0"]) | st.none(), places)
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
    place = draw_place(data, event.data if is_json else None) + data.draw(st.lists(any_names, min_size=1, max_size=1))
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
