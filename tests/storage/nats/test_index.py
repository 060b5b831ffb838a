"""The index of a log is a list of places, whatever was added and dropped."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.storage.nats import index as module
from eventroute.storage.nats.index import LogIndex
from eventroute.storage.nats.recent import Recent


class Place(NamedTuple):
    """Where an event is."""

    offset: int
    time: int
    size: int
    sequence: int
    number: int


def places(index: LogIndex, start: int, end: int) -> list[Place]:
    """One by one."""
    found = []
    for run in index.runs(start, end):
        assert run.sizes
        for at, (size, number) in enumerate(zip(run.sizes, run.numbers, strict=True)):
            found.append(Place(run.offset + at, run.time, size, run.sequence, number))
    return found


ADDS = st.lists(
    st.tuples(
        st.integers(0, 2),  # how many messages on
        st.integers(0, 2),  # how much later
        st.lists(st.integers(0, 9), max_size=4),  # sizes
        st.booleans(),  # whether the first event of the message is left out
        st.integers(0, 3),  # how many are dropped afterwards
        st.booleans(),  # whether it is kept in a snapshot
    ),
    max_size=30,
)


@given(adds=ADDS)
def test_it_is_a_list_of_places(adds: list[tuple[int, int, list[int], bool, int, bool]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_LOOSE", 2)
        index, model = LogIndex(5), list[Place]()
        sequence, time, number, first = 1, 100, 0, 5
        for forward, later, sizes, skips, dropped, kept in adds:
            number = number if forward == 0 else 0
            sequence, time = sequence + forward, time + later
            number += skips
            numbers = range(number, number + len(sizes))
            index.add(sequence, time, sizes, numbers, ())
            end = first + len(model)
            model += [
                Place(end + at, time, size, sequence, one)
                for at, (size, one) in enumerate(zip(sizes, numbers, strict=True))
            ]
            number += len(sizes)
            gone = min(dropped, len(model))
            first += gone
            del model[:gone]
            index.drop(first)
            if kept:
                index = LogIndex.restored(index.image())
            assert (index.first, index.end) == (first, first + len(model))
            assert places(index, 0, 1 << 40) == model
            assert places(index, first + 1, index.end - 1) == model[1:-1]
            assert index.oldest == (model[0].sequence if model else None)
            assert index.size_below(index.end) == sum(place.size for place in model)
            for moment in (0, time, time + 1):
                expected = next((place.offset for place in model if place.time >= moment), index.end)
                assert index.offset_at(moment) == expected


def test_parts_stay_as_long_as_an_event_of_their_message() -> None:
    index = LogIndex(1)
    index.add(9, 1, [1, 1], range(2), (3, 5))
    index.add(9, 2, [1], range(2, 3), (3, 5))
    assert (index.parts(9), index.oldest) == ((3, 5), 3)
    index.drop(3)
    assert (index.parts(9), index.oldest) == ((3, 5), 3)
    index.drop(4)
    assert (index.parts(9), index.oldest) == ((), None)


def test_what_is_recent_is_bounded() -> None:
    recent = Recent()
    for sequence in range(50):
        recent.put(sequence, [b"x" * (1 << 20)])
    assert recent.get(0) is None
    assert recent.get(49) == [b"x" * (1 << 20)]
    assert recent.get(17) is None
    recent.put(50, [b"x" * (40 << 20)])
    assert recent.get(49) is None
    assert recent.get(50) is not None
