from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.filters.like import LikePattern
from eventroute.paths import MISSING
from eventroute.testing.strategies import json_scalars
from eventroute.testing.strategies.near import ALWAYS, fitting, values_near


@given(st.text("ab%_\\\n", max_size=8))
def test_what_fits_a_pattern_fits_it(pattern: str) -> None:
    assert all(LikePattern(pattern).matches(text) for text in fitting(pattern))


@given(st.lists(json_scalars(), max_size=5))
def test_literals_are_near_themselves(literals: list[Any]) -> None:
    near = values_near(literals)
    assert near[: len(ALWAYS)] == list(ALWAYS)
    for literal in literals:
        assert any(value is literal or (value == literal and type(value) is type(literal)) for value in near)
    assert len({(type(value), repr(value)) for value in near}) == len(near)


@pytest.mark.parametrize(
    ("literal", "beside"),
    [
        ("abc", ["abcx", "xabc", "ab", "bc", "ABC", ["abc"]]),
        ("15", ["15x", 15]),
        ("true", [True, "TRUE"]),
        (3, [4, 2, "3", "xxx", "xxxx", ["x"] * 3, ["x"] * 4]),
        (1.5, [2.5, 0.5, "1.5"]),
        (True, [False, "true"]),
        ("2020-01-01T00:00:00Z", ["2020-01-01T00:00:01Z", "2019-12-31T23:59:59Z"]),
        ("9999-12-31T23:59:59Z", ["9999-12-31T23:59:5"]),
        (10**6, [10**6 + 1]),
    ],
)
def test_what_just_misses(literal: Any, beside: list[Any]) -> None:
    near = values_near([literal])
    for value in beside[:-1] if literal == "9999-12-31T23:59:59Z" else beside:
        assert value in near


def test_very_many_literals_are_not_all_looked_at() -> None:
    assert len(values_near(map(str, range(100_000)))) < 500
    assert MISSING in values_near(())
