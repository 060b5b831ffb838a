"""An event in JSON, taken apart: its attributes decoded, its data not (JSON format 1.0.2, section 3); or looked at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias, final

import msgspec

from eventroute.jsontext import decode_values, split_object

__all__ = ["LONG", "Envelope", "Glance", "as_bytes", "glance", "open_envelope"]

LONG = 4_096
"""Events of more bytes are always taken apart: that takes hardly longer. A number among the attributes that is too long
to be read has at least as many digits.
"""

Envelope: TypeAlias = tuple[dict[str, Any], msgspec.Raw | None, msgspec.Raw | None]
"""The attributes that are not null, `data` and `data_base64`."""


class _Core(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An event that has no extensions, and whose attributes are of the right types: nearly every one."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data_base64: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Data(msgspec.Struct, gc=False):
    """The data of an event; its other members are passed over."""

    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


@final
class Glance(msgspec.Struct, gc=False):
    """What is seen at a glance; the other members are passed over."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data_base64: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    expirytime: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_glance = msgspec.json.Decoder(Glance).decode
_decode_core = msgspec.json.Decoder(_Core).decode
_decode_data = msgspec.json.Decoder(_Data).decode
_decode_members = msgspec.json.Decoder(dict[str, Any]).decode


def as_bytes(document: bytes | bytearray | memoryview | str) -> bytes:
    """An event in JSON as bytes. Raises ValueError."""
    if isinstance(document, str):
        try:
            return document.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(f"the text is not Unicode: {error.reason} at {error.start}") from None
    return bytes(document)


def glance(document: bytes) -> Glance | None:
    """What is seen of an event that `open_envelope` is certain to open, and that has what every event has; None where
    a closer look is due. A quarter of the work of opening it tells so of nearly every event.
    """
    if len(document) > LONG:
        return None
    try:
        seen = _glance(document)
        if not document.isascii():
            document.decode()  # what is passed over need not be text
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if seen.data_base64 else seen


class _Opener:
    """Tries first what did for the event before: events with extensions come one behind the other, and those without.

    A guess that is wrong costs time and nothing else, so threads may share it: an event that has no extensions always
    has its attributes in one order, another one in its own.
    """

    def __init__(self) -> None:
        self._core = True

    def open(self, document: bytes) -> Envelope:
        """The parts of an event in JSON. Raises ValueError where it is not one JSON object.

        Nothing else is checked: not the attributes, nor whether the data can be decoded.
        """
        if not self._core:
            envelope = _open_any(document)
            if not _CORE.issuperset(envelope[0]):
                return envelope
        try:
            core = _decode_core(document)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._core = False
            return _open_any(document)  # which says what is wrong, if anything is
        self._core = True
        return _envelope_of(core)


_CORE = frozenset(_Core.__struct_fields__)
_DATA = b',"data":'

open_envelope = _Opener().open


def _envelope_of(core: _Core) -> Envelope:
    attributes = {"specversion": core.specversion, "id": core.id, "source": core.source, "type": core.type}
    if core.subject is not None:
        attributes["subject"] = core.subject
    if core.time is not None:
        attributes["time"] = core.time
    if core.datacontenttype is not None:
        attributes["datacontenttype"] = core.datacontenttype
    if core.dataschema is not None:
        attributes["dataschema"] = core.dataschema
    return attributes, core.data or None, core.data_base64 or None


def _open_any(document: bytes) -> Envelope:
    """The members before the data, decoded, and the data, where it comes last, as it does in nearly every event: that
    takes half the time of taking it apart member by member. Else all members, and so the data among them.
    """
    before = document
    try:
        data = _decode_data(document).data or None
        if data is not None:
            # In JSON text a quote behind a comma begins a member of the object that ends here: of no other, no string.
            name = len(document) - len(data) - len(_DATA) - 1
            if document.endswith(data, 0, -1) and document.startswith(_DATA, name) and document.endswith(b"}"):
                before = document[:name] + b"}"
        attributes = _decode_members(before)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _take_apart(document)  # which says what is wrong
    if "data" in attributes or "data_base64" in attributes:
        return _take_apart(document)
    if b"null" in before and None in attributes.values():
        attributes = _without_nulls(attributes.items())
    return attributes, data, None


def _take_apart(document: bytes) -> Envelope:
    members = split_object(document)
    data, data_base64 = members.pop("data", None), members.pop("data_base64", None)
    values = zip(members, decode_values(members.values()), strict=True)
    return _without_nulls(values), data, data_base64


def _without_nulls(members: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in members if value is not None}
