"""What must hold of an event for a CESQL expression to match it, as far as an index can look it up.

A filter matches only where nothing erred, so a true AND needs all of its operands and a true OR or XOR one of them.
What is compared as text can be looked up, and an attribute's text says all of it. A comparison with a number or a
boolean cannot: too many texts are cast to the same one ('05' = 5). All that is left there is that the attributes which
are read exist, for a missing one is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby

from eventroute.filters.cesql.casts import boolean, integer, string
from eventroute.filters.cesql.expression import Expression
from eventroute.filters.cesql.tree import (
    CORE,
    MAX_DEPTH,
    REQUIRED,
    Attribute,
    Boolean,
    Chain,
    Exists,
    In,
    Integer,
    Level,
    Like,
    Literal,
    Node,
    Operator,
    Step,
    String,
    children,
)
from eventroute.filters.like import LikePattern
from eventroute.filters.syntax import AllOf, AnyOf, Relation, Text
from eventroute.filters.syntax import Exists as Present
from eventroute.paths import Field

__all__ = ["Requirement", "requirement"]

Requirement = Text | AllOf | AnyOf | Present


_field = lru_cache(maxsize=4096)(Field)  # many filters read few attributes


def requirement(expression: Expression) -> Requirement | None:
    """A filter that holds wherever the expression matches, or None where there is nothing to look up."""
    return _required(expression.root, 1)


def _required(node: Node, depth: int) -> Requirement | None:
    match node:
        case Chain(Level.LOGIC):
            return _logic(node, depth)
        case Chain(Level.COMPARISON, Attribute(name), (Step(Operator.EQUAL, String(value)),)):
            return _text(Relation.EXACT, name, value)
        case Chain(
            Level.COMPARISON,
            Boolean() | Integer() | String() as literal,
            (Step(Operator.EQUAL, Attribute(name)),),
        ):
            return _one_of(name, [literal])
        case Like(Attribute(name), pattern, negated=False) if pattern.prefix or pattern.suffix or pattern.exact == "":
            return _like(name, pattern)
        case In(Attribute(name), elements, negated=False):
            literals = [element for element in elements if isinstance(element, Boolean | Integer | String)]
            if len(literals) == len(elements):
                return _one_of(name, literals)
        case Exists(name):
            return _present({name})
    return _present(_read(node))


def _present(names: set[str]) -> Requirement | None:
    """That the event has the attributes, of which `data` is never one."""
    return _all([Present(_field(name)) for name in sorted(names - REQUIRED - {"data"})])


def _read(node: Node) -> set[str]:
    """The attributes that are read whenever the node is evaluated: of AND, OR and XOR those of the first operand."""
    if isinstance(node, Attribute):
        return {node.name}
    operands = (node.first,) if isinstance(node, Chain) and node.level is Level.LOGIC else children(node)
    return set().union(*map(_read, operands))


def _logic(node: Chain, depth: int) -> Requirement | None:
    """What operands that one operator joins require is the first requirement of the next such run."""
    runs = [(operator, list(steps)) for operator, steps in groupby(node.steps, lambda step: step.operator)]
    below = depth + len(runs)
    found = _required(node.first, below) if below <= MAX_DEPTH else None
    for operator, steps in runs if below <= MAX_DEPTH else ():
        operands = [found, *(_required(step.operand, below) for step in steps)]
        if operator is Operator.AND:
            found = _all(operands)
        else:
            known = tuple(operand for operand in operands if operand is not None)
            found = AnyOf(known) if len(known) == len(operands) else None
    return found or _present(_read(node.first))


def _text(relation: Relation, name: str, value: str) -> Text | None:
    return None if name == "data" else Text(relation, _field(name), value)


def _one_of(name: str, literals: Iterable[Literal]) -> Requirement | None:
    """The attribute equals a literal that is cast to the attribute's type, of which only core attributes have one."""
    texts: dict[str, None] = {}
    for literal in literals:
        texts[string(literal.value)] = None
        if name not in CORE:
            others = (integer(literal.value), boolean(literal.value))
            texts.update((string(other), None) for other in others if other is not None)
    return AnyOf(tuple(Text(Relation.EXACT, _field(name), text) for text in texts)) if name != "data" else None


def _like(name: str, pattern: LikePattern) -> Requirement | None:
    if pattern.exact is not None:
        return _text(Relation.EXACT, name, pattern.exact)
    affixes = ((Relation.PREFIX, pattern.prefix), (Relation.SUFFIX, pattern.suffix))
    return _all([_text(relation, name, value) for relation, value in affixes if value])


def _all(required: Sequence[Requirement | None]) -> Requirement | None:
    known = tuple(one for one in required if one is not None)
    return AllOf(known) if len(known) > 1 else next(iter(known), None)
