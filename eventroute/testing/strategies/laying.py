"""Events with some fields given, whatever else they hold."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final, TypeAlias

from eventroute.errors import InvalidEvent
from eventroute.event import Event
from eventroute.jsontext import decode_json
from eventroute.paths import MISSING, Field
from eventroute.paths.syntax import Steps
from eventroute.payload import Kind, kind_of

__all__ = ["Wishes", "laid", "placed"]

Wishes: TypeAlias = Mapping[Field, Any]
"""Values that fields shall have, MISSING for none; a later one goes before those that it contradicts."""

_REQUIRED: Final = ("specversion", "id", "source", "type")
_LONGEST_ARRAY: Final = 100


def laid(event: Event, wishes: Wishes) -> Event:
    """The event with these values, as far as an event can have them: a value that is none for its attribute is left.

    Raises InvalidEvent where JSON cannot be made of the data.
    """
    if not wishes:
        return event
    result = _with_data(event, {field.segments: value for field, value in wishes.items() if field.attribute is None})
    for field, value in wishes.items():
        if field.attribute is not None:
            result = _with_attribute(result, field.attribute, value)
    return result


def _with_attribute(event: Event, name: str, value: Any) -> Event:
    if value is MISSING or value is None:
        return event if name in _REQUIRED else event.replace({name: None})
    try:
        return event.replace({name: value})
    except InvalidEvent:
        return event


def _with_data(event: Event, wishes: Mapping[Steps, Any]) -> Event:
    if not wishes:
        return event
    paths = {steps: value for steps, value in wishes.items() if steps}
    if not paths:
        return _with_text(event, wishes[()])
    data = deepcopy(event.data) if isinstance(event.data, dict | list) else MISSING
    for steps, value in paths.items():
        data = placed(data, steps, value)
    return event if data is MISSING else _json(event, data)


def _with_text(event: Event, text: Any) -> Event:
    """The event with data of this text."""
    if text is MISSING:
        return event.replace({"datacontenttype": None}, None)
    if not isinstance(text, str):
        return _json(event, text)
    try:
        decode_json(text.encode())
    except ValueError:
        return event.replace({"datacontenttype": "text/plain"}, text)
    return event.replace({"datacontenttype": "application/json"}, text.encode())


def _json(event: Event, value: Any) -> Event:
    known = event.datacontenttype
    kept = value is not None and kind_of(known) is Kind.JSON
    return event.replace(
        {"datacontenttype": known if kept else "application/json"}, b"null" if value is None else value
    )


def placed(data: Any, steps: Steps, value: Any) -> Any:
    """The data with a value at a place; objects and arrays are made as needed, and MISSING takes away what is there."""
    if not steps:
        return deepcopy(value)
    step, *rest = steps
    if isinstance(step, str):
        return _member(data, step, tuple(rest), value)
    return _element(data, step, tuple(rest), value)


def _member(data: Any, name: str, rest: Steps, value: Any) -> Any:
    below = data.get(name, MISSING) if isinstance(data, dict) else MISSING
    if value is MISSING and below is MISSING:
        return data
    made = placed(below, rest, value)
    others = {key: other for key, other in data.items() if key != name} if isinstance(data, dict) else {}
    return others if made is MISSING else others | {name: made}


def _element(data: Any, index: int, rest: Steps, value: Any) -> Any:
    elements = list(data) if isinstance(data, list) else []
    least = index + 1 if index >= 0 else -index
    if (value is MISSING and len(elements) < least) or least > _LONGEST_ARRAY:
        return data
    missing = [None] * (least - len(elements))
    elements = elements + missing if index >= 0 else missing + elements
    made = placed(elements[index], rest, value)
    if made is MISSING:
        return elements[:index] if index >= 0 else elements[len(elements) + index + 1 :]
    elements[index] = made
    return elements
