from __future__ import annotations

import copy
import json
import pickle
import re
from base64 import b64encode
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidEvent
from eventroute.event import Event, may_expire
from eventroute.event import _taken_apart as taken_apart
from eventroute.filters import Filter, FilterIndex
from eventroute.jsontext import same_json
from eventroute.payload import Kind
from eventroute.testing.strategies import events, json_values
from eventroute.testing.strategies.events import attribute_sets, binary_types, json_types, text_types
from tests.push.lane.test_sending import documents

if TYPE_CHECKING:
    from cloudevents.core.base import BaseCloudEvent

GOOD = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


def document(**members: Any) -> bytes:
    return json.dumps({**GOOD, **members}).encode()


def remade(event: Event) -> Event:
    """The event made again of what it tells; null without a content type cannot be told from no data."""
    if event.has_data and event.data is None:
        return Event({**event.attributes, "datacontenttype": "application/json"}, b"null").replace(
            {"datacontenttype": event.datacontenttype}
        )
    return Event(event.attributes, event.data)


# Round trips


@given(events())
def test_an_event_survives_json(event: Event) -> None:
    again = Event.from_json(event.to_json())
    assert again == event
    assert hash(again) == hash(event)
    assert again.attributes == event.attributes
    assert (again.kind, again.data_bytes, again.has_data) == (event.kind, event.data_bytes, event.has_data)


@given(events(), st.sampled_from([str, bytearray, memoryview]))
def test_what_was_read_is_written_to_the_byte(event: Event, form: Any) -> None:
    raw = json.dumps(json.loads(event.to_json()), indent=1).encode()
    assert Event.from_json(raw).to_json() == raw
    assert Event.from_json(raw.decode() if form is str else form(raw)).to_json() == raw


@given(events())
def test_the_log_gives_back_what_was_put_in(event: Event) -> None:
    again = Event.from_log(event.to_json())
    assert again == event
    assert again.attributes == event.attributes
    assert again.data_bytes == event.data_bytes


@given(documents)
def test_what_is_seen_at_a_glance_is_what_is_there(document: bytes) -> None:
    """And what is refused is refused at once, not when more of it is asked for."""
    try:
        whole = taken_apart(document)
    except InvalidEvent as error:
        with pytest.raises(InvalidEvent, match=re.escape(str(error))):
            Event.from_log(document)
        return
    names = ("id", "source", "type", "subject", "time", "datacontenttype", "data_bytes", "wire_type")
    again = Event.from_log(document)
    assert may_expire(again) or "expirytime" not in whole.attributes
    assert [getattr(again, name) for name in names] == [getattr(whole, name) for name in names]
    assert list(again.attributes.items()) == list(whole.attributes.items())
    assert [getattr(again, name) for name in names] == [getattr(whole, name) for name in names]
    assert may_expire(again) == ("expirytime" in whole.attributes)


def test_an_ordinary_event_is_not_taken_apart_until_it_is_asked_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    event = Event.from_log(document(partitionkey="k", subject="s", data=[1]))
    with monkeypatch.context() as patch:
        patch.setattr("eventroute.event.open_envelope", None)
        assert (event.type, event.subject, event.data, may_expire(event)) == ("t", "s", [1], False)
    assert event.attributes["partitionkey"] == "k"


def test_a_log_that_holds_something_else_is_noticed() -> None:
    with pytest.raises(InvalidEvent, match="the log holds something"):
        Event.from_log(b"\0")
    with pytest.raises(InvalidEvent, match="source: it is missing"):
        Event.from_log(b'{"specversion":"1.0","id":"1","type":"t"}')
    with pytest.raises(InvalidEvent, match="datacontenttype: it must be a string"):
        Event.from_log(b'{"specversion":"1.0","id":"1","type":"t","source":"/s","datacontenttype":3,"data":1}')


@pytest.mark.parametrize(
    "members",
    [
        b'"datacontenttype":"text/plain","data":"\xff"',
        b'"data_base64":"\xff"',
        b'"data_base64":[' + b"1" * 4_301 + b"]",
    ],
)
def test_a_log_that_holds_data_that_is_none_is_noticed(members: bytes) -> None:
    with pytest.raises(InvalidEvent, match="the log holds something"):
        Event.from_log(b'{"specversion":"1.0","id":"1","type":"t","source":"/s",%b}' % members)


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "subject", "time", "datacontenttype"])
@pytest.mark.parametrize("value", [b"1", b"true", b"[]", b"{}"])
def test_an_attribute_from_a_log_that_must_be_a_text_and_is_none_is_noticed(name: str, value: bytes) -> None:
    text = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","%b":%b}' % (name.encode(), value)
    for document in (text, text[:-1] + b" " * 5_000 + b"}"):
        with pytest.raises(InvalidEvent, match=f"{name}: it must be a string"):
            Event.from_log(document)


