from __future__ import annotations

import re
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.filters.pattern.wildcard import pieces
from tests.filters.pattern.interpreter import regular

patterns = st.text("ab*\\\n", max_size=8)


@given(patterns, st.text("ab*\\\n", max_size=10))
def test_it_fits_as_a_regular_expression_does(pattern: str, text: str) -> None:
    try:
        read = pieces(pattern)
    except ValueError:
        assert "**" in pattern or re.search(r"\\(?![*\\])", pattern.replace("\\\\", ""))
        return
    assert read.fit(text) is (re.fullmatch(regular(pattern), text, re.DOTALL) is not None)


@given(st.text())
def test_what_is_escaped_fits_itself_only(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace("*", "\\*")
    assert pieces(escaped).exact == text
    assert pieces(escaped).fit(text)
    assert not pieces(escaped).fit(text + "x")


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [("a*b", ("a", "b")), ("*", ("", "")), ("*a*", ("", "a", "")), ("\\**\\\\", ("*", "\\")), ("", ("",))],
)
def test_it_has_pieces(pattern: str, texts: tuple[str, ...]) -> None:
    assert pieces(pattern).texts == texts


def test_no_pattern_blows_up() -> None:
    text = "a" * 60_000
    for pattern in ("*a" * 30_000 + "*b", "*" + "aaaaaaaab*" * 6_000, "a*" * 30_000 + "b"):
        read = pieces(pattern)
        started = process_time()
        assert not read.fit(text)
        assert process_time() - started < 2
