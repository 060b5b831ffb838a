"""The event: a CloudEvent (CloudEvents 1.0.2), immutable, its data decoded once and on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast
from uuid import uuid4

import attrs
import msgspec

from eventroute.attributes import EXPIRY, TIMED, AttributeValue, check_attributes, check_required, check_texts
from eventroute.binding import Headers
from eventroute.binding import decode as decode_message
from eventroute.envelope import Glance, as_bytes, glance, open_envelope
from eventroute.errors import InvalidEvent
from eventroute.jsontext import MAX_DEPTH, check_json, decode_json, same_json
from eventroute.payload import (
    Kind,
    Payload,
    codec_of,
    natural_type,
    payload_kind,
    payload_member,
    payload_of,
    payload_of_body,
    payload_of_members,
    reading_of,
)
from eventroute.plain import Plain, PlainEvents
from eventroute.sdk import SdkEvent

if TYPE_CHECKING:
    from cloudevents.core.base import BaseCloudEvent

__all__ = ["Event", "is_timed", "may_expire", "reshaped"]

_UNSET: Final = object()
_new = object.__new__
_encode_attributes = msgspec.json.Encoder().encode
_plainly = PlainEvents(unknown=TIMED)

_Attributes: TypeAlias = MappingProxyType[str, AttributeValue]
_Known: TypeAlias = _Attributes | Glance | Plain
"""The attributes, or what tells the most wanted of them until others are asked for."""


@attrs.frozen(init=False, eq=False, repr=False)
class Event(SdkEvent):
    """A CloudEvent. It satisfies the CloudEvents SDK's protocol `BaseCloudEvent`.

    `attributes` are checked against the specification: an aware datetime becomes RFC 3339 text, bytes become base64
    text, None is left out. `data` is what the content type says: a JSON value (or JSON text, as bytes) where
    `datacontenttype` is JSON, a string or bytes elsewhere; without `datacontenttype` bytes stay bytes and anything
    else is a JSON value. None is no data; `b"null"` in a JSON type is null. Nothing that the caller holds is kept or
    changed.

    Raises InvalidEvent naming the attribute, or `data`.
    """

    _attributes: _Known
    _payload: Payload
    _document: bytes | None  # the event in JSON, once it is known
    _decoded: object  # the value of JSON data, once it is known

    def __init__(self, attributes: Mapping[str, Any], data: object = None) -> None:
        checked = check_attributes(attributes)
        _set_payload(self, payload_of(data, _content_type(checked)))
        _set_attributes(self, MappingProxyType(checked))
        _set_document(self, None)
        _set_decoded(self, _UNSET)

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
            datacontenttype = natural_type(data)
        attributes = {
            "specversion": "1.0",
            "id": str(uuid4()) if id is None else id,
            "source": source,
            "type": type,
            "subject": subject,
            "time": time,
            "datacontenttype": datacontenttype,
            "dataschema": dataschema,
        }
        for name in extensions or ():
            if name in attributes:
                raise InvalidEvent("this is no extension: give it as an argument of its own", where=name)
        return cls({**attributes, **(extensions or {})}, data)

    @classmethod
    def from_json(cls, raw: bytes | bytearray | memoryview | str) -> Event:
        """The event of one JSON text in structured mode (JSON format 1.0.2).

        Attributes that are null are absent, data that is null is null; of members of one name the last wins.
        The text is kept, and `to_json` gives it back. Raises InvalidEvent.
        """
        try:
            document = as_bytes(raw)
            plain = _plainly.read(document)
            if plain is not None:
                check_json(document, levels=MAX_DEPTH + 1)
                return _made(plain, plain.data or None, document)
            attributes, data, data_base64 = open_envelope(document)
            check_json(document, levels=MAX_DEPTH + 1)
        except ValueError as error:
            raise InvalidEvent(f"an event is one JSON object: {error}") from None
        attributes = check_attributes(attributes)
        payload = payload_of_members(data, data_base64, _content_type(attributes))
        _plainly.learn(attributes)
        return _made(MappingProxyType(attributes), payload, document)

    @classmethod
    def from_log(cls, raw: bytes) -> Event:
        """The event that `to_json` wrote: as `from_json`, without checking it again but for what every event has."""
        seen = glance(raw)
        if seen is None:
            return _taken_apart(raw)
        data, content_type = seen.data or None, seen.datacontenttype
        plain = content_type is None or content_type == "application/json"  # as nearly every one
        return _made(seen, data if plain else payload_of_members(data, None, content_type), raw)

    @classmethod
    def from_http(cls, headers: Headers, body: bytes) -> list[Event]:
        """The events of an HTTP message in binary, structured or batched mode (HTTP binding 1.0.2), in order.

        An empty batch gives an empty list. Raises InvalidEvent, and its subclass UnsupportedMode for a message that
        is in no mode or format that is known here.
        """
        return decode_message(headers, body, structured=cls.from_json, binary=_from_binary)

    @classmethod
    def from_cloudevent(cls, event: BaseCloudEvent) -> Event:
        """The event itself if it is an Event, else one of the same meaning.

        Raises InvalidEvent for an object that is not of the SDK's protocol, or that breaks the specification.
        """
        if isinstance(event, Event):
            return event
        try:
            attributes, data = event.get_attributes(), event.get_data()
        except AttributeError:
            raise InvalidEvent(
                f"{type(event).__name__} is not a CloudEvent: it has no get_attributes and get_data"
            ) from None
        return cls(attributes, data)

    def replace(self, attributes: Mapping[str, Any] | None = None, data: object = _UNSET) -> Event:
        """A copy with these attributes changed (None takes one away), and with other data if any is given.

        Data that stays is read anew where a changed `datacontenttype` reads it otherwise. Raises InvalidEvent.
        """
        changed = _changed(self.attributes, attributes)
        if data is not _UNSET:
            payload = payload_of(data, _content_type(changed))
        elif reading_of(_content_type(changed)) != reading_of(self.datacontenttype):
            payload = payload_of(self.data_bytes, _content_type(changed))
        else:
            payload = self._payload
        return _made(changed, payload, None)

    def fresh(self) -> Event:
        """A copy that shares all but the decoded data, so that nobody sees changes that others make to it."""
        return _made(self.attributes, self._payload, self._document)

    @property
    def attributes(self) -> MappingProxyType[str, AttributeValue]:
        """All attributes, read-only; `time` is the text that was received."""
        known = self._attributes
        if type(known) is MappingProxyType:
            return known
        opened = MappingProxyType(open_envelope(cast(bytes, self._document))[0])
        _set_attributes(self, opened)
        return opened

    @property
    def id(self) -> str:
        """Names the event within its source."""
        known = self._attributes
        return cast(str, known["id"] if type(known) is MappingProxyType else known.id)

    @property
    def source(self) -> str:
        """Where the event comes from, a URI reference."""
        known = self._attributes
        return cast(str, known["source"] if type(known) is MappingProxyType else known.source)

    @property
    def type(self) -> str:
        """What happened."""
        known = self._attributes
        return cast(str, known["type"] if type(known) is MappingProxyType else known.type)

    @property
    def subject(self) -> str | None:
        """What it happened to, within the source."""
        known = self._attributes
        return cast("str | None", known.get("subject") if type(known) is MappingProxyType else known.subject)

    @property
    def time(self) -> str | None:
        """When it happened: RFC 3339 text as it was received; `get_time()` is the instant."""
        known = self._attributes
        return cast("str | None", known.get("time") if type(known) is MappingProxyType else known.time)

    @property
    def datacontenttype(self) -> str | None:
        """The media type of the data."""
        known = self._attributes
        return _content_type(known) if type(known) is MappingProxyType else known.datacontenttype

    @property
    def kind(self) -> Kind:
        """Whether the data is JSON, text or bytes, or there is none."""
        return payload_kind(self._payload)

    @property
    def has_data(self) -> bool:
        """Whether there is data; null is."""
        return self._payload is not None

    @property
    def data(self) -> Any:
        """The data: a JSON value, a string, bytes, or None where there is none.

        JSON is decoded at the first use, and the same object is given each time. Raises InvalidEvent where it cannot
        be: of an event from a log into which something else than a router wrote.
        """
        if self._decoded is not _UNSET:
            return self._decoded
        payload = self._payload
        try:
            value = decode_json(payload) if isinstance(payload, msgspec.Raw) else payload
        except ValueError as error:
            raise InvalidEvent(f"it is not JSON: {error}", where="data") from None
        _set_decoded(self, value)
        return value

    @property
    def data_text(self) -> str | None:
        """The data as text: JSON as it was received, or text; None for bytes and where there is no data.

        Raises InvalidEvent where JSON is not UTF-8: as `data`.
        """
        payload = self._payload
        if isinstance(payload, msgspec.Raw):
            try:
                return bytes(payload).decode("utf-8")
            except UnicodeDecodeError as error:
                raise InvalidEvent(f"it is not UTF-8: {error.reason} at byte {error.start}", where="data") from None
        return payload if isinstance(payload, str) else None

    @property
    def data_bytes(self) -> bytes | None:
        """The data as its content type encodes it; None where there is none."""
        payload = self._payload
        if isinstance(payload, str):
            return payload.encode(codec_of(self.datacontenttype or "") or "utf-8")
        return None if payload is None else bytes(payload)

    @property
    def wire_type(self) -> str | None:
        """The content type of `data_bytes`: JSON data without `datacontenttype` is application/json."""
        content_type = self.datacontenttype
        return "application/json" if content_type is None and self.kind is Kind.JSON else content_type

    def to_json(self) -> bytes:
        """The event in structured mode: the very text that it was read from, or compact JSON."""
        document = self._document
        if document is None:
            document = _encode_attributes(dict(self.attributes))[:-1] + payload_member(self._payload) + b"}"
            _set_document(self, document)
        return document

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        return (
            self.kind is other.kind
            and same_json(dict(self.attributes), dict(other.attributes))
            and same_json(self.data, other.data)
        )

    def __hash__(self) -> int:
        return hash((self.id, self.source, self.type))

    def __repr__(self) -> str:
        data = f", {len(self.data_bytes or b'')} bytes of {self.kind.value}" if self.has_data else ""
        return f"Event(id={self.id[:64]!r}, source={self.source[:64]!r}, type={self.type[:64]!r}{data})"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """For hypothesis and IPython: the event whole, as it is read back, so that a failing example can be copied."""
        printer.text(f"Event.from_json({self.to_json()!r})")

    def __reduce__(self) -> tuple[Callable[[bytes], Event], tuple[bytes]]:
        return Event.from_log, (self.to_json(),)


# Writing to the slots themselves goes past the guard of the frozen class, at half the cost of object.__setattr__.
_set_attributes, _set_payload, _set_document, _set_decoded = (
    cast("Callable[[Event, object], None]", Event.__dict__[slot].__set__)
    for slot in ("_attributes", "_payload", "_document", "_decoded")
)


def _made(attributes: _Known, payload: Payload, document: bytes | None) -> Event:
    event = _new(Event)
    _set_attributes(event, attributes)
    _set_payload(event, payload)
    _set_document(event, document)
    _set_decoded(event, _UNSET)
    return event


def _taken_apart(raw: bytes) -> Event:
    """See `Event.from_log`."""
    try:
        attributes, data, data_base64 = open_envelope(raw)
        check_required(attributes)
        check_texts(attributes)
        payload = payload_of_members(data, data_base64, _content_type(attributes))
    except InvalidEvent:
        raise
    except ValueError as error:
        raise InvalidEvent(f"the log holds something that is not an event: {error}") from None
    return _made(MappingProxyType(attributes), payload, raw)


def may_expire(event: Event) -> bool:
    """Whether an event has an `expirytime`: told without taking it apart."""
    known = event._attributes  # noqa: SLF001 - it is of this module
    if type(known) is MappingProxyType:
        return EXPIRY in known
    return type(known) is Glance and bool(known.expirytime)


def is_timed(event: Event) -> bool:
    """Whether an event has an attribute that says when it may be delivered: told of what comes in without taking it
    apart.
    """
    return not (isinstance(event._attributes, Plain) or TIMED.isdisjoint(event.attributes))  # noqa: SLF001 - as above


def reshaped(event: Event, changes: Mapping[str, Any] | None, payload: Payload) -> Event:
    """As `Event.replace`, with a payload that is known to go with the content type and is not looked at again.

    Raises InvalidEvent for an attribute that CloudEvents does not allow.
    """
    return _made(_changed(event.attributes, changes), payload, None)


def _changed(attributes: _Attributes, changes: Mapping[str, Any] | None) -> _Attributes:
    return MappingProxyType(check_attributes({**attributes, **changes})) if changes else attributes


def _content_type(attributes: Mapping[str, AttributeValue]) -> str | None:
    return cast("str | None", attributes.get("datacontenttype"))


def _from_binary(attributes: dict[str, str], body: bytes) -> Event:
    checked = check_attributes(attributes)
    return _made(MappingProxyType(checked), payload_of_body(body, _content_type(checked)), None)
