"""The outcome table: total, and each row of the documented table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidSubscription
from eventroute.push.outcome import DEFAULT_OUTCOMES, MAX_RETRY_AFTER, Delivered, OutcomeTable, Rejected, RetryLater


@given(st.integers(), st.none() | st.floats(min_value=-1e9, max_value=1e9))
def test_every_status_has_an_outcome(status: int, retry_after: float | None) -> None:
    outcome = DEFAULT_OUTCOMES.outcome(status, retry_after=retry_after)
    if isinstance(outcome, RetryLater):
        assert outcome.after is None or 0 <= outcome.after <= MAX_RETRY_AFTER
    else:
        assert isinstance(outcome, Delivered | Rejected)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_delivered(status: int) -> None:
    assert DEFAULT_OUTCOMES.outcome(status) == Delivered()


@pytest.mark.parametrize("status", [300, 301, 302, 307, 308])
def test_3xx_is_rejected_and_never_followed(status: int) -> None:
    assert DEFAULT_OUTCOMES.outcome(status) == Rejected("http-3xx")


@pytest.mark.parametrize("status", [404, 408, 409, 425, 429, 500, 502, 503, 504, 599])
def test_these_are_retried(status: int) -> None:
    assert DEFAULT_OUTCOMES.outcome(status) == RetryLater(f"http-{status}")


@pytest.mark.parametrize(("status", "holds"), [(429, True), (503, True), (500, False), (408, False)])
def test_retry_after_is_kept_and_on_429_and_503_holds_the_lane(status: int, holds: bool) -> None:
    outcome = DEFAULT_OUTCOMES.outcome(status, retry_after=7.0)
    assert outcome == RetryLater(f"http-{status}", after=7.0, hold_lane=holds)


def test_410_pauses_the_subscription() -> None:
    assert DEFAULT_OUTCOMES.outcome(410) == Rejected("gone", pause="gone")


@pytest.mark.parametrize("status", [400, 401, 403, 405, 413, 415, 422, 451, 499])
def test_other_4xx_are_rejected(status: int) -> None:
    assert DEFAULT_OUTCOMES.outcome(status) == Rejected(f"http-{status}")


@pytest.mark.parametrize("status", [-1, 0, 99, 100, 103, 199, 600, 999, 10**9])
def test_anything_else_is_a_bad_answer(status: int) -> None:
    outcome = DEFAULT_OUTCOMES.outcome(status)
    assert isinstance(outcome, RetryLater)
    assert outcome.reason == "bad-answer"


def test_a_policy_can_change_the_table() -> None:
    table = DEFAULT_OUTCOMES.changed({"404": "reject", "4xx": "retry", "402": "reject-pause"})
    assert table.outcome(404) == Rejected("http-404")
    assert table.outcome(400) == RetryLater("http-400")
    assert table.outcome(402) == Rejected("http-402", pause="http-402")
    assert DEFAULT_OUTCOMES.outcome(404) == RetryLater("http-404")


@pytest.mark.parametrize("key", ["", "40", "4040", "6xx", "4XX", "abc", "0xx", "4x4", "٤٠٤"])
def test_a_key_that_is_no_status_is_refused(key: str) -> None:
    with pytest.raises(InvalidSubscription, match="is not a status code"):
        OutcomeTable({key: "retry"})


def test_an_unknown_outcome_is_refused() -> None:
    with pytest.raises(InvalidSubscription, match=r"outcomes.404: 'ignore' is none of delivered, reject"):
        OutcomeTable({"404": "ignore"})


def test_a_long_error_is_cut() -> None:
    outcome = DEFAULT_OUTCOMES.outcome(400, error="x" * 100_000)
    assert isinstance(outcome, Rejected)
    assert len(outcome.error) == 1_000
