"""The table in which an index looks up numbers: entries by the span that a number must lie in.

A span of one number is a key of a dictionary. One that is open at an end is found by its other end in a sorted list:
each that is found there holds. One with two ends is put into cells of a grid whose width is the power of two
above its length, so that it lies in two cells mostly, and a number is looked up in one cell of each width that
occurs. So finding spans costs what is found, a few more that lie nearby, and a step for each width.
"""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right, insort
from math import floor, frexp, inf, isfinite, isinf, ldexp
from typing import Any, Final, Generic, TypeVar

from eventroute.filters.buckets import Bucket, put, take

__all__ = ["Ranges", "rounded"]

_FARTHEST: Final = 54  # bits of a cell's number: a span is no shorter than the distance between two floats

_OPEN: Final = 50
"""What it counts to look at an entry by a span that is open at an end, beside other ways to find it."""

_NOTHING: Final[tuple[Any, ...]] = ()

E = TypeVar("E")


def rounded(number: Any) -> float:
    """The float next to a number; infinite where there is none."""
    try:
        return float(number)
    except OverflowError:
        return inf if number > 0 else -inf


class Ranges(Generic[E]):
    """Entries by span. One thread at a time changes it, any look up meanwhile."""

    __slots__ = ("_grids", "_highs", "_lows", "_points", "_widths")

    def __init__(self) -> None:
        self._points: dict[float, Bucket[E]] = {}
        self._grids: dict[int, dict[int, Bucket[E]]] = {}  # by the exponent of the cells' width
        self._lows: _Ends[E] = _Ends()  # of spans without a high end
        self._highs: _Ends[E] = _Ends()
        self._widths: tuple[tuple[int, dict[int, Bucket[E]]], ...] = ()  # the grids, for look ups

    def __bool__(self) -> bool:
        return bool(self._points or self._lows.entries or self._highs.entries or self._grids)

    def size(self, low: float, high: float) -> float:
        """How many entries are found, more or less, where a number in the span is looked up.

        An open span fits half of all numbers, for all that is known, and so do those that are held already.
        """
        if low == high:
            return len(self._points.get(low, ()))
        if isinf(low) or isinf(high):
            return _OPEN + (self._lows if isinf(high) else self._highs).entries / 2
        width = _width(low, high)
        cells = self._grids.get(width, {})
        return max(len(cells.get(cell, ())) for cell in _cells(width, low, high))

    def add(self, low: float, high: float, entry: E) -> None:
        """Hold an entry under a span; not more than one end is infinite."""
        if low == high:
            put(self._points, low, entry)
        elif high == inf:
            self._lows.add(low, entry)
        elif low == -inf:
            self._highs.add(high, entry)
        else:
            width = _width(low, high)
            cells = self._grids.get(width)
            if cells is None:
                cells = self._grids[width] = {}
                self._widths = tuple(self._grids.items())
            for cell in _cells(width, low, high):
                put(cells, cell, entry)

    def remove(self, low: float, high: float, entry: E) -> None:
        """Let go of an entry that is held under a span."""
        if low == high:
            take(self._points, low, entry)
        elif high == inf:
            self._lows.remove(low, entry)
        elif low == -inf:
            self._highs.remove(high, entry)
        else:
            width = _width(low, high)
            cells = self._grids[width]
            for cell in _cells(width, low, high):
                take(cells, cell, entry)
            if not cells:
                del self._grids[width]
                self._widths = tuple(self._grids.items())

    def look_up(self, number: float, found: list[E]) -> None:
        """Add to `found` every entry whose span holds the number, and perhaps some more.

        An int will do for a float if it is none above 2**53.
        """
        bucket = self._points.get(number)
        if bucket is not None:
            found += bucket
        if self._lows.entries:
            at = bisect_right(self._lows.ends, number)
            if at:
                self._lows.look_up(slice(at), found)
        if self._highs.entries:
            self._highs.look_up(slice(bisect_left(self._highs.ends, number), None), found)
        if self._widths and isfinite(number):
            exponent = frexp(number)[1] if number else -inf
            for width, cells in self._widths:
                if exponent - width <= _FARTHEST:
                    bucket = cells.get(floor(ldexp(number, -width)))
                    if bucket is not None:
                        found += bucket


def _width(low: float, high: float) -> int:
    length = high - low
    return frexp(length)[1] if isfinite(length) else sys.float_info.max_exp + 1


def _cells(width: int, low: float, high: float) -> range:
    return range(floor(ldexp(low, -width)), floor(ldexp(high, -width)) + 1)


class _Ends(Generic[E]):
    """Entries by the one end of their span."""

    __slots__ = ("_buckets", "ends", "entries")

    def __init__(self) -> None:
        self._buckets: dict[float, Bucket[E]] = {}
        self.ends: list[float] = []
        """The keys of the buckets, ascending."""
        self.entries = 0

    def add(self, end: float, entry: E) -> None:
        """Hold an entry."""
        self.entries += 1
        if put(self._buckets, end, entry):
            insort(self.ends, end)

    def remove(self, end: float, entry: E) -> None:
        """Let go of an entry."""
        self.entries -= 1
        if take(self._buckets, end, entry):
            del self.ends[bisect_left(self.ends, end)]

    def look_up(self, where: slice, found: list[E]) -> None:
        """Add the entries with some of the ends to `found`."""
        for end in self.ends[where]:
            found += self._buckets.get(end, _NOTHING)  # it may just be on its way out
