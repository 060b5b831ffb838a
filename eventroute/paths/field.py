"""Fields: what a filter reads of an event."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs

from eventroute.errors import InvalidPath
from eventroute.event import Event
from eventroute.paths.getter import MISSING, getter
from eventroute.paths.parser import parse_segments
from eventroute.paths.syntax import Segment, Steps, path_text, steps_of

__all__ = ["Field"]


@attrs.frozen(repr=False, cache_hash=True)
class Field:
    """What a filter reads: an attribute, the whole data as text (`data`), or a place in JSON data (`data.a[0]`).

    `attribute` is None for data; `segments` are the names and indexes below `data`. `field(event)` is a value or
    MISSING.
    """

    attribute: str | None
    segments: Steps = ()
    _read: Callable[[Event], Any] = attrs.field(init=False, eq=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_read", self._reader())

    @classmethod
    def parse(cls, text: str) -> Field:
        """The field that `text` names. Raises InvalidPath with the position of the fault."""
        if _attribute(text) and text != "data":
            return cls(text)
        if not text.startswith("data") or text[4:5] not in ("", ".", "["):
            raise InvalidPath(
                "expected an attribute name, 'data', or a path such as data.action",
                where=f"{text[:80]!r} at position 0",
            )
        steps = steps_of(parse_segments(text, 4))
        if steps is None:
            raise InvalidPath("a field has names and indexes only: no '*', slices, '..' or filters", where=repr(text))
        return cls(None, steps)

    def __call__(self, event: Event) -> Any:
        """The value of the field in an event, or MISSING."""
        return self._read(event)

    def __str__(self) -> str:
        if self.attribute is not None:
            return self.attribute
        return "data" + path_text(tuple(Segment((step,)) for step in self.segments))

    def __repr__(self) -> str:
        return f"Field({str(self)!r})"

    def _reader(self) -> Callable[[Event], Any]:
        name = self.attribute
        if name is not None:
            return lambda event: event.attributes.get(name, MISSING)
        if not self.segments:
            return _data_text
        below = getter(self.segments)
        return lambda event: below(event.data)


_attribute = re.compile(r"[a-z0-9]+").fullmatch


def _data_text(event: Event) -> Any:
    text = event.data_text
    return MISSING if text is None else text
