from __future__ import annotations

from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from eventroute.event import Event
from eventroute.payload import Kind
from eventroute.testing.strategies import events, json_values

steady = settings(derandomize=True, database=None)
first = settings(steady, phases=[Phase.generate])


@given(events())
def test_events_are_valid(event: Event) -> None:
    assert Event.from_json(event.to_json()) == event


@pytest.mark.parametrize("kind", list(Kind))
def test_there_is_data_of_each_kind(kind: Kind) -> None:
    assert find(events(), lambda event: event.kind is kind, settings=first).kind is kind


def test_the_simplest_event() -> None:
    event = find(events(), lambda event: True, settings=steady)
    assert set(event.attributes) == {"specversion", "id", "source", "type"}
    assert not event.has_data
    assert len(event.id) == 1


values: st.SearchStrategy[Any] = json_values()


@given(values.flatmap(lambda value: st.tuples(st.just(value), events(st.just(value)))))
def test_data_can_be_given(given: tuple[Any, Event]) -> None:
    value, event = given
    assert event.kind is Kind.JSON
    assert event.data == value


@given(events(attributes={"type": st.sampled_from(["a", "b"]), "time": st.none(), "n": st.integers(1, 5)}))
def test_attributes_can_be_given(event: Event) -> None:
    assert event.type in ("a", "b")
    assert event.time is None
    assert event.attributes["n"] in range(1, 6)
