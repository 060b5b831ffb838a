"""The compiler of templates: from the frozen parts to one Python function, with nothing left to look up by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from eventroute.canonical import canonical_text
from eventroute.errors import InvalidTransformer, TransformError
from eventroute.event import Event
from eventroute.jsontext import encode_json
from eventroute.paths import MISSING, Path
from eventroute.transform.define import Constant, Variable
from eventroute.transform.limits import Limits
from eventroute.transform.template import Hole, Members, Part, Place, Template

__all__ = ["Render", "compile_template"]

Render: TypeAlias = Callable[[Event], bytes]
_Write: TypeAlias = "Callable[[Sequence[Any], int], bytes]"
"""Writes a part, given the values of all paths and the bytes that the output has room for."""


def compile_template(template: Template, define: Mapping[str, Variable], limits: Limits) -> Render:
    """A function from an event to the bytes of its new data: JSON text, or text in UTF-8.

    It raises TransformError, naming the place, for what JSON or UTF-8 cannot say and where the output grows too long.
    Raises InvalidTransformer where the output would always be too long.
    """
    compiler = _Compiler(define)
    write = compiler.joined(template.parts)
    room = limits.output - compiler.fixed
    if room < 0:
        raise InvalidTransformer(
            f"it makes at least {compiler.fixed} bytes, more than output={limits.output}", where="template"
        )
    reads = tuple(compiler.reads)

    def render(event: Event) -> bytes:
        return write([read(event) for read in reads], room)

    return render


class _Compiler:
    """Compiles one template; each path in it is read once an event."""

    def __init__(self, define: Mapping[str, Variable]) -> None:
        self.define = define
        self.reads: dict[Path, int] = {}
        self.fixed = 0

    def joined(self, parts: Sequence[Part]) -> _Write:
        fixed: list[bytes] = []
        slots: list[tuple[int, int, Callable[[Any], bytes], Hole]] = []
        groups: list[tuple[int, _Write]] = []
        for position, part in enumerate(parts):
            if isinstance(part, Members):
                groups.append((position, self.members(part)))
                fixed.append(b"")
            elif isinstance(part, str):
                fixed.append(part.encode())
            else:
                text, index = self.hole(part)
                fixed.append(text)
                if index is not None:
                    slots.append((position, index, _TEXT_OF[part.place], part))
        self.fixed += sum(map(len, fixed))

        def write(values: Sequence[Any], room: int) -> bytes:
            texts = fixed.copy()
            for position, index, text_of, hole in slots:
                try:
                    text = texts[position] = text_of(values[index])
                except ValueError as error:
                    raise _failed(str(error), hole) from error
                room -= len(text)
                if room < 0:
                    raise _failed("the output grows too long here (the limit is named output)", hole)
            for position, members in groups:
                text = texts[position] = members(values, room)
                room -= len(text)
            return b"".join(texts)

        return write

    def hole(self, hole: Hole) -> tuple[bytes, int | None]:
        """The text of a constant, or the number of the path that is to be read."""
        source = self.define[hole.source] if isinstance(hole.source, str) else hole.source
        if isinstance(source, Constant):
            return _TEXT_OF[hole.place](source.value), None
        return b"", self.reads.setdefault(source, len(self.reads))

    def members(self, members: Members) -> _Write:
        items = [(self.hole(member.hole)[1], self.joined(member.parts)) for member in members.items]
        self.fixed += len(items) - 1

        def write(values: Sequence[Any], room: int) -> bytes:
            texts = []
            for index, write_member in items:
                if index is not None and values[index] is not MISSING:
                    texts.append(write_member(values, room))
                    room -= len(texts[-1])
            return b",".join(texts)

        return write


def _failed(reason: str, hole: Hole) -> TransformError:
    return TransformError(reason, where=f"template line {hole.line}, column {hole.column}")


_encode_string: Final = msgspec.json.Encoder().encode


def _json_value(value: object) -> bytes:
    if type(value) is str:
        return _encode_string(value)
    return b"null" if value is MISSING else encode_json(value)


def _in_string(value: object) -> bytes:
    return _encode_string(value if type(value) is str else _text(value))[1:-1]


def _in_text(value: object) -> bytes:
    return _text(value).encode()


def _text(value: object) -> str:
    """Strings and scalars bare, what is missing as nothing, null and all else as compact JSON."""
    if value is MISSING:
        return ""
    text = canonical_text(value)
    return encode_json(value).decode() if text is None else text


_TEXT_OF: Final = {Place.VALUE: _json_value, Place.STRING: _in_string, Place.TEXT: _in_text}
