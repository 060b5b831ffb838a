"""debezium_convert_to_mongodb_sink: a change that Debezium captured, as the write that a MongoDB sink makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from eventroute.transform.casts import non_empty_text, shown
from eventroute.transform.command import Argument, Edit, Read, Run, Shape, Use
from eventroute.transform.draft import AttributePlace, DataPlace, Draft, Tree

__all__ = ["COMMANDS", "OPERATION"]

OPERATION: Final = AttributePlace("iodebeziumop")
"""The attribute that says what happened to the row: `c` created, `r` read by a snapshot, `u` updated, `d` deleted."""

_DATA: Final = DataPlace("$.data", (), in_element=False)


def _debezium(bound: Sequence[Read]) -> Run:
    keys, values = bound[::2], bound[1::2]

    def convert(draft: Draft, here: Tree) -> None:
        unique = {key(draft, here): value(draft, here) for key, value in zip(keys, values, strict=True)}
        draft.spend_on(unique)
        operation = OPERATION.get(draft, here)
        written = _write(operation, unique, _DATA.get(draft, here))
        _DATA.share(draft, here)
        _DATA.put(draft, here, written)

    return convert


def _write(operation: object, unique: dict[str, Any], row: Any) -> dict[str, Any]:
    if operation == "d":
        return {"deletes": [{"filter": unique}]}
    if operation not in ("c", "r", "u"):
        raise ValueError(f"{OPERATION} is {shown(operation)}, and must be c, r, u or d")
    if not isinstance(row, dict):
        raise ValueError(f"$.data is {shown(row)}, and the row that changed is an object")
    if operation != "u":
        return {"inserts": [row]}
    rest = {name: value for name, value in row.items() if name not in unique}
    return {"updates": [{"filter": unique, "update": {"$set": rest}}]}


def _check_keys(values: Sequence[Any]) -> None:
    keys = values[::2]
    if len(set(keys)) < len(keys):
        raise ValueError("a key is there twice")


_PAIR: Final = (Argument("key", non_empty_text, Use.CONSTANT), Argument("value of the key"))

COMMANDS: Final[Mapping[str, Shape]] = {
    "debezium_convert_to_mongodb_sink": Edit(bind=_debezium, arguments=_PAIR, rest=_PAIR, check=_check_keys)
}
