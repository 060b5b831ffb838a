"""Which arrays the quantifiers of an expression range over.

ANY, ALL and NONE do not name their array: it is what stands before `[*]` in the paths of their condition. A path with
several stars leads through arrays in arrays, and one quantifier goes through all of them. A quantifier within another
goes on from the elements that the outer one has in hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from attrs import evolve

from eventroute.filters.expr.places import place_text
from eventroute.filters.syntax import (
    AllOf,
    AnyOf,
    Each,
    Exclusive,
    Node,
    Not,
    Quantified,
    Quantifier,
    Value,
    children,
)
from eventroute.paths.syntax import Steps

__all__ = ["MAX_ARRAYS", "NotBound", "bind"]

MAX_ARRAYS: Final = 8
"""How many arrays in one another a path may lead through; each star is one."""

_Array: TypeAlias = tuple[Steps, ...]


class NotBound(Exception):
    """A quantifier's array cannot be made out."""


def bind(quantifier: Quantifier, condition: Node) -> tuple[Node, int]:
    """The condition under the quantifier, and how many arrays in one another that goes through. Raises NotBound."""
    arrays = sorted(_arrays(condition), key=len)
    levels = _levels(quantifier, arrays) if arrays else _level_within(quantifier, condition)
    bound = _rebased(condition, levels)
    for level in reversed(levels):
        # Of no element at all it holds, if of no element there is any below.
        inner = Quantifier.ANY if quantifier is Quantifier.NONE and len(level) > 1 else quantifier
        bound = Quantified(inner, level, bound)
    return bound, len(levels)


def _arrays(condition: Node) -> Iterator[_Array]:
    """The arrays of all paths that no quantifier within the condition has taken."""
    waiting: list[Node | Value] = [condition]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Each):
            yield one.path[:-1]
        elif not isinstance(one, Quantified):
            waiting.extend(children(one))


def _levels(quantifier: Quantifier, arrays: list[_Array]) -> list[_Array]:
    longest = arrays[-1]
    if len(longest) > MAX_ARRAYS:
        raise NotBound(
            f"a path leads through at most {MAX_ARRAYS} arrays in one another, and this has {len(longest)} [*]"
        )
    for array in arrays:
        if longest[: len(array)] != array:
            one, other = (place_text(Each((*path, ()))) for path in (array, longest))
            raise NotBound(
                f"{quantifier.value} ranges over one array, and {one} and {other} are two: take one for each"
            )
    return [longest[:size] for size in range(1, len(longest) + 1)]


def _level_within(quantifier: Quantifier, condition: Node) -> list[_Array]:
    """The first array of the quantifiers within, where a quantifier has no path of its own."""
    for inner in _quantified(condition):
        return [inner.array]
    raise NotBound(f"{quantifier.value} ranges over an array: write a path with [*], such as data.labels[*].name")


def _quantified(condition: Node) -> Iterator[Quantified]:
    waiting: list[Any] = [condition]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Quantified):
            yield one
        else:
            waiting.extend(reversed(children(one)))


def _rebased(condition: Node, levels: list[_Array]) -> Node:
    """The condition with what its quantifiers have in hand already taken from them."""
    match condition:
        case Quantified():
            return _below(condition, levels)
        case AllOf(operands) | AnyOf(operands) | Exclusive(operands):
            return evolve(condition, operands=tuple(_rebased(operand, levels) for operand in operands))
        case Not(operand):
            return Not(_rebased(operand, levels))
    return condition


def _below(inner: Quantified, levels: list[_Array]) -> Quantified:
    if inner.array not in levels:
        raise NotBound(
            f"the quantifier within this one has another array, {place_text(Each((*inner.array, ())))}: "
            "write them side by side, joined by AND"
        )
    while inner.array in levels:
        below = inner.condition
        if not isinstance(below, Quantified):
            raise NotBound("the quantifier within this one has no array of its own: its path needs one [*] more")
        inner = evolve(below, quantifier=inner.quantifier)
    return inner
