"""What a transformer did with one event, for people who debug a rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from eventroute.errors import TransformError
from eventroute.event import Event
from eventroute.jsontext import encode_json
from eventroute.paths import MISSING

__all__ = ["LONGEST_TEXT", "Explanation", "Step"]

LONGEST_TEXT: Final = 400
"""How many characters of a value or of the data are printed."""


@attrs.frozen
class Step:
    """The event after one command: what is at the places that it writes to, all attributes, and all data.

    They are for reading: what is not changed is the incoming event's own.
    """

    command: str
    places: Mapping[str, Any]
    attributes: Mapping[str, Any]
    data: Any


@attrs.frozen
class Explanation:
    """The variables with their values (MISSING where a path found nothing), the steps of the pipeline that were done,
    and the result or the error.

    `print` shows it a line each.
    """

    variables: Mapping[str, Any]
    steps: tuple[Step, ...]
    result: Event | None
    error: TransformError | None

    def __str__(self) -> str:
        width = max(map(len, self.variables), default=0)
        lines = [f"{name:{width}} = {_text(value)}" for name, value in self.variables.items()]
        for number, step in enumerate(self.steps):
            made = ", ".join(f"{place} = {_text(value)}" for place, value in step.places.items())
            lines.append(f"pipeline[{number}] {step.command}: {made or _text(step.data)}")
        if self.result is None:
            return "\n".join([*lines, f"failed: {self.error}"])
        data = self.result.data_text
        shown = f"{len(self.result.data_bytes or b'')} bytes" if data is None else _cut(data)
        return "\n".join([*lines, f"{self.result.wire_type or 'data'}: {shown}"])


def _text(value: object) -> str:
    if value is MISSING:
        return "missing"
    try:
        return _cut(encode_json(value).decode())
    except ValueError as error:
        return f"not JSON: {error}"


def _cut(text: str) -> str:
    """The start of a text on one line, with nothing in it that a terminal would obey."""
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text[:LONGEST_TEXT])
    return shown if len(text) <= LONGEST_TEXT else f"{shown}... ({len(text)} characters)"