@pytest.mark.parametrize("data", [b'"\xff"', b"1" * 4_301])
def test_data_from_a_log_that_cannot_be_decoded_is_said_to_be_so(data: bytes) -> None:
    event = Event.from_log(b'{"specversion":"1.0","id":"1","type":"t","source":"/s","data":%b}' % data)
    for _ in range(2):
        with pytest.raises(InvalidEvent, match="data: it is not JSON"):
            assert event.data
    assert event.data_bytes == data


def test_text_from_a_log_that_is_not_utf_8_is_said_to_be_so() -> None:
    event = Event.from_log(b'{"specversion":"1.0","id":"1","type":"t","source":"/s","data":"\xff"}')
    with pytest.raises(InvalidEvent, match="data: it is not UTF-8"):
        assert event.data_text
    rule = Filter.parse({"prefix": {"data": "x"}})
    index: FilterIndex[int] = FilterIndex()
    index.add(1, rule)
    for look in (rule, rule.explain, index.match):
        with pytest.raises(InvalidEvent, match="data: it is not UTF-8"):
            look(event)


@given(events())
def test_an_event_can_be_pickled_and_copied(event: Event) -> None:
    for again in (pickle.loads(pickle.dumps(event)), copy.copy(event), copy.deepcopy(event)):
        assert again == event


@given(events())
def test_an_event_is_made_of_its_own_attributes_and_data(event: Event) -> None:
    assert remade(event) == event
    assert Event(event.get_attributes(), event.data).get_time() == event.get_time()


@given(events(json_values().filter(lambda value: value is not None)))
def test_json_data_is_what_the_standard_library_reads(event: Event) -> None:
    assert same_json(event.data, json.loads(event.to_json())["data"])
    assert same_json(event.data, json.loads(event.data_text or ""))


def test_real_payloads_survive(shared: Path) -> None:
    files = sorted(shared.glob("data/github/*/*.json"))
    assert len(files) > 100
    for file in files:
        data = json.loads(file.read_bytes())
        event = Event.create(type="com.github.x", source="https://github.com", data=data)
        again = Event.from_json(event.to_json())
        assert again.data == data
        assert Event.from_json(document(data=data)).data == data


# Nothing but InvalidEvent


def read(raw: bytes | str) -> Event | None:
    """The event, if it is one; then all of it can be read and written."""
    try:
        event = Event.from_json(raw)
    except InvalidEvent as error:
        assert error.reason
        return None
    assert Event.from_json(event.to_json()) == event
    assert remade(event) == event
    assert len(repr(event)) < 400
    assert event.get_attributes().keys() == event.attributes.keys()
    return event


@given(st.binary() | st.text())
def test_garbage_is_refused(raw: bytes | str) -> None:
    assert read(raw) is None


@given(json_values())
def test_other_json_is_refused(value: Any) -> None:
    assert read(json.dumps(value).encode()) is None


@given(attribute_sets(), st.dictionaries(st.text(max_size=6) | st.sampled_from(sorted(GOOD)), json_values()))
def test_any_members_make_an_event_or_an_error(attributes: dict[str, Any], members: dict[str, Any]) -> None:
    read(json.dumps(attributes | members).encode())


@given(events(), st.data())
def test_a_damaged_event_is_refused_or_whole(event: Event, data: st.DataObject) -> None:
    raw = bytearray(event.to_json())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    read(bytes(raw))


@given(
    st.dictionaries(st.text(max_size=6) | st.sampled_from(sorted(GOOD)), st.none() | json_values() | st.binary()),
    st.none() | json_values() | st.binary() | st.builds(object),
)
def test_the_constructor_raises_nothing_else(attributes: dict[str, Any], data: object) -> None:
    try:
        event = Event({**GOOD, **attributes}, data)
    except InvalidEvent:
        return
    assert Event.from_json(event.to_json()) == event


