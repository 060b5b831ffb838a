"""Filters of a language beside those that are JSON objects, under `all`, `any` and `not`, each with its meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex
from tests.filters import interpreter as objects

Reading = Callable[[Any, Event], bool]
"""A naive reading of one language: whether what is written holds for an event."""


def mixed(leaves: st.SearchStrategy[tuple[Any, Any]]) -> st.SearchStrategy[tuple[Any, Any]]:
    """A filter and its meaning; the leaves are such pairs of the language, beside those of JSON objects."""
    return st.recursive(
        st.one_of(leaves, objects.specs().map(lambda spec: (spec, ("object", spec)))),
        lambda inner: st.one_of(
            _joint("all", inner),
            _joint("any", inner),
            inner.map(lambda of: ({"not": of[0]}, ("not", of[1]))),
        ),
        max_leaves=3,
    )


def _joint(name: str, inner: Any) -> Any:
    """A list of filters, each with its meaning, under a dialect."""
    some = st.lists(inner, min_size=1, max_size=3)
    return some.map(lambda of: ({name: [spec for spec, _ in of]}, (name, [meaning for _, meaning in of])))


def means(meaning: Any, event: Event, readings: Mapping[str, Reading]) -> bool:
    """Whether what was drawn holds, by the naive readings of its languages."""
    match meaning:
        case ("object", spec):
            return objects.matches(spec, event)
        case ("not", operand):
            return not means(operand, event, readings)
        case ("all" | "any" as joint, operands):
            return (all if joint == "all" else any)(means(operand, event, readings) for operand in operands)
        case (language, spec):
            return readings[language](spec, event)
    raise AssertionError(meaning)


def check_filter(filters: tuple[Any, Any], event: Event, readings: Mapping[str, Reading]) -> None:
    """A filter means what it says, and can be printed and read again."""
    spec, meaning = filters
    rule = Filter.parse(spec)
    assert rule(event) is means(meaning, event, readings)
    assert Filter.parse(str(rule)) == rule


def check_index(filters: Sequence[Any], raws: Sequence[str], readings: Mapping[str, Reading]) -> None:
    """An index finds what holds, and forgets all that is discarded."""
    index: FilterIndex[int] = FilterIndex()
    for key, (spec, _) in enumerate(filters):
        index.add(key, Filter.parse(spec))
    for raw in raws:
        event = Event.from_json(raw)
        expected = {key for key, (_, meaning) in enumerate(filters) if means(meaning, event, readings)}
        assert index.match(event) == expected
        assert index.match_json(raw) == expected
    for key in range(len(filters)):
        index.discard(key)
    assert not index._columns
    assert not index._always
