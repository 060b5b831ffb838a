"""Backoff: bounded at any attempt number, monotone in its ceiling, never before what the sink asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidSubscription
from eventroute.push.policy.backoff import Backoff

seconds = st.floats(min_value=0.001, max_value=31_536_000)
draws = st.floats(min_value=0, max_value=1, exclude_max=True)


@given(seconds, seconds, st.integers(min_value=0, max_value=10**30), draws)
def test_a_wait_lies_between_nothing_and_the_limit(first: float, limit: float, attempts: int, draw: float) -> None:
    assert 0 <= Backoff(first, limit).wait(attempts, draw) <= limit


@given(seconds, seconds, st.integers(min_value=1, max_value=200))
def test_the_ceiling_never_falls(first: float, limit: float, attempts: int) -> None:
    backoff = Backoff(first, limit)
    assert backoff.ceiling(attempts) <= backoff.ceiling(attempts + 1) <= limit


@given(st.integers(min_value=1, max_value=10**6), draws, st.floats(min_value=0, max_value=86_400))
def test_what_the_sink_asked_for_is_the_least(attempts: int, draw: float, asked: float) -> None:
    backoff = Backoff()
    assert asked <= backoff.wait(attempts, draw, at_least=asked) <= asked + backoff.first


def test_the_defaults_double_from_a_second_to_an_hour() -> None:
    assert [Backoff().ceiling(attempts) for attempts in (1, 2, 3, 12, 13, 1_000)] == [1, 2, 4, 2048, 3600, 3600]


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 31_536_001])
def test_an_impossible_duration_is_refused(value: float) -> None:
    with pytest.raises(InvalidSubscription, match=r"first: .* above 0 and up to one year"):
        Backoff(first=value)
