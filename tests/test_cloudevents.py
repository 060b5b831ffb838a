"""Interoperation with the CloudEvents SDK, both ways; and where it strays from the specification, which we follow."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings import http
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v03.event import CloudEvent as OldCloudEvent
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from eventroute import binding
from eventroute.errors import InvalidEvent
from eventroute.event import Event
from eventroute.payload import Kind
from eventroute.testing.strategies import events, json_values
from eventroute.testing.strategies.events import attribute_sets, binary_types, json_types, text_types

GOOD = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}

moments = st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # hypothesis adds the zone


@st.composite
def sdk_events(draw: st.DrawFn) -> CloudEvent:
    """What the SDK's own class can hold and keep."""
    attributes = draw(attribute_sets())
    attributes["time"] = draw(moments)
    content_type, data = draw(
        st.one_of(
            st.tuples(json_types, json_values()),
            st.tuples(text_types, st.text(min_size=1, max_size=20)),
            st.tuples(binary_types, st.binary(min_size=1, max_size=20)),
            st.tuples(st.none(), st.none()),
        )
    )
    if content_type is not None:
        attributes["datacontenttype"] = content_type
    return CloudEvent(attributes, data)


def comparable(event: Event) -> Event:
    """The event without what the SDK cannot carry: the text of its time beyond the instant, and null data."""
    return Event(event.get_attributes(), event.data)


# Theirs to ours


@given(sdk_events())
def test_an_event_of_the_sdk_is_taken(theirs: CloudEvent) -> None:
    ours = Event.from_cloudevent(theirs)
    assert ours.get_attributes() == theirs.get_attributes()
    assert ours.get_data() == theirs.get_data()


@given(sdk_events())
def test_what_the_sdk_writes_structured_is_read(theirs: CloudEvent) -> None:
    message = http.to_structured_event(theirs)
    assert Event.from_http(message.headers, message.body) == [Event.from_cloudevent(theirs)]


@given(sdk_events().filter(lambda event: isinstance(event.get_data(), dict | str | bytes)))
def test_what_the_sdk_writes_binary_is_read(theirs: CloudEvent) -> None:
    ours = Event.from_cloudevent(theirs)
    if isinstance(theirs.get_data(), str) and ours.kind is Kind.JSON:
        return  # see test_the_sdk_writes_json_strings_without_quotes
    message = http.to_binary_event(theirs)
    (read,) = Event.from_http(message.headers, message.body)
    assert read.data == ours.data
    assert read.attributes == {
        name: str(value) if isinstance(value, bool | int) else value for name, value in ours.attributes.items()
    }


# Ours to theirs


@given(events())
def test_the_sdk_reads_what_we_write_structured(event: Event) -> None:
    ours = comparable(event)
    _, body = binding.encode_structured(ours)
    theirs = http.from_structured_event(http.HTTPMessage({"content-type": binding.STRUCTURED_TYPE}, body))
    assert theirs.get_data() == ours.data
    attributes = theirs.get_attributes()
    assert {name: attributes[name] for name in ours.attributes} == ours.get_attributes()


@given(events(st.dictionaries(st.text(), json_values())))
def test_the_sdk_reads_what_we_write_binary(event: Event) -> None:
    ours = comparable(event)
    headers, body = binding.encode_binary(ours)
    theirs = http.from_binary_event(http.HTTPMessage(dict(headers), body))
    assert theirs.get_data() == ours.data
    assert theirs.get_attributes()["id"] == ours.id
    assert theirs.get_subject() == ours.subject


@given(events())
def test_the_sdk_takes_our_event_for_its_own(event: Event) -> None:
    """Our class is passed to the SDK's functions as it is."""
    message = http.to_structured_event(event)
    assert Event.from_http(message.headers, message.body) == [comparable(event)]
    theirs = CloudEvent(event.get_attributes(), event.get_data())
    assert theirs.get_id() == event.id
    assert theirs.get_data() == event.get_data()


def test_the_sdk_makes_our_events() -> None:
    """Our class is an event factory for the SDK's functions."""
    raw = json.dumps({**GOOD, "data": {"a": 1}}).encode()
    assert JSONFormat().read(Event, raw) == Event.from_json(raw)


# Where the SDK strays. Each test shows what it does, so that the day it no longer does we know.


