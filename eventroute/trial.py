"""One event, filters, a transformer, and what comes of them: tried with nothing stored and nothing sent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from attrs import frozen

from eventroute.binding import encode_batch, encode_binary, encode_structured
from eventroute.errors import InvalidConfiguration, InvalidEvent, InvalidFilter, TransformError
from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.filters.explain import Explanation as MatchExplanation
from eventroute.filters.faults import located
from eventroute.filters.filter import DialectParser
from eventroute.jsontext import decode_json
from eventroute.transform import Transformer
from eventroute.transform.explain import Explanation as TransformExplanation

__all__ = ["Mode", "Trial", "escaped", "json_value", "message_of", "read_event", "read_filter", "shown", "try_out"]

Mode = Literal["binary", "structured", "batch"]
"""How an event is put into a request of HTTP."""

_EXAMPLE: Final = '{"specversion": "1.0", "id": "1", "source": "/shop", "type": "com.example.made", "data": ...}'
_at_byte = re.compile(r"(.*) \(byte ([0-9]{1,9})\)").fullmatch


@frozen
class Trial:
    """What came of one event. There is a result where it matched and the transformer, if any, did not fail."""

    matches: tuple[MatchExplanation, ...]
    transformation: TransformExplanation | None
    result: Event | None

    @property
    def matched(self) -> bool:
        """Whether every filter matched."""
        return all(match.matched for match in self.matches)

    @property
    def error(self) -> TransformError | None:
        """Why there is no result although the event matched."""
        return None if self.transformation is None else self.transformation.error


def try_out(event: Event, filters: Sequence[Filter], transformer: Transformer | None) -> Trial:
    """Match the event, and transform it if every filter matches."""
    matches = tuple(one.explain(event) for one in filters)
    if not all(match.matched for match in matches):
        return Trial(matches, None, None)
    if transformer is None:
        return Trial(matches, None, event)
    transformation = transformer.explain(event)
    return Trial(matches, transformation, transformation.result)


def message_of(event: Event, mode: Mode) -> tuple[list[tuple[str, str]], bytes]:
    """As the HTTP sink sends it: no body may be empty, so an event without data goes whole."""
    if mode == "batch":
        return encode_batch([event])
    return encode_structured(event) if mode == "structured" or not event.data_bytes else encode_binary(event)


def read_event(raw: bytes, name: str) -> Event:
    """The event that JSON text says. Raises InvalidEvent, or InvalidConfiguration for what is not JSON, with `name`."""
    value = json_value(raw, name)
    if not isinstance(value, dict) or "specversion" not in value:
        raise InvalidEvent(f"it is JSON, and no CloudEvent: one looks like {_EXAMPLE}", where=name)
    try:
        return Event.from_json(raw)
    except InvalidEvent as error:
        raise InvalidEvent(str(error), where=name) from error


def read_filter(text: str, name: str, dialects: Mapping[str, DialectParser] | None = None) -> Filter:
    """The filter that a text says, JSON or an expression.

    Raises InvalidFilter, or InvalidConfiguration for what begins as JSON and is none, with `name`.
    """
    # What the shell passed on and is not UTF-8 has become surrogates.
    is_json = text.lstrip()[:1] in ("{", "[")
    spec = json_value(text.encode("utf-8", "surrogatepass"), name) if is_json else text
    try:
        return Filter.parse(spec, dialects=dialects)
    except InvalidFilter as error:
        raise InvalidFilter(str(error), where=name) from error


def json_value(raw: bytes, name: str) -> Any:
    """The value of JSON text. Raises InvalidConfiguration that shows where the text breaks off from JSON."""
    try:
        return decode_json(raw)
    except ValueError as error:
        found = _at_byte(str(error))
        reason, position = (found[1], int(found[2])) if found else (str(error), None)
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as wrong:
            raise InvalidConfiguration(f"it is not UTF-8: byte {wrong.start}", where=name) from error
        if not text.strip():
            raise InvalidConfiguration("it is empty, and should be JSON", where=name) from error
        if position is None:
            raise InvalidConfiguration(f"it is not JSON that can be read: {reason}", where=name) from error
        at = len(raw[:position].decode("utf-8", "ignore"))
        fault = located(reason, text, at, name)
        raise InvalidConfiguration(fault.reason, where=fault.where) from error


def shown(text: str) -> str:
    """A text with nothing in it that a terminal would obey: JSON's escapes stand for it, so that JSON stays JSON."""
    return "".join(char if char.isprintable() or char in "\n\t" else escaped(char) for char in text)


def escaped(char: str) -> str:
    """A character as JSON escapes it in ASCII."""
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD800 + (code - 0x10000 >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
