"""The HTTP protocol binding of CloudEvents 1.0.2: headers and a body to events and back.

Knows attributes and raw bytes only; `Event.from_http` puts the events together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeAlias, TypeVar
from urllib.parse import quote, unquote_to_bytes

import msgspec

from eventroute.attributes import AttributeValue
from eventroute.errors import InvalidEvent

__all__ = [
    "BATCH_TYPE",
    "STRUCTURED_TYPE",
    "Headers",
    "UnsupportedMode",
    "WireEvent",
    "decode",
    "encode_batch",
    "encode_binary",
    "encode_structured",
]

STRUCTURED_TYPE = "application/cloudevents+json"
BATCH_TYPE = "application/cloudevents-batch+json"

Headers: TypeAlias = Iterable[tuple[str | bytes, str | bytes]] | Mapping[str, str]
E_ = TypeVar("E_")

# Section 3.1.3.2: all printable ASCII but space, double quote and percent goes as it is.
_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
_plain = re.compile(r"[!#$&-~]*").fullmatch
_quoted = re.compile(r'"((?:[^"\\]|\\.)*)"').fullmatch


class UnsupportedMode(InvalidEvent):
    """A message is in no content mode or event format that is known here (HTTP 415, not 400)."""


class WireEvent(Protocol):
    """What the encoders need of an event."""

    @property
    def attributes(self) -> Mapping[str, AttributeValue]: ...
    @property
    def wire_type(self) -> str | None: ...
    @property
    def data_bytes(self) -> bytes | None: ...
    def to_json(self) -> bytes: ...


def decode(
    headers: Headers,
    body: bytes,
    *,
    structured: Callable[[bytes], E_],
    binary: Callable[[dict[str, str], bytes], E_],
) -> list[E_]:
    """The events of one HTTP message in binary, structured or batched mode, in order.

    `structured` makes an event of JSON format text, `binary` of attributes and a body.
    Raises UnsupportedMode for a message in another mode or format, InvalidEvent for one that breaks the rules.
    """
    content_type, attributes = _read_headers(headers)
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type == STRUCTURED_TYPE:
        return [structured(body)]
    if media_type == BATCH_TYPE:
        return [_in_batch(structured, item, place) for place, item in enumerate(_split(body))]
    if media_type.startswith("application/cloudevents"):
        raise UnsupportedMode(
            f"{media_type[:64]} is not supported: send {STRUCTURED_TYPE} or {BATCH_TYPE}", where="content-type"
        )
    if not attributes:
        raise UnsupportedMode(
            f"this is not a CloudEvent: send the attributes as ce- headers, or {STRUCTURED_TYPE}",
            where="content-type",
        )
    if content_type is not None:
        attributes["datacontenttype"] = content_type
    return [binary(attributes, body)]


def _in_batch(structured: Callable[[bytes], E_], item: msgspec.Raw, place: int) -> E_:
    try:
        return structured(bytes(item))
    except InvalidEvent as error:
        where = f"[{place}].{error.where}" if error.where else f"[{place}]"
        raise InvalidEvent(error.reason, where=where) from None


_split_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


def _split(body: bytes) -> list[msgspec.Raw]:
    try:
        return _split_array(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidEvent(f"a batch is a JSON array of events: {error}") from None


def _read_headers(headers: Headers) -> tuple[str | None, dict[str, str]]:
    content_type: str | None = None
    attributes: dict[str, str] = {}
    for raw_name, raw_value in headers.items() if isinstance(headers, Mapping) else headers:
        name = (raw_name if isinstance(raw_name, str) else raw_name.decode("latin-1")).lower()
        if name.startswith("ce-"):
            attribute = name[3:]
            if attribute in attributes:
                raise InvalidEvent("the header is there twice: send it once", where=ascii(name)[1:-1])
            attributes[attribute] = _header_text(raw_value, name)
        elif name == "content-type":
            if content_type is not None:
                raise InvalidEvent("the header is there twice: send it once", where="content-type")
            content_type = _plain_text(raw_value).strip(" \t")
    if "datacontenttype" in attributes:
        raise InvalidEvent("the content type goes in the Content-Type header", where="ce-datacontenttype")
    return content_type, attributes


def _plain_text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _header_text(raw: str | bytes, name: str) -> str:
    """Section 3.1.3.2: first the double quotes go, then one round of percent-decoding."""
    text = _plain_text(raw).strip(" \t")
    if text.startswith('"'):
        quoted = _quoted(text)
        if quoted is None:
            raise InvalidEvent("the header starts with a double quote that nothing ends", where=ascii(name)[1:-1])
        text = re.sub(r"\\(.)", r"\1", quoted[1])
    if text.isascii() and "%" not in text:
        return text
    try:
        return unquote_to_bytes(text.encode("latin-1")).decode("utf-8")
    except UnicodeError:
        raise InvalidEvent(
            "the header is not percent-encoded UTF-8: encode it as section 3.1.3.2 of the HTTP binding says",
            where=ascii(name)[1:-1],
        ) from None


def _header_value(value: AttributeValue) -> str:
    if isinstance(value, str):
        return value if _plain(value) else quote(value, safe=_SAFE)
    return str(value).lower()  # true, false or digits


def encode_binary(event: WireEvent) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body of one event in binary mode; without data the body is empty."""
    headers = [
        ("ce-" + name, _header_value(value)) for name, value in event.attributes.items() if name != "datacontenttype"
    ]
    content_type = event.wire_type
    if content_type is not None:
        headers.append(("content-type", content_type))
    return headers, event.data_bytes or b""


def encode_structured(event: WireEvent) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body of one event in structured mode."""
    return [("content-type", STRUCTURED_TYPE)], event.to_json()


def encode_batch(events: Iterable[WireEvent]) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body of several events, or none, in batched mode."""
    return [("content-type", BATCH_TYPE)], b"[" + b",".join([event.to_json() for event in events]) + b"]"
