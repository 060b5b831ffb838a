"""I-Regexp (RFC 9485)."""

from __future__ import annotations

import contextlib
import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.paths.iregexp import MAX_PATTERN, compile_iregexp, translate

# What Python's `re` takes alike, for short texts.
atoms = st.sampled_from(["a", "b", "-", ",", "[ab]", "[^a]", "[a-c]", "[-a]", "[a-]", "[^-a]", r"\.", r"\*", r"[\]\\]"])
quantifiers = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,2}", "{0,}"])
patterns = st.recursive(
    st.tuples(atoms, quantifiers).map("".join),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
    ),
    max_leaves=5,
)
texts = st.text("abc-.*]\\,", max_size=5)


@given(patterns, texts)
def test_it_matches_as_python_does(pattern: str, text: str) -> None:
    regexp = compile_iregexp(pattern)
    assert regexp.matches(text) is (re.fullmatch(pattern, text) is not None)
    assert regexp.is_in(text) is (re.search(pattern, text) is not None)


@given(st.text(st.sampled_from("ab.*+?{},1|()[]^$-\\pPLucnd é\n"), max_size=12) | st.text(max_size=6))
def test_any_text_is_a_pattern_or_refused(pattern: str) -> None:
    try:
        regexp = compile_iregexp(pattern)
    except ValueError as error:
        assert str(error)
        return
    assert regexp.size > 0
    regexp.is_in("ab1 é\n")


@given(st.text(st.characters(codec="utf-8"), max_size=8))
def test_every_character_can_be_written(text: str) -> None:
    special = "()*+.?[\\]{|}"
    escaped = "".join(f"\\{char}" if char in special else char for char in text.translate({94: None, 36: None}))
    assert compile_iregexp(escaped).matches(text.translate({94: None, 36: None}))
    in_class = "".join(f"[\\{char}]" if char in special + "-^" else f"[{char}]" for char in text)
    assert compile_iregexp(in_class).matches(text)


@pytest.mark.parametrize(
    ("pattern", "matched", "unmatched"),
    [
        (".", ["a", "\u2028", "\u2029", "\x85", "😀", "\x00"], ["\n", "\r", "", "ab"]),
        ("a|", ["a", ""], ["b"]),
        ("()", [""], ["a"]),
        ("^a$", ["a"], ["^a$", "a\n"]),
        ("^*a", ["a"], ["^a"]),
        (r"\n\r\t", ["\n\r\t"], ["nrt"]),
        (r"\-\^\{\|\}", ["-^{|}"], [""]),
        ("[.]", ["."], ["a"]),
        ("[^]", ["^"], ["a"]),
        ("[-]", ["-"], ["a"]),
        ("[--]", ["-"], ["a"]),
        ("[^-]", ["a"], ["-"]),
        (r"[\n-\r]", ["\x0b"], ["a"]),
        ("[&&a]", ["&", "a"], ["b"]),
        ("[^\\]a]", ["b"], ["]", "a"]),
        (r"[\p{Lu}0-9]+", ["Ж9"], ["ж"]),
        (r"[^\p{L}]", ["1", "\u0378"], ["a"]),
        (r"[^\P{Lu}x]", ["A"], ["a", "x"]),
        (r"\p{L}\p{Ll}", ["Éé"], ["éÉ"]),
        (r"a{2}b{1,}c{0,1}", ["aab", "aabbbc"], ["ab", "aacc"]),
        ("[:alpha:]", [":", "a", "p"], ["b"]),
        ("\\p{Cn}", ["\u0378"], ["a", "\x00", "\ue000"]),
        ("\\P{Cn}", ["a", "\x00", "\ue000"], ["\u0378"]),
        ("\\p{C}", ["\u0378", "\x00", "\u200b", "\ue000"], ["a", " "]),
        ("[^\\p{C}]", ["a", " "], ["\u0378", "\x00"]),
        ("\\P{C}", ["a", " "], ["\u0378", "\x00"]),
    ],
)
def test_the_syntax(pattern: str, matched: list[str], unmatched: list[str]) -> None:
    regexp = compile_iregexp(pattern)
    assert [text for text in matched if not regexp.matches(text)] == []
    assert [text for text in unmatched if regexp.matches(text)] == []


