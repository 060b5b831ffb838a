"""The event: a CloudEvent (CloudEvents 1.0.2), immutable, its data decoded once and on demand."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast
from uuid import uuid4

import attrs
import msgspec

from eventroute import binding
from eventroute.attributes import AttributeValue, check_attributes
from eventroute.errors import InvalidEvent
from eventroute.jsontext import check_json, decode_json, encode_json, raise_reason, same_json
from eventroute.payload import Kind, codec_of, kind_of
from eventroute.timestamps import parse_timestamp

if TYPE_CHECKING:
    from cloudevents.core.base import BaseCloudEvent

__all__ = ["Event"]

# JSON text (a part of the message that it came in, or its own), text, bytes, or no data
Payload: TypeAlias = "msgspec.Raw | bytes | str | None"

_UNSET: Final = object()
_new = object.__new__
_set = object.__setattr__
_split_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_one_value = msgspec.json.Decoder(msgspec.Raw).decode


@attrs.frozen(init=False, eq=False, repr=False)
class Event:
    """A CloudEvent. Satisfies the CloudEvents SDK's `BaseCloudEvent` protocol.

    `attributes` are checked against the specification: an aware datetime becomes RFC 3339 text, bytes become base64
    text, None is left out. `data` is what the content type says: a JSON value (or JSON text, as bytes) where
    `datacontenttype` is JSON, a string or bytes elsewhere; without `datacontenttype` bytes stay bytes and anything
    else is a JSON value. None is no data; `b"null"` in a JSON type is null. Nothing of the caller's is kept or changed.

    Raises InvalidEvent naming the attribute, or `data`.
    """

    _attributes: dict[str, AttributeValue]
    _kind: Kind
    _payload: Payload
    _document: bytes | None
    _decoded: object

    def __init__(self, attributes: Mapping[str, Any], data: object = None) -> None:
        checked = check_attributes(attributes)
        kind, payload = _payload_of(data, cast("str | None", checked.get("datacontenttype")))
        _fill(self, checked, kind, payload, None)

    # -- ways to make one

    @classmethod
    def create(
        cls,
        *,
        type: str,
        source: str,
        data: object = None,
        subject: str | None = None,
        id: str | None = None,
        time: datetime | str | None = None,
        datacontenttype: str | None = None,
        dataschema: str | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> Event:
        """A new event; `id` is a random UUID unless given, and `time` is left out unless given.

        Without `datacontenttype` a string is text/plain, bytes are application/octet-stream, and any other data is
        application/json. Raises InvalidEvent.
        """
        if datacontenttype is None and data is not None:
            datacontenttype = _natural_type(data)
        return cls(
            {
                **(extensions or {}),
                "specversion": "1.0",
                "id": str(uuid4()) if id is None else id,
                "source": source,
                "type": type,
                "subject": subject,
                "time": time,
                "datacontenttype": datacontenttype,
                "dataschema": dataschema,
            },
            data,
        )

    @classmethod
    def from_json(cls, raw: bytes | bytearray | memoryview | str) -> Event:
        """The event of one JSON text in structured mode (JSON format 1.0.2).

        Attributes that are null are absent, data that is null is null; of members of one name the last wins.
        The text is kept, and `to_json` gives it back. Raises InvalidEvent.
        """
        document = _as_bytes(raw)
        members = _members(document)
        data = members.pop("data", None)
        encoded = members.pop("data_base64", None)
        attributes = check_attributes({name: _decode(name, value) for name, value in members.items()})
        content_type = cast("str | None", attributes.get("datacontenttype"))
        kind, payload = _payload_of_members(data, encoded, content_type)
        return _made(attributes, kind, payload, document)

    @classmethod
    def from_log(cls, raw: bytes) -> Event:
        """The event of JSON text that an Event wrote: as `from_json`, without checking the attributes again."""
        members = _split_members(raw)
        data = members.pop("data", None)
        encoded = members.pop("data_base64", None)
        attributes = {name: decode_json(value) for name, value in members.items()}
        attributes = {name: value for name, value in attributes.items() if value is not None}
        kind, payload = _payload_of_members(data, encoded, attributes.get("datacontenttype"))
        return _made(attributes, kind, payload, raw)

    @classmethod
    def from_http(cls, headers: binding.Headers, body: bytes) -> list[Event]:
        """The events of an HTTP message in binary, structured or batched mode (HTTP binding 1.0.2), in order.

        An empty batch gives an empty list. Raises InvalidEvent, and its subclass UnsupportedMode for a message that
        is in no mode or format that is known here.
        """
        return binding.decode(headers, body, structured=cls.from_json, binary=_from_binary)

    @classmethod
    def from_cloudevent(cls, event: BaseCloudEvent) -> Event:
        """This event, or an Event of the same meaning for any other object of the SDK's protocol.

        Raises InvalidEvent for an object that is none, or that breaks the specification.
        """
        if isinstance(event, Event):
            return event
        try:
            attributes, data = event.get_attributes(), event.get_data()
        except AttributeError:
            raise InvalidEvent(
                f"a {type(event).__name__} is not a CloudEvent: it has no get_attributes and get_data"
            ) from None
        return cls(attributes, data)

    def replace(self, attributes: Mapping[str, Any] | None = None, data: object = _UNSET) -> Event:
        """A copy with these attributes changed (None takes one away), and with other data if any is given.

        Data that stays is read anew where `datacontenttype` changes. Raises InvalidEvent.
        """
        changed = self._attributes if not attributes else check_attributes({**self._attributes, **attributes})
        content_type = cast("str | None", changed.get("datacontenttype"))
        if data is not _UNSET:
            kind, payload = _payload_of(data, content_type)
        elif content_type != self._attributes.get("datacontenttype"):
            kind, payload = _payload_of(self.data_bytes, content_type)
        else:
            kind, payload = self._kind, self._payload
        return _made(changed, kind, payload, None)

    def fresh(self) -> Event:
        """A copy that shares all but the decoded data, so that nobody sees changes that others make to it."""
        return _made(self._attributes, self._kind, self._payload, self._document)

    # -- attributes

    @property
    def attributes(self) -> Mapping[str, AttributeValue]:
        """All attributes, `time` as the text that was received; read-only."""
        return MappingProxyType(self._attributes)

    @property
    def id(self) -> str:
        return cast(str, self._attributes["id"])

    @property
    def source(self) -> str:
        return cast(str, self._attributes["source"])

    @property
    def type(self) -> str:
        return cast(str, self._attributes["type"])

    @property
    def subject(self) -> str | None:
        return cast("str | None", self._attributes.get("subject"))

    @property
    def time(self) -> str | None:
        """RFC 3339 text as it was received; `get_time()` is the instant."""
        return cast("str | None", self._attributes.get("time"))

    @property
    def datacontenttype(self) -> str | None:
        return cast("str | None", self._attributes.get("datacontenttype"))

    @property
    def dataschema(self) -> str | None:
        return cast("str | None", self._attributes.get("dataschema"))

    # -- data

    @property
    def has_data(self) -> bool:
        return self._kind is not Kind.NONE

    @property
    def kind(self) -> Kind:
        """Whether the data is JSON, text or bytes, or there is none."""
        return self._kind

    @property
    def data(self) -> Any:
        """The data: a JSON value, a string, bytes, or None where there is none.

        JSON is decoded at the first use and then kept: the same object each time.
        """
        if self._decoded is not _UNSET:
            return self._decoded
        if self._kind is not Kind.JSON:
            return self._payload
        value = decode_json(cast("msgspec.Raw | bytes", self._payload))
        _set(self, "_decoded", value)
        return value

    @property
    def data_text(self) -> str | None:
        """The data as text: JSON as it was received, or text; None for bytes or no data."""
        if self._kind is Kind.JSON:
            return str(cast(bytes, self._payload), "utf-8")
        return cast(str, self._payload) if self._kind is Kind.TEXT else None

    @property
    def data_bytes(self) -> bytes | None:
        """The data as its content type encodes it, or None where there is none."""
        payload = self._payload
        if isinstance(payload, str):
            content_type = self.datacontenttype
            return payload.encode(codec_of(content_type) or "utf-8" if content_type else "utf-8")
        return bytes(payload) if payload is not None else None

    @property
    def wire_type(self) -> str | None:
        """The content type of `data_bytes`: JSON data without `datacontenttype` is application/json."""
        content_type = self.datacontenttype
        return "application/json" if content_type is None and self._kind is Kind.JSON else content_type

    def to_json(self) -> bytes:
        """The event in structured mode: the very text that it was read from, or compact JSON."""
        document = self._document
        if document is None:
            document = self._write()
            _set(self, "_document", document)
        return document

    def _write(self) -> bytes:
        head = encode_json(self._attributes)[:-1]
        payload = self._payload
        if self._kind is Kind.NONE:
            return head + b"}"
        if self._kind is Kind.JSON:
            return b'%b,"data":%b}' % (head, cast(bytes, payload))
        if self._kind is Kind.TEXT:
            return b'%b,"data":%b}' % (head, encode_json(payload))
        return b'%b,"data_base64":"%b"}' % (head, b2a_base64(cast(bytes, payload), newline=False))

    # -- the SDK's protocol

    def get_id(self) -> str:
        return self.id

    def get_source(self) -> str:
        return self.source

    def get_type(self) -> str:
        return self.type

    def get_specversion(self) -> str:
        return "1.0"

    def get_datacontenttype(self) -> str | None:
        return self.datacontenttype

    def get_dataschema(self) -> str | None:
        return self.dataschema

    def get_subject(self) -> str | None:
        return self.subject

    def get_time(self) -> datetime | None:
        """The instant of `time`, to the microsecond."""
        text = self.time
        return None if text is None else parse_timestamp(text)

    def get_extension(self, extension_name: str) -> Any:
        return self._attributes.get(extension_name)

    def get_data(self) -> Any:
        return self.data

    def get_attributes(self) -> dict[str, Any]:
        """A copy of the attributes, with `time` as a datetime, as the SDK has it."""
        attributes: dict[str, Any] = dict(self._attributes)
        if "time" in attributes:
            attributes["time"] = self.get_time()
        return attributes

    # -- meaning

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        return same_json(self._attributes, other._attributes) and self._same_data(other)

    def _same_data(self, other: Event) -> bool:
        if self._kind is Kind.JSON and other._kind is Kind.JSON:
            return same_json(self.data, other.data)
        return self.data_bytes == other.data_bytes

    def __hash__(self) -> int:
        return hash((self._attributes["id"], self._attributes["source"], self._attributes["type"]))

    def __repr__(self) -> str:
        size = "" if self._kind is Kind.NONE else f", {self._kind.value} of {len(self.data_bytes or b'')} bytes"
        return f"Event(id={self.id[:64]!r}, source={self.source[:64]!r}, type={self.type[:64]!r}{size})"


def _fill(
    event: Event, attributes: dict[str, AttributeValue], kind: Kind, payload: Payload, document: bytes | None
) -> None:
    _set(event, "_attributes", attributes)
    _set(event, "_kind", kind)
    _set(event, "_payload", payload)
    _set(event, "_document", document)
    _set(event, "_decoded", _UNSET)


def _made(attributes: dict[str, AttributeValue], kind: Kind, payload: Payload, document: bytes | None) -> Event:
    event = _new(Event)
    _fill(event, attributes, kind, payload, document)
    return event


def _as_bytes(raw: bytes | bytearray | memoryview | str) -> bytes:
    if isinstance(raw, str):
        try:
            return raw.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidEvent(f"the text is not Unicode: {error.reason} at {error.start}") from None
    return bytes(raw)


def _members(document: bytes) -> dict[str, msgspec.Raw]:
    try:
        try:
            members = _split_members(document)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise_reason(error)
        check_json(document)
    except ValueError as error:
        raise InvalidEvent(f"an event is one JSON object: {error}") from None
    return members


def _decode(name: str, value: msgspec.Raw) -> Any:
    try:
        return decode_json(value)
    except ValueError as error:
        raise InvalidEvent(str(error), where=ascii(name)[1:-1]) from None


def _payload_of_members(
    data: msgspec.Raw | None, encoded: msgspec.Raw | None, content_type: str | None
) -> tuple[Kind, Payload]:
    """The payload of the members `data` and `data_base64` (JSON format, section 3.1.2)."""
    if encoded is not None:
        text = _decode("data_base64", encoded)
        if text is not None:
            if data is not None:
                raise InvalidEvent("data and data_base64 are there both: send one", where="data_base64")
            return _payload_of(_from_base64(text), content_type)
    if data is None:
        return Kind.NONE, None
    if content_type is None or kind_of(content_type) is Kind.JSON:
        return Kind.JSON, data
    value = _decode("data", data)
    if value is not None and not isinstance(value, str):
        raise InvalidEvent(
            f"data must be a string because datacontenttype is {content_type[:64]!r}: "
            "send a string, or a JSON content type",
            where="data",
        )
    return _payload_of(value, content_type)


def _from_base64(text: object) -> bytes:
    if not isinstance(text, str):
        raise InvalidEvent("it must be a string of base64", where="data_base64")
    try:
        return a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise InvalidEvent(f"it is not base64: {error}", where="data_base64") from None


def _from_binary(attributes: dict[str, str], body: bytes) -> Event:
    checked = check_attributes(attributes)
    content_type = cast("str | None", checked.get("datacontenttype"))
    if not body:
        return _made(checked, Kind.NONE, None, None)
    if content_type is not None:
        return _made(checked, *_payload_of(body, content_type), None)
    try:
        return _made(checked, *_json_payload(body), None)
    except InvalidEvent:
        return _made(checked, Kind.BINARY, body, None)


def _natural_type(data: object) -> str:
    if isinstance(data, str):
        return "text/plain"
    return "application/octet-stream" if isinstance(data, bytes | bytearray | memoryview) else "application/json"


def _payload_of(data: object, content_type: str | None) -> tuple[Kind, Payload]:
    if data is None:
        return Kind.NONE, None
    kind = Kind.JSON if content_type is None else kind_of(content_type)
    if isinstance(data, bytes | bytearray | memoryview):
        body = bytes(data)
        if content_type is None or kind is Kind.BINARY:
            return Kind.BINARY, body
        return _json_payload(body) if kind is Kind.JSON else _text_payload(body, content_type)
    if kind is Kind.JSON:
        try:
            return Kind.JSON, encode_json(data)
        except ValueError as error:
            raise InvalidEvent(f"it cannot be written as JSON: {error}", where="data") from None
    if not isinstance(data, str):
        raise InvalidEvent(
            f"data of type {type(data).__name__} does not go with datacontenttype {content_type!r:.64}: "
            "give a string or bytes, or a JSON content type",
            where="data",
        )
    return Kind.TEXT, _checked_text(data, cast(str, content_type))


def _json_payload(body: bytes) -> tuple[Kind, Payload]:
    try:
        try:
            _one_value(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise_reason(error)
        check_json(body)
    except ValueError as error:
        raise InvalidEvent(f"it is not one JSON value: {error}", where="data") from None
    return Kind.JSON, body


def _text_payload(body: bytes, content_type: str) -> tuple[Kind, Payload]:
    try:
        return Kind.TEXT, body.decode(codec_of(content_type) or "utf-8")
    except UnicodeDecodeError as error:
        raise InvalidEvent(
            f"it is not UTF-8 ({error.reason} at byte {error.start}): name its charset in the content type",
            where="data",
        ) from None


def _checked_text(text: str, content_type: str) -> str:
    codec = codec_of(content_type)
    if codec is None:
        raise InvalidEvent(f"text in the charset of {content_type[:64]!r} must be given as bytes", where="data")
    try:
        text.encode(codec)
    except UnicodeEncodeError as error:
        raise InvalidEvent(f"the text is not {codec}: {error.reason} at {error.start}", where="data") from None
    return str.__str__(text)
