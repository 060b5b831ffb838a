from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.paths.getter import MISSING, getter
from eventroute.testing.strategies import json_values
from tests.paths.making import any_names, draw_place, found


def test_missing_is_false_and_is_not_none() -> None:
    assert not MISSING
    assert (repr(MISSING), str(MISSING)) == ("MISSING", "MISSING")
    assert MISSING is not None


@given(json_values(), st.data())
def test_names_and_indexes_lead_to_one_value(value: Any, data: st.DataObject) -> None:
    place = draw_place(data, value) + data.draw(st.lists(any_names | st.integers(-3, 3), max_size=1))
    assert getter(tuple(place))(value) == found(value, place)


@pytest.mark.parametrize("value", ["abc", 5, 1.5, None, True, ["a"], {}])
@pytest.mark.parametrize("steps", [("a",), ("a", 0), (0, "a"), (7,)])
def test_what_leads_nowhere_is_missing(value: object, steps: tuple[str | int, ...]) -> None:
    assert getter(steps)(value) is MISSING
