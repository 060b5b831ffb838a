"""A TOML file that is read key by key: whatever is wrong is refused with its file, line and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import Factory, define, frozen

from eventroute.errors import InvalidConfiguration

__all__ = ["MAX_FILE_BYTES", "Document", "Place", "Table", "place_of"]

MAX_FILE_BYTES: Final = 1_048_576
"""The largest file that is read, in bytes (1 MiB)."""

Place = tuple[str | int, ...]
"""Where a value stands: keys, and indexes in arrays."""

T = TypeVar("T")

_KINDS: dict[type, str] = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
_STEP = re.compile(r"([^.\[\]]+)|\[([0-9]{1,9})\]")


def place_of(text: str) -> Place:
    """The place that a text such as `filters[0].exact` names."""
    return tuple(found[1] or int(found[2]) for found in _STEP.finditer(text))


def _shown(place: Place) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).lstrip(".")


@frozen
class Document:
    """A TOML file, read whole."""

    path: Path
    text: str
    values: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Document:
        """Read a file; raises InvalidConfiguration where that cannot be done or it is not TOML."""
        try:
            with path.open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise InvalidConfiguration(f"the file cannot be read: {error.strerror}", where=str(path)) from error
        if len(content) > MAX_FILE_BYTES:
            raise InvalidConfiguration(f"the file has more than {MAX_FILE_BYTES:,} bytes", where=str(path))
        try:
            text = content.decode("utf-8").replace("\r\n", "\n")
            return cls(path, text, tomllib.loads(text))
        except RecursionError:
            raise InvalidConfiguration("it nests too deep", where=str(path)) from None
        except ValueError as error:
            raise InvalidConfiguration(f"this is not TOML: {error}", where=str(path)) from error

    def error(self, place: Place, message: str) -> InvalidConfiguration:
        """What is wrong at a place; where the place is not there, the line is that of what should hold it."""
        where = f"{self.path}:{self.line(place)}"
        return InvalidConfiguration(message, where=f"{where}: {_shown(place)}" if place else where)

    def line(self, place: Place) -> int:
        """The line (from 1) of the statement that brought a place, or the nearest one around it, into being."""
        while place and not _has(self.values, place):
            place = place[:-1]
        if not place:
            return 1
        lines = self.text.split("\n")
        absent, present = 0, len(lines)
        while present - absent > 1:
            middle = (absent + present) // 2
            whole, values = _parsed(lines, middle)
            absent, present = (absent, whole) if _has(values, place) else (middle, present)
        return _parsed(lines, present - 1)[0] + 1


def _parsed(lines: list[str], count: int) -> tuple[int, Mapping[str, Any]]:
    """The first `count` lines, less those that begin a statement which they do not end: how many, and their values."""
    while True:
        try:
            return count, tomllib.loads("\n".join(lines[:count]))
        except ValueError:
            count -= 1


def _has(value: Any, place: Place) -> bool:
    for step in place:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return False
        elif not isinstance(value, dict) or step not in value:
            return False
        value = value[step]
    return True


@define
class Table:
    """A table of a document. A key that nobody has asked for when the `with` block ends is refused as unknown."""

    document: Document
    place: Place
    values: Mapping[str, Any]
    _known: list[str] = Factory(list)

    @classmethod
    def top(cls, document: Document) -> Table:
        """The whole of a document."""
        return cls(document, (), document.values)

    def __enter__(self) -> Table:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            return
        for key in self.values:
            if key not in self._known:
                near = get_close_matches(key, self._known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(self._known)}"
                raise self.error(key, f"there is no such key; {hint}")

    def error(self, key: str, message: str) -> InvalidConfiguration:
        """What is wrong at a key of this table; an empty key is the table itself."""
        return self.inner_error((key,) if key else (), message)

    def inner_error(self, place: Place, message: str) -> InvalidConfiguration:
        """What is wrong at a place within this table."""
        return self.document.error((*self.place, *place), message)

    def has(self, place: Place) -> bool:
        """Whether there is such a place within this table."""
        return _has(self.values, place)

    def get(self, key: str, kind: type[T], default: T) -> T:
        """The value of a key, which must be of a kind: str, int, bool, or float for any number."""
        self._known.append(key)
        if key not in self.values:
            return default
        return self._of_kind(self.values[key], kind, (*self.place, key))

    def need(self, key: str, kind: type[T]) -> T:
        """The value of a key that must be there."""
        if key not in self.values:
            raise self.error(key, f"is missing: it must be {_KINDS[kind]}")
        return self.get(key, kind, kind())

    def many(self, key: str, kind: type[T]) -> list[T]:
        """The values of an array; one value alone counts as an array of one. No such key: an empty list."""
        self._known.append(key)
        value = self.values.get(key, [])
        if not isinstance(value, list):
            return [self._of_kind(value, kind, (*self.place, key))]
        return [self._of_kind(item, kind, (*self.place, key, index)) for index, item in enumerate(value)]

    def table(self, key: str) -> Table:
        """The table of a key; no such key: an empty one."""
        self._known.append(key)
        return self._table(self.values.get(key, {}), (*self.place, key))

    def tables(self, key: str) -> list[Table]:
        """The tables of an array; no such key: none."""
        self._known.append(key)
        value = self.values.get(key, [])
        if not isinstance(value, list):
            raise self.error(key, f"must be an array of tables: [[{_shown((*self.place, key))}]]")
        return [self._table(item, (*self.place, key, index)) for index, item in enumerate(value)]

    def each(self) -> Iterator[tuple[str, Table]]:
        """The tables in a table whose keys are names."""
        for name in self.values:
            yield name, self.table(name)

    def _table(self, value: object, place: Place) -> Table:
        if not isinstance(value, dict):
            raise self.document.error(place, "must be a table")
        return Table(self.document, place, value)

    def _of_kind(self, value: object, kind: type[T], place: Place) -> T:
        """The value is not in the message: it may be a secret that was written in clear."""
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return kind(value)  # type: ignore[call-arg]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.document.error(place, f"must be {_KINDS[kind]}, not {type(value).__name__}")
        return value
