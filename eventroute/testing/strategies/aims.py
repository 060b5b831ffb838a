"""What of a filter is to be hit or missed: one tree for all dialects, and values of fields that hit or miss its leaves.

A quantifier's condition reads the element in hand as if it were data under a name that no data has, so that each
leaf reads nothing but fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import groupby, product
from typing import Any, Final, TypeAlias

from attrs import define, evolve, fields, frozen, has

from eventroute.errors import InvalidEvent
from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.filters.cesql import evaluation
from eventroute.filters.cesql import tree as sql
from eventroute.filters.cesql.functions import Functions
from eventroute.filters.pattern import tree as pattern
from eventroute.filters.pattern.printing import at
from eventroute.filters.pattern.wildcard import pieces
from eventroute.filters.syntax import (
    AllOf,
    AnyOf,
    Composed,
    Each,
    EventPattern,
    Exclusive,
    Function,
    Like,
    Literal,
    Node,
    Not,
    Quantified,
    Quantifier,
    Sql,
    Text,
    children,
)
from eventroute.paths import Field
from eventroute.testing.strategies.laying import Wishes, laid
from eventroute.testing.strategies.near import fitting, values_near

__all__ = ["Aim", "Array", "Joint", "Leaf", "Odd", "Opposite", "aim_of", "element"]

_MOST_FIELDS: Final = 4  # of one leaf that are given values together
_MOST_WISHES: Final = 200  # of one leaf that are tried
_MOST_RUNS: Final = 50  # of AND, OR and XOR in one chain of `sql`, each of which is a level of the tree


@define(eq=False)
class Leaf:
    """A clause that reads fields: `holds` says if it does, None for an error."""

    fields: Sequence[Field]
    literals: Sequence[object]
    holds: Callable[[Event], bool | None]

    def says(self, wishes: Wishes) -> bool | None:
        """Whether it holds for an event with nothing but these values."""
        try:
            return self.holds(laid(_PLAIN, wishes))
        except InvalidEvent:
            return None

    @cached_property
    def hits(self) -> list[Wishes]:
        """Values of its fields for which it holds, simple ones first."""
        return self._known[0]

    @cached_property
    def misses(self) -> list[Wishes]:
        """Values of its fields for which it does not hold."""
        return self._known[1]

    @cached_property
    def _known(self) -> tuple[list[Wishes], list[Wishes]]:
        hits: list[Wishes] = []
        misses: list[Wishes] = []
        for wishes in self._tries():
            said = self.says(wishes)
            if said is not None:
                (hits if said else misses).append(wishes)
        return hits, misses

    @cached_property
    def values(self) -> list[Any]:
        """Values near what its fields are compared with."""
        return values_near(self.literals)

    def _tries(self) -> Iterator[Wishes]:
        several, values = self.fields[:_MOST_FIELDS], self.values
        if len(several) == 1:
            yield from ({several[0]: value} for value in values)
            return
        for value in values:
            yield dict.fromkeys(several, value)
        size = max(2, int(_MOST_WISHES ** (1 / max(len(several), 1))))
        yield from (dict(zip(several, some, strict=True)) for some in product(values[-size:], repeat=len(several)))


_PLAIN: Final = Event({"specversion": "1.0", "id": "1", "source": "/", "type": "t"})


@frozen(eq=False)
class Joint:
    """All operands hold; or, unless `each`, none holds, which is how an alternative is missed."""

    each: bool
    operands: tuple[Aim, ...]


@frozen(eq=False)
class Opposite:
    """The operand does not hold."""

    operand: Aim


@frozen(eq=False)
class Odd:
    """An odd number of operands holds."""

    operands: tuple[Aim, ...]


@frozen(eq=False)
class Array:
    """The condition holds for so many elements of the array at a field; it reads them under `name`."""

    quantifier: Quantifier
    field: Field
    name: str
    condition: Aim


Aim: TypeAlias = Leaf | Joint | Opposite | Odd | Array


def element(level: int) -> str:
    """The name under which a condition reads the element in hand of so many arrays in one another."""
    return f"\x00element {level}"


def aim_of(node: Node) -> Aim:
    """The aim that a filter is."""
    match node:
        case AllOf(operands):
            return Joint(True, tuple(map(aim_of, operands)))
        case AnyOf(operands):
            return Joint(False, tuple(map(aim_of, operands)))
        case Exclusive(operands):
            return Odd(tuple(map(aim_of, operands)))
        case Not(operand):
            return Opposite(aim_of(operand))
        case Composed(_, _, meaning):
            return aim_of(meaning)
        case Quantified(quantifier, array, condition):
            return Array(quantifier, _in_hand(Each(array)), element(len(array)), aim_of(condition))
        case Sql() | EventPattern():
            return _aim_of_language(node)
    clause = _without_elements(node)
    parts = [clause] if isinstance(clause, Function) else list(_parts(clause))
    read = dict.fromkeys(part for part in parts if isinstance(part, Field))
    return Leaf(list(read), list(_literals(parts)), Filter(clause))


def _aim_of_language(node: Sql | EventPattern) -> Aim:
    if isinstance(node, EventPattern):
        return _aim_of_pattern(node.tree, ())
    return _aim_of_sql(node.expression.root, node.expression.functions)


def _in_hand(each: Each) -> Field:
    """The place in an element that stands in hand, or in data, as a field."""
    *around, steps = each.path
    return Field(None, (element(len(around)), *steps) if around else steps)


def _without_elements(tree: Any) -> Any:
    """The tree with the places in elements as fields."""
    match tree:
        case Each():
            return _in_hand(tree)
        case tuple():
            return tuple(map(_without_elements, tree))
    if isinstance(tree, Field) or not has(type(tree)) or isinstance(tree, Function):
        return tree
    return evolve(tree, **{part.name: _without_elements(getattr(tree, part.name)) for part in fields(type(tree))})


def _parts(tree: Any) -> Iterator[Any]:
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        yield part
        waiting.extend(reversed(children(part)))
        if isinstance(part, Text):
            yield part.field


def _literals(parts: Sequence[Any]) -> Iterator[object]:
    for part in parts:
        match part:
            case Text(_, _, literal):
                yield literal
            case Literal(value):
                yield value
            case Like(_, pattern, _):
                yield from fitting(pattern)


# -- event patterns


def _aim_of_pattern(one: pattern.Object | pattern.Leaf, path: pattern.Path) -> Aim:
    if isinstance(one, pattern.Leaf):
        field = Field(None, path[1:]) if path[0] == pattern.DATA else Field(path[0])
        alone = pattern.Object(((path[0], at(path[1:], one)),))
        return Leaf([field], list(_of_tests(one.tests)), Filter(EventPattern(alone)))
    aims = [_aim_of_pattern(below, (*path, name)) for name, below in one.members]
    if one.choices:
        aims.append(Joint(False, tuple(_aim_of_pattern(choice, path) for choice in one.choices)))
    return Joint(True, tuple(aims))


def _of_tests(tests: Sequence[pattern.Test]) -> Iterator[object]:
    for test in tests:
        match test:
            case pattern.Equal(value):
                yield value
            case pattern.Affix(_, text) | pattern.IgnoreCase(text):
                yield text
            case pattern.Wildcard(text):
                yield "".join(pieces(text).texts)
            case pattern.Numeric(low, high):
                yield from (limit.number for limit in (low, high) if limit is not None)
            case pattern.Cidr(network):
                yield network.partition("/")[0]
            case pattern.AnythingBut(others):
                yield from _of_tests(others)


# -- sql


def _aim_of_sql(node: sql.Node, functions: Functions) -> Aim:
    match node:
        case sql.Not(operand):
            return Opposite(_aim_of_sql(operand, functions))
        case sql.Chain(sql.Level.LOGIC, first, steps):
            runs = [(operator, [*run]) for operator, run in groupby(steps, lambda step: step.operator)]
            if len(runs) <= _MOST_RUNS:
                aim = _aim_of_sql(first, functions)
                for operator, run in runs:
                    aim = _joined(operator, (aim, *(_aim_of_sql(step.operand, functions) for step in run)))
                return aim
    condition = sql.Call("BOOL", (node,))
    names = dict.fromkeys(part.name for part in sql.nodes(node) if isinstance(part, sql.Attribute | sql.Exists))

    def holds(event: Event) -> bool | None:
        result = evaluation.evaluate_tree(condition, event.attributes.get, functions)
        return None if result.errors else result.value is True

    return Leaf([Field(name) for name in names if name != "data"], list(_sql_literals(node)), holds)


def _joined(operator: sql.Operator, operands: tuple[Aim, ...]) -> Aim:
    return Odd(operands) if operator is sql.Operator.XOR else Joint(operator is sql.Operator.AND, operands)


def _sql_literals(root: sql.Node) -> Iterator[object]:
    for node in sql.nodes(root):
        match node:
            case sql.Boolean(value) | sql.Integer(value) | sql.String(value):
                yield value
            case sql.Like(_, pattern, _):
                yield from fitting(pattern.text)
