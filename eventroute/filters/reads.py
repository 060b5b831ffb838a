"""What of an event a filter reads."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from attrs import frozen

from eventroute.filters.pattern.places import place
from eventroute.filters.pattern.tree import Object, leaves, tells_null
from eventroute.filters.syntax import EventPattern, Exists, Function, Literal, Node, Quantified, Sql, Text, children
from eventroute.paths import Field

__all__ = ["Reads", "reads"]


_field = lru_cache(maxsize=4096)(Field)  # many expressions read few attributes


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
        kind = one.__class__
        if kind is Text or kind is Field:  # nearly all there is
            fields.add(one.field if kind is Text else one)
            continue
        if kind is Literal:
            continue
        waiting.extend(children(one))
        match one:
            case Sql(expression):
                fields |= {_field(name) for name in expression.attributes if name != "data"}
            case Exists(Field() as field):
                nulls.add(field)
            case Quantified(_, [()]):
                whole = True  # the data itself is no field: `data` is its text
            case Quantified(_, [steps]):
                fields.add(Field(None, steps))
            case EventPattern(tree):
                read = _of_pattern(tree)
                fields |= read.fields
                nulls |= read.nulls
                whole |= read.whole
            case Function():
                whole = True
    return Reads(frozenset(fields), frozenset(nulls), whole)


def _of_pattern(tree: Object) -> Reads:
    read = [(place(path), leaf) for path, leaf in leaves(tree)]
    fields = frozenset(field for field, _ in read if field is not None)
    nulls = frozenset(field for field, leaf in read if field is not None and tells_null(leaf))
    return Reads(fields, nulls, any(field is None for field, _ in read))
