"""The circuit breaker: opens after failures in a row, probes after a growing delay, closes on an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidSubscription
from eventroute.push.backoff import Backoff
from eventroute.push.breaker import Breaker, Circuit

BREAKER = Breaker(failures=3, delay=Backoff(first=1, limit=5))


def test_it_opens_after_so_many_failures_in_a_row_and_the_delay_grows() -> None:
    circuit = Circuit()
    stops = [circuit.fail(BREAKER, now) for now in (0.0, 1.0, 2.0, 10.0, 20.0, 30.0, 40.0)]
    assert stops == [None, None, 1, 2, 4, 5, 5]
    assert circuit.is_open


def test_a_success_between_counts_anew() -> None:
    circuit = Circuit()
    for _ in range(20):
        assert circuit.fail(BREAKER, 0) is None
        assert circuit.fail(BREAKER, 0) is None
        circuit.succeed(0)
    assert not circuit.is_open


def test_after_a_success_it_opens_as_at_first() -> None:
    circuit = Circuit()
    for now in range(5):
        circuit.fail(BREAKER, now)
    circuit.succeed(10)
    assert [circuit.fail(BREAKER, 20) for _ in range(3)] == [None, None, 1]


def test_without_a_breaker_it_never_opens() -> None:
    circuit = Circuit()
    assert {circuit.fail(None, now) for now in range(1_000)} == {None}
    assert not circuit.is_open


@pytest.mark.parametrize(("since", "now", "seconds"), [(0, 50, 40), (20, 50, 30), (60, 70, 0), (0, 5, 0), (20, 30, 10)])
def test_it_knows_how_much_of_a_time_was_an_outage(since: float, now: float, seconds: float) -> None:
    circuit = Circuit()
    assert circuit.outage(0, 100) == 0
    for at in (8, 9, 10):
        circuit.fail(BREAKER, at)
    circuit.succeed(50)
    assert circuit.outage(since, now) == seconds


def test_an_outage_that_lasts_counts_up_to_now() -> None:
    circuit = Circuit()
    circuit.fail(Breaker(failures=1), 10)
    assert circuit.outage(0, 25) == 15


@given(st.lists(st.booleans(), max_size=60), st.integers(min_value=1, max_value=6))
def test_it_is_open_exactly_from_the_last_of_the_failures_to_the_next_success(
    answers: list[bool], failures: int
) -> None:
    circuit, row = Circuit(), 0
    for now, delivered in enumerate(answers):
        if delivered:
            circuit.succeed(now)
            row = 0
        else:
            stop = circuit.fail(Breaker(failures=failures), now)
            row += 1
            assert (stop is not None) == (row >= failures)
            assert stop is None or 1 <= stop <= 60
        assert circuit.is_open == (row >= failures)


@pytest.mark.parametrize("failures", [0, -1, True, 1.5])
def test_an_impossible_number_is_refused(failures: int) -> None:
    with pytest.raises(InvalidSubscription, match=r"breaker.failures: .* is not a whole number"):
        Breaker(failures=failures)
