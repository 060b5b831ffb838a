"""Rates: never more than was said, within any span of time, and never less than need be."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidSubscription
from eventroute.push.lane.pace import Pace
from eventroute.push.policy.rate import Rate, TokenBucket

rates = st.builds(
    Rate,
    st.one_of(st.floats(0.0001, 1e6), st.integers(1, 1_000_000), st.sampled_from([0.1, 1 / 3, 3, 7.7, 1e6])),
    st.integers(1, 20),
)


def exact(seconds: float) -> Fraction:
    return Fraction(int(seconds * 1_000_000_000), 1_000_000_000)


@given(rates, st.lists(st.tuples(st.floats(0, 100), st.integers(1, 20)), max_size=60))
def test_it_is_never_exceeded_within_any_span(rate: Rate, asked: list[tuple[float, int]]) -> None:
    bucket, now, taken = TokenBucket(rate), 0.0, []
    for pause, tokens in asked:
        now += pause / rate.events
        if bucket.take(now, min(tokens, rate.at_once)):
            taken.append((exact(now), min(tokens, rate.at_once)))
    for first, (begin, _) in enumerate(taken):
        total = 0
        for end, tokens in taken[first:]:
            total += tokens
            assert total <= rate.at_once + Fraction(str(rate.events)) * (end - begin)


@given(rates, st.lists(st.integers(1, 20), min_size=1, max_size=60), st.floats(0, 1e6))
def test_who_waits_as_told_gets_tokens_and_never_waits_long(rate: Rate, asked: list[int], start: float) -> None:
    """After n tokens at most the time of n - burst has passed, but for a nanosecond each and what a float rounds."""
    bucket, now, total = TokenBucket(rate), start, 0
    for tokens in asked:
        wanted = min(tokens, rate.at_once)
        for _ in range(4):
            wait = bucket.wait(now, wanted)
            if wait == 0:
                break
            now += wait
        if not bucket.take(now, wanted):
            now += 1e-6  # a float of a large number cannot be a nanosecond later
            assert bucket.take(now, wanted)
        total += wanted
        assert now - start <= max(0, total - rate.at_once) / rate.events * (1 + 1e-9) + len(asked) * 2e-6


steps = st.lists(st.tuples(st.floats(0, 20), st.integers(1, 20)), max_size=30)


@given(st.tuples(rates, rates), st.tuples(steps, steps))
def test_what_was_spent_is_spent_when_the_rate_changes(
    changes: tuple[Rate, Rate], asked: tuple[list[tuple[float, int]], list[tuple[float, int]]]
) -> None:
    """In a span that begins with one rate and ends with another, the larger burst comes once."""
    pace, now, changed, taken = Pace(), 0.0, 0.0, []
    for rate, steps in zip(changes, asked, strict=True):
        changed = now
        pace.follow(rate, None, now)
        for pause, tokens in steps:
            now += pause / rate.events
            if pace.take(now, min(tokens, rate.at_once)) == 0:
                taken.append((exact(now), min(tokens, rate.at_once)))
    before, after = (Fraction(str(rate.events)) for rate in changes)
    for first, (begin, _) in enumerate(taken):
        total = 0
        for end, tokens in taken[first:]:
            total += tokens
            seam = min(max(exact(changed), begin), end)
            span = before * (seam - begin) + after * (end - seam)
            assert total <= max(rate.at_once for rate in changes) + span


def test_a_changed_rate_brings_no_other_burst() -> None:
    pace = Pace()
    pace.follow(Rate(1.0, 100), None, 5.0)
    assert pace.take(5.0, 100) == 0
    pace.follow(Rate(2.0, 100), None, 5.0)
    assert pace.take(5.0, 10) == 5.0
    pace.follow(None, None, 5.0)
    pace.follow(Rate(2.0, 100), None, 6.0)
    assert pace.take(6.0, 100) == 0  # there was none meanwhile


def test_it_does_not_drift() -> None:
    bucket = TokenBucket(Rate(3.0, 2))
    taken = sum(bucket.take(step / 1_000) for step in range(1_000_001))
    assert taken == 3 * 1_000 + 2


def test_a_full_bucket_gives_its_burst_at_once_and_holds_no_more() -> None:
    bucket = TokenBucket(Rate(1.0, 3))
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait(0.0) == 1.0
    assert [bucket.take(1_000.0) for _ in range(4)] == [True, True, True, False]


def test_more_than_the_burst_can_never_be_taken() -> None:
    with pytest.raises(InvalidSubscription, match="4 tokens are not 1 to 3"):
        TokenBucket(Rate(1.0, 3)).take(0.0, 4)


@given(st.integers(1, 10_000_000))
def test_requests_a_minute(requests: int) -> None:
    rate = Rate.per_minute(requests)
    assert requests - Fraction(1, 1_000_000) < Fraction(str(rate.events)) * 60 <= requests
    assert rate.at_once == 1


@pytest.mark.parametrize(
    ("events", "burst"), [(0, 1), (1e7, 1), (1, 0), (1, 1.5), (True, 1), ("1", 1), (float("nan"), 1)]
)
def test_a_wrong_rate_is_refused(events: float, burst: int) -> None:
    with pytest.raises(InvalidSubscription, match=r"rate\.(events|burst)"):
        Rate(events, burst)
