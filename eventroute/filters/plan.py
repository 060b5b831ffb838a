"""How an index reads events: which fields, in one walk, and what of raw bytes has to be decoded for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeAlias, TypedDict, TypeVar

import msgspec

from eventroute.filters.tables import Column
from eventroute.jsontext import decode_json
from eventroute.paths import Field

__all__ = ["MAX_NAMES", "Branch", "Places", "Plan"]

MAX_NAMES: Final = 64
"""How many members of one object are decoded by name; where filters read more of it, all of it is decoded."""

E = TypeVar("E")


class Branch(Generic[E]):
    """A place in events that filters read, or that lies on the way to one."""

    __slots__ = ("column", "indexes", "key", "names")

    def __init__(self) -> None:
        self.column: Column[E] | None = None
        self.key = ""
        """The field's text, by which its value stands in a row."""
        self.names: dict[str, Branch[E]] = {}
        self.indexes: dict[int, Branch[E]] = {}

    def end(self, field: Field, column: Column[E]) -> None:
        self.key, self.column = str(field), column

    def below(self, step: str | int) -> Branch[E]:
        if isinstance(step, str):
            return self.names.setdefault(step, Branch())
        return self.indexes.setdefault(step, Branch())

    def among(self, value: object) -> Places[E]:
        """The branches below, with what the value has there."""
        if isinstance(value, dict) and self.names:
            return [(self.names, value)]
        if isinstance(value, list) and self.indexes:
            size = len(value)
            return [(self.indexes, {at: value[at] for at in self.indexes if -size <= at < size})]
        return []


Places: TypeAlias = list[tuple[Mapping[Any, Branch[E]], Mapping[Any, Any]]]
"""Branches, each set with the values among which it is looked for."""


class Plan(Generic[E]):
    """The fields of all filters in an index as one tree. Never changed; made anew when the set of fields changes.

    `decode` turns the JSON text of an event into as much of it as the tree needs, duplicate names read as Event reads
    them; None where some filter needs the whole event.
    """

    def __init__(self, columns: Mapping[Field, Column[E]], whole: bool) -> None:
        top: Branch[E] = Branch()
        self.text: Mapping[Any, Branch[E]] | None = None
        """Where some filter reads the data as text."""
        for field, column in columns.items():
            if field.attribute is not None:
                top.below(field.attribute).end(field, column)
            elif field.segments:
                branch = top.below("data")
                for step in field.segments:
                    branch = branch.below(step)
                branch.end(field, column)
            else:
                text: Branch[E] = Branch()
                text.end(field, column)
                self.text = {"data": text}
        self.names: Mapping[Any, Branch[E]] = top.names
        self.data: Mapping[Any, Branch[E]] | None = {"data": top.names["data"]} if "data" in top.names else None
        self.decode = None if whole or self.text is not None else _decoder(self.names)


def _decoder(names: Mapping[str, Branch[Any]]) -> Callable[[Any], dict[str, Any]]:
    members = {name: _shape(branch) for name, branch in names.items()}
    if "data" in members:
        members["data_base64"] = Any
    shape = _object(members)
    decode: Callable[[Any], dict[str, Any]] = msgspec.json.Decoder(shape, float_hook=_number).decode
    return decode


def _number(text: str) -> Any:
    """A number with a point or exponent, as the data of an Event has it."""
    return decode_json(text.encode())


# Beside objects; the elements of an array, which no filter reads, stay undecoded.
_Passed: TypeAlias = list[msgspec.Raw] | str | int | float | bool | None


def _shape(branch: Branch[Any]) -> Any:
    """The type as which msgspec decodes what stands at a branch."""
    if branch.column is not None or branch.indexes or len(branch.names) > MAX_NAMES:
        return Any
    return _object({name: _shape(below) for name, below in branch.names.items()}) | _Passed


def _object(members: dict[str, Any]) -> Any:
    return TypedDict("_Members", members, total=False)  # type: ignore[operator]  # made while running
