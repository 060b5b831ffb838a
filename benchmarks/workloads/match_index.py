"""An index of 100,000 filters of mixed shape beside one of 100; the filters that match an event are the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import count
from time import process_time
from typing import Any

import msgspec

from benchmarks import rules
from benchmarks.harness import Comparison, Contender, Workload
from benchmarks.workloads.match import each
from eventroute.filters import Filter, FilterIndex

FEW = 100
MANY = 100_000
EVENTS = 5_000
PER_CALL = 200
"""As many filters are there at most for each call, so that the tiny form makes no large index."""

_numbers = count(EVENTS)


@cache
def _index(size: int, uncovered: int = 0) -> FilterIndex[int]:
    """One with so many filters, of which one in `uncovered` has no cover."""
    index: FilterIndex[int] = FilterIndex()
    for number in range(size):
        without = uncovered and number % uncovered == uncovered - 1
        index.add(number, Filter.parse(rules.without_cover(number) if without else rules.rule(number)))
    return index


@cache
def _again() -> list[Any]:
    return [rules.event(number, fresh=False) for number in range(EVENTS)]


def _fresh(size: int) -> list[Any]:
    return [rules.event(next(_numbers), fresh=True) for _ in range(size)]


def _matching(subjects: Callable[[int], Sequence[Any]], raw: bool, uncovered: int, size: int) -> Contender:
    def measure(units: int) -> float:
        index = _index(min(size, PER_CALL * units), uncovered)
        events = subjects(units)
        if raw:
            return each(index.match_json, [event.to_json() for event in events])(units)
        for event in events:
            _ = event.data  # decoded, as it says
        return each(index.match, events)(units)

    return Contender(f"{size:,} filters", measure)


def _decoding(subjects: Callable[[int], Sequence[Any]]) -> Contender:
    """What reading the same bytes costs anybody who reads all of them."""
    decode = msgspec.json.Decoder().decode
    return Contender("msgspec alone", lambda units: each(decode, [event.to_json() for event in subjects(units)])(units))


def _adding(size: int) -> Contender:
    def measure(units: int) -> float:
        index = _index(min(size, PER_CALL * units))
        filters = [(-1 - number, Filter.parse(rules.rule(MANY + number))) for number in range(units)]
        started = process_time()
        for key, added in filters:
            index.add(key, added)
        taken = process_time() - started
        for key, _ in filters:
            index.discard(key)
        return taken

    return Contender(f"to {size:,} filters", measure)


def _compared(case: str, contender: Callable[[int], Contender], size: int) -> Comparison:
    return Comparison(case, contender(FEW), (contender(MANY),), size=size, tiny=10)


def _always_same(_size: int) -> list[Any]:
    return _again()


WORKLOAD = Workload(
    name="match-index",
    doc=f"an index of {MANY:,} filters beside one of {FEW}",
    unit="call",
    comparisons=(
        _compared("JSON to keys", partial(_matching, _always_same, True, 0), 20_000),
        _compared("JSON to keys, texts never seen before", partial(_matching, _fresh, True, 0), 10_000),
        Comparison(
            "JSON to keys beside decoding it",
            _decoding(_always_same),
            (_matching(_always_same, True, 0, MANY),),
            size=20_000,
            tiny=10,
        ),
        _compared("decoded event to keys", partial(_matching, _always_same, False, 0), 20_000),
        _compared("JSON to keys, 1 % without a cover", partial(_matching, _always_same, True, 100), 500),
        _compared("add a parsed filter", _adding, 5_000),
    ),
)
