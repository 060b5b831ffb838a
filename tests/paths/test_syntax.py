from __future__ import annotations

import pytest

from eventroute.jsontext import SourceNumber
from eventroute.paths.parser import parse_segments
from eventroute.paths.syntax import WILDCARD, Literal, Segment, Slice, match_shorthand, path_text, steps_of


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("[?(@.a)]", "[?@.a]"),
        ("[?((@.a==1))]", "[?@.a == 1]"),
        ("[?@.a||@.b&&!@.c]", "[?@.a || @.b && !@.c]"),
        ("[?(@.a||@.b)&&@.c]", "[?(@.a || @.b) && @.c]"),
        ("[?(@.a&&@.b)&&@.c]", "[?(@.a && @.b) && @.c]"),
        ("[?@.a||(@.b||@.c)]", "[?@.a || (@.b || @.c)]"),
        ("[?@.a||(@.b&&@.c)]", "[?@.a || @.b && @.c]"),
        ("[?!(@.a==1)]", "[?!(@.a == 1)]"),
        ("[?!(@.a)]", "[?!@.a]"),
        ("[?! (! $.a)]", "[?!(!$.a)]"),
        ("[?!match( @.a,'b' )]", "[?!match(@.a, 'b')]"),
        ("[?length(@['a'])>=1e0]", "[?length(@.a) >= 1.0]"),
        ('[?@=="it\'s"]', "[?@ == 'it\\'s']"),
        ("[?@!='\\u000a\\u00e9\\/']", "[?@ != '\\u000aé/']"),
        ("[?null<true,0]", "[?null < true,0]"),
        ("[?@[?@.a]]", "[?@[?@.a]]"),
        ("[?@ == 123456789012345678901234567890]", "[?@ == 123456789012345678901234567890]"),
        ("[?@ == 1e400]", "[?@ == 1e400]"),
        ("[?@ == 0.10000000000000000001]", "[?@ == 0.10000000000000000001]"),
        ("[?@ == -0]", "[?@ == 0]"),
    ],
)
def test_canonical_text_of_filters(text: str, canonical: str) -> None:
    segments = parse_segments(text, 0)
    assert path_text(segments) == canonical
    assert parse_segments(canonical, 0) == segments


def test_literals_that_python_holds_equal_are_not() -> None:
    literals = [Literal(1), Literal(1.0), Literal(True), Literal("1"), Literal(None), Literal(SourceNumber("1"))]
    assert len(set(literals)) == len(literals)
    assert Literal(1) == Literal(1)


def test_steps_are_names_and_indexes_alone() -> None:
    assert steps_of(()) == ()
    assert steps_of((Segment(("a",)), Segment((-1,)))) == ("a", -1)
    for segment in (
        Segment(("a",), deep=True),
        Segment(("a", "b")),
        Segment((WILDCARD,)),
        Segment((Slice(0, 1, None),)),
        parse_segments("[?@.a]", 0)[0],
    ):
        assert steps_of((segment,)) is None


@pytest.mark.parametrize(("text", "length"), [("a1_é", 4), ("1a", 0), ("-", 0), ("a-b", 1), ("😀", 1), ("\x7f", 0)])
def test_what_may_follow_a_dot(text: str, length: int) -> None:
    match = match_shorthand(text)
    assert (match.end() if match else 0) == length
