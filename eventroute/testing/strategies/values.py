"""JSON values."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

__all__ = ["json_scalars", "json_values"]


def json_scalars() -> st.SearchStrategy[Any]:
    """Null, booleans, integers of up to 30 digits, floats that JSON can say, texts of up to 12 characters."""
    return st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**3), 10**3),
        st.integers(-(10**30), 10**30),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=12),
    )


def json_values(max_leaves: int = 12) -> st.SearchStrategy[Any]:
    """Any JSON value, as decoding gives it: scalars, and arrays and objects of up to 4 members, in one another.

    `max_leaves` is about how many scalars there are at most. Shrinks to null.
    """
    return st.recursive(
        json_scalars(),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
        max_leaves=max_leaves,
    )
