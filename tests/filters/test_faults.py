from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.filters.faults import located, meant


@given(st.text("ab\n\x00\x1b\u2028é", max_size=30), st.integers(0, 30))
def test_a_fault_has_a_line_a_column_and_a_caret_below_it(text: str, position: int) -> None:
    position = min(position, len(text))
    error = located("reason", text, position, "sql")
    before = text[:position].split("\n")
    assert error.where == f"sql line {len(before)}, column {len(before[-1]) + 1}"
    reason, line, caret = error.reason.split("\n")
    assert reason == "reason"
    assert line.isprintable()
    assert caret.index("^") == 2 + len(before[-1])
    if position < len(text) and text[position].isprintable():
        assert line[caret.index("^")] == text[position]


def test_a_long_line_is_shown_where_the_fault_is() -> None:
    error = located("reason", "a" * 1000 + "!" + "b" * 1000, 1000, "")
    assert error.where == "line 1, column 1001"
    assert error.reason.splitlines()[1:] == [f"  {'a' * 40}!{'b' * 39}", f"  {' ' * 40}^"]


@pytest.mark.parametrize(
    ("name", "suggestion"), [("LENGHT", "; did you mean LENGTH?"), ("XYZ", ""), ("", ""), ("L" * 100_000, "")]
)
def test_a_near_name_is_suggested(name: str, suggestion: str) -> None:
    assert meant(name, ["LENGTH", "LOWER"]) == suggestion
