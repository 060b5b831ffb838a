from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.hooks import Attempted, DeadLettered, DeadLetterForwarded, DeadLetterHeldUp, Happening, Paused
from eventroute.tracing.history import LONGEST_ERROR, AttemptHistory


def attempted(offset: int, attempt: int = 1, error: str = "") -> Attempted:
    return Attempted("b", "s", offset, attempt, "retry", "timeout", error, 5.0, 0.5, b"{}")


happenings = st.builds(attempted, offset=st.integers(0, 9), attempt=st.integers(1, 9), error=st.text(max_size=50))


@given(st.lists(happenings, max_size=60), st.integers(1, 5), st.integers(1, 4), st.integers(1, 5_000))
def test_it_stays_within_its_bounds_and_keeps_the_latest(
    told: list[Attempted], deliveries: int, each: int, most: int
) -> None:
    history = AttemptHistory(deliveries, each, most)
    for one in told:
        history(one)
        kept = history.attempts("b", one.offset, "s")
        assert (kept[-1].attempt, kept[-1].error) == (one.attempt, one.error)
        assert len(history) <= deliveries
        assert history.size <= most or len(history) == 1
    total = 0
    for offset in range(10):
        kept = history.attempts("b", offset, "s")
        mine = [one for one in told if one.offset == offset]
        assert [past.attempt for past in kept] == [one.attempt for one in mine][len(mine) - len(kept) :]
        assert len(kept) <= each
        total += sum(300 + len(past.reason) + len(past.error) for past in kept)
    assert total == history.size


def test_what_came_after_the_attempts_is_kept_too() -> None:
    history = AttemptHistory()
    more: list[Happening] = [
        attempted(1, error="x" * 2_000),
        DeadLettered("b", "s", 1, 3, "gone", "no"),
        DeadLetterHeldUp("b", "s", 1, "bus:dead", 1, "full", None),
        DeadLetterForwarded("b", "s", 1, "bus:dead", 2),
        Paused("b", "s", "by hand"),
    ]
    for one in more:
        history(one)
    kept = history.attempts("b", 1, "s")
    assert [past.what for past in kept] == ["retry", "dead-letter", "held-up", "handed-over"]
    assert len(kept[0].error) == LONGEST_ERROR
    assert kept[0].to_dict()["began"] == "1970-01-01T00:00:05Z"
    assert kept[3].to_dict() == {"what": "handed-over", "attempt": 2, "seconds": 0.0, "target": "bus:dead"}


def test_what_is_forgotten_is_counted() -> None:
    history = AttemptHistory(deliveries=1)
    for offset in range(3):
        history(attempted(offset))
    assert history.forgotten == 2


@pytest.mark.parametrize("setting", ["deliveries", "attempts_each", "max_bytes"])
def test_bounds_are_at_least_one(setting: str) -> None:
    with pytest.raises(ValueError, match=setting):
        AttemptHistory(**{setting: 0})
