"""Trees that shrink to one of their leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

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
    strategy = _level(leaves, None)
    for _ in range(depth):
        strategy = _level(leaves, around(strategy))
    return strategy


@st.composite
def _level(draw: st.DrawFn, leaves: st.SearchStrategy[T], larger: st.SearchStrategy[T] | None) -> T:
    return draw(leaves) if larger is None or not draw(st.integers(0, 2)) else draw(larger)
