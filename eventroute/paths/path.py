"""Paths over events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from eventroute.errors import InvalidPath
from eventroute.event import Event
from eventroute.paths.getter import MISSING, getter
from eventroute.paths.parser import parse_segments
from eventroute.paths.syntax import Query, Segment, Steps, path_text, steps_of
from eventroute.paths.walk import compile_query
from eventroute.paths.work import Work
from eventroute.payload import Kind

__all__ = ["Path"]


@attrs.frozen(repr=False)
class Path:
    """A JSONPath over the event: `$` is the event, `$.type` an attribute, `$.data` the data.

    `path(event)` gives a value or MISSING where at most one result is possible (`singular`), else a list, empty where
    nothing matches. Data that is not JSON or text is not in the document.
    """

    segments: tuple[Segment, ...]
    singular: bool = attrs.field(init=False, eq=False)
    _read: Callable[[object], Any] = attrs.field(init=False, eq=False)
    _read_event: Callable[[Event], Any] = attrs.field(init=False, eq=False)

    def __attrs_post_init__(self) -> None:
        steps = steps_of(self.segments)
        read = self._finder() if steps is None else getter(steps)
        object.__setattr__(self, "singular", steps is not None)
        object.__setattr__(self, "_read", read)
        object.__setattr__(self, "_read_event", _event_reader(steps, read))

    @classmethod
    def parse(cls, text: str) -> Path:
        """The path that `text` says. Raises InvalidPath with the position of the fault."""
        if not text.startswith("$"):
            raise InvalidPath("a path starts with '$', the event", where=f"{text[:80]!r} at position 0")
        return cls(parse_segments(text, 1))

    def __call__(self, event: Event) -> Any:
        """What the path gives in an event.

        Raises TransformError where it would visit more than MAX_WORK values; a singular path never does.
        """
        return self._read_event(event)

    def read(self, document: object) -> Any:
        """What the path gives in any JSON value, as `$`. Raises TransformError as the call does."""
        return self._read(document)

    def __str__(self) -> str:
        return "$" + path_text(self.segments)

    def __repr__(self) -> str:
        return f"Path({str(self)!r})"

    def _finder(self) -> Callable[[object], list[Any]]:
        find = compile_query(Query(self.segments, absolute=True))
        return lambda document: find(None, Work(document, self))


def _event_reader(steps: Steps | None, read: Callable[[Any], Any]) -> Callable[[Event], Any]:
    if not steps:
        return lambda event: read(_document(event))
    name = steps[0]
    if not isinstance(name, str):
        return lambda event: MISSING
    if name == "data":
        if len(steps) == 1:
            return _data
        below = getter(steps[1:])
        return lambda event: below(event.data)
    return lambda event: event.attributes.get(name, MISSING) if len(steps) == 1 else MISSING


def _data(event: Event) -> Any:
    return event.data if event.kind in (Kind.JSON, Kind.TEXT) else MISSING


def _document(event: Event) -> dict[str, Any]:
    document: dict[str, Any] = dict(event.attributes)
    data = _data(event)
    if data is not MISSING:
        document["data"] = data
    return document
