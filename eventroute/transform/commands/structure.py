"""Commands that move values about: create, delete, replace, move, rename, duplicate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from eventroute.paths import MISSING
from eventroute.transform.casts import any_value
from eventroute.transform.command import Argument, Command, Edit, Run, Shape, Use
from eventroute.transform.draft import DataPlace, Draft, Place, Tree

__all__ = ["COMMANDS"]


def _itself(value: Any) -> Any:
    return value


def _delete(bound: Sequence[Any]) -> Run:
    place: Place = bound[0]
    return place.delete


def _move(bound: Sequence[Any]) -> Run:
    source, target = bound

    def move(draft: Draft, here: Tree) -> None:
        value = source.get(draft, here)
        if value is MISSING:
            raise ValueError(f"{source} is missing in this event")
        if target.get(draft, here) is not MISSING:
            raise ValueError(f"{target} exists already")
        target.put(draft, here, value)
        source.delete(draft, here)

    return move


def _check_move(places: Sequence[Any]) -> None:
    source, target = places
    if isinstance(source, DataPlace) and isinstance(target, DataPlace) and _may_hold(source.steps, target.steps):
        raise ValueError(f"{target} may lie within {source}: a value cannot move into itself")


def _may_hold(outer: Sequence[str | int], inner: Sequence[str | int]) -> bool:
    """Whether the inner place may lie within the outer one: `[-1]` may be any element."""
    return len(outer) <= len(inner) and all(map(_may_be_same, outer, inner))


def _may_be_same(one: str | int, other: str | int) -> bool:
    if isinstance(one, int) and isinstance(other, int):
        return one == other or (one < 0) != (other < 0)
    return one == other


_MOVE: Final = Edit(
    bind=_move,
    arguments=(Argument("source", use=Use.REMOVED), Argument("target", use=Use.NEW)),
    check=_check_move,
)

COMMANDS: Final[Mapping[str, Shape]] = {
    "create": Command(_itself, arguments=(Argument("target", use=Use.NEW), Argument("value")), trusted=True),
    "delete": Edit(bind=_delete, arguments=(Argument("target", use=Use.REMOVED),)),
    "replace": Command(_itself, arguments=(Argument("target", use=Use.EXISTING), Argument("value")), trusted=True),
    "move": _MOVE,
    "rename": _MOVE,
    "duplicate": Command(
        _itself,
        arguments=(Argument("source", any_value, Use.SOURCE), Argument("target", use=Use.NEW)),
        trusted=True,
    ),
}
