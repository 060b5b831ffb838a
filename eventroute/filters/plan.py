"""How an index reads events: which fields, and what of raw bytes has to be decoded for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Generic, TypeAlias, TypedDict, TypeVar

import msgspec

from eventroute.event import Event
from eventroute.filters.pattern.places import Throughout, array_key
from eventroute.filters.tables import Column
from eventroute.filters.walk import MAX_COMPILED, Branch, Walk, compile_walk, walk
from eventroute.jsontext import decode_json
from eventroute.paths import Field

__all__ = ["MAX_NAMES", "Plan"]

MAX_NAMES: Final = 64
"""How many members of one object are decoded by name; where filters read more of it, all of it is decoded."""

E = TypeVar("E")

# What an object's place may hold instead of one; the elements of arrays stay undecoded where no filter reads them.
_Other: TypeAlias = list[msgspec.Raw] | str | int | float | bool | None
_Elements: TypeAlias = list[Any] | str | int | float | bool | None


class Plan(Generic[E]):
    """How the fields of all filters in an index are read. Never changed; made anew when the set of fields changes.

    `decode` turns the JSON text of an event into as much of it as the walk needs; it is None where the whole is needed.
    """

    def __init__(self, columns: Mapping[Field, Column[E]], *, whole: bool) -> None:
        top: Branch[E] = Branch()
        self._text: Branch[E] = Branch()
        for field, column in columns.items():
            branch = self._text
            if field.attribute is not None:
                branch = top.below(field.attribute)
            elif field.segments:
                branch = top.below("data")
                for at, step in enumerate(field.segments):
                    if isinstance(field, Throughout):
                        branch.arrays = array_key(field.segments[:at])
                    branch = branch.below(step)
            branch.end(field, column)
        self._reads_data = "data" in top.names
        self.walk: Walk[E] = compile_walk(top.names) if len(columns) <= MAX_COMPILED else partial(walk, top.names)
        self.decode = None if whole or self._text.column is not None else _decoder(top.names)

    def read(self, event: Event, row: dict[str, Any], found: list[E]) -> None:
        """The walk over a whole event."""
        values: dict[str, Any] = dict(event.attributes)
        if self._reads_data:
            values["data"] = event.data
        self.walk(values, row, found)
        if self._text.column is not None:
            text = event.data_text
            if text is not None:
                row[self._text.key] = text
                self._text.column.look_up(text, found)


def _decoder(names: Mapping[str, Branch[Any]]) -> Callable[[Any], dict[str, Any]]:
    members = {name: _shape(branch) for name, branch in names.items()}
    if "data" in members:
        members["data_base64"] = Any
    decode: Callable[[Any], dict[str, Any]] = msgspec.json.Decoder(_object(members), float_hook=_number).decode
    return decode


def _number(text: str) -> Any:
    """A number with a point or exponent, as the data of an Event has it."""
    return decode_json(text.encode())


def _shape(branch: Branch[Any]) -> Any:
    """The type as which msgspec decodes what stands at a branch."""
    if branch.columns or branch.indexes or len(branch.names) > MAX_NAMES:
        return Any
    if not all(map(str.isascii, branch.names)):
        return Any  # msgspec 0.22 does not find other names in a TypedDict
    other = _Elements if branch.arrays else _Other
    return _object({name: _shape(below) for name, below in branch.names.items()}) | other


def _object(members: dict[str, Any]) -> Any:
    return TypedDict("_Members", members, total=False)  # type: ignore[operator]  # made while running