@pytest.mark.parametrize(
    ("raw", "where", "reason"),
    [
        (b"", "", "one JSON object"),
        (b"[]", "", "one JSON object"),
        (b"{}", "specversion", "missing"),
        (b"\xff", "", "one JSON object"),
        (b'{"a":"\xff"}', "", "not UTF-8"),
        (b'\xef\xbb\xbf{"id":"1"}', "", "one JSON object"),
        ("\ud800", "", "not Unicode"),
        (document(id=None), "id", "missing"),
        (document(id=5), "id", "string, not int"),
        (document(specversion="0.3"), "specversion", "not supported"),
        (document(ext=1.5), "ext", "float"),
        (document(ext=2**31), "ext", "32 bits"),
        (document(ext=[1]), "ext", "list"),
        (document(Ext="a"), "Ext", "lower-case"),
        (document(time="now"), "time", "RFC 3339"),
        (document(data={}, data_base64="e30="), "data_base64", "both"),
        (document(data=None, data_base64="e30="), "data_base64", "both"),
        (document(data_base64=5), "data_base64", "string of base64"),
        (document(data_base64="e30"), "data_base64", "not base64"),
        (document(data_base64="é"), "data_base64", "not base64"),
        (document(data_base64="e3s=", datacontenttype="application/json"), "data", "not one JSON value"),
        (document(data_base64="/w==", datacontenttype="text/plain"), "data", "not UTF-8"),
        (document(data={}, datacontenttype="text/plain"), "data", "must be a string"),
        (document(data="a", datacontenttype="text/plain;charset=utf-16"), "data", "as bytes"),
        (b'{"data":' + b"[" * 100_000, "", "nest deeper"),
        (document()[:-1] + b',"data":' + b"[" * 129 + b"]" * 129 + b"}", "", "nest deeper"),
        (document()[:-1] + b',"data":' + b"1" * 5000 + b"}", "", "out of range"),
    ],
)
def test_what_is_refused(raw: bytes | str, where: str, reason: str) -> None:
    with pytest.raises(InvalidEvent, match=reason) as caught:
        Event.from_json(raw)
    assert caught.value.where == where


# Data


def test_data_nests_as_deep_in_an_event_as_outside() -> None:
    deep = b"[" * 128 + b"]" * 128
    assert read(document()[:-1] + b',"data":' + deep + b"}")
    assert Event({**GOOD, "datacontenttype": "application/json"}, deep).data_bytes == deep


def test_null_data_is_data() -> None:
    event = Event.from_json(document(data=None))
    assert (event.has_data, event.data, event.data_text, event.kind) == (True, None, "null", Kind.JSON)
    assert event != Event.from_json(document())
    assert Event.from_log(event.to_json()).has_data


def test_null_is_no_data_where_data_is_text() -> None:
    event = Event.from_json(document(data=None, data_base64=None, datacontenttype="text/plain"))
    assert (event.has_data, event.data) == (False, None)


def test_no_data() -> None:
    event = Event.from_json(document(data_base64=None))
    assert (event.has_data, event.data, event.data_text, event.data_bytes, event.kind) == (
        (False, None, None, None, Kind.NONE)
    )
    assert event.wire_type is None


def test_data_text_is_json_as_it_was_received() -> None:
    event = Event.from_json(document()[:-1] + b', "data": {"b" : 1.10 , "a":[ ]} }')
    assert event.data_text == '{"b" : 1.10 , "a":[ ]}'
    assert event.data_bytes == b'{"b" : 1.10 , "a":[ ]}'
    assert event.wire_type == "application/json"
    changed = event.replace({"subject": "x"})
    assert changed.data_text == event.data_text
    assert b'{"b" : 1.10 , "a":[ ]}' in changed.to_json()


def test_numbers_survive() -> None:
    numbers = b"[123456789012345678901234567890,1.10,0.1000000000000000055511151231257827,1e400]"
    event = Event.from_json(document()[:-1] + b',"data":' + numbers + b"}")
    assert event.data == [
        123456789012345678901234567890,
        1.1,
        Decimal("0.1000000000000000055511151231257827"),
        Decimal("1e400"),
    ]
    assert Event(GOOD, event.data).data_bytes == numbers.replace(b"1.10", b"1.1")


def test_the_last_of_members_of_one_name_wins() -> None:
    event = Event.from_json(document(data=1)[:-1] + b',"id":"2","data":2}')
    assert (event.id, event.data) == ("2", 2)


def test_text_in_json() -> None:
    event = Event.from_json(document(data='<much wow="xml"/>', datacontenttype="text/xml"))
    assert (event.kind, event.data) == (Kind.TEXT, '<much wow="xml"/>')
    assert event.data_text == event.data
    assert event.data_bytes == event.data.encode()
    assert event.wire_type == "text/xml"


