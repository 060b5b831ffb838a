from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidEvent
from eventroute.payload import Kind, codec_of, kind_of, natural_type, payload_member, payload_of, payload_of_body


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        (None, Kind.JSON),
        ("application/json", Kind.JSON),
        ("Application/JSON; charset=utf-8", Kind.JSON),
        ("text/json", Kind.JSON),
        ("application/cloudevents+json", Kind.JSON),
        ("application/vnd.x+json ; a=b", Kind.JSON),
        ("text/plain", Kind.TEXT),
        ("TEXT/XML;charset=UTF-8", Kind.TEXT),
        ('text/plain; format=flowed; charset="us-ascii"', Kind.TEXT),
        ("text/plain;charset=iso-8859-1", Kind.TEXT),
        ("text/plain;charset=utf-16", Kind.BINARY),
        ("application/jsonp", Kind.BINARY),
        ("application/json-seq", Kind.BINARY),
        ("application/xml", Kind.BINARY),
        ("image/png", Kind.BINARY),
    ],
)
def test_kinds(content_type: str | None, kind: Kind) -> None:
    assert kind_of(content_type) is kind


@pytest.mark.parametrize(
    ("content_type", "codec"),
    [
        ("text/plain", "utf-8"),
        ("text/plain; charset=", "utf-8"),
        ("text/plain; a=b; CharSet=UTF-8", "utf-8"),
        ("text/plain; charset=iso-8859-1", "latin-1"),
        ("text/plain; charset=utf-7", None),
        ("text/plain; charset=zip", None),
    ],
)
def test_codecs(content_type: str, codec: str | None) -> None:
    assert codec_of(content_type) == codec


@pytest.mark.parametrize(
    ("data", "content_type"),
    [("a", "text/plain"), (b"", "application/octet-stream"), ({}, "application/json"), (0, "application/json")],
)
def test_natural_types(data: object, content_type: str) -> None:
    assert natural_type(data) == content_type


@given(st.binary(max_size=20), st.sampled_from([None, "application/json", "text/plain", "image/png"]))
def test_a_body_is_kept_to_the_byte_or_refused(body: bytes, content_type: str | None) -> None:
    try:
        payload = payload_of_body(body, content_type)
    except InvalidEvent as error:
        assert error.where == "data"
        assert content_type in ("application/json", "text/plain")
        return
    assert (payload.encode() if isinstance(payload, str) else bytes(payload or b"")) == body


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"{", "application/json", "not one JSON value"),
        (b"1 2", "application/json", "not one JSON value"),
        (b'{"a":"\xff"}', "application/json", "not UTF-8: .* at byte 6"),
        (b"[" * 129 + b"]" * 129, "application/json", "deeper than 128"),
        (b"\xff", "text/plain", "not UTF-8 .* at byte 0.*charset"),
    ],
)
def test_a_body_that_is_not_what_it_claims(body: bytes, content_type: str, reason: str) -> None:
    with pytest.raises(InvalidEvent, match=reason) as caught:
        payload_of_body(body, content_type)
    assert caught.value.where == "data"


@pytest.mark.parametrize(
    ("data", "content_type", "reason"),
    [
        ({"a": float("nan")}, None, "not a JSON number"),
        ("\ud800", "application/json", "not Unicode"),
        ("\ud800", "text/plain", "not utf-8"),
        ("€", "text/plain; charset=iso-8859-1", "not latin-1"),
        ("a", "text/plain; charset=utf-16", "must be given as bytes"),
        ({}, "text/plain", "dict does not go with datacontenttype 'text/plain'"),
        (b"{", "application/json", "not one JSON value"),
    ],
)
def test_data_that_does_not_go_with_its_type(data: object, content_type: str | None, reason: str) -> None:
    with pytest.raises(InvalidEvent, match=reason) as caught:
        payload_of(data, content_type)
    assert caught.value.where == "data"


def test_members() -> None:
    assert payload_member(None) == b""
    assert payload_member(msgspec.Raw(b"[1]")) == b',"data":[1]'
    assert payload_member('a"') == b',"data":"a\\""'
    assert payload_member(b"\xff") == b',"data_base64":"/w=="'
