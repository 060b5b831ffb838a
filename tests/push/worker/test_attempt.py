"""What is written down after an attempt."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from eventroute.push.delivery import Delivery
from eventroute.push.outcome import Delivered, Rejected, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.backoff import Backoff
from eventroute.push.worker.attempt import RETRIES_EXHAUSTED, entry_after
from eventroute.storage.base import Bury, DeadLetter, Settle, Wait

NOW = 1_700_000_000.0


def tried(attempts: int = 1, first: float = NOW, *, recorded: bool = False) -> Delivery:
    return Delivery("s", 7, b"{}", attempts=attempts, first_attempt=first, recorded=recorded)


def test_delivered_needs_writing_only_where_the_ledger_has_a_row() -> None:
    assert entry_after(tried(), Delivered(), DeliveryPolicy(), now=NOW, draw=0.5) is None
    settled = entry_after(tried(recorded=True), Delivered(), DeliveryPolicy(), now=NOW, draw=0.5)
    assert settled == Settle("s", 7)


def test_a_rejected_delivery_is_dead_with_its_reason() -> None:
    entry = entry_after(tried(3), Rejected("http-400", "no"), DeliveryPolicy(), now=NOW, draw=0.5)
    assert entry == Bury(DeadLetter("s", 7, NOW, "http-400", "no", 3, b"{}"))


def test_what_has_a_row_is_told_to_come_again() -> None:
    """Another may have come to an end with it meanwhile."""
    outcomes = (RetryLater("timeout"), RetryLater("lease-late", counts=False), Rejected("http-400"))
    for outcome in outcomes:
        for recorded in (True, False):
            entry = entry_after(tried(3, recorded=recorded), outcome, DeliveryPolicy(), now=NOW, draw=0.5)
            assert isinstance(entry, Wait | Bury)
            assert entry.again == recorded


def test_one_attempt_means_one_attempt() -> None:
    policy = DeliveryPolicy(max_attempts=1)
    entry = entry_after(tried(1), RetryLater("http-500", "oops"), policy, now=NOW, draw=0.5)
    assert entry == Bury(DeadLetter("s", 7, NOW, RETRIES_EXHAUSTED, "http-500: oops", 1, b"{}"))


def test_the_next_attempt_comes_after_the_backoff() -> None:
    policy = DeliveryPolicy(backoff=Backoff(first=8, limit=100))
    entry = entry_after(tried(2), RetryLater("timeout"), policy, now=NOW + 5, draw=0.5)
    assert isinstance(entry, Wait)
    assert not entry.held
    waiting = entry.waiting
    assert (waiting.due, waiting.attempts, waiting.first_attempt, waiting.reason) == (NOW + 13, 2, NOW, "timeout")


def test_the_last_attempt_is_made_at_max_age_and_none_after_it() -> None:
    policy = DeliveryPolicy(max_age=60, backoff=Backoff(first=1000, limit=1000))
    entry = entry_after(tried(1), RetryLater("timeout"), policy, now=NOW + 10, draw=0.9)
    assert isinstance(entry, Wait)
    assert entry.waiting.due == NOW + 60
    assert isinstance(entry_after(tried(2), RetryLater("timeout"), policy, now=NOW + 60, draw=0.9), Bury)


def test_no_attempt_is_made_before_the_time_that_the_sink_asked_for() -> None:
    policy = DeliveryPolicy(max_age=60)
    entry = entry_after(tried(1), RetryLater("http-429", after=3_000.0), policy, now=NOW, draw=0.0)
    assert isinstance(entry, Wait)
    assert entry.waiting.due >= NOW + 3_000


@given(
    attempts=st.integers(min_value=1, max_value=10**12),
    age=st.floats(min_value=0, max_value=10**9),
    asked=st.none() | st.floats(min_value=0, max_value=10**9),
    draw=st.floats(min_value=0, max_value=1, exclude_max=True),
    limit=st.none() | st.integers(min_value=1, max_value=1_000_000),
    max_age=st.floats(min_value=0, max_value=31_536_000),
)
def test_every_failed_attempt_leads_to_a_later_one_within_bounds_or_to_the_end(
    attempts: int, age: float, asked: float | None, draw: float, limit: int | None, max_age: float
) -> None:
    policy = DeliveryPolicy(max_attempts=limit, max_age=max_age)
    delivery = tried(attempts, NOW - age)
    entry = entry_after(delivery, RetryLater("timeout", after=asked), policy, now=NOW, draw=draw)
    if isinstance(entry, Bury):
        assert NOW - age + max_age <= NOW or (limit is not None and attempts >= limit)  # as exact as the clock
        assert entry.letter.reason == RETRIES_EXHAUSTED
    else:
        assert isinstance(entry, Wait)
        assert limit is None or attempts < limit
        assert math.isfinite(entry.waiting.due)
        assert NOW <= entry.waiting.due <= NOW + max(86_401, policy.backoff.limit)
