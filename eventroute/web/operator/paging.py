"""Pages of what is too long to be shown at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from attrs import frozen

__all__ = ["PAGE", "Paged", "paged"]

PAGE: Final = 50
"""How many rows a page shows."""

T = TypeVar("T")


@frozen
class Paged(Generic[T]):
    """One page of a list."""

    rows: Sequence[T]
    total: int
    """How many rows all pages have."""
    page: int
    """From 1."""
    pages: int


def paged(all_: Sequence[T], page: int) -> Paged[T]:
    """A page of them; one that is not there is the nearest."""
    pages = max(-(-len(all_) // PAGE), 1)
    page = min(max(page, 1), pages)
    return Paged(all_[(page - 1) * PAGE : page * PAGE], len(all_), page, pages)
