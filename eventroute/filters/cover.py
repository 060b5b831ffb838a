"""What must hold for a filter to match: the few predicates by which an index finds it.

A cover is a set of predicates of which at least one holds whenever the filter matches. A conjunction has its cheapest
operand's, a disjunction the union of all its operands'. What a negation or a function of the application's says cannot
be looked up, so they have none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import evolve, frozen

from eventroute.filters.cesql.requirement import requirement
from eventroute.filters.expr.covers import condition_cover, joint_spans
from eventroute.filters.predicates import Predicate
from eventroute.filters.syntax import AllOf, AnyOf, Composed, Condition, Exclusive, Node, Relation, Sql, Text

__all__ = ["LONGEST_AFFIX", "Cover", "cover"]

LONGEST_AFFIX: Final = 256
"""How many characters of a prefix or suffix are looked up; it bounds the lookups for one value."""


@frozen
class Cover:
    """Predicates of which one holds whenever the filter matches; `decides` if the filter matches whenever one holds."""

    predicates: tuple[Predicate, ...]
    decides: bool
    cost: float


def cover(node: Node, cost: Callable[[Predicate], float]) -> Cover | None:
    """The cheapest cover by the sum of `cost`, or None where there is none."""
    match node:
        case Text():
            predicate = _shortened(node)
            return Cover((predicate,), predicate is node, cost(predicate))
        case AllOf(operands):
            found = [one for operand in operands if (one := cover(operand, cost)) is not None]
            found += [Cover((span,), decides=False, cost=cost(span)) for span in joint_spans(operands)]
            if not found:
                return None
            best = min(found, key=lambda one: one.cost)
            return best if len(operands) == 1 else evolve(best, decides=False)
        case AnyOf(operands):
            return _union([cover(operand, cost) for operand in operands])
        case Composed(_, _, meaning):
            return cover(meaning, cost)
        case Exclusive(operands):
            either = _union([cover(operand, cost) for operand in operands])
            return None if either is None else evolve(either, decides=False)
        case _ if isinstance(node, Sql | Condition):
            return _sql_cover(node, cost) if isinstance(node, Sql) else _condition_cover(node, cost)
    return None


def _condition_cover(node: Condition, cost: Callable[[Predicate], float]) -> Cover | None:
    known = condition_cover(node)
    if known is None:
        return None
    found, decides = known
    predicates = tuple(_shortened(one) if isinstance(one, Text) else one for one in found)
    return Cover(predicates, decides and predicates == found, sum(map(cost, predicates)))


def _sql_cover(node: Sql, cost: Callable[[Predicate], float]) -> Cover | None:
    required = requirement(node.expression)
    found = None if required is None else cover(required, cost)
    return None if found is None else evolve(found, decides=False)


def _union(covers: list[Cover | None]) -> Cover | None:
    predicates: dict[Predicate, None] = {}
    decides, cost = True, 0.0
    for one in covers:
        if one is None:
            return None
        predicates.update(dict.fromkeys(one.predicates))
        decides &= one.decides
        cost += one.cost
    return Cover(tuple(predicates), decides, cost)


def _shortened(text: Text) -> Text:
    if text.relation is Relation.EXACT or len(text.literal) <= LONGEST_AFFIX:
        return text
    if text.relation is Relation.PREFIX:
        return evolve(text, literal=text.literal[:LONGEST_AFFIX])
    return evolve(text, literal=text.literal[-LONGEST_AFFIX:])
