"""What must hold for a filter to match: the few predicates by which an index finds it.

A cover is a set of predicates of which at least one holds whenever the filter matches. A conjunction has its cheapest
operand's, and what it leaves to be tested is the other operands; a disjunction has the union of all its operands'. What
a negation or a function of the application's says cannot be looked up, so they have none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import evolve, frozen

from eventroute.filters.cesql.requirement import requirement
from eventroute.filters.expr.covers import Found, condition_cover, joint_spans
from eventroute.filters.pattern.covers import pattern_cover
from eventroute.filters.pattern.tree import parts
from eventroute.filters.predicates import Predicate
from eventroute.filters.syntax import (
    AllOf,
    AnyOf,
    Composed,
    Condition,
    EventPattern,
    Exclusive,
    Node,
    Relation,
    Sql,
    Text,
)

__all__ = ["LONGEST_AFFIX", "Cover", "cover"]

LONGEST_AFFIX: Final = 256
"""How many characters of a prefix or suffix are looked up; it bounds the lookups for one value."""


@frozen
class Cover:
    """Predicates of which one holds whenever the filter matches; `rest` is what else must hold then, None for nothing.

    Whenever a predicate holds, the filter matches if and only if `rest` does, which is at most the filter itself.
    """

    predicates: tuple[Predicate, ...]
    rest: Node | None
    cost: float


def cover(node: Node, cost: Callable[[Predicate], float]) -> Cover | None:
    """The cheapest cover by the sum of `cost`, or None where there is none."""
    match node:
        case Text():
            predicate = _shortened(node)
            return Cover((predicate,), None if predicate is node else node, cost(predicate))
        case AllOf(operands):
            return _cheapest(node, operands, cost)
        case AnyOf(operands):
            return _union(node, operands, cost, decides=True)
        case Composed(_, _, meaning):
            return cover(meaning, cost)
        case Exclusive(operands):
            return _union(node, operands, cost, decides=False)
        case _ if isinstance(node, Sql | EventPattern | Condition):
            return _leaf_cover(node, cost)
    return None


def _leaf_cover(node: Sql | EventPattern | Condition, cost: Callable[[Predicate], float]) -> Cover | None:
    match node:
        case Sql():
            return _sql_cover(node, cost)
        case EventPattern(tree):
            operands = tuple(map(EventPattern, parts(tree)))
            if len(operands) > 1:
                return _cheapest(node, operands, cost)
            return _found(node, pattern_cover(tree, cost), cost)
        case _:
            return _found(node, condition_cover(node), cost)


def _cheapest(node: Node, operands: tuple[Node, ...], cost: Callable[[Predicate], float]) -> Cover | None:
    best, place = None, 0
    for at, operand in enumerate(operands):
        found = cover(operand, cost)
        if found is not None and (best is None or found.cost < best.cost):
            best, place = found, at
    for span in joint_spans(operands):
        spanned = Cover((span,), node, cost(span))
        if best is None or spanned.cost < best.cost:
            best, place = spanned, -1
    if best is None or place < 0:
        return best
    if best.rest is operands[place]:
        return Cover(best.predicates, node, best.cost)
    rest = (*operands[:place], *(() if best.rest is None else (best.rest,)), *operands[place + 1 :])
    return Cover(best.predicates, rest[0] if len(rest) == 1 else AllOf(rest) if rest else None, best.cost)


def _union(
    node: Node, operands: tuple[Node, ...], cost: Callable[[Predicate], float], *, decides: bool
) -> Cover | None:
    predicates: dict[Predicate, None] = {}
    total = 0.0
    for operand in operands:
        one = cover(operand, cost)
        if one is None:
            return None
        predicates.update(dict.fromkeys(one.predicates))
        decides &= one.rest is None
        total += one.cost
    return Cover(tuple(predicates), None if decides else node, total)


def _found(node: Node, known: Found | None, cost: Callable[[Predicate], float]) -> Cover | None:
    if known is None:
        return None
    found, decides = known
    predicates = tuple(_shortened(one) if isinstance(one, Text) else one for one in found)
    return Cover(predicates, None if decides and predicates == found else node, sum(map(cost, predicates)))


def _sql_cover(node: Sql, cost: Callable[[Predicate], float]) -> Cover | None:
    required = requirement(node.expression)
    found = None if required is None else cover(required, cost)
    return None if found is None else Cover(found.predicates, node, found.cost)


def _shortened(text: Text) -> Text:
    if text.relation is Relation.EXACT or len(text.literal) <= LONGEST_AFFIX:
        return text
    if text.relation is Relation.PREFIX:
        return evolve(text, literal=text.literal[:LONGEST_AFFIX])
    return evolve(text, literal=text.literal[-LONGEST_AFFIX:])
