from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidConfiguration
from eventroute.storage.base import Mark
from eventroute.storage.retention import DAY, Decision, Retention, State, decide

NOW = 1_000.0

bounds = st.none() | st.integers(1, 12)
retentions = st.builds(
    Retention,
    max_age=st.none() | st.floats(0.5, 40.0),
    max_bytes=st.none() | st.integers(1, 60),
    max_events=bounds,
    until_settled=st.booleans(),
    hard=st.booleans(),
)


@st.composite
def states(draw: st.DrawFn) -> State:
    """A log of a few events, of which the first ones are looked at."""
    ages = sorted(draw(st.lists(st.floats(-5.0, 50.0), max_size=10)), reverse=True)
    first = draw(st.integers(1, 5))
    sizes = [draw(st.integers(0, 20)) for _ in ages]
    marks = [Mark(first + number, NOW - age, sizes[number]) for number, age in enumerate(ages)]
    return State(
        events=len(marks),
        size=sum(sizes),
        needed=draw(st.integers(1, first + len(marks))),
        subscribed=draw(st.booleans()),
        marks=marks[: draw(st.integers(0, len(marks)))],
    )


def wanted(retention: Retention, state: State) -> list[Mark]:
    """The events that are beyond a bound, each looked at by itself."""
    gone = []
    for number, mark in enumerate(state.marks):
        left = state.events - number
        size = state.size - sum(one.size for one in state.marks[:number])
        over = (
            (retention.max_age is not None and NOW - mark.time > retention.max_age)
            or (retention.max_events is not None and left > retention.max_events)
            or (retention.max_bytes is not None and size > retention.max_bytes)
            or (retention.until_settled and state.subscribed and mark.offset < state.needed)
        )
        if over:
            gone.append(mark)
    return gone


@given(retentions, states())
def test_what_goes_is_what_is_beyond_a_bound_and_not_needed(retention: Retention, state: State) -> None:
    over = wanted(retention, state)
    assert over == list(state.marks[: len(over)])  # the oldest go first
    free = [mark for mark in over if retention.hard or mark.offset < state.needed]
    decision = decide(retention, state, NOW)
    assert decision.before == (free[-1].offset + 1 if free else 0)
    assert (decision.reason is None) == (not free)
    assert decision.held == (len(free) < len(over))


@given(retentions, states())
def test_only_hard_retention_takes_what_is_needed(retention: Retention, state: State) -> None:
    if not retention.hard:
        assert decide(retention, state, NOW).before <= state.needed


@given(retentions, states(), st.floats(0.0, 100.0))
def test_later_no_less_goes(retention: Retention, state: State, seconds: float) -> None:
    assert decide(retention, state, NOW + seconds).before >= decide(retention, state, NOW).before


@pytest.mark.parametrize(
    ("retention", "reason", "before"),
    [
        (Retention(), "age", 2),
        (Retention(max_age=None), None, 0),
        (Retention(max_age=None, max_events=2), "events", 2),
        (Retention(max_age=None, max_bytes=250), "bytes", 2),
        (Retention(max_age=None, max_bytes=300), None, 0),
        (Retention(max_age=None, until_settled=True), "settled", 3),
        (Retention(max_age=None, max_events=1, hard=True), "events", 3),
    ],
)
def test_the_reason_is_told(retention: Retention, reason: str | None, before: int) -> None:
    marks = [Mark(1, NOW - 3.5 * DAY, 100), Mark(2, NOW - 2 * DAY, 100), Mark(3, NOW, 100)]
    state = State(events=3, size=300, needed=3, subscribed=True, marks=marks)
    assert decide(retention, state, NOW) == Decision(before, reason)  # type: ignore[arg-type]


def test_what_is_needed_is_said_to_be_held() -> None:
    marks = [Mark(1, NOW - 9 * DAY, 1), Mark(2, NOW - 9 * DAY, 1)]
    state = State(events=2, size=2, needed=2, subscribed=True, marks=marks)
    assert decide(Retention(), state, NOW) == Decision(2, "age", held=True)
    assert decide(Retention(hard=True), state, NOW) == Decision(3, "age")


def test_without_subscriptions_nothing_counts_as_settled() -> None:
    marks = [Mark(1, NOW, 1)]
    state = State(events=1, size=1, needed=2, subscribed=False, marks=marks)
    assert decide(Retention(until_settled=True), state, NOW) == Decision(0, None)


@given(retentions)
def test_the_json_form_says_all(retention: Retention) -> None:
    assert Retention.from_dict(retention.to_dict()) == retention


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"max_age": 0}, "max_age: must be more than 0 seconds, or None for ever, not 0"),
        ({"max_age": float("inf")}, "max_age: must be"),
        ({"max_age": float("nan")}, "max_age: must be"),
        ({"max_age": True}, "max_age: must be"),
        ({"max_age": "3 days"}, "max_age: must be"),
        ({"max_bytes": 0}, "max_bytes: must be a whole number from 1, or None, not 0"),
        ({"max_events": 1.5}, "max_events: must be"),
        ({"max_events": True}, "max_events: must be"),
        ({"hard": 1}, "hard: must be true or false, not 1"),
        ({"until_settled": None}, "until_settled: must be true or false"),
        ({"age": 1}, "age: there is no such key; known: max_age, max_bytes"),
        ([], "must be an object, not list"),
    ],
)
def test_what_cannot_be_is_refused(document: Any, message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        Retention.from_dict(document)
