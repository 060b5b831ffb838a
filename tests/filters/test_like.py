from __future__ import annotations

from time import process_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eventroute.filters.like import LikePattern
from tests.filters.cesql.interpreter import fits

texts = st.text("ab_%\\\n", max_size=12)


@given(texts, texts)
@example("aab", "%ab")
@example("ab", "ab%b")
@example("aabab", "%a_a%b")
def test_a_pattern_is_the_naive_reading(text: str, pattern: str) -> None:
    assert LikePattern(pattern).matches(text) is fits(text, pattern)


@given(texts, texts)
def test_what_is_told_of_a_pattern_holds_for_what_it_matches(text: str, pattern: str) -> None:
    known = LikePattern(pattern)
    matches = known.matches(text)
    if matches:
        assert text.startswith(known.prefix)
        assert text.endswith(known.suffix)
    if known.exact is not None:
        assert matches is (text == known.exact)
    if known.is_prefix:
        assert matches is text.startswith(known.prefix)
    if known.is_suffix:
        assert matches is text.endswith(known.suffix)
    if known.infix is not None:
        assert matches is (known.infix in text)


@pytest.mark.parametrize(
    ("pattern", "kind"), [("a_", None), ("ab", "exact"), ("ab%", "is_prefix"), ("%ab", "is_suffix"), ("%ab%", "infix")]
)
def test_common_patterns_are_known(pattern: str, kind: str | None) -> None:
    told = {name: bool(getattr(LikePattern(pattern), name)) for name in ("exact", "is_prefix", "is_suffix", "infix")}
    assert [name for name, holds in told.items() if holds] == ([kind] if kind else [])


def test_a_character_is_a_code_point() -> None:
    assert LikePattern("_").matches("\U0001f600")
    assert not LikePattern("_").matches("e\u0301")


@pytest.mark.parametrize(
    "pattern",
    [
        "%a" * 16_000 + "b",
        "%" + "a_" * 16_000 + "b%",
        "%_" * 16_000 + "b",
        "%a_a%" * 6_000 + "b",
        "%" + "a" * 32_000 + "b%",
    ],
)
def test_no_pattern_blows_up(pattern: str) -> None:
    """The worst that an expression can hold, on a text as long; a backtracking matcher would not end."""
    started = process_time()
    assert not LikePattern(pattern).matches("a" * 65_536)
    assert process_time() - started < 20
