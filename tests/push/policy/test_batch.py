"""Splitting a batch that is rejected, held against what each event would have got alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidSubscription
from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.push.policy.batch import Batch, Bisection, blames_one

BAD = Rejected("http-422")


def run(items: list[int], send: Callable[[list[int]], Outcome]) -> tuple[list[tuple[int, Outcome]], int]:
    bisection, requests = Bisection(items), 0
    settled: list[tuple[int, Outcome]] = []
    while part := bisection.next:
        assert bisection.unsettled == items[len(settled) :]
        requests += 1
        outcome = send(list(part))
        settled += [(item, outcome) for item in bisection.record(outcome)]
    return settled, requests


@given(st.integers(0, 200), st.sets(st.integers(0, 199)))
def test_each_culprit_is_found_and_all_others_are_delivered(size: int, culprits: set[int]) -> None:
    items = list(range(size))

    def send(part: list[int]) -> Outcome:
        return BAD if culprits & set(part) else Delivered()

    settled, requests = run(items, send)
    assert settled == [(item, BAD if item in culprits else Delivered()) for item in items]
    assert requests <= max(1, 2 * size - 1)
    found = len(culprits & set(items))
    if found == 1:
        assert requests <= 2 * size.bit_length() + 1


@given(st.integers(1, 50), st.data())
def test_every_item_is_settled_once_and_in_order_whatever_comes(size: int, data: st.DataObject) -> None:
    outcomes: st.SearchStrategy[Outcome] = st.sampled_from(
        [Delivered(), BAD, RetryLater("http-500"), Rejected("gone", pause="gone")]
    )
    settled, requests = run(list(range(size)), lambda _part: data.draw(outcomes))
    assert [item for item, _ in settled] == list(range(size))
    assert requests <= 2 * size - 1


@pytest.mark.parametrize(
    "outcome",
    [
        Delivered(),
        RetryLater("http-503"),
        Rejected("gone", pause="gone"),
        *(Rejected(reason) for reason in ("forbidden-address", "http-3xx", "http-401", "http-405")),
    ],
    ids=lambda outcome: getattr(outcome, "reason", "delivered"),
)
def test_what_is_the_same_for_each_is_the_outcome_of_all(outcome: Outcome) -> None:
    assert not blames_one(outcome)
    settled, requests = run([1, 2, 3], lambda _part: outcome)
    assert settled == [(1, outcome), (2, outcome), (3, outcome)]
    assert requests == 1


@pytest.mark.parametrize(
    "values",
    [{"events": 0}, {"events": 1_001}, {"bytes": 0}, {"linger": -1}, {"linger": 60.1}, {"linger": float("nan")}],
    ids=str,
)
def test_a_wrong_bound_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(InvalidSubscription, match=r"batch\.(events|bytes|linger): .* is not a"):
        Batch(**values)  # type: ignore[arg-type]