CATEGORIES = "L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps Z Zl Zp Zs S Sc Sk Sm So C Cc Cf Cn Co"


@pytest.mark.parametrize("name", CATEGORIES.split())
def test_categories_are_those_of_unicode(name: str) -> None:
    regexp, other = compile_iregexp(f"\\p{{{name}}}"), compile_iregexp(f"\\P{{{name}}}")
    for char in map(chr, [*range(0x250), 0x2028, 0x2029, 0x200B, 0x20AC, 0x20DD, 0x2160, 0x903, 0x1C5, 0xE000]):
        assert regexp.matches(char) is unicodedata.category(char).startswith(name)
        assert other.matches(char) is not regexp.matches(char)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"\d", r"'\\d' is not in I-Regexp at position 0: write [0-9]"),
        (r"a\w", "position 1: write [0-9A-Za-z_]"),
        (r"\s", r"position 0: write [ \t\n\r]"),
        (r"\b", "position 0"),
        (r"\1", "position 0"),
        (r"\x41", "position 0"),
        ("a\\", "position 1"),
        ("*", "nothing to repeat at position 0"),
        ("a**", "nothing to repeat at position 2"),
        ("a+?", "nothing to repeat at position 2"),
        ("a{2}{3}", "nothing to repeat at position 4"),
        ("(?:a)", "nothing to repeat at position 1"),
        ("(?i)a", "nothing to repeat at position 1"),
        ("a|*", "nothing to repeat at position 2"),
        ("a{,2}", "position 1"),
        ("a{", "position 1"),
        ("}", "position 0"),
        ("(a", "never closed, at position 0"),
        ("a)", "never opened, at position 1"),
        ("[", "position 0"),
        ("[]", "position 0"),
        ("[a-b-c]", "position 0"),
        ("[+--]", "position 0"),
        (r"[\d]", "position 0"),
        ("[[a]]", "position 0"),
        ("]", "position 0"),
        (r"\p{X}", "position 0"),
        (r"\p{Cs}", "position 0"),
        (r"\pL", "position 0"),
        ("\ud800", "position 0"),
        ("[\udc00]", "position 0"),
        ("[b-a]", "RE2 says: invalid character class range"),
        ("a{2,1}", "RE2 says: invalid repetition size"),
        ("a{1001}", "RE2 says: invalid repetition size"),
        (r"\p{L}{1000}", "RE2 says: pattern too large"),
        ("a" * (MAX_PATTERN + 1), f"at most {MAX_PATTERN} characters"),
    ],
)
def test_what_is_no_i_regexp(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        compile_iregexp(pattern)


def test_half_of_a_surrogate_pair_is_no_text() -> None:
    regexp = compile_iregexp(".*")
    assert not regexp.matches("\ud800")
    assert not regexp.is_in("a\udfff")


@pytest.mark.parametrize("pattern", ["(a*)*b", "(a|a)*b", "(a?){200}a{200}b", ".*.*.*=.*"])
def test_no_pattern_blows_up(pattern: str) -> None:
    """A backtracking engine would be at it for years."""
    started = time.process_time()
    assert not compile_iregexp(pattern).is_in("a" * 10_000)
    assert time.process_time() - started < 5


def test_translating_takes_linear_time() -> None:
    for pattern in ("[" + "a" * 1000, "(" * 1000, "[a-" * 300, "\\" * 1024, "a{" + "1" * 1000):
        started = time.process_time()
        with contextlib.suppress(ValueError):
            translate(pattern)
        assert time.process_time() - started < 0.1