def test_the_sdk_invents_what_is_missing() -> None:
    assert JSONFormat().read(None, b'{"source":"/s","type":"t"}').get_id()
    with pytest.raises(InvalidEvent) as caught:
        Event.from_json(b'{"source":"/s","type":"t"}')
    assert caught.value.where == "specversion"


def test_the_sdk_changes_the_callers_attributes() -> None:
    attributes: dict[str, Any] = {"source": "/s", "type": "t"}
    CloudEvent(attributes)
    assert attributes.keys() == {"specversion", "id", "source", "type", "time"}


def test_the_sdk_drops_null_data() -> None:
    raw = json.dumps({**GOOD, "data": None}).encode()
    theirs = JSONFormat().read(None, raw)
    assert "data" not in json.loads(JSONFormat().write(theirs))
    assert json.loads(Event.from_json(raw).to_json())["data"] is None


def test_the_sdk_cuts_time_to_microseconds() -> None:
    raw = json.dumps({**GOOD, "time": "2018-04-05T17:31:00.123456789Z"}).encode()
    assert b"00.123456Z" in JSONFormat().write(JSONFormat().read(None, raw))
    assert Event.from_json(raw).time == "2018-04-05T17:31:00.123456789Z"


def test_the_sdk_writes_python_for_lists_and_booleans_in_binary_mode() -> None:
    theirs = CloudEvent({**GOOD, "ext": True, "datacontenttype": "application/json"}, [True])  # type: ignore[arg-type]
    message = http.to_binary_event(theirs)
    assert (message.body, message.headers["ce-ext"]) == (b"[True]", "True")
    headers, body = binding.encode_binary(Event.from_cloudevent(theirs))
    assert (body, dict(headers)["ce-ext"]) == (b"[true]", "true")


def test_the_sdk_writes_json_strings_without_quotes() -> None:
    theirs = CloudEvent({**GOOD, "datacontenttype": "application/json"}, "a")
    assert http.to_binary_event(theirs).body == b"a"
    assert binding.encode_binary(Event.from_cloudevent(theirs))[1] == b'"a"'


def test_the_sdk_takes_bytes_that_happen_to_be_utf_8_for_text() -> None:
    headers = {**{f"ce-{name}": value for name, value in GOOD.items()}, "content-type": "application/octet-stream"}
    assert http.from_http_event(http.HTTPMessage(headers, b"abc")).get_data() == "abc"
    assert Event.from_http(headers, b"abc")[0].data == b"abc"


def test_the_sdk_takes_broken_json_for_text() -> None:
    headers = {**{f"ce-{name}": value for name, value in GOOD.items()}, "content-type": "application/json"}
    assert http.from_http_event(http.HTTPMessage(headers, b"{")).get_data() == "{"
    with pytest.raises(InvalidEvent, match="not one JSON value"):
        Event.from_http(headers, b"{")


def test_the_sdk_reads_no_batch() -> None:
    headers, body = binding.encode_batch([Event(GOOD)])
    with pytest.raises(AttributeError):
        http.from_http_event(http.HTTPMessage(dict(headers), body))
    assert Event.from_http(headers, body) == [Event(GOOD)]


def test_the_sdk_finds_the_mode_by_any_ce_header() -> None:
    headers = {"content-type": binding.STRUCTURED_TYPE, "ce-id": "2"}
    body = Event(GOOD).to_json()
    with pytest.raises(CloudEventValidationError, match="source"):
        http.from_http_event(http.HTTPMessage(headers, body))
    assert Event.from_http(headers, body) == [Event(GOOD)]


def test_the_sdk_cannot_write_numbers_beyond_binary64() -> None:
    event = Event.from_json(json.dumps(GOOD)[:-1] + ',"data":1e400}')
    with pytest.raises(TypeError, match="not JSON serializable"):
        http.to_structured_event(event)
    assert b"1e400" in event.to_json()


def test_events_of_other_versions_are_refused() -> None:
    theirs = OldCloudEvent({"specversion": "0.3", "id": "1", "source": "/s", "type": "t"})
    with pytest.raises(InvalidEvent, match="is not supported") as caught:
        Event.from_cloudevent(theirs)
    assert caught.value.where == "specversion"
