"""The circuit breaker: opens after failures in a row, probes after a growing delay, closes on an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidSubscription
from eventroute.push.policy.backoff import Backoff
from eventroute.push.policy.breaker import Breaker, Circuit
from eventroute.storage.base import BreakerState

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


def test_it_knows_how_much_of_all_time_was_an_outage() -> None:
    circuit = Circuit()
    for at in (8, 9, 10):
        assert circuit.spared(at) == 0
        circuit.fail(BREAKER, at)
    assert [circuit.spared(now) for now in (5, 10, 25, 50)] == [0, 0, 15, 40]
    circuit.succeed(50)
    assert circuit.spared(60) == circuit.spared(1_000) == 40
    for at in (100, 101, 102):
        circuit.fail(BREAKER, at)
    assert circuit.spared(112) == 50


def test_another_process_goes_on_where_this_one_was() -> None:
    one, other = Circuit("s"), Circuit("s")
    for now in (0.0, 1.0, 2.0, 3.0):
        one.fail(BREAKER, now)
    assert other.adopt(one.state, 3.0)
    assert not other.adopt(one.state, 3.0)
    assert (other.is_open, other.spared(9.0), other.wait(BREAKER, 4.0)) == (True, 7.0, 1.0)
    assert other.fail(BREAKER, 5.0) == 4
    assert not other.adopt(one.state, 5.0)  # what it knows itself is newer
    other.succeed(8.0)
    assert one.adopt(other.state, 8.0)
    assert (one.is_open, one.failures, one.spared(99.0)) == (False, 0, 6.0)


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["fail", "succeed", "adopt"]), st.integers(0, 9))))
def test_nothing_gets_older_at_once_whatever_processes_think_of_an_outage(steps: list[tuple[int, str, int]]) -> None:
    circuits, now = (Circuit("s"), Circuit("s")), 0
    for which, step, later in steps:
        circuit, other = circuits[which], circuits[1 - which]
        now += later
        before = [one.spared(now) for one in circuits]
        if step == "fail":
            circuit.fail(BREAKER, now)
        elif step == "succeed":
            circuit.succeed(now)
        else:
            circuit.adopt(other.state, now)
        after = [one.spared(now) for one in circuits]
        assert all(was <= spared <= now for was, spared in zip(before, after, strict=True))


@pytest.mark.parametrize(("now", "seconds"), [(0.0, 5.0), (8.0, 3.0), (11.0, 0.0), (-1e9, 5.0)])
def test_the_wait_for_a_probe_is_bounded_however_clocks_jump(now: float, seconds: float) -> None:
    circuit = Circuit()
    circuit.adopt(BreakerState("", 1, 0.0, 0.0, 9, 11.0), now)
    assert circuit.wait(BREAKER, now) == seconds
    assert circuit.wait(None, now) == 0


@given(st.lists(st.tuples(st.sampled_from("fs."), st.integers(0, 30)), max_size=40))
def test_time_goes_on_only_where_there_is_no_outage(steps: list[tuple[str, int]]) -> None:
    """The clock that ages go by neither goes back nor faster than time, and stands still in an outage."""
    circuit, now, aged = Circuit(), 0, 0
    for what, seconds in steps:
        was_open = circuit.is_open
        now += seconds
        aged += 0 if was_open else seconds
        assert now - circuit.spared(now) == aged
        if what == "f":
            circuit.fail(BREAKER, now)
        elif what == "s":
            circuit.succeed(now)
        assert now - circuit.spared(now) == aged


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
