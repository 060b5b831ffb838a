from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.filters.values import among, ends, equals, starts, texts
from eventroute.paths import MISSING
from eventroute.testing.strategies import json_values

literals = st.sampled_from(("a", "ab", "b", "true", "5", "1.5")) | st.text(min_size=1, max_size=2)


@given(json_values(), st.lists(literals, min_size=1, max_size=3))
def test_values_are_compared_by_their_texts(value: Any, wanted: list[str]) -> None:
    seen = texts(value)
    assert equals(value, wanted[0]) == (wanted[0] in seen)
    assert among(value, frozenset(wanted)) == any(text in wanted for text in seen)
    assert starts(value, tuple(wanted)) == any(text.startswith(one) for text in seen for one in wanted)
    assert ends(value, wanted[-1]) == any(text.endswith(wanted[-1]) for text in seen)


@pytest.mark.parametrize("nothing", [MISSING, None, {}, {"a": "b"}, [], [None], [["a"]], ["a", {}], ["a", ["b"]], b"a"])
def test_what_has_no_text(nothing: object) -> None:
    assert list(texts(nothing)) == []


@pytest.mark.parametrize(
    ("json", "expected"),
    [
        ('"text"', ["text"]),
        ('""', [""]),
        ("true", ["true"]),
        ("false", ["false"]),
        ("5", ["5"]),
        ("5.0", ["5"]),
        ("12345678.5", ["12345678.5"]),
        ("1e15", ["1000000000000000"]),
        ("1e16", ["1e+16"]),
        ("0.00001", ["0.00001"]),
        ("-0.5", ["-0.5"]),
        ("123456789012345678901234567890", ["123456789012345678901234567890"]),
        ('["a", 1, true, null]', ["a", "1", "true"]),
    ],
)
def test_the_canonical_texts_of_json(json: str, expected: list[str]) -> None:
    event = Event.from_json(f'{{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{{"a":{json}}}}}')
    assert list(texts(event.data["a"])) == expected
    for text in filter(None, expected):
        assert Filter.parse({"exact": {"data.a": text}})(event)