def test_text_in_latin_1() -> None:
    event = Event({**GOOD, "datacontenttype": "text/plain; charset=ISO-8859-1"}, b"caf\xe9")
    assert (event.data, event.data_text, event.data_bytes) == ("café", "café", b"caf\xe9")
    assert Event.from_json(event.to_json()) == event


def test_text_of_a_type_that_is_not_text() -> None:
    event = Event.from_json(document(data="<a/>", datacontenttype="application/xml"))
    assert (event.data, event.data_bytes) == ("<a/>", b"<a/>")
    assert b'"data":"<a/>"' in event.replace({"subject": "x"}).to_json()


def test_base64_is_read_as_its_content_type_says() -> None:
    encoded = b64encode(b'{"a":1}').decode()
    assert Event.from_json(document(data_base64=encoded)).data == b'{"a":1}'
    assert Event.from_json(document(data_base64=encoded, datacontenttype="image/png")).data == b'{"a":1}'
    assert Event.from_json(document(data_base64=encoded, datacontenttype="text/plain")).data == '{"a":1}'
    assert Event.from_json(document(data_base64=encoded, datacontenttype="application/json")).data == {"a": 1}


def test_a_string_in_json_is_not_read_twice() -> None:
    assert Event.from_json(document(data='{"a":1}')).data == '{"a":1}'


# What it is made of


@given(json_values())
def test_the_callers_things_are_neither_kept_nor_changed(value: Any) -> None:
    attributes: dict[str, Any] = {**GOOD, "ext": b"a", "time": datetime(2018, 4, 5, tzinfo=UTC)}
    before = copy.deepcopy((attributes, value))
    event = Event(attributes, value)
    assert (attributes, value) == before
    attributes["id"] = "2"
    if isinstance(value, list):
        value.append(1)
    assert event.id == "1"
    assert event.data == before[1]


def test_it_is_immutable() -> None:
    event = Event(GOOD)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.attributes = {}  # type: ignore[misc, assignment]
    with pytest.raises(TypeError, match="item assignment"):
        event.attributes["id"] = "2"  # type: ignore[index]
    with pytest.raises(AttributeError):
        event.id = "2"  # type: ignore[misc]
    assert not hasattr(event, "__dict__")


def test_data_is_decoded_once() -> None:
    event = Event.from_json(document(data={"a": 1}))
    assert event.data is event.data


def test_a_fresh_copy_has_data_of_its_own() -> None:
    event = Event.from_json(document(data={"a": 1}))
    event.data["a"] = 2
    fresh = event.fresh()
    assert fresh.data == {"a": 1}
    assert fresh.to_json() is event.to_json()


def test_changes_to_the_data_do_not_change_the_event() -> None:
    event = Event.from_json(document(data={"a": 1}))
    event.data["a"] = 2
    assert event.data_text == '{"a": 1}'
    assert Event.from_json(event.replace({"subject": "x"}).to_json()).data == {"a": 1}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (document(data={"a": 1, "b": 2}), document(data={"b": 2, "a": 1.0})),
        (document(data="a", datacontenttype="text/plain"), document(data_base64="YQ==", datacontenttype="text/plain")),
        (document(subject=None), document()),
        (document(), document().replace(b" ", b"")),
    ],
)
def test_events_that_mean_the_same(one: bytes, other: bytes) -> None:
    left, right = Event.from_json(one), Event.from_json(other)
    assert left == right
    assert hash(left) == hash(right)
    assert len({left, right}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (document(), document(id="2")),
        (document(ext=1), document(ext=True)),
        (document(ext=1), document(ext="1")),
        (document(data=1), document(data=True)),
        (document(data=1), document()),
        (document(data={}), document(data_base64="e30=")),
    ],
)
def test_events_that_differ(one: bytes, other: bytes) -> None:
    assert Event.from_json(one) != Event.from_json(other)


def test_an_event_equals_nothing_else() -> None:
    assert Event(GOOD) != GOOD


def test_repr_is_short_and_shows_no_data() -> None:
    assert repr(Event(GOOD)) == "Event(id='1', source='/s', type='t')"
    event = Event({**GOOD, "id": "x" * 1000}, {"password": "secret"})
    assert repr(event) == f"Event(id='{'x' * 64}', source='/s', type='t', 21 bytes of json)"


# create, replace


@given(st.one_of(json_values().filter(lambda value: value is not None), st.binary()))
def test_create_finds_the_content_type(data: Any) -> None:
    event = Event.create(type="t", source="/s", data=data)
    natural: dict[type, str] = {str: "text/plain", bytes: "application/octet-stream"}
    assert event.datacontenttype == natural.get(type(data), "application/json")
    assert same_json(event.data, data)


