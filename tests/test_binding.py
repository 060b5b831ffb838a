from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.binding import (
    BATCH_TYPE,
    STRUCTURED_TYPE,
    UnsupportedMode,
    encode_batch,
    encode_binary,
    encode_structured,
)
from eventroute.errors import InvalidEvent
from eventroute.event import Event
from eventroute.payload import Kind
from eventroute.testing.strategies import events, json_values
from eventroute.testing.strategies.events import attribute_text

GOOD = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
CE = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")]


def document(**members: Any) -> bytes:
    return json.dumps({**GOOD, **members}).encode()


# Round trips


@given(events())
def test_structured_mode(event: Event) -> None:
    headers, body = encode_structured(event)
    assert Event.from_http(headers, body) == [event]


@given(st.lists(events(), max_size=4))
def test_batched_mode(several: list[Event]) -> None:
    headers, body = encode_batch(several)
    assert Event.from_http(headers, body) == several


@given(events(), st.booleans())
def test_binary_mode(event: Event, raw: bool) -> None:
    """All survives but the types of extensions; JSON without a content type gets the one that it implies."""
    headers, body = encode_binary(event)
    assert body == (event.data_bytes or b"")
    sent = [(name.encode(), value.encode("ascii")) for name, value in headers] if raw else headers
    (again,) = Event.from_http(sent, body)
    expected = {name: _text(value) for name, value in event.attributes.items()}
    if event.kind is Kind.JSON:
        expected.setdefault("datacontenttype", "application/json")
    assert again.attributes == expected
    assert (again.data_bytes or b"") == body
    if body and event.datacontenttype is not None:
        assert again.data == event.data


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value).lower()


@given(attribute_text)
def test_header_values_are_printable_ascii(text: str) -> None:
    headers, _ = encode_binary(Event({**GOOD, "ext": text}))
    value = dict(headers)["ce-ext"]
    assert all("!" <= character <= "~" and character != '"' for character in value)
    assert Event.from_http([*CE, ("ce-ext", value)], b"")[0].get_extension("ext") == text


# Nothing but InvalidEvent

header_names = st.sampled_from(
    ["ce-id", "CE-Source", "ce-type", "ce-specversion", "ce-time", "ce-x", "ce-", "ce-A-b", "Content-Type", "host"]
)
header_values = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["1.0", "/s", "application/json", STRUCTURED_TYPE, BATCH_TYPE, "application/cloudevents", "%e2%82"]
    ),
)


@given(
    st.lists(
        st.tuples(header_names, header_values)
        | st.tuples(header_names.map(str.encode) | st.binary(max_size=6), st.binary(max_size=12)),
        max_size=6,
    ),
    st.booleans(),
    st.binary(max_size=40) | json_values().map(lambda value: json.dumps(value).encode()),
)
def test_garbage_is_refused_or_whole(headers: list[tuple[Any, Any]], complete: bool, body: bytes) -> None:
    try:
        several = Event.from_http([*CE, *headers] if complete else headers, body)
    except InvalidEvent as error:
        assert error.reason
        return
    for event in several:
        assert Event.from_json(event.to_json()) == event


# Examples


def test_the_example_of_the_specification() -> None:
    headers = {
        "ce-specversion": "1.0",
        "ce-type": "com.example.someevent",
        "ce-time": "2018-04-05T03:56:24Z",
        "ce-id": "1234-1234-1234",
        "ce-source": "/mycontext/subcontext",
        "Content-Type": "application/json; charset=utf-8",
        "Content-Length": "8",
    }
    (event,) = Event.from_http(headers, b'{"a": 1}')
    assert event == Event.from_json(
        json.dumps(
            {
                "specversion": "1.0",
                "type": "com.example.someevent",
                "time": "2018-04-05T03:56:24Z",
                "id": "1234-1234-1234",
                "source": "/mycontext/subcontext",
                "datacontenttype": "application/json; charset=utf-8",
                "data": {"a": 1},
            }
        )
    )
    assert event.data_text == '{"a": 1}'


def test_what_is_sent() -> None:
    event = Event({**GOOD, "subject": 'Euro € 😀 "%"', "flag": True, "count": -5}, [1])
    assert encode_binary(event) == (
        [
            *CE,
            ("ce-subject", "Euro%20%E2%82%AC%20%F0%9F%98%80%20%22%25%22"),
            ("ce-flag", "true"),
            ("ce-count", "-5"),
            ("content-type", "application/json"),
        ],
        b"[1]",
    )
    assert encode_structured(Event(GOOD)) == (
        [("content-type", STRUCTURED_TYPE)],
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t"}',
    )
    assert encode_batch([]) == ([("content-type", BATCH_TYPE)], b"[]")
    assert encode_binary(Event(GOOD)) == (CE, b"")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ("Euro%20%e2%82%ac", "Euro €"),
        ("%61", "a"),
        ("100%", "100%"),
        ("%zz", "%zz"),
        ('"a b"', "a b"),
        (r'"a \"b\" \\"', 'a "b" \\'),
        ('"a%20b"', "a b"),
        ('a"b"', 'a"b"'),
        ("  padded\t", "padded"),
        ("", ""),
        ("a, b", "a, b"),
        ("Ã©", "é"),  # raw UTF-8, which servers hand out as Latin-1
    ],
)
def test_header_values(value: str, text: str) -> None:
    for form in (value, value.encode("latin-1")):
        (event,) = Event.from_http([*CE, ("CE-Subject2", form)], b"")
        assert event.get_extension("subject2") == text


