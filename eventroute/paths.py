"""JSONPath over events (RFC 9535): parsed once, read fast.

A path of names and indexes is a direct getter; wildcards, slices and `..` are walked here; the expressions of
filters (`?...`) are jsonpath-ng's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Final, TypeAlias

import attrs

from eventroute.conditions import compile_condition
from eventroute.errors import InvalidPath
from eventroute.event import Event
from eventroute.pathsyntax import Condition, Segment, Selector, Slice, parse_segments, path_text
from eventroute.payload import Kind

__all__ = ["MISSING", "Field", "Missing", "Path"]

Steps: TypeAlias = tuple[str | int, ...]


class Missing(Enum):
    """The type of MISSING."""

    MISSING = 0

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING
"""What a path that matches nothing gives. It is false, and it is not None, which is JSON's null."""


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
        steps = _steps(self.segments)
        read = _walker(self.segments) if steps is None else _getter(steps)
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
        """What the path gives in an event."""
        return self._read_event(event)

    def read(self, document: object) -> Any:
        """What the path gives in any JSON value, as `$`."""
        return self._read(document)

    def __str__(self) -> str:
        return "$" + path_text(self.segments)

    def __repr__(self) -> str:
        return f"Path({str(self)!r})"


@attrs.frozen(repr=False)
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
        steps = _steps(parse_segments(text, 4))
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
        below = _getter(self.segments)
        return lambda event: below(event.data)


_attribute = re.compile(r"[a-z0-9]+").fullmatch


def _data_text(event: Event) -> Any:
    text = event.data_text
    return MISSING if text is None else text


def _steps(segments: tuple[Segment, ...]) -> Steps | None:
    """The names and indexes of a path that has nothing else (a singular one), or None."""
    steps: list[str | int] = []
    for segment in segments:
        selector = segment.selectors[0]
        if segment.deep or len(segment.selectors) > 1 or not isinstance(selector, str | int):
            return None
        steps.append(selector)
    return tuple(steps)


def _getter(steps: Steps) -> Callable[[Any], Any]:
    if all(isinstance(step, str) for step in steps):

        def get_by_names(value: Any) -> Any:
            try:
                for name in steps:
                    value = value[name]
            except (KeyError, TypeError):  # TypeError: not an object
                return MISSING
            return value

        return get_by_names

    def get(value: Any) -> Any:
        for step in steps:
            # a string has indexes too, and is no array
            if not isinstance(value, dict if isinstance(step, str) else list):
                return MISSING
            try:
                value = value[step]  # type: ignore[index]  # the check above pairs them
            except LookupError:
                return MISSING
        return value

    return get


def _event_reader(steps: Steps | None, read: Callable[[Any], Any]) -> Callable[[Event], Any]:
    if not steps:
        return lambda event: read(_document(event))
    name = steps[0]
    if not isinstance(name, str):
        return lambda event: MISSING
    if name == "data":
        if len(steps) == 1:
            return _data
        below = _getter(steps[1:])
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


Select: TypeAlias = Callable[[Any], Iterator[Any]]


def _walker(segments: tuple[Segment, ...]) -> Callable[[object], list[Any]]:
    plan = [(segment.deep, [_selection(selector) for selector in segment.selectors]) for segment in segments]

    def walk(document: object) -> list[Any]:
        nodes: list[Any] = [document]
        for deep, selections in plan:
            if deep:
                nodes = [below for node in nodes for below in _descendants(node)]
            nodes = [found for node in nodes for select in selections for found in select(node)]
        return nodes

    return walk


def _selection(selector: Selector) -> Select:
    if isinstance(selector, str | int):
        get = _getter((selector,))

        def one(node: Any) -> Iterator[Any]:
            value = get(node)
            if value is not MISSING:
                yield value

        return one
    if isinstance(selector, Condition):
        holds = compile_condition(selector.text)
        return lambda node: iter(holds(list(_children(node))))
    if isinstance(selector, Slice):
        return _slicing(selector)
    return _children


def _slicing(bounds: Slice) -> Select:
    part = slice(bounds.start, bounds.stop, bounds.step)
    return lambda node: iter(node[part] if isinstance(node, list) and bounds.step != 0 else ())


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        yield from node.values()
    elif isinstance(node, list):
        yield from node


def _descendants(node: Any) -> Iterator[Any]:
    """The node and all below it, parents first and in order (RFC 9535, section 2.5.2)."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed(list(_children(current))))
