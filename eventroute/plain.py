"""Events in JSON that are plainly right: one decoding shows it of nearly every event, at a third of the cost of a look
at each attribute.

The types say what the specification demands (CloudEvents 1.0.2, sections 2 and 3; JSON format, section 3) as far as
types can. What they do not take may be right all the same: whoever takes it apart finds out, and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Any, Literal, cast

import msgspec

from eventroute.attributes import is_media_type, is_uri_reference
from eventroute.payload import Kind, kind_of
from eventroute.timestamps import parse_timestamp

__all__ = ["MOST_NAMES", "Plain", "PlainEvents"]

MOST_NAMES = 16
"""How many names of extensions are known at a time: more would make each decoding slower."""

LONGEST_NAME = 64
"""How many characters the name of an extension may have to be known."""

FORGET_AFTER = 10_000
"""How many events with other extensions come before the known ones are forgotten in favour of those."""

_BACKSLASH, _DELETE = b"\\\x7f"
_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Extension = str | bool | None  # a number may be of any size, or a fraction: it is looked at


class Plain(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What every event has and most have, each of its type; subclasses have extensions, under names of their own."""

    specversion: Literal["1.0"]
    id: _Text
    source: _Text
    type: _Text
    subject: _Text | None = None
    time: str | None = None
    datacontenttype: str | None = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class PlainEvents:
    """Tells which events are plainly right. It learns the names of extensions as they come, but for those `unknown`.

    A name that is not known costs time and nothing else, so threads may share it.
    """

    def __init__(self, *, unknown: Iterable[str] = ()) -> None:
        self._never = frozenset(unknown)
        self._names: frozenset[str] = frozenset()
        self._missed = 0
        self._decode = msgspec.json.Decoder(Plain).decode

    def read(self, document: bytes) -> Plain | None:
        """An event in JSON, if it is plainly right as far as its bounds allow to decode its data (see `check_json`)."""
        try:
            event = self._decode(document)
            if event.time is not None:
                parse_timestamp(event.time)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None
        if not (is_uri_reference(event.source) and _is_json(event.datacontenttype)):
            return None
        # Else a string may hold a character that no attribute may: JSON text has control characters by escapes only.
        if _BACKSLASH in document or _DELETE in document or not document.isascii():
            texts = [value for value in msgspec.structs.astuple(event) if type(value) is str]
            if not "".join(texts).isprintable():
                return None
        return event

    def learn(self, names: Iterable[str]) -> None:
        """An event with attributes of these names was right, though it was not plainly so: know its extensions."""
        new = frozenset(names).difference(Plain.__struct_fields__, self._never, self._names, ("dataschema",))
        if not new or max(map(len, new)) > LONGEST_NAME:
            return
        if len(self._names) + len(new) > MOST_NAMES:
            self._missed += 1
            if self._missed < FORGET_AFTER or len(new) > MOST_NAMES:
                return
            self._names = frozenset()
        self._missed = 0
        self._names |= new
        self._decode = msgspec.json.Decoder(_with(self._names)).decode


def _with(names: Iterable[str]) -> type[Plain]:
    """Events that may have these extensions."""
    fields = {f"_{place}": name for place, name in enumerate(sorted(names))}
    extensions: list[tuple[str, Any, None]] = [(field, _Extension, None) for field in fields]
    made = msgspec.defstruct("Plain", extensions, bases=(Plain,), rename=fields, forbid_unknown_fields=True, gc=False)
    return cast("type[Plain]", made)


@lru_cache(maxsize=256)
def _is_json(content_type: str | None) -> bool:
    return content_type is None or (is_media_type(content_type) and kind_of(content_type) is Kind.JSON)
