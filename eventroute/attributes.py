"""The attributes of a CloudEvent: their names, types and values (CloudEvents 1.0.2, section 3)."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, TypeAlias

from eventroute.errors import InvalidEvent
from eventroute.timestamps import format_timestamp, parse_timestamp

__all__ = [
    "DELIVER_AFTER",
    "EXPIRY",
    "TIMED",
    "AttributeValue",
    "check_attributes",
    "check_required",
    "check_texts",
    "clean_text",
    "is_media_type",
    "is_uri_reference",
]

AttributeValue: TypeAlias = str | bool | int

DELIVER_AFTER = ("deliverafter", "xvanusdeliverytime")
"""The attribute that delays an event, and its alias."""

EXPIRY = "expirytime"
"""The attribute behind whose time nobody wants the event any more (CloudEvents extension)."""

TIMED = frozenset({*DELIVER_AFTER, EXPIRY})
"""All of these: nearly every event has none."""

_required = itemgetter("specversion", "id", "source", "type")
_TEXTS = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype")
_name = re.compile(r"[a-z0-9]+").fullmatch
# String (section 2): no control characters, no surrogates, no noncharacters.
_forbidden = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17))
    + "]"
)
_not_uri = re.compile(r"[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]").search
_bad_percent = re.compile(r"%(?![0-9A-Fa-f]{2})").search
_scheme = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:").match
_media_type = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+/[!#$%&'*+\-.^_`|~0-9A-Za-z]+[ \t]*(?:;.*)?").fullmatch


def check_attributes(given: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """A checked copy of an event's attributes, each in its wire type; those that are None are left out.

    An aware datetime becomes RFC 3339 text, bytes become base64 text. Raises InvalidEvent naming the attribute.
    """
    attributes: dict[str, AttributeValue] = {}
    for name, value in given.items():
        rule = _RULES.get(name, _is_extension)
        if rule is _is_extension:
            _check_name(name)
        if value is None:
            continue
        checked = value if type(value) is str else _wire_value(name, value, core=rule is not _is_extension)
        if type(checked) is str:
            rule(name, checked)
        attributes[name] = checked
    check_required(attributes)
    return attributes


def check_required(attributes: Mapping[str, Any]) -> None:
    """Raises InvalidEvent for the lack of an attribute that every event has."""
    try:
        _required(attributes)
    except KeyError as error:
        raise InvalidEvent("it is missing, and CloudEvents requires it: add it", where=error.args[0]) from None


def check_texts(attributes: Mapping[str, Any]) -> None:
    """Raises InvalidEvent where one of those by which events are told is no text."""
    for name in _TEXTS:
        if not isinstance(attributes.get(name, ""), str):
            raise InvalidEvent("it must be a string", where=name)


def _check_name(name: object) -> None:
    if name in ("data", "data_base64"):
        raise InvalidEvent("this is the payload, not an attribute: pass it as data", where=str(name))
    if not isinstance(name, str) or not _name(name):
        shown = ascii(name)[:80]
        raise InvalidEvent(
            f"{shown} is no attribute name, which has only lower-case letters a-z and digits: rename it",
            where=shown.strip("'\""),
        )


def _wire_value(name: str, value: object, *, core: bool) -> AttributeValue:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, datetime) and (name == "time" or not core):
        try:
            return format_timestamp(value)
        except ValueError as error:
            raise InvalidEvent(str(error), where=name) from None
    if core:
        raise InvalidEvent(f"it must be a string, not {type(value).__name__}", where=name)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not -(2**31) <= value < 2**31:
            raise InvalidEvent("an integer attribute has at most 32 bits: send it as a string", where=name)
        return int(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(value).decode("ascii")
    raise InvalidEvent(
        f"it is of type {type(value).__name__}, and an attribute is a string, boolean, integer, bytes or datetime: "
        "send it as a string, or put it into data",
        where=name,
    )


def _is_extension(name: str, value: str) -> None:
    if not value.isprintable():
        _check_characters(name, value)


def _is_text(name: str, value: str) -> None:
    if not value:
        raise InvalidEvent("it is empty: give it a value, or leave it out if it is optional", where=name)
    if not value.isprintable():
        _check_characters(name, value)


def clean_text(text: str) -> str:
    """The text with what no attribute may hold (section 2) replaced, one character for each."""
    return _forbidden.sub("\N{REPLACEMENT CHARACTER}", text)


def _check_characters(name: str, value: str) -> None:
    found = _forbidden.search(value)
    if found is not None:
        raise InvalidEvent(
            f"U+{ord(found[0]):04X} at position {found.start()} is not allowed in an attribute: remove it",
            where=name,
        )


def _is_version(name: str, value: str) -> None:
    if value != "1.0":
        raise InvalidEvent(f"version {value[:20]!r} is not supported: send '1.0'", where=name)


def _is_uri_reference(name: str, value: str) -> None:
    if not value:
        raise InvalidEvent("it is empty: give it a URI", where=name)
    found = _not_uri(value) or ("%" in value and _bad_percent(value))
    if found:
        raise InvalidEvent(
            f"it is not a URI (RFC 3986): percent-encode {found[0]!a} at position {found.start()}", where=name
        )


def is_uri_reference(value: str) -> bool:
    """Whether a text may be the `source` of an event."""
    return bool(value) and _not_uri(value) is None and not ("%" in value and _bad_percent(value))


def _is_absolute_uri(name: str, value: str) -> None:
    _is_uri_reference(name, value)
    if not _scheme(value):
        raise InvalidEvent("it is not an absolute URI: start it with a scheme such as https:", where=name)


def _is_media_type(name: str, value: str) -> None:
    if not is_media_type(value):
        _is_text(name, value)
        raise InvalidEvent(f"{value[:64]!r} is not a media type such as application/json", where=name)


@lru_cache(maxsize=256)
def is_media_type(value: str) -> bool:
    """Whether a text may be the `datacontenttype` of an event."""
    return _media_type(value) is not None and value.isprintable()


def _is_timestamp(name: str, value: str) -> None:
    try:
        parse_timestamp(value)
    except ValueError as error:
        raise InvalidEvent(str(error), where=name) from None


_RULES: dict[str, Callable[[str, str], None]] = {
    "id": _is_text,
    "source": _is_uri_reference,
    "type": _is_text,
    "specversion": _is_version,
    "subject": _is_text,
    "datacontenttype": _is_media_type,
    "dataschema": _is_absolute_uri,
    "time": _is_timestamp,
}
