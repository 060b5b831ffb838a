"""What is well-formed and valid, and where the fault is in what is not. Sections are those of RFC 9535."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidPath
from eventroute.paths import Path
from eventroute.paths.parser import MAX_LENGTH, MAX_NESTING
from eventroute.paths.syntax import Segment
from tests.paths.making import garbage, paths

BLANKS = st.text(" \t\n\r", max_size=2)
TOKENS = st.sampled_from(
    [
        *("$", "@", ".", "..", "[", "]", "[?", "(", ")", "*", ",", ":", "!", "&&", "||", "==", "!=", "<", "<=", ">"),
        *("a", "'a'", '"b"', "0", "-1", "1.5e3", "true", "null", "length(", "count(", "match(", "value(@.*)", " "),
        *("@.a", "$..a", "[0]", "\\", "'", "01", "-0", "@.a == 1", "é", "\x00", "\ud800"),
    ]
)


@given(paths())
def test_a_path_is_read_as_it_is_written(segments: tuple[Segment, ...]) -> None:
    path = Path(segments)
    assert Path.parse(str(path)) == path


@given(st.lists(TOKENS, max_size=12).map("".join) | garbage)
def test_any_text_is_a_path_or_refused(text: str) -> None:
    for start in ("", "$", "$[?", "$[?@.a == "):
        try:
            path = Path.parse(start + text)
        except InvalidPath as error:
            assert error.reason
            assert error.where
            continue
        assert Path.parse(str(path)) == path


@given(st.data())
def test_blanks_may_stand_between_what_belongs_together_loosely(data: st.DataObject) -> None:
    """Section 2.1.1: around selectors, operators, arguments, parentheses and before segments."""
    parts = (
        *("$", ".a", "[", "0", ",", "'b'", ",", "1", ":", "2", ":", "3", "]", "..*", "[", "?", "(", "@", ".c", "<"),
        *("1", "||", "!", "(", "length(", "@", "['d']", ")", "==", "$", "[0]", "&&", "@", "..e", ")", ")", "]"),
    )
    spaced = "$" + "".join(data.draw(BLANKS) + part for part in parts[1:])
    assert Path.parse(spaced) == Path.parse("".join(parts))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "$ ",
            " $",
            "$. a",
            "$.. a",
            "$.a\t",
            "$[1\x0b]",
            "$[\x0c1]",
            "$[\xa01]",
            "$. ['a']",
            "$[?length (@.a) == 1]",
        ),
        *("$[?@. a]", "$[?@ ..a ]x", "$[?@.a = = 1]", "$[?@.a & & @.b]", "$[- 1]", "$[1 2]", "$['a' 'b']"),
        *("$[?@[ 0] == 1]", "$[?@['a' ] == 1]", "$[?1 == $[\n0]]"),
    ],
)
def test_blanks_may_not_stand_elsewhere(text: str) -> None:
    """Sections 2.1.1 and 2.3.5.1 (none in the brackets of a query that is compared)."""
    with pytest.raises(InvalidPath):
        Path.parse(text)


def test_blanks_may_stand_in_the_brackets_of_other_queries() -> None:
    assert str(Path.parse("$[?@[ 'a' ] && length(@[ 0 ]) > 1]")) == "$[?@.a && length(@[0]) > 1]"


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("", 0, "starts with"),
        ("data.a", 0, "starts with"),
        (" $", 0, "starts with"),
        ("$ ", 1, "does not end in spaces"),
        ("$.a ", 3, "does not end in spaces"),
        ("$.", 2, "expected a name"),
        ("$.0", 2, "expected a name"),
        ("$.a-b", 3, "expected '.name' or '[...]'"),
        ("$. a", 2, "expected a name"),
        ("$a", 1, "expected '.name'"),
        ("$...a", 3, "expected a name"),
        ("$.'a'", 2, "expected a name"),
        ("$[", 2, "expected a quoted name"),
        ("$[]", 2, "expected a quoted name"),
        ("$['a'", 5, "expected ',' or ']'"),
        ("$['a',]", 6, "expected a quoted name"),
        ("$['a", 2, "never closed"),
        ("$['a\\x']", 4, "not an escape"),
        ("$['\\\"']", 3, "not an escape"),
        ("$['\\ud800']", 3, "surrogate"),
        ("$['\\udc00']", 3, "surrogate"),
        ("$['\\ud800\\u0041']", 3, "surrogate"),
        ("$['a\n']", 4, "U+000A must be escaped"),
        ("$[01]", 2, "no leading zeros"),
        ("$[-0]", 2, "no leading zeros"),
        ("$[1.0]", 3, "expected ',' or ']'"),
        ("$[9007199254740992]", 2, "53 bits"),
        (f"$[{'9' * 500}]", 2, "53 bits"),
        ("$[1:01]", 4, "no leading zeros"),
        ("$[1:2:-0]", 6, "no leading zeros"),
        ("$[a]", 2, "expected a quoted name"),
        ("$[?]", 3, "expected a path"),
        ("$[?@.a", 6, "expected '&&', '||', ',' or ']'"),
        ("$[?@ == 'a]", 8, "never closed"),
    ],
)
def test_malformed_paths(text: str, position: int, reason: str) -> None:
    with pytest.raises(InvalidPath) as caught:
        Path.parse(text)
    assert reason in caught.value.reason
    assert caught.value.where.endswith(f"at position {position}")


@pytest.mark.parametrize(
    ("condition", "position", "reason"),
    [
        ("", 3, "expected a path"),
        ("@.a == ", 10, "expected a path"),
        ("@.a = 1", 7, "expected '&&'"),
        ("@.a =~ 'a'", 7, "expected '&&'"),
        ("@.a == 1 == 2", 12, "expected '&&'"),
        ("@.a === 1", 9, "expected a path"),
        ("@.a <> 1", 8, "expected a path"),
        ("@.a + 1 == 2", 7, "expected '&&'"),
        ("@.b-1 == 1", 6, "expected '&&'"),
        ("@.a and @.b", 7, "expected '&&'"),
        ("@.a & @.b", 7, "expected '&&'"),
        ("@.`len`", 5, "expected a name"),
        ("@.a,", 7, "expected a quoted name"),
        ("(@.a", 7, "expected '&&', '||' or ')'"),
        ("(@.a))", 8, "expected '&&'"),
        ("(@.a) == 1", 9, "expected '&&'"),
        ("@.a || ", 10, "expected a path"),
        ("!!@.a", 4, "expected a path"),
        ("!@.a == 1", 8, "expected '&&'"),
        ("! 1", 6, "a value alone is no test"),
        ("'a'", 6, "a value alone is no test"),
        ("true", 7, "a value alone is no test"),
        ("@.a && 1", 11, "a value alone is no test"),
        ("length(@.a)", 14, "a value alone is no test"),
        ("!count(@.*)", 14, "a value alone is no test"),
        ("@.a == b", 10, "what is 'b'?"),
        ("@.a == True", 10, "what is 'True'?"),
        ("@.a == nullx", 10, "what is 'nullx'?"),
        ("@.a == 01", 11, "expected '&&'"),
        ("@.a == 1.", 11, "expected '&&'"),
        ("@.a == .1", 10, "expected a path"),
        ("@.a == +1", 10, "expected a path"),
        ("@.a == 1e", 11, "expected '&&'"),
        ("@.a == 0x1", 11, "expected '&&'"),
        ("@.a == [1]", 10, "expected a path"),
        ("@.a == {}", 10, "expected a path"),
        ("@.a == 'a", 10, "never closed"),
        ("@.a == '\n'", 11, "U+000A must be escaped"),
        ("@.a == '\\ud800'", 11, "surrogate"),
        ("@.* == 1", 3, "this may find several"),
        ("@..a == 1", 3, "this may find several"),
        ("1 == @.a[0,1]", 8, "this may find several"),
        ("@[0:1] == 1", 3, "this may find several"),
        ("@[?@.b] == 1", 3, "this may find several"),
        ("@[ 0] == 1", 5, "no blanks"),
        ("match(@.a, 'a') == true", 3, "is not compared"),
        ("1 == search(@.a, 'a')", 8, "is not compared"),
        ("foo(@.a)", 3, "there is no function 'foo'; there are count, length"),
        ("Length(@.a) == 1", 3, "there is no function"),
        ("true()", 3, "there is no function"),
        ("length() == 1", 3, "length() takes 1 arguments, not 0"),
        ("length(@.a, @.b) == 1", 3, "length() takes 1 arguments, not 2"),
        ("match(@.a)", 3, "match() takes 2 arguments, not 1"),
        ("length(@.*) == 1", 10, "expected one value"),
        ("length(match(@.a, 'a')) == 1", 10, "expected one value"),
        ("match(@.a, @.*)", 14, "expected one text"),
        ("count(1) == 1", 9, "expected a path (from @ or $)"),
        ("count(value(@.*)) == 1", 9, "expected a path"),
        ("value('a') == 1", 9, "expected a path"),
        ("length(@.a == 1) == 1", 14, "expected ',' or ')'"),
        ("length((@.a)) == 1", 10, "expected a path ('@' or '$')"),
        ("length(@.a", 13, "expected ',' or ')'"),
        ("length(@.a,) == 1", 14, "expected a path"),
    ],
)
def test_malformed_filters(condition: str, position: int, reason: str) -> None:
    """Sections 2.3.5.1 and 2.4.3."""
    text = f"$[?{condition}]" if condition not in ("(@.a", "length(@.a") else f"$[?{condition}"
    with pytest.raises(InvalidPath) as caught:
        Path.parse(text)
    assert reason in caught.value.reason
    assert caught.value.where == f"{text!r} at position {position}"


def test_the_length_is_bounded() -> None:
    text = "$." + "a" * (MAX_LENGTH - 2)
    assert str(Path.parse(text)) == text
    longer_when_written_again = "$[?" + "||".join(["@<1e15"] * 100) + "]"
    assert len(longer_when_written_again) < MAX_LENGTH
    for refused in (text + "a", longer_when_written_again):
        with pytest.raises(InvalidPath, match=f"at most {MAX_LENGTH} characters"):
            Path.parse(refused)


@pytest.mark.parametrize(
    ("opening", "middle", "closing"),
    [("[?@", "", "]"), ("(", "@", ")"), ("!(", "@", ")"), ("length(", "@", ")")],
)
def test_the_nesting_is_bounded(opening: str, middle: str, closing: str) -> None:
    def nested(depth: int) -> str:
        text = opening * depth + middle + closing * depth
        return f"${text}" if opening == "[?@" else f"$[?1 < {text}]" if "length" in opening else f"$[?{text}]"

    allowed = MAX_NESTING if opening == "[?@" else MAX_NESTING - 1
    assert isinstance(Path.parse(nested(allowed)).read([[[1]]]), list)
    for depth in (allowed + 1, 80):
        with pytest.raises(InvalidPath, match=f"nest at most {MAX_NESTING} deep"):
            Path.parse(nested(depth))


def test_long_chains_are_no_nesting() -> None:
    for text in ("$[?" + " && ".join(["@"] * 200) + "]", "$" + "[0]" * 300, "$" + "..*" * 300, "$" + "[*,*]" * 200):
        path = Path.parse(text)
        assert Path.parse(str(path)) == path
