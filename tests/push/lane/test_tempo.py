"""How much a lane takes in hand goes by how fast it gets on."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from eventroute.push.lane.tempo import AHEAD, ENOUGH, SPAN, UNKNOWN, WINDOW, Tempo

MOST = 1_000


@given(
    steps=st.lists(st.tuples(st.integers(0, 500), st.floats(0.0, 100.0)), max_size=30),
    at_once=st.integers(1, 2_000),
)
def test_it_is_never_less_than_the_attempts_at_once_need_nor_more_than_may_be(
    steps: list[tuple[int, float]], at_once: int
) -> None:
    tempo, now = Tempo(), 0.0
    for ended, seconds in steps:
        now += seconds
        tempo.end(ended, now)
        assert min(2 * at_once, MOST) <= tempo.soon(at_once, MOST) <= MOST


@given(rate=st.floats(1.0, 10_000.0), at_once=st.integers(1, 16))
def test_it_is_what_a_steady_lane_does_ahead_of_time(rate: float, at_once: int) -> None:
    tempo, now = Tempo(), 100.0
    tempo.begin(now)
    for _ in range(ENOUGH):
        now += 1 / rate
        tempo.end(1, now)
    expected = min(MOST, max(2 * at_once, rate * AHEAD))
    assert math.isclose(tempo.soon(at_once, MOST), expected, rel_tol=0.01, abs_tol=1.01)


@given(pause=st.floats(0.0, 3_600.0), burst=st.integers(1, ENOUGH))
def test_time_without_anything_to_do_does_not_count(pause: float, burst: int) -> None:
    tempo, now = Tempo(), 0.0
    for _ in range(ENOUGH):
        tempo.begin(now)
        for _ in range(burst):
            now += 0.004
            tempo.end(1, now)
        now += pause
    assert math.isclose(tempo.soon(1, MOST), 250 * AHEAD, abs_tol=1.01)


def test_where_no_time_passes_it_is_all() -> None:
    tempo = Tempo()
    tempo.begin(1.0)
    for _ in range(ENOUGH):
        tempo.end(1, 1.0)
    assert tempo.soon(1, MOST) == MOST


def test_before_anything_is_known_it_is_a_few() -> None:
    tempo = Tempo()
    assert tempo.soon(1, MOST) == UNKNOWN
    assert tempo.soon(100, MOST) == 200
    tempo.end(1, WINDOW / 2)
    assert tempo.soon(1, MOST) == UNKNOWN


@given(rate=st.integers(1, 1_000), start=st.floats(0.0, 1e6), spans=st.integers(3, 6))
def test_what_is_delivered_evenly_is_the_rate_and_is_forgotten(rate: int, start: float, spans: int) -> None:
    tempo, now = Tempo(), start
    for _ in range(spans * int(SPAN)):
        now += 1
        tempo.deliver(rate, now)
    assert math.isclose(tempo.lately(now), rate, rel_tol=0.11)  # a second's worth comes at once
    assert tempo.lately(now + SPAN / 2) < tempo.lately(now)
    assert tempo.lately(now + 2 * SPAN) == 0.0
    tempo.deliver(rate, now + 5 * SPAN)
    assert tempo.lately(now + 5 * SPAN) == rate / SPAN


@given(steps=st.lists(st.tuples(st.integers(0, 500), st.floats(0.0, 30.0)), max_size=30))
def test_the_rate_is_none_that_two_spans_could_not_have(steps: list[tuple[int, float]]) -> None:
    tempo, now, seen = Tempo(), 0.0, list[tuple[float, int]]()
    for delivered, seconds in steps:
        now += seconds
        tempo.deliver(delivered, now)
        seen.append((now, delivered))
        near = sum(count for when, count in seen if now - when <= 2 * SPAN)
        assert 0.0 <= tempo.lately(now) <= near / SPAN
