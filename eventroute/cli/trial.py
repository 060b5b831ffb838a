"""What `eventroute try` does: one event, filters, a transformer, and what came of them as text or as JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import msgspec
from attrs import frozen

from eventroute.binding import encode_binary, encode_structured
from eventroute.cli.files import STDIN, name_of
from eventroute.errors import InvalidConfiguration, InvalidEvent, InvalidFilter, InvalidTransformer, TransformError
from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.filters.explain import Explanation as MatchExplanation
from eventroute.filters.faults import located
from eventroute.jsontext import decode_json, encode_json
from eventroute.paths import MISSING
from eventroute.tomlfile import Document, place_of
from eventroute.transform import Transformer
from eventroute.transform.explain import Explanation as TransformExplanation
from eventroute.transform.explain import Step

__all__ = [
    "MAX_FILE_BYTES",
    "Mode",
    "Trial",
    "json_document",
    "read_event",
    "read_filters",
    "read_transformer",
    "shown",
    "try_out",
]

MAX_FILE_BYTES: Final = 16_777_216
"""The largest event or JSON transformer that is read, in bytes (16 MiB)."""

Mode = Literal["binary", "structured"]

_EXAMPLE: Final = '{"specversion": "1.0", "id": "1", "source": "/shop", "type": "com.example.made", "data": ...}'
_at_byte = re.compile(r"(.*) \(byte ([0-9]{1,9})\)").fullmatch


@frozen
class Trial:
    """What came of one event. There is a result where it matched and the transformer, if any, did not fail."""

    matches: tuple[MatchExplanation, ...]
    transformation: TransformExplanation | None
    result: Event | None
    mode: Mode | None

    @property
    def matched(self) -> bool:
        """Whether every filter matched."""
        return all(match.matched for match in self.matches)

    @property
    def error(self) -> TransformError | None:
        """Why there is no result although the event matched."""
        return None if self.transformation is None else self.transformation.error

    def text(self) -> str:
        """For people; without the error."""
        lines = ["matched" if self.matched else "not matched"]
        lines.extend(_indented("\n".join(map(str, self.matches))))
        steps = "" if self.transformation is None else _steps(self.transformation)
        if steps:
            lines.extend(["", "transformer", *_indented(steps)])
        if self.result is not None:
            lines.extend(["", *_delivery(self.result, self.mode)])
        return shown("\n".join(lines))

    def document(self) -> dict[str, Any]:
        """For programs: `matched`, `explanations`, and as far as there are any `variables`, `steps`, `result` (the
        event in the CloudEvents JSON format), `message` and `error`.
        """
        told: dict[str, Any] = {"matched": self.matched, "explanations": [_clause(match) for match in self.matches]}
        if self.transformation is not None:
            told["variables"] = _values(self.transformation.variables)
            told["steps"] = [_step(step) for step in self.transformation.steps]
        if self.result is not None:
            told["result"] = msgspec.Raw(self.result.to_json())
            if self.mode is not None:
                headers, body = _message(self.result, self.mode)
                told["message"] = {"headers": dict(headers), **_body(body)}
        if self.error is not None:
            told["error"] = str(self.error)
        return told


def try_out(event: Event, filters: Sequence[Filter], transformer: Transformer | None, mode: Mode | None) -> Trial:
    """Match the event, and transform it if every filter matches."""
    matches = tuple(one.explain(event) for one in filters)
    if not all(match.matched for match in matches):
        return Trial(matches, None, None, mode)
    if transformer is None:
        return Trial(matches, None, event, mode)
    transformation = transformer.explain(event)
    return Trial(matches, transformation, transformation.result, mode)


def read_event(file: Path, stdin: BinaryIO) -> Event:
    """The event of a file. Raises InvalidEvent, naming the file, for anything else."""
    raw, name = _read(file, stdin)
    value = _decoded(raw, name)
    if not isinstance(value, dict) or "specversion" not in value:
        raise InvalidEvent(f"it is JSON, and no CloudEvent: one looks like {_EXAMPLE}", where=name)
    try:
        return Event.from_json(raw)
    except InvalidEvent as error:
        raise InvalidEvent(str(error), where=name) from error


def read_filters(texts: Sequence[str]) -> list[Filter]:
    """A filter for each text, JSON or an expression; without any, one that everything matches.

    Raises EventrouteError, saying which of them it is, for what is none.
    """
    names = ["--filter"] if len(texts) == 1 else [f"--filter {number}" for number in range(1, len(texts) + 1)]
    return list(map(_filter, texts, names)) or [Filter.parse([])]


def _filter(text: str, name: str) -> Filter:
    # What the shell passed on and is not UTF-8 has become surrogates.
    is_json = text.lstrip()[:1] in ("{", "[")
    spec = _decoded(text.encode("utf-8", "surrogatepass"), name) if is_json else text
    try:
        return Filter.parse(spec)
    except InvalidFilter as error:
        raise InvalidFilter(str(error), where=name) from error


def read_transformer(file: Path, stdin: BinaryIO) -> Transformer:
    """The transformer of a file, TOML if its name says so and JSON otherwise.

    Raises EventrouteError, naming the file, for what is none.
    """
    document = Document.read(file) if file.suffix.lower() == ".toml" else None
    try:
        if document is not None:
            return Transformer.parse(document.values)
        raw, name = _read(file, stdin)
        return Transformer.parse(_decoded(raw, name))
    except InvalidTransformer as error:
        name = name_of(file)
        if document is not None:
            name += f":{document.line(place_of(error.where.partition(' line ')[0]))}"
        raise InvalidTransformer(str(error), where=name) from error


def _read(file: Path, stdin: BinaryIO) -> tuple[bytes, str]:
    name = name_of(file)
    try:
        if file == STDIN:
            raw = stdin.read(MAX_FILE_BYTES + 1)
        else:
            with file.open("rb") as opened:
                raw = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InvalidConfiguration(f"it cannot be read: {error.strerror}", where=name) from error
    if len(raw) > MAX_FILE_BYTES:
        raise InvalidConfiguration(f"it has more than {MAX_FILE_BYTES:,} bytes", where=name)
    return raw, name


def _decoded(raw: bytes, name: str) -> Any:
    """The JSON value, or an error that shows where the text breaks off from JSON."""
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


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.split("\n")]


def _steps(transformation: TransformExplanation) -> str:
    """The explanation less its end, which is the result in short, or the error."""
    if transformation.error is not None:
        return str(transformation).removesuffix(f"failed: {transformation.error}").rstrip("\n")
    return str(transformation).rpartition("\n")[0]


def _message(event: Event, mode: Mode) -> tuple[list[tuple[str, str]], bytes]:
    """As the HTTP sink sends it: no body may be empty, so an event without data goes whole."""
    return encode_structured(event) if mode == "structured" or not event.data_bytes else encode_binary(event)


def _delivery(event: Event, mode: Mode | None) -> list[str]:
    if mode is not None:
        headers, body = _message(event, mode)
        lines = [f"result, in {mode} mode", *(f"{name}: {value}" for name, value in headers), ""]
        return [*lines, _legible(body)]
    data = event.data_bytes
    head = f"result, {event.wire_type}" if event.wire_type is not None else "result"
    return [head, "(no data)" if data is None else event.data_text or _legible(data)]


def _legible(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return f"({len(data):,} bytes that are no text)"


def _body(body: bytes) -> dict[str, Any]:
    try:
        return {"body": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"body_base64": body}


def _clause(match: MatchExplanation) -> dict[str, Any]:
    """As its `to_dict`, each value encoded by itself: it may nest as deep as a document may."""
    told: dict[str, Any] = {"clause": match.clause, "matched": match.matched, "why": match.why}
    if match.value is not MISSING:
        told["value"] = _value(match.value)
    if match.parts:
        told["parts"] = [_clause(part) for part in match.parts]
    return told


def _step(step: Step) -> dict[str, Any]:
    return {
        "command": step.command,
        "places": _values(step.places),
        "attributes": _values(step.attributes),
        "data": _value(step.data),
    }


def _values(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a path did not find is left out."""
    return {name: _value(value) for name, value in values.items() if value is not MISSING}


def _value(value: object) -> msgspec.Raw:
    try:
        return msgspec.Raw(encode_json(None if value is MISSING else value))
    except ValueError as error:
        return msgspec.Raw(encode_json(f"not JSON: {error}"))


def json_document(told: Mapping[str, Any]) -> str:
    """One JSON document in ASCII, so that any terminal can show it and none obeys it."""
    text = msgspec.json.format(msgspec.json.encode(_whole(told)), indent=2).decode("utf-8")
    return "".join(char if " " <= char <= "~" or char == "\n" else _escaped(char) for char in text)


def _whole(value: Any) -> Any:
    """The same with every half of a surrogate pair, which JSON cannot say, replaced."""
    if isinstance(value, dict):
        return {_whole(name): _whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return value.encode("utf-16", "replace").decode("utf-16") if isinstance(value, str) else value


def shown(text: str) -> str:
    """A text with nothing in it that a terminal would obey: JSON's escapes stand for it, so that JSON stays JSON."""
    return "".join(char if char.isprintable() or char in "\n\t" else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD800 + (code - 0x10000 >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
