"""Commands on arrays: for each element, a text for each element, each element in a place of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from eventroute.errors import InvalidPath
from eventroute.paths import MISSING, Path
from eventroute.transform.casts import array, rendered, text
from eventroute.transform.command import Argument, Command, Edit, Run, Shape, Use
from eventroute.transform.commands.text import TOO_LONG
from eventroute.transform.draft import DataPlace, Draft, Tree

__all__ = ["COMMANDS", "COST_OF_RUN"]

COST_OF_RUN: Final = 100
"""As how many characters each run of a command counts within array_foreach."""

_placeholder = re.compile(r"""\\<|<(@(?:[^"'>]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*)(>?)""")


def _array_foreach(bound: Sequence[Any]) -> Run:
    place: DataPlace = bound[0]
    commands: Sequence[tuple[str, Run]] = bound[1:]

    def for_each(draft: Draft, here: Tree) -> None:
        result: list[Any] = []
        for number, element in enumerate(array(place.get(draft, here))):
            tree = Tree(element)
            for name, run in commands:
                draft.spend(COST_OF_RUN)
                try:
                    run(draft, tree)
                except ValueError as error:
                    raise ValueError(f"element {number}: {name}: {error}") from None
            result.append(tree.data)
        place.share(draft, here)
        place.put(draft, here, result)

    return for_each


_Piece = str | Callable[[Any], str]


def _template(value: Any) -> tuple[_Piece, ...]:
    """The parts of a template in which `<@.path>` stands for a value of the element; a backslash keeps a `<`."""
    source = text(value)
    pieces: list[_Piece] = []
    start = 0
    for found in _placeholder.finditer(source):
        pieces.append(source[start : found.start()])
        start = found.end()
        if found[1] is None:
            pieces.append("<")
            continue
        if not found[2]:
            raise ValueError(f"the placeholder at position {found.start()} has no end: add `>`, or write `\\<`")
        pieces.append(_element_reader(found[1]))
    return tuple(piece for piece in (*pieces, source[start:]) if piece != "")


def _element_reader(written: str) -> Callable[[Any], str]:
    try:
        path = Path.parse("$" + written[1:].rstrip())
    except InvalidPath as error:
        raise ValueError(str(error)) from None
    if not path.singular:
        raise ValueError(f"{written[:60]!r} may have many results: use names and indexes only")

    def read(element: Any) -> str:
        value = path.read(element)
        if value is MISSING:
            raise ValueError(f"{written} is missing")
        return rendered(value)

    return read


def _render_array(room: int, elements: list[Any], template: Sequence[_Piece]) -> list[str]:
    result: list[str] = []
    for number, element in enumerate(elements):
        room -= 1
        made: list[str] = []
        for piece in template:
            try:
                made.append(piece if isinstance(piece, str) else piece(element))
            except ValueError as error:
                raise ValueError(f"element {number}: {error}") from None
            room -= len(made[-1])
            if room < 0:
                raise ValueError(TOO_LONG)
        result.append("".join(made))
    return result


def _unfold_array(bound: Sequence[Any]) -> Run:
    source, prefix = bound

    def unfold(draft: Draft, here: Tree) -> None:
        elements = source(draft, here)
        prefix.share(draft, here)
        for number, element in enumerate(elements):
            place = prefix.numbered(number)
            if place.get(draft, here) is not MISSING:
                raise ValueError(f"{place} exists already")
            place.put(draft, here, element)

    return unfold


def _check_data(values: Sequence[Any]) -> None:
    if not isinstance(values[0], DataPlace):
        raise ValueError(f"{values[0]} is an attribute, and no attribute is an array")


def _check_prefix(values: Sequence[Any]) -> None:
    place = values[1]
    if not isinstance(place, DataPlace) or not place.steps or not isinstance(place.steps[-1], str):
        raise ValueError("the prefix must end in a name, as $.data.item does, to which -0, -1 and so on are added")


COMMANDS: Final[Mapping[str, Shape]] = {
    "array_foreach": Edit(
        bind=_array_foreach,
        arguments=(Argument("target", use=Use.TARGET), Argument("command", use=Use.COMMAND)),
        rest=(Argument("command", use=Use.COMMAND),),
        check=_check_data,
    ),
    "render_array": Command(
        _render_array,
        arguments=(
            Argument("target", use=Use.TARGET),
            Argument("source", array, Use.SOURCE),
            Argument("template", _template, Use.CONSTANT),
        ),
        grows=True,
        trusted=True,
    ),
    "unfold_array": Edit(
        bind=_unfold_array,
        arguments=(Argument("source", array, Use.SOURCE), Argument("target prefix", use=Use.TARGET)),
        check=_check_prefix,
    ),
}