def test_create() -> None:
    event = Event.create(
        type="t",
        source="/s",
        data={"a": 1},
        subject="x",
        id="1",
        time=datetime(2018, 4, 5, tzinfo=UTC),
        datacontenttype="application/ld+json",
        dataschema="https://example.com",
        extensions={"ext": 5},
    )
    assert dict(event.attributes) == {
        **GOOD,
        "subject": "x",
        "time": "2018-04-05T00:00:00Z",
        "datacontenttype": "application/ld+json",
        "dataschema": "https://example.com",
        "ext": 5,
    }
    assert (event.subject, event.time) == ("x", "2018-04-05T00:00:00Z")


def test_create_makes_what_is_not_given_up_only_where_it_must() -> None:
    one, other = Event.create(type="t", source="/s"), Event.create(type="t", source="/s")
    assert one.id != other.id
    assert one.attributes.keys() == {"specversion", "id", "source", "type"}


def test_an_extension_is_no_core_attribute() -> None:
    with pytest.raises(InvalidEvent, match="argument of its own") as caught:
        Event.create(type="t", source="/s", extensions={"id": "1"})
    assert caught.value.where == "id"


@given(events(), attribute_sets())
def test_replace_changes_what_it_is_given(event: Event, attributes: dict[str, Any]) -> None:
    changed = event.replace(attributes)
    assert changed.attributes == {**event.attributes, **attributes}
    assert (changed.kind, changed.data_bytes) == (event.kind, event.data_bytes)
    assert Event.from_json(changed.to_json()) == changed
    assert event.replace() == event


def test_replace_takes_away_and_checks() -> None:
    event = Event({**GOOD, "subject": "x"}, {"a": 1})
    assert event.replace({"subject": None}).subject is None
    assert event.replace(data=None).has_data is False
    assert event.replace({"datacontenttype": "application/json"}, data=b"null").data_text == "null"
    assert event.replace(data=[2]).data == [2]
    assert event.replace({"datacontenttype": "text/plain"}).data == '{"a":1}'
    assert event.replace({"datacontenttype": "text/plain"}, "b").data == "b"
    assert event.replace({"datacontenttype": "application/ld+json"}).data == {"a": 1}
    assert event.replace({"datacontenttype": "application/ld+json"}).replace({"datacontenttype": None}) == event
    with pytest.raises(InvalidEvent, match="missing"):
        event.replace({"id": None})
    with pytest.raises(InvalidEvent, match="does not go with"):
        event.replace({"datacontenttype": "text/plain"}, [2])
    assert event == Event({**GOOD, "subject": "x"}, {"a": 1})


# The SDK's protocol


def test_it_satisfies_the_protocol() -> None:
    event: BaseCloudEvent = Event(
        {**GOOD, "subject": "x", "time": "2018-04-05T17:31:00.123456789Z", "dataschema": "a:b", "ext": 5}, {"a": 1}
    )
    assert (event.get_id(), event.get_source(), event.get_type(), event.get_specversion()) == ("1", "/s", "t", "1.0")
    assert (event.get_subject(), event.get_dataschema(), event.get_datacontenttype()) == ("x", "a:b", None)
    assert event.get_time() == datetime(2018, 4, 5, 17, 31, 0, 123456, tzinfo=UTC)
    assert (event.get_extension("ext"), event.get_extension("none")) == (5, None)
    assert event.get_data() == {"a": 1}
    assert event.get_attributes()["time"] == event.get_time()
    assert Event(GOOD).get_time() is None
    assert Event(GOOD).get_attributes() == GOOD


def test_get_attributes_gives_a_copy() -> None:
    event = Event(GOOD)
    event.get_attributes()["id"] = "2"
    assert event.id == "1"


@given(events())
def test_an_event_is_taken_as_it_is(event: Event) -> None:
    assert Event.from_cloudevent(event) is event


def test_what_is_not_an_event_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="dict is not a CloudEvent"):
        Event.from_cloudevent({})  # type: ignore[arg-type]


@given(json_types | text_types | binary_types, st.none() | json_values() | st.binary())
def test_any_data_of_any_type_is_whole_or_refused(content_type: str | None, data: Any) -> None:
    attributes = {**GOOD, "datacontenttype": content_type}
    try:
        event = Event(attributes, data)
    except InvalidEvent as error:
        assert error.where == "data"
        return
    assert Event.from_json(event.to_json()) == event
    if not isinstance(data, bytes):
        assert same_json(event.data, data)
