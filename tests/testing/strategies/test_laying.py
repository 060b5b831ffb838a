from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidEvent
from eventroute.event import Event
from eventroute.paths import MISSING, Field
from eventroute.testing.strategies import events, json_values
from eventroute.testing.strategies.laying import laid, placed

steps = st.lists(st.sampled_from(("a", "b", "odd key")) | st.integers(-3, 3), min_size=1, max_size=4).map(tuple)


@given(events(), steps, json_values())
def test_a_value_is_where_it_was_put(event: Event, path: tuple[str | int, ...], value: Any) -> None:
    assert Field(None, path)(laid(event, {Field(None, path): value})) == value


@given(events(json_values()), steps)
def test_what_is_to_be_missing_is(event: Event, path: tuple[str | int, ...]) -> None:
    field = Field(None, path)
    result = laid(event, {field: MISSING})
    if isinstance(path[-1], str):
        assert field(result) is MISSING
    if field(event) is MISSING:
        assert result == event


@given(json_values(), steps, json_values())
def test_nothing_that_was_given_is_changed(data: Any, path: tuple[str | int, ...], value: Any) -> None:
    before = repr((data, value))
    placed(data, path, value)
    assert repr((data, value)) == before


def test_the_latest_wins() -> None:
    event = Event.create(type="t", source="/", data={"a": {"b": 1, "c": 2}})
    array, member = Field.parse("data.a"), Field.parse("data.a.b")
    assert laid(event, {member: 5}).data == {"a": {"b": 5, "c": 2}}
    assert laid(event, {member: 5, array: [1]}).data == {"a": [1]}
    assert laid(event, {array: [1], member: 5}).data == {"a": {"b": 5}}


@pytest.mark.parametrize(
    ("path", "value", "data"),
    [
        ("data.l[0]", MISSING, []),
        ("data.l[-1]", MISSING, []),
        ("data.l[-2]", MISSING, [1]),
        ("data.l[2]", "x", [1, None, "x"]),
        ("data.l[-3]", "x", ["x", None, 1]),
        ("data.l[100]", "x", [1]),
        ("data.l[-101]", "x", [1]),
        ("data.l[5].a", MISSING, [1]),
    ],
)
def test_elements(path: str, value: Any, data: Any) -> None:
    assert laid(Event.create(type="t", source="/", data={"l": [1]}), {Field.parse(path): value}).data == {"l": data}


@pytest.mark.parametrize("before", [None, b"\xff", "text", {"a": 1}])
@pytest.mark.parametrize(("value", "text"), [("a b", "a b"), ("[1]", "[1]"), (None, "null"), (5, "5"), (MISSING, None)])
def test_the_whole_data_as_text(before: Any, value: Any, text: str | None) -> None:
    result = laid(Event.create(type="t", source="/", data=before), {Field.parse("data"): value})
    assert result.data_text == text


def test_attributes() -> None:
    event = Event.create(type="t", source="/", subject="s", extensions={"n": 1})
    wishes: dict[str, Any] = {"type": "x", "source": MISSING, "subject": None, "n": True, "time": "tomorrow", "m": 1.5}
    result = laid(event, {Field(name): value for name, value in wishes.items()})
    assert {name: result.attributes.get(name) for name in wishes} == {
        "type": "x", "source": "/", "subject": None, "n": True, "time": None, "m": None,
    }  # fmt: skip
    assert laid(event, {}) is event


def test_data_that_json_cannot_say() -> None:
    deep = Field(None, ("a",) * 200)
    with pytest.raises(InvalidEvent, match="deep"):
        laid(Event.create(type="t", source="/"), {deep: 1})
