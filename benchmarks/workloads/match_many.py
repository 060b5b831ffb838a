"""From an event's JSON to the subscriptions that it is for: an index beside a loop that asks each filter in turn.

Both hold the same filters of mixed shape, and both answer with the same keys. The index keeps in mind what texts led
to; so it is measured on events whose texts come again, as types and sources do, and on those with new ones each time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import count

from benchmarks import rules
from benchmarks.harness import Comparison, Contender, Measure, Workload
from benchmarks.workloads.match import each
from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex

SIZES = {10: 5_000, 100: 1_000, 1_000: 200, 10_000: 20}
"""How many filters there are, and with how many events the loop is measured."""

FASTER = 20
"""The index sees each event so many times: in what the loop needs for one it would be done too soon to be timed."""

EVENTS = 1_000
PER_EVENT = 200
"""As many filters are there at most for each event, so that the tiny form makes no large index."""

LOOP = "each in turn"
INDEX = "FilterIndex"
INDEX_FRESH = "FilterIndex, texts never seen"

_numbers = count(EVENTS)


@cache
def _filters(size: int) -> tuple[tuple[int, Filter], ...]:
    return tuple((number, Filter.parse(rules.rule(number))) for number in range(size))


@cache
def _index(size: int) -> FilterIndex[int]:
    index: FilterIndex[int] = FilterIndex()
    for key, one in _filters(size):
        index.add(key, one)
    return index


@cache
def _raw() -> tuple[bytes, ...]:
    return tuple(rules.event(number, fresh=False).to_json() for number in range(EVENTS))


def ask_each(filters: tuple[tuple[int, Filter], ...], raw: bytes) -> set[int]:
    """Read the event once, and put it to each filter."""
    event = Event.from_log(raw)
    return {key for key, one in filters if one(event)}


def _in_turn(size: int) -> Measure:
    def measure(events: int) -> float:
        filters = _filters(min(size, PER_EVENT * events))
        return each(lambda raw: ask_each(filters, raw), _raw())(events)

    return measure


def _fresh(events: int) -> list[bytes]:
    return [rules.event(next(_numbers), fresh=True).to_json() for _ in range(events)]


def _indexed(size: int, subjects: Callable[[int], Sequence[bytes]]) -> Measure:
    def measure(events: int) -> float:
        index = _index(min(size, PER_EVENT * events))
        return each(index.match_json, subjects(events * FASTER))(events * FASTER) / FASTER

    return measure


WORKLOAD = Workload(
    name="match-many",
    doc="an index of 10 to 10,000 filters beside a loop that asks each in turn",
    unit="event",
    comparisons=tuple(
        Comparison(
            f"{size:,} filters",
            Contender(LOOP, _in_turn(size)),
            (
                Contender(INDEX, _indexed(size, lambda _events: _raw())),
                Contender(INDEX_FRESH, _indexed(size, _fresh)),
            ),
            size=events,
            tiny=2,
        )
        for size, events in SIZES.items()
    ),
)
