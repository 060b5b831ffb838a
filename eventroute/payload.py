"""What an event's data is: JSON, text or bytes, as its content type says (JSON format 1.0.2, section 3.1).

The type of a `Payload` is its kind: JSON text as `msgspec.Raw`, undecoded; text as str; bytes as bytes; None for no
data.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from enum import Enum
from functools import lru_cache
from typing import TypeAlias

import msgspec

from eventroute.errors import InvalidEvent
from eventroute.jsontext import check_json, decode_json, encode_json, split_value

__all__ = [
    "Kind",
    "Payload",
    "codec_of",
    "kind_of",
    "natural_type",
    "payload_kind",
    "payload_member",
    "payload_of",
    "payload_of_body",
    "payload_of_members",
    "reading_of",
]

Payload: TypeAlias = msgspec.Raw | str | bytes | None

_CODECS = {"": "utf-8", "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8", "iso-8859-1": "latin-1"}


class Kind(Enum):
    """How the data of an event is read."""

    NONE = "none"
    JSON = "json"
    TEXT = "text"
    BINARY = "binary"


@lru_cache(maxsize=256)
def kind_of(datacontenttype: str | None) -> Kind:
    """The kind of data that a media type declares.

    JSON for `*/json`, `*/*+json` and where there is none; TEXT for `text/*` in a charset that `codec_of` knows;
    else BINARY.
    """
    if datacontenttype is None:
        return Kind.JSON
    media_type = datacontenttype.partition(";")[0].strip().lower()
    if media_type.endswith(("/json", "+json")):
        return Kind.JSON
    if media_type.startswith("text/") and codec_of(datacontenttype) is not None:
        return Kind.TEXT
    return Kind.BINARY


@lru_cache(maxsize=256)
def codec_of(datacontenttype: str) -> str | None:
    """The codec of text of a media type: UTF-8 unless it says otherwise; None for a charset that is not known."""
    for parameter in datacontenttype.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return _CODECS.get(value.strip().strip('"').lower())
    return "utf-8"


def reading_of(content_type: str | None) -> tuple[Kind, str | None]:
    """How a content type reads bytes: types of one reading can stand for each other."""
    return kind_of(content_type), codec_of(content_type or "")


def natural_type(data: object) -> str:
    """The content type of data that came without one."""
    if isinstance(data, str):
        return "text/plain"
    return "application/octet-stream" if isinstance(data, bytes | bytearray | memoryview) else "application/json"


def payload_of(data: object, content_type: str | None) -> Payload:
    """The payload of data that a program gave. Raises InvalidEvent where it does not go with the content type."""
    if data is None:
        return None
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data) if content_type is None else _encoded(bytes(data), content_type)
    if kind_of(content_type) is Kind.JSON:
        try:
            return msgspec.Raw(encode_json(data))
        except ValueError as error:
            raise InvalidEvent(f"it cannot be written as JSON: {error}", where="data") from None
    if not isinstance(data, str):
        raise InvalidEvent(
            f"{type(data).__name__} does not go with datacontenttype {content_type!r:.80}: "
            "give a string or bytes, or a JSON content type",
            where="data",
        )
    return _text(data, content_type or "")


def payload_of_body(body: bytes, content_type: str | None) -> Payload:
    """The payload of a message body. Without a content type it is JSON if it can be, else bytes.

    Raises InvalidEvent where the body is not what its content type says.
    """
    if not body:
        return None
    if content_type is not None:
        return _encoded(body, content_type)
    try:
        return _json(body)
    except InvalidEvent:
        return body


def payload_of_members(data: msgspec.Raw | None, data_base64: msgspec.Raw | None, content_type: str | None) -> Payload:
    """The payload of the members `data` and `data_base64` of an event in JSON (section 3.1.2).

    Raises InvalidEvent where there are both, or they do not go with the content type.
    """
    if data_base64 is not None and (text := decode_json(data_base64)) is not None:
        if data is not None:
            raise InvalidEvent("data and data_base64 are there both: send one", where="data_base64")
        return payload_of(_from_base64(text), content_type)
    if data is None or kind_of(content_type) is Kind.JSON:
        return data
    value = decode_json(data)
    if value is not None and not isinstance(value, str):
        raise InvalidEvent(
            f"it must be a string, because datacontenttype is {content_type!r:.80}: "
            "send a string, or a JSON content type",
            where="data",
        )
    return payload_of(value, content_type)


def payload_kind(payload: Payload) -> Kind:
    """What a payload is."""
    if isinstance(payload, msgspec.Raw):
        return Kind.JSON
    if isinstance(payload, str):
        return Kind.TEXT
    return Kind.NONE if payload is None else Kind.BINARY


def payload_member(payload: Payload) -> bytes:
    """The member `,"data":...` or `,"data_base64":...` of an event in JSON; nothing where there is no data."""
    if isinstance(payload, msgspec.Raw):
        return b',"data":%b' % payload
    if isinstance(payload, str):
        return b',"data":%b' % encode_json(payload)
    return b"" if payload is None else b',"data_base64":"%b"' % b2a_base64(payload, newline=False)


def _encoded(body: bytes, content_type: str) -> Payload:
    kind = kind_of(content_type)
    if kind is Kind.JSON:
        return _json(body)
    if kind is Kind.BINARY:
        return body
    try:
        return body.decode(codec_of(content_type) or "utf-8")
    except UnicodeDecodeError as error:
        raise InvalidEvent(
            f"it is not UTF-8 ({error.reason} at byte {error.start}): name its charset in the content type",
            where="data",
        ) from None


def _json(body: bytes) -> msgspec.Raw:
    try:
        value = split_value(body)
        check_json(body)
    except ValueError as error:
        raise InvalidEvent(f"it is not one JSON value: {error}", where="data") from None
    return value


def _text(text: str, content_type: str) -> str:
    codec = codec_of(content_type)
    if codec is None:
        raise InvalidEvent(f"text in the charset of {content_type!r:.80} must be given as bytes", where="data")
    try:
        text.encode(codec)
    except UnicodeEncodeError as error:
        raise InvalidEvent(f"the text is not {codec}: {error.reason} at {error.start}", where="data") from None
    return str.__str__(text)


def _from_base64(text: object) -> bytes:
    if not isinstance(text, str):
        raise InvalidEvent("it must be a string of base64", where="data_base64")
    try:
        return a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise InvalidEvent(f"it is not base64: {error}", where="data_base64") from None
