"""Trees that shrink to one of their leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from hypothesis import strategies as st

__all__ = ["grown"]

T = TypeVar("T")


def grown(
    leaves: st.SearchStrategy[T], around: Callable[[st.SearchStrategy[T]], st.SearchStrategy[T]], depth: int
) -> st.SearchStrategy[T]:
    """Leaves, and what `around` makes of these, and of that again, up to `depth` times.

    As `hypothesis.strategies.recursive`, but all levels are alike to hypothesis, so that it can put any part of a tree
    in place of the whole.
    """
    strategy = _level(_Level(leaves, None))
    for _ in range(depth):
        strategy = _level(_Level(leaves, around(strategy)))
    return strategy


class _Level(Generic[T]):
    """What a level draws from. Its text says nothing of that: with all below, it would take pages.

    Not of attrs, since hypothesis shows the fields of what is, whatever its text.
    """

    __slots__ = ("larger", "leaves")

    def __init__(self, leaves: st.SearchStrategy[T], larger: st.SearchStrategy[T] | None) -> None:
        self.leaves = leaves
        self.larger = larger

    def __repr__(self) -> str:
        return "..."


@st.composite
def _level(draw: st.DrawFn, level: _Level[T]) -> T:
    return draw(level.leaves) if level.larger is None or not draw(st.integers(0, 2)) else draw(level.larger)
