"""The HTTP protocol binding of CloudEvents 1.0.2: headers and a body to events and back.

It knows attributes and raw bytes only; `Event.from_http` makes the events.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeAlias, TypeVar
from urllib.parse import quote, unquote_to_bytes

from eventroute.attributes import AttributeValue
from eventroute.errors import InvalidEvent
from eventroute.jsontext import split_array

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
    "join_batch",
]

STRUCTURED_TYPE = "application/cloudevents+json"
BATCH_TYPE = "application/cloudevents-batch+json"

Headers: TypeAlias = Iterable[tuple[str | bytes, str | bytes]] | Mapping[str, str]
T = TypeVar("T")

# Section 3.1.3.2: printable ASCII goes as it is, but for space, double quote and percent.
_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
_safe = re.compile(r"[!#$&-~]*").fullmatch
_quoted = re.compile(r'"((?:[^"\\]|\\.)*)"').fullmatch


class UnsupportedMode(InvalidEvent):
    """A message is in no content mode or event format that is known here: HTTP 415, where others are 400."""


class WireEvent(Protocol):
    """What the encoders need of an event."""

    @property
    def attributes(self) -> Mapping[str, AttributeValue]:
        """All attributes."""

    @property
    def wire_type(self) -> str | None:
        """The content type of `data_bytes`."""

    @property
    def data_bytes(self) -> bytes | None:
        """The encoded data."""

    def to_json(self) -> bytes:
        """The event in JSON."""


def decode(
    headers: Headers,
    body: bytes,
    *,
    structured: Callable[[bytes], T],
    binary: Callable[[dict[str, str], bytes], T],
) -> list[T]:
    """The events of one HTTP message in binary, structured or batched mode, in order.

    `structured` makes an event of JSON text, `binary` of attributes and a body. Raises UnsupportedMode for a message
    in another mode or format, InvalidEvent for one that breaks the rules.
    """
    content_type, attributes = _read_headers(headers)
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type == STRUCTURED_TYPE:
        return [structured(body)]
    if media_type == BATCH_TYPE:
        return _decode_batch(body, structured)
    if media_type.startswith("application/cloudevents"):
        raise UnsupportedMode(
            f"{media_type[:64]!r} is not supported: send {STRUCTURED_TYPE} or {BATCH_TYPE}", where="content-type"
        )
    if not attributes:
        raise UnsupportedMode(
            f"this is no CloudEvent: send {STRUCTURED_TYPE}, or the attributes as ce- headers", where="content-type"
        )
    if content_type is not None:
        attributes["datacontenttype"] = content_type
    return [binary(attributes, body)]


def _decode_batch(body: bytes, structured: Callable[[bytes], T]) -> list[T]:
    try:
        items = split_array(body)
    except ValueError as error:
        raise InvalidEvent(f"a batch is one JSON array of events: {error}") from None
    events: list[T] = []
    for item in items:
        try:
            events.append(structured(bytes(item)))
        except InvalidEvent as error:
            where = f"[{len(events)}].{error.where}".rstrip(".")
            raise InvalidEvent(error.reason, where=where) from None
    return events


def _read_headers(headers: Headers) -> tuple[str | None, dict[str, str]]:
    content_type: str | None = None
    attributes: dict[str, str] = {}
    for raw_name, raw_value in headers.items() if isinstance(headers, Mapping) else headers:
        name = _latin(raw_name).lower()
        if name == "content-type":
            if content_type is not None:
                raise InvalidEvent("the header is there twice: send it once", where=name)
            content_type = _latin(raw_value).strip(" \t")
        elif name.startswith("ce-"):
            if name[3:] in attributes:
                raise InvalidEvent("the header is there twice: send it once", where=ascii(name)[1:-1])
            attributes[name[3:]] = _header_text(name, _latin(raw_value).strip(" \t"))
    if "datacontenttype" in attributes:
        raise InvalidEvent("the content type goes into the header Content-Type", where="ce-datacontenttype")
    return content_type, attributes


def _latin(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode("latin-1")


def _header_text(name: str, text: str) -> str:
    """Section 3.1.3.2: first the double quotes go, then one round of percent-decoding."""
    if text.startswith('"'):
        quoted = _quoted(text)
        if quoted is None:
            raise InvalidEvent("it starts with a double quote that nothing ends", where=ascii(name)[1:-1])
        text = re.sub(r"\\(.)", r"\1", quoted[1])
    if "%" not in text and text.isascii():
        return text
    try:
        return unquote_to_bytes(text.encode("latin-1")).decode("utf-8")
    except UnicodeError:
        raise InvalidEvent(
            "it is not percent-encoded UTF-8 (section 3.1.3.2 of the HTTP binding)", where=ascii(name)[1:-1]
        ) from None


def _header_value(value: AttributeValue) -> str:
    if isinstance(value, str):
        return value if _safe(value) else quote(value, safe=_SAFE)
    return str(value).lower()  # true, false, or digits


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
    return join_batch([event.to_json() for event in events])


def join_batch(documents: Iterable[bytes]) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body of several events that are in JSON already, or none, in batched mode."""
    return [("content-type", BATCH_TYPE)], b"[%b]" % b",".join(documents)
