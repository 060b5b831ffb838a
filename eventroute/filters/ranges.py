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

    __slots__ = ("_above", "_below", "_cells", "_counts", "_highs", "_lows", "_points", "_widths")

    def __init__(self) -> None:
        self._points: dict[float, set[E]] = {}
        self._above: dict[float, set[E]] = {}
        self._below: dict[float, set[E]] = {}
        self._cells: dict[tuple[int, int], set[E]] = {}
        self._lows: list[float] = []  # the keys of _above, ascending
        self._highs: list[float] = []
        self._counts: Counter[int] = Counter()  # spans in cells by the exponent of the cells' width
        self._widths: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._points or self._above or self._below or self._cells)

    def size(self, low: float, high: float) -> float:
        """How many entries are found, more or less, where a number in the span is looked up."""
        if low == high:
            return len(self._points.get(low, ()))
        if high == math.inf:
            return len(self._lows) / 2
        if low == -math.inf:
            return len(self._highs) / 2
        return max(len(self._cells.get(cell, ())) for cell in _cells(low, high))

    def add(self, low: float, high: float, entry: E) -> None:
        """Hold an entry under a span; not more than one end is infinite."""
        if low == high:
            self._points.setdefault(low, set()).add(entry)
        elif high == math.inf:
            _open(self._above, self._lows, low, entry)
        elif low == -math.inf:
            _open(self._below, self._highs, high, entry)
        else:
            for cell in _cells(low, high):
                self._cells.setdefault(cell, set()).add(entry)
            self._count(low, high, 1)

    def remove(self, low: float, high: float, entry: E) -> None:
        """Let go of an entry that is held under a span."""
        if low == high:
            _drop(self._points, low, entry)
        elif high == math.inf:
            _close(self._above, self._lows, low, entry)
        elif low == -math.inf:
            _close(self._below, self._highs, high, entry)
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

    def look_up(self, number: float, found: set[E]) -> None:
        """Add to `found` every entry whose span holds the number, and perhaps some more."""
        bucket = self._points.get(number)
        if bucket is not None:
            found |= bucket
        lows, highs = self._lows, self._highs
        if lows:
            for low in lows[: bisect_right(lows, number)]:
                found |= self._above.get(low, _NOTHING)
        if highs:
            for high in highs[bisect_left(highs, number) :]:
                found |= self._below.get(high, _NOTHING)
        if self._widths and math.isfinite(number):
            exponent = math.frexp(number)[1]
            for width in self._widths:
                if exponent - width <= _FARTHEST:
                    bucket = self._cells.get((width, _cell(number, width)))
                    if bucket is not None:
                        found |= bucket


def _width(low: float, high: float) -> int:
    length = high - low
    return math.frexp(length)[1] if math.isfinite(length) else sys.float_info.max_exp + 1


def _cell(number: float, width: int) -> int:
    return math.floor(math.ldexp(number, -width))


def _cells(low: float, high: float) -> Iterator[tuple[int, int]]:
    width = _width(low, high)
    return ((width, number) for number in range(_cell(low, width), _cell(high, width) + 1))


def _open(buckets: dict[float, set[E]], ends: list[float], end: float, entry: E) -> None:
    bucket = buckets.get(end)
    if bucket is None:
        buckets[end] = {entry}
        insort(ends, end)
    else:
        bucket.add(entry)


def _close(buckets: dict[float, set[E]], ends: list[float], end: float, entry: E) -> None:
    _drop(buckets, end, entry)
    if end not in buckets:
        del ends[bisect_left(ends, end)]


def _drop(buckets: dict[T, set[E]], key: T, entry: E) -> None:
    buckets[key].remove(entry)
    if not buckets[key]:
        del buckets[key]
