"""An event that is plainly right is right, and what is not plainly so is told apart as before."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.attributes import TIMED
from eventroute.errors import InvalidEvent
from eventroute.event import Event
from eventroute.plain import FORGET_AFTER, LONGEST_NAME, MOST_NAMES, PlainEvents
from eventroute.testing.strategies import events, json_values
from eventroute.testing.strategies.events import CORE, attribute_names, attribute_sets, attribute_values

CORE_ALONE = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}

oddities = st.sampled_from(
    [
        "",
        "1.0",
        "a b",
        "%",
        "%2",
        "%20",
        "\x7f",
        "\x85",
        "\ud800",
        "\uffff",
        "\n",
        "é",
        "2020-02-30T00:00:00Z",
        "x/json",
    ]
)
odd_values = st.one_of(oddities, json_values(), st.integers(-(2**32), 2**32), attribute_values)
odd_members = st.dictionaries(
    st.sampled_from([*CORE, *TIMED, "data", "data_base64", "x", "X", "a_b"]) | attribute_names, odd_values, max_size=3
)


def outcome(document: bytes) -> tuple[object, ...]:
    """All that an event is, or why it is none."""
    try:
        event = Event.from_json(document)
    except InvalidEvent as error:
        return error.where, error.reason
    named = event.id, event.source, event.type, event.subject, event.time, event.datacontenttype
    return event.kind, event.data_bytes, event.to_json(), named, list(event.attributes.items())


def with_and_without(document: bytes) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """What comes of a document where its extensions are known, and where nothing is ever plainly right."""
    with pytest.MonkeyPatch.context() as patch:
        known = PlainEvents(unknown=TIMED)
        patch.setattr("eventroute.event._plainly", known)
        known.learn(members(document))
        one = outcome(document)
        patch.setattr(known, "read", lambda _document: None)
        return one, outcome(document)


def members(document: bytes) -> list[str]:
    """The names that may be those of attributes."""
    try:
        found = json.loads(document)
    except (ValueError, RecursionError):
        return []
    return [name for name in found if re.fullmatch("[a-z0-9]+", name)] if isinstance(found, dict) else []


@given(attribute_sets(), odd_members, st.booleans(), st.sampled_from([(",", ":"), (" , ", " : ")]))
def test_the_outcome_is_the_same(attributes: dict[str, Any], odd: dict[str, Any], escaped: bool, form: Any) -> None:
    text = json.dumps({**attributes, **odd}, ensure_ascii=escaped, separators=form)
    one, other = with_and_without(text.encode("utf-8", "surrogatepass"))
    assert one == other


@given(events(), st.data())
def test_the_outcome_is_the_same_of_what_is_damaged(event: Event, data: st.DataObject) -> None:
    document = bytearray(event.to_json())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(document) - 1))
        document[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    one, other = with_and_without(bytes(document))
    assert one == other


@pytest.mark.parametrize(
    "document",
    [
        b'{"specversion":"1.0","id":"","id":"1","source":"/s","type":"t"}',
        b'{"specversion":"1.0","id":"1","id":"","source":"/s","type":"t"}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":' + b"[" * 129 + b"]" * 129 + b',"data":1}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":' + b"[" * 128 + b"]" * 128 + b"}",
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":"\xff"}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":' + b"1" * 4301 + b"}",
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","x":1.0}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","x":1e2}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t\\u0000"}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","x":"a\x7f"}',
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":null,"x":null,"data":null}',
    ],
)
def test_the_outcome_is_the_same_where_it_might_not_be(document: bytes) -> None:
    one, other = with_and_without(document)
    assert one == other


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"x": "1", "y": True, "z": ""},
        {"subject": "é", "time": "2020-02-29T23:59:60.123+01:00", "data": {"a": ["\n", {"b": None}]}},
        {"datacontenttype": "application/cloudevents+json; charset=utf-8", "source": "a%20b?c#d", "x": None},
    ],
)
def test_nearly_every_event_is_plainly_right(more: dict[str, Any]) -> None:
    document = json.dumps({**CORE_ALONE, **more}).encode()
    known = PlainEvents()
    known.learn(members(document))
    assert known.read(document) is not None


@pytest.mark.parametrize("name", [*sorted(TIMED), "dataschema", "data_base64"])
def test_what_is_more_than_an_extension_is_never_plain(name: str) -> None:
    document = json.dumps({**CORE_ALONE, name: "2020-01-01T00:00:00Z"}).encode()
    known = PlainEvents(unknown=TIMED)
    known.learn(members(document))
    assert known.read(document) is None


def extended(*names: str) -> bytes:
    return json.dumps({**CORE_ALONE, **dict.fromkeys(names, "1")}).encode()


def test_so_many_names_are_known_and_no_more() -> None:
    known = PlainEvents()
    names = [f"x{number}" for number in range(MOST_NAMES + 1)]
    for name in names:
        known.learn([*CORE_ALONE, name])
    assert known.read(extended(*names[:-1])) is not None
    assert known.read(extended(names[-1])) is None


def test_names_that_do_not_come_any_more_make_room() -> None:
    known = PlainEvents()
    known.learn([f"x{number}" for number in range(MOST_NAMES)])
    for _ in range(FORGET_AFTER):
        assert known.read(extended("new")) is None
        known.learn(["new"])
    assert known.read(extended("new")) is not None
    assert known.read(extended("x1")) is None


def test_names_that_are_too_many_or_too_long_are_not_learned() -> None:
    known = PlainEvents()
    known.learn([f"x{number}" for number in range(MOST_NAMES + 1)])
    known.learn(["y" * (LONGEST_NAME + 1)])
    assert known.read(extended("x1")) is None
    assert known.read(extended("y" * (LONGEST_NAME + 1))) is None
    assert known.read(extended()) is not None
