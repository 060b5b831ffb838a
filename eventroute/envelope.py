"""An event in JSON, taken apart: its attributes decoded, its data not (JSON format 1.0.2, section 3)."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from eventroute.jsontext import decode_values, split_object

__all__ = ["Envelope", "open_envelope"]

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


_decode_core = msgspec.json.Decoder(_Core).decode


class _Opener:
    """Tries first what did for the event before: events with extensions come one behind the other, and those without.

    A guess that is wrong costs time and nothing else, so threads may share it: an event that has no extensions always
    has its attributes in one order, another one in its own.
    """

    def __init__(self) -> None:
        self._core = True

    def open(self, document: bytes) -> Envelope:
        if not self._core:
            envelope = _open_any(document)
            if not envelope[0].keys() <= _CORE:
                return envelope
        try:
            core = _decode_core(document)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._core = False
            return _open_any(document)  # which says what is wrong, if anything is
        self._core = True
        return _envelope_of(core)


_CORE = frozenset(_Core.__struct_fields__)
_opener = _Opener()


def open_envelope(document: bytes) -> Envelope:
    """The parts of an event in JSON. Raises ValueError where it is not one JSON object.

    Nothing else is checked: not the attributes, nor whether the data can be decoded.
    """
    return _opener.open(document)


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
    members = split_object(document)
    data, data_base64 = members.pop("data", None), members.pop("data_base64", None)
    values = zip(members, decode_values(members.values()), strict=True)
    attributes = {name: value for name, value in values if value is not None}
    return attributes, data, data_base64
