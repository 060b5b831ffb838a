from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from eventroute.filters.ranges import Ranges, rounded

few = st.sampled_from((-1e308, -5.0, -1.5, -5e-324, 0.0, 5e-324, 0.1, 1.0, 2.0, 3.5, 100.0, 2.0**53, 1e300, 1e308))
numbers = few | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-20, 20).map(float)


@st.composite
def spans(draw: st.DrawFn) -> tuple[float, float]:
    low, high = sorted((draw(numbers), draw(numbers)))
    match draw(st.sampled_from(("both", "low", "high", "point"))):
        case "low":
            return low, math.inf
        case "high":
            return -math.inf, high
        case "point":
            return low, low
    return low, high


class Machine(RuleBasedStateMachine):
    """Ranges beside a list of spans that are all looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.ranges: Ranges[int] = Ranges()
        self.spans: dict[int, tuple[float, float]] = {}

    @rule(span=spans())
    def add(self, span: tuple[float, float]) -> None:
        number = max(self.spans, default=0) + 1
        self.spans[number] = span
        self.ranges.add(*span, number)

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        if self.spans:
            number = data.draw(st.sampled_from(sorted(self.spans)))
            self.ranges.remove(*self.spans.pop(number), number)

    @rule(number=numbers | st.sampled_from((math.inf, -math.inf)), exactly=st.booleans(), data=st.data())
    def look_up(self, number: float, exactly: bool, data: st.DataObject) -> None:
        if self.spans and exactly:
            ends = [end for span in self.spans.values() for end in span]
            number = data.draw(st.sampled_from(ends))
        found: list[int] = []
        self.ranges.look_up(number, found)
        expected = {one for one, (low, high) in self.spans.items() if low <= number <= high}
        assert expected <= set(found) <= set(self.spans)
        assert bool(self.ranges) is bool(self.spans)

    def teardown(self) -> None:
        for number, span in self.spans.items():
            self.ranges.remove(*span, number)
        assert not self.ranges
        assert not self.ranges._widths
        assert not self.ranges._grids


TestRanges = Machine.TestCase


def test_spans_that_lie_apart_are_not_found() -> None:
    ranges: Ranges[int] = Ranges()
    for number in range(10_000):
        ranges.add(number, number + 0.5, number)
    for number in range(0, 10_000, 777):
        found: list[int] = []
        ranges.look_up(number + 0.25, found)
        assert number in found
        assert len(found) <= 3


@pytest.mark.parametrize("span", [(0.0, 5e-324), (-5e-324, 0.0), (-5e-324, 5e-324), (-1e308, 1e308), (-1.0, 1e-300)])
def test_spans_around_zero(span: tuple[float, float]) -> None:
    ranges: Ranges[int] = Ranges()
    ranges.add(*span, 1)
    for number in (*span, 0.0, -0.0):
        found: list[int] = []
        ranges.look_up(number, found)
        assert found == [1]


def test_what_a_span_costs() -> None:
    ranges: Ranges[int] = Ranges()
    for number in range(10):
        ranges.add(5.0, 5.0, number)
        ranges.add(1.0, math.inf, number)
        ranges.add(-math.inf, 1.0, number)
        ranges.add(1.0, 1.5, number)
    assert ranges.size(5.0, 5.0) == 10
    assert ranges.size(6.0, 6.0) == 0
    assert ranges.size(1.0, 1.5) == 10
    assert ranges.size(100.0, 100.5) == 0
    assert ranges.size(3.0, math.inf) == ranges.size(-math.inf, 3.0) > ranges.size(5.0, 5.0)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(10**400, math.inf), (-(10**400), -math.inf), (2**53 + 1, 2.0**53), (0.1, 0.1)],
)
def test_rounding_never_fails(number: Any, expected: float) -> None:
    assert rounded(number) == expected
