"""What came of a range's deliveries is written in the change that lets go of them."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.push.delivery import Delivery, Range
from eventroute.push.worker import ranges
from eventroute.push.worker.ranges import Ranges
from eventroute.storage.base import Advance, Bury, Claim, Complete, DeadLetter, Entry, Settle, Wait, Waiting
from eventroute.testing.simulation.entries import key_of


class Journal:
    """Remembers what is written together."""

    def __init__(self) -> None:
        self.changes: list[list[Entry]] = []

    def add(self, entry: Entry) -> None:
        self.changes.append([entry])

    def add_together(self, entries: list[Entry]) -> None:
        self.changes.append(list(entries))


def opened(end: int, *, start: int = 0) -> tuple[Ranges, Journal, Range, list[Delivery]]:
    journal = Journal()
    kept = Ranges(journal)  # type: ignore[arg-type]
    claimed = Range(Claim("b", "live", start, end, 1, "me"), 0.0)
    kept.open(claimed)
    deliveries = [Delivery("s", offset, b"{}", claimed) for offset in range(start, end)]
    claimed.pending = dict.fromkeys(deliveries)
    claimed.matched = True
    return kept, journal, claimed, deliveries


def waits(delivery: Delivery) -> Wait:
    return Wait(Waiting("s", delivery.offset, 1.0), held=False)


def test_rows_come_with_the_completion() -> None:
    kept, journal, claimed, (one, two) = opened(2)
    kept.note(one, waits(one))
    kept.release((one,))
    assert journal.changes == []
    kept.release((two,))
    assert journal.changes == [[waits(one), Complete(claimed.claim)]]
    assert claimed not in kept


@pytest.mark.anyio
async def test_a_range_that_rests_says_when_more_of_it_is_settled() -> None:
    kept, _, claimed, (_, two) = opened(2)
    await kept.opened.wait()
    claimed.resting = True
    kept.release((two,))
    assert not claimed.resting
    with anyio.fail_after(1):
        await kept.opened.wait()


def test_a_range_that_advances_takes_along_what_it_passes() -> None:
    kept, journal, claimed, (one, two, three) = opened(3)
    before = claimed.claim
    for delivery in (three, one):
        kept.note(delivery, waits(delivery))
        kept.release((delivery,))
    kept.advance(claimed, 2)
    assert journal.changes == [[waits(one), Advance(before, 2)]]
    kept.note(one, Settle("s", 0))  # what it has passed does not wait for the rest
    assert journal.changes[1:] == [[Settle("s", 0)]]
    kept.advance(claimed, 2)
    kept.advance(claimed, 1)
    kept.release((two,))
    assert journal.changes[2:] == [[waits(three), Complete(claimed.claim)]]


def test_what_is_learnt_later_of_a_delivery_stays_behind_what_was_before() -> None:
    kept, journal, claimed, (one, two) = opened(2)
    kept.note(one, waits(one))
    kept.release((one,))
    kept.note(one, Settle("s", 0))
    kept.release((two,))
    assert journal.changes == [[waits(one), Settle("s", 0), Complete(claimed.claim)]]


@given(
    st.lists(st.tuples(st.integers(0, 7), st.sampled_from(["wait", "bury", "settle", "advance"])), max_size=30),
    st.integers(1, 4),
)
def test_whatever_happens_all_is_written_once_in_order_and_none_before_its_range(
    steps: list[tuple[int, str]], together: int
) -> None:
    kept, journal, claimed, deliveries = opened(8)
    before, ranges.TOGETHER = ranges.TOGETHER, together * 10
    try:
        noted: list[list[Entry]] = [[] for _ in deliveries]
        for place, what in steps:
            delivery = deliveries[place]
            if what == "advance":
                kept.advance(claimed, min((one.offset for one in claimed.pending), default=claimed.claim.end))
                continue
            letter = DeadLetter("s", place, 1.0, "r", "", len(noted[place]), b"")
            entries: dict[str, Entry] = {
                "wait": Wait(Waiting("s", place, 1.0, attempts=len(noted[place])), held=True),
                "bury": Bury(letter),
                "settle": Settle("s", place),
            }
            kept.note(delivery, entries[what])
            noted[place].append(entries[what])
            kept.release((delivery,))
        for delivery in deliveries:
            kept.release((delivery,))
    finally:
        ranges.TOGETHER = before
    position = 0
    written: list[list[Entry]] = [[] for _ in deliveries]
    for change in journal.changes:
        for entry in change:
            if isinstance(entry, Advance):
                position = entry.start
            elif isinstance(entry, Complete):
                position = 8
        for entry in change:
            if isinstance(entry, Wait | Bury | Settle):
                at = key_of(entry)[1]
                written[at].append(entry)
                assert at < position or len(steps) > 10 * together  # then it takes several changes
    assert position == 8
    assert written == noted


def test_very_many_take_several_changes_and_the_end_comes_last() -> None:
    kept, journal, claimed, deliveries = opened(2 * ranges.TOGETHER + 1)
    for delivery in deliveries:
        kept.note(delivery, waits(delivery))
        kept.release((delivery,))
    assert [len(change) for change in journal.changes] == [ranges.TOGETHER, ranges.TOGETHER, 2]
    assert journal.changes[-1][-1] == Complete(claimed.claim)
