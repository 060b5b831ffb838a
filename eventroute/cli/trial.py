"""What `eventroute try` reads, and what came of it as text or as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from eventroute.cli.files import STDIN, name_of
from eventroute.errors import InvalidConfiguration, InvalidTransformer
from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.filters.explain import Explanation as MatchExplanation
from eventroute.jsontext import encode_json
from eventroute.paths import MISSING
from eventroute.serving.tomlfile import Document, place_of
from eventroute.transform import Transformer
from eventroute.transform.explain import Explanation as TransformExplanation
from eventroute.transform.explain import Step
from eventroute.trial import Mode, Trial, json_value, message_of, read_filter, shown
from eventroute.trial import read_event as event_of

__all__ = [
    "MAX_FILE_BYTES",
    "document_of",
    "read_event",
    "read_filters",
    "read_transformer",
    "text_of",
]

MAX_FILE_BYTES: Final = 16_777_216
"""The largest event or JSON transformer that is read, in bytes (16 MiB)."""


def text_of(trial: Trial, mode: Mode | None) -> str:
    """For people; without the error."""
    lines = ["matched" if trial.matched else "not matched"]
    lines.extend(_indented("\n".join(map(str, trial.matches))))
    steps = "" if trial.transformation is None else _steps(trial.transformation)
    if steps:
        lines.extend(["", "transformer", *_indented(steps)])
    if trial.result is not None:
        lines.extend(["", *_delivery(trial.result, mode)])
    return shown("\n".join(lines))


def document_of(trial: Trial, mode: Mode | None) -> dict[str, Any]:
    """For programs: `matched`, `explanations`, and as far as there are any `variables`, `steps`, `result` (the
    event in the CloudEvents JSON format), `message` and `error`.
    """
    told: dict[str, Any] = {"matched": trial.matched, "explanations": [_clause(match) for match in trial.matches]}
    if trial.transformation is not None:
        told["variables"] = _values(trial.transformation.variables)
        told["steps"] = [_step(step) for step in trial.transformation.steps]
    if trial.result is not None:
        told["result"] = msgspec.Raw(trial.result.to_json())
        if mode is not None:
            headers, body = message_of(trial.result, mode)
            told["message"] = {"headers": dict(headers), **_body(body)}
    if trial.error is not None:
        told["error"] = str(trial.error)
    return told


def read_event(file: Path, stdin: BinaryIO) -> Event:
    """The event of a file. Raises InvalidEvent, naming the file, for anything else."""
    return event_of(*_read(file, stdin))


def read_filters(texts: Sequence[str]) -> list[Filter]:
    """A filter for each text, JSON or an expression; without any, one that everything matches.

    Raises EventrouteError, saying which of them it is, for what is none.
    """
    names = ["--filter"] if len(texts) == 1 else [f"--filter {number}" for number in range(1, len(texts) + 1)]
    return list(map(read_filter, texts, names)) or [Filter.parse([])]


def read_transformer(file: Path, stdin: BinaryIO) -> Transformer:
    """The transformer of a file, TOML if its name says so and JSON otherwise.

    Raises EventrouteError, naming the file, for what is none.
    """
    document = Document.read(file) if file.suffix.lower() == ".toml" else None
    try:
        if document is not None:
            return Transformer.parse(document.values)
        raw, name = _read(file, stdin)
        return Transformer.parse(json_value(raw, name))
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


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.split("\n")]


def _steps(transformation: TransformExplanation) -> str:
    """The explanation less its end, which is the result in short, or the error."""
    if transformation.error is not None:
        return str(transformation).removesuffix(f"failed: {transformation.error}").rstrip("\n")
    return str(transformation).rpartition("\n")[0]


def _delivery(event: Event, mode: Mode | None) -> list[str]:
    if mode is not None:
        headers, body = message_of(event, mode)
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
