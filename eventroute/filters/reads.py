"""What of an event a filter reads."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from eventroute.filters.pattern.tree import DATA, leaves
from eventroute.filters.syntax import EventPattern, Exists, Function, Node, Quantified, Sql, Text, children
from eventroute.paths import Field

__all__ = ["Reads", "reads"]


@frozen
class Reads:
    """`fields` are read; of `nulls` it matters if they are null or missing; `whole` if the event as it is is wanted."""

    fields: frozenset[Field]
    nulls: frozenset[Field]
    whole: bool


def reads(node: Node) -> Reads:
    """What a filter reads."""
    fields: set[Field] = set()
    nulls: set[Field] = set()
    whole = False
    waiting: list[Any] = [node]
    while waiting:
        one = waiting.pop()
        waiting.extend(children(one))
        match one:
            case Text(_, field):
                fields.add(field)
            case Field():
                fields.add(one)
            case Sql(expression):
                fields |= {Field(name) for name in expression.attributes if name != "data"}
            case Exists(Field() as field):
                nulls.add(field)
            case Quantified(_, [()]):
                whole = True  # the data itself is no field: `data` is its text
            case Quantified(_, [steps]):
                fields.add(Field(None, steps))
            case EventPattern(tree):
                names = {path[0] for path, _ in leaves(tree)}
                fields |= {Field(name) for name in names if name != DATA}
                whole |= DATA in names
            case Function():
                whole = True
    return Reads(frozenset(fields), frozenset(nulls), whole)