@pytest.mark.parametrize("value", ["%C0%A0", "%ff", "%E2%82", "\xe9", "€", '"a', '"a"b', '"a\\"'])
def test_header_values_that_are_refused(value: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        Event.from_http([*CE, ("ce-ext", value)], b"")
    assert caught.value.where == "ce-ext"


@pytest.mark.parametrize(
    ("extra", "body", "where"),
    [
        ([("CE-ID", "2")], b"", "ce-id"),
        ([("Content-Type", "text/plain"), ("content-type", "text/plain")], b"", "content-type"),
        ([("ce-datacontenttype", "text/plain")], b"", "ce-datacontenttype"),
        ([("ce-data", "x")], b"", "data"),
        ([("ce-a-b", "x")], b"", "a-b"),
        ([("ce-", "x")], b"", ""),
        ([("ce-time", "now")], b"", "time"),
        ([("ce-ext", "a%0Ab")], b"", "ext"),
        ([("content-type", "json")], b"", "datacontenttype"),
        ([("content-type", "")], b"", "datacontenttype"),
        ([("content-type", "application/json")], b"{", "data"),
        ([("content-type", "application/json")], b"1 2", "data"),
        ([("content-type", "text/plain")], b"\xff", "data"),
    ],
)
def test_what_is_refused_in_binary_mode(extra: list[tuple[str, str]], body: bytes, where: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        Event.from_http([*CE, *extra], body)
    assert caught.value.where == where
    assert not isinstance(caught.value, UnsupportedMode)


@pytest.mark.parametrize("missing", range(4))
def test_required_attributes_in_binary_mode(missing: int) -> None:
    headers = [header for place, header in enumerate(CE) if place != missing]
    with pytest.raises(InvalidEvent, match="missing") as caught:
        Event.from_http(headers, b"")
    assert f"ce-{caught.value.where}" == CE[missing][0]


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"", Kind.NONE), (b'{"a":1}', Kind.JSON), (b"null", Kind.JSON), (b"a", Kind.BINARY), (b"\xff", Kind.BINARY)],
)
def test_a_body_without_a_content_type_is_json_if_it_can_be(body: bytes, kind: Kind) -> None:
    (event,) = Event.from_http(CE, body)
    assert event.kind is kind
    assert (event.data_bytes or b"") == body


def test_an_empty_body_is_no_data() -> None:
    (event,) = Event.from_http([*CE, ("content-type", "application/json")], b"")
    assert (event.has_data, event.datacontenttype) == (False, "application/json")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/json"},
        {"content-type": "text/plain", "cesource": "x"},
        {"content-type": "application/cloudevents"},
        {"content-type": "application/cloudevents+avro"},
        {"content-type": "application/cloudevents-batch+xml", "ce-id": "1"},
        {"content-type": "application/cloudeventsfoo+json"},
    ],
)
def test_modes_that_are_not_known(headers: dict[str, str]) -> None:
    with pytest.raises(UnsupportedMode) as caught:
        Event.from_http(headers, document())
    assert caught.value.where == "content-type"


@pytest.mark.parametrize("content_type", [STRUCTURED_TYPE, "Application/CloudEvents+JSON; charset=UTF-8"])
def test_structured_mode_takes_all_from_the_body(content_type: str) -> None:
    headers = {"CONTENT-TYPE": content_type, "ce-id": "2"}
    assert Event.from_http(headers, document()) == [Event(GOOD)]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", ""),
        (document(), ""),
        (b"[1]", "[0]"),
        (b"[" + document() + b"," + document(id=5) + b"]", "[1].id"),
        (b"[" + document() + b",]", ""),
        (b"[\xff]", ""),
        (b"[" * 100_000, ""),
        (b"[" + document() + b'] "trailing"', ""),
    ],
)
def test_batches_that_are_refused(body: bytes, where: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        Event.from_http({"content-type": BATCH_TYPE}, body)
    assert caught.value.where == where


def test_an_empty_batch() -> None:
    assert Event.from_http({"content-type": f"{BATCH_TYPE}; charset=utf-8"}, b" [ ] ") == []


def test_headers_come_in_many_forms() -> None:
    forms: list[Any] = [
        CE,
        dict(CE),
        tuple(CE),
        iter(CE),
        [(name.encode(), value.encode()) for name, value in CE],
        [(name.upper(), value) for name, value in CE],
    ]
    assert [Event.from_http(headers, b"") for headers in forms] == [[Event(GOOD)]] * len(forms)
