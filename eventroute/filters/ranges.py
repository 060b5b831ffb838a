"""The table in which an index looks up numbers: entries by the span that a number must lie in.

A span of one number is a key of a dictionary. One that is open at an end is found by its other end in a sorted list:
each that is found there holds. One with two ends is put into cells of a grid whose width is the power of two
above its length, so that it lies in two cells mostly, and a number is looked up in one cell of each width that
occurs. So finding spans costs what is found, a few more that lie nearby, and a step for each width.
"""

from __future__ import annotations

import math
import sys
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, Generic, TypeVar

__all__ = ["Ranges", "rounded"]

_FARTHEST: Final = 54  # bits of a cell's number: a span is no shorter than the distance between two floats

_OPEN: Final = 50
"""What it counts to look at an entry by a span that is open at an end, beside other ways to find it."""

_NOTHING: Final[frozenset[Any]] = frozenset()

E = TypeVar("E")
T = TypeVar("T")


def rounded(number: Any) -> float:
    """The float next to a number; infinite where there is none."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


class Ranges(Generic[E]):
    """Entries by span. One thread at a time changes it, any look up meanwhile."""

    __slots__ = ("_cells", "_counts", "_highs", "_lows", "_points", "_widths")

    def __init__(self) -> None:
        self._points: dict[float, set[E]] = {}
        self._cells: dict[tuple[int, int], set[E]] = {}
        self._lows: _Ends[E] = _Ends()  # of spans without a high end
        self._highs: _Ends[E] = _Ends()
        self._counts: Counter[int] = Counter()  # spans in cells by the exponent of the cells' width
        self._widths: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._points or self._lows.entries or self._highs.entries or self._cells)

    def size(self, low: float, high: float) -> float:
        """How many entries are found, more or less, where a number in the span is looked up.

        An open span fits half of all numbers, for all that is known, and so do those that are held already.
        """
        if low == high:
            return len(self._points.get(low, ()))
        if math.isinf(low) or math.isinf(high):
            return _OPEN + (self._lows if math.isinf(high) else self._highs).entries / 2
        return max(len(self._cells.get(cell, ())) for cell in _cells(low, high))

    def add(self, low: float, high: float, entry: E) -> None:
        """Hold an entry under a span; not more than one end is infinite."""
        if low == high:
            self._points.setdefault(low, set()).add(entry)
        elif high == math.inf:
            self._lows.add(low, entry)
        elif low == -math.inf:
            self._highs.add(high, entry)
        else:
            for cell in _cells(low, high):
                self._cells.setdefault(cell, set()).add(entry)
            self._count(low, high, 1)

    def remove(self, low: float, high: float, entry: E) -> None:
        """Let go of an entry that is held under a span."""
        if low == high:
            _drop(self._points, low, entry)
        elif high == math.inf:
            self._lows.remove(low, entry)
        elif low == -math.inf:
            self._highs.remove(high, entry)
        else:
            for cell in _cells(low, high):
                _drop(self._cells, cell, entry)
            self._count(low, high, -1)

    def _count(self, low: float, high: float, by: int) -> None:
        width = _width(low, high)
        self._counts[width] += by
        if not self._counts[width]:
            del self._counts[width]
        if len(self._counts) != len(self._widths):
            self._widths = tuple(self._counts)

    def look_up(self, number: float, found: list[E]) -> None:
        """Add to `found` every entry whose span holds the number, and perhaps some more."""
        bucket = self._points.get(number)
        if bucket is not None:
            found += bucket
        if self._lows.entries:
            self._lows.look_up(slice(bisect_right(self._lows.ends, number)), found)
        if self._highs.entries:
            self._highs.look_up(slice(bisect_left(self._highs.ends, number), None), found)
        if self._widths and math.isfinite(number):
            exponent = math.frexp(number)[1] if number else -math.inf
            for width in self._widths:
                if exponent - width <= _FARTHEST:
                    bucket = self._cells.get((width, _cell(number, width)))
                    if bucket is not None:
                        found += bucket


def _width(low: float, high: float) -> int:
    length = high - low
    return math.frexp(length)[1] if math.isfinite(length) else sys.float_info.max_exp + 1


def _cell(number: float, width: int) -> int:
    return math.floor(math.ldexp(number, -width))


def _cells(low: float, high: float) -> Iterator[tuple[int, int]]:
    width = _width(low, high)
    return ((width, number) for number in range(_cell(low, width), _cell(high, width) + 1))


def _drop(buckets: dict[T, set[E]], key: T, entry: E) -> None:
    buckets[key].remove(entry)
    if not buckets[key]:
        del buckets[key]


class _Ends(Generic[E]):
    """Entries by the one end of their span."""

    __slots__ = ("_buckets", "ends", "entries")

    def __init__(self) -> None:
        self._buckets: dict[float, set[E]] = {}
        self.ends: list[float] = []
        """The keys of the buckets, ascending."""
        self.entries = 0

    def add(self, end: float, entry: E) -> None:
        """Hold an entry."""
        self.entries += 1
        bucket = self._buckets.get(end)
        if bucket is None:
            self._buckets[end] = {entry}
            insort(self.ends, end)
        else:
            bucket.add(entry)

    def remove(self, end: float, entry: E) -> None:
        """Let go of an entry."""
        self.entries -= 1
        _drop(self._buckets, end, entry)
        if end not in self._buckets:
            del self.ends[bisect_left(self.ends, end)]

    def look_up(self, where: slice, found: list[E]) -> None:
        """Add the entries with some of the ends to `found`."""
        for end in self.ends[where]:
            found += self._buckets.get(end, _NOTHING)  # it may just be on its way out
