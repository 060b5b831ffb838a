"""Which arrays the quantifiers of an expression range over.

ANY, ALL and NONE do not name their array: it is what stands before `[*]` in the paths of their condition. A path with
several stars leads through arrays in arrays, and one quantifier goes through all of them. A quantifier within another
goes on from the elements that the outer one has in hand; an outer one without a path of its own takes one array.

As it is read, a quantifier's `array` is empty. Only what stands around it tells what is left for it, so arrays are
bound from the outside.
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
    children,
)
from eventroute.paths.syntax import Steps

__all__ = ["MAX_ARRAYS", "NotBound", "bind", "unbound"]

MAX_ARRAYS: Final = 8
"""How many arrays in one another a path may lead through; each star is one."""

_Array: TypeAlias = tuple[Steps, ...]


class NotBound(Exception):
    """A quantifier's array cannot be made out."""


def bind(node: Node, within: _Array = ()) -> Node:
    """The tree with all quantifiers bound; `within` is the array whose element they have in hand. Raises NotBound."""
    match node:
        case Quantified(quantifier, (), condition):
            last = _array(node, within)
            bound = bind(condition, last)
            for size in range(len(last), len(within), -1):
                # Of no element at all it holds, if of no element there is any below.
                below = quantifier is Quantifier.NONE and size > len(within) + 1
                bound = Quantified(Quantifier.ANY if below else quantifier, last[:size], bound)
            return bound
        case AllOf(operands) | AnyOf(operands) | Exclusive(operands):
            return evolve(node, operands=tuple(bind(operand, within) for operand in operands))
        case Not(operand):
            return Not(bind(operand, within))
    return node


def unbound(node: Node) -> Node:
    """The tree with all quantifiers as they are read."""
    match node:
        case Quantified(quantifier, _, condition):
            return Quantified(quantifier, (), unbound(condition))
        case AllOf(operands) | AnyOf(operands) | Exclusive(operands):
            return evolve(node, operands=tuple(map(unbound, operands)))
        case Not(operand):
            return Not(unbound(operand))
    return node


def _array(node: Quantified, within: _Array) -> _Array:
    """The last of the arrays in one another that a quantifier goes through."""
    own = list(_arrays(node.condition, below=False))
    # A quantifier that has but others below takes one array of theirs.
    arrays = own or [array[: len(within) + 1] for array in _arrays(node.condition, below=True)]
    longest = max(arrays, key=len, default=())
    name = node.quantifier.value
    if not longest:
        raise NotBound(f"{name} ranges over an array: write a path with [*], such as data.labels[*].name")
    if len(longest) > MAX_ARRAYS:
        raise NotBound(f"a path leads through at most {MAX_ARRAYS} arrays in one another, and this has {len(longest)}")
    if longest[: len(within)] != within:
        raise NotBound(
            f"the quantifier within this one has another array, {_text(longest)}: write them side by side, with AND"
        )
    for array in arrays:
        if longest[: len(array)] != array:
            raise NotBound(f"{name} ranges over one array, and {_text(longest)} and {_text(array)} are two")
    if len(longest) == len(within):
        raise NotBound("the quantifier within this one has no array of its own: its path needs one [*] more")
    return longest


def _arrays(condition: Node, *, below: bool) -> Iterator[_Array]:
    """The arrays of all paths in the condition, those below its own quantifiers or not."""
    waiting: list[Any] = [condition]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Each):
            yield one.path[:-1]
        elif below or not isinstance(one, Quantified):
            waiting.extend(reversed(children(one)))


def _text(array: _Array) -> str:
    return place_text(Each((*array, ())))
