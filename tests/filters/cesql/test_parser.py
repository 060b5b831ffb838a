from __future__ import annotations

from time import process_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eventroute.errors import InvalidFilter
from eventroute.filters import Filter
from eventroute.filters.cesql import Expression
from eventroute.filters.cesql.hints import hint
from eventroute.filters.cesql.parser import _LANGUAGE, _parser
from eventroute.filters.cesql.tree import MAX_DEPTH
from eventroute.filters.faults import MAX_EXPRESSION
from eventroute.testing.strategies.sql import Spec, written
from tests.filters.cesql.interpreter import specs


def parse(text: str) -> Expression:
    return Expression.parse(text)


# -- any text is an expression or an InvalidFilter

WORDS = (
    *(
        "AND",
        "or",
        "XOR",
        "NOT",
        "LIKE",
        "IN",
        "EXISTS",
        "TRUE",
        "a",
        "type",
        "f",
        "F_G",
        "a1",
        "a_1",
        "12",
        "99999999999",
    ),
    *(
        "'a'",
        '"b"',
        "'",
        '"',
        "\\",
        "(",
        ")",
        ",",
        "=",
        "==",
        "<>",
        "!",
        "+",
        "-",
        "*",
        "%",
        ".",
        "[",
        "\n",
        " ",
        "é",
        "\ud800",
    ),
)
soup = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join) | st.lists(st.sampled_from(WORDS), max_size=8).map(
    "".join
)


@given(soup | st.text(max_size=20))
@example("")
def test_garbage_is_an_invalid_filter(text: str) -> None:
    try:
        expression = parse(text)
    except InvalidFilter as error:
        assert error.where.startswith("line ")
        reason, _, caret = str(error).split("\n")
        assert reason
        assert caret.strip() == "^"
    else:
        assert parse(str(expression)) == expression


@given(specs(), st.sampled_from(("sql", "cesql", "ce_sql")))
def test_a_filter_prints_as_what_it_is_read_from(spec: Spec, name: str) -> None:
    rule = Filter.parse({name: written(spec)})
    again = Filter.parse(str(rule))
    assert (again, hash(again), str(again)) == (rule, hash(rule), str(rule))
    assert Filter.parse(rule.to_dict()) == rule
    assert list(rule.to_dict()) == ["sql"]


# -- what it reads as, in the canonical form


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("true OR true AND false", "TRUE OR TRUE AND FALSE"),
        ("(a or b) and c", "(a OR b) AND c"),
        ("a or (b and c)", "a OR (b AND c)"),
        ("(a and b) and (c and d)", "a AND b AND (c AND d)"),
        ("((((a))))", "a"),
        ("NOT type = 'x'", "NOT type = 'x'"),
        ("NOT (type = 'x')", "NOT (type = 'x')"),
        ("NOT a LIKE 'x'", "NOT a LIKE 'x'"),
        ("(NOT a) = 'x'", "NOT a = 'x'"),
        ("a + b * -c", "a + b * -c"),
        ("(a + b) * -(-c)", "(a + b) * --c"),
        ("(a + b) - c", "a + b - c"),
        ("a - (b - c)", "a - (b - c)"),
        ("4-1", "4 - 1"),
        ("4+1", "4 + 1"),
        ("4 + +1", "4 + 1"),
        ("- 5", "-5"),
        ("-(5)", "-5"),
        ("--5", "--5"),
        ("-2147483648", "-2147483648"),
        ("007", "7"),
        ("-0", "0"),
        ("a <> b", "a != b"),
        ("eXisTs SOURCE", "EXISTS source"),
        ("LeNgTh(Type)", "LENGTH(type)"),
        ("concat()", "CONCAT()"),
        ("length = 1", "length = 1"),
        ("a IN(1,\t'x',\n\"y\")", "a IN (1, 'x', 'y')"),
        ("a NOT IN (b) NOT LIKE 'c'", "a NOT IN (b) NOT LIKE 'c'"),
        ("2a = 1", "2a = 1"),
        (r"'a\'b'", r"'a\'b'"),
        (r'"a\"b"', "'a\"b'"),
        (r'''"a\'b"''', r'''"a\'b"'''),
        (r"'a\\b'", r"'a\\b'"),
        (r"'a\\'", r"'a\\'"),
        ("'a\nb'", "'a\nb'"),
        (r"a LIKE 'x\%\'y'", r"a LIKE 'x\%\'y'"),
    ],
)
def test_expressions_read_as_the_specification_says(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical
    assert parse(canonical) == parse(text)
    assert repr(parse(text)) == f"Expression({canonical!r})"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a = 1", "a = TRUE"),
        ("a = 1", "a = '1'"),
        ("a LIKE 'b'", "a NOT LIKE 'b'"),
        ("a OR b AND c", "(a OR b) AND c"),
        ("a = b", "b = a"),
    ],
)
def test_what_says_something_else_is_not_equal(one: str, other: str) -> None:
    assert parse(one) != parse(other)


# -- what it does not read: where, what was expected, what was meant


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "line 1, column 1", "it ends too early; expected an attribute"),
        ("type = 'a' AND", "line 1, column 15", "it ends too early; expected an attribute"),
        ("(type = 'a'", "line 1, column 12", "or `)`"),
        ("type = 'a')", "line 1, column 11", "unexpected ')'; expected the end"),
        ("ABC(", "line 1, column 5", "it ends too early"),
        ("type = 'a' AND\n  subject = = 'b'", "line 2, column 13", "unexpected '='; expected an attribute"),
        ("a == 1", "line 1, column 4", "write one `=`"),
        ("a => 1", "line 1, column 4", "write `>=`"),
        ("a && b", "line 1, column 3", "write AND"),
        ("a || b", "line 1, column 3", "write OR"),
        ("!a", "line 1, column 1", "write NOT"),
        ("a ~ 'b'", "line 1, column 3", "write LIKE"),
        ("a = `b`", "line 1, column 5", "without quotes"),
        ("'it''s'", "line 1, column 5", r"write a quote as \'"),
        ('"a""b"', "line 1, column 4", r"write a quote as \""),
        ("a = 'b", "line 1, column 5", "the text has no end: add '"),
        ('a LIKE "b', "line 1, column 8", 'the text has no end: add "'),
        ("type LIEK 'a'", "line 1, column 6", "unexpected 'LIEK'; expected `(`, a comparison such as `=`, LIKE, IN, "),
        ("type LIEK 'a'", "line 1, column 6", "did you mean LIKE?"),
        ("a = 1 ADN b = 2", "line 1, column 7", "did you mean AND?"),
        ("EXIST subject", "line 1, column 7", "did you mean EXISTS?"),
        ("a BETWEEN 1 AND 2", "line 1, column 3", "BETWEEN is not in `sql`: write this filter in `expr`"),
        ("data.action = 'opened'", "line 1, column 5", "write this filter in `expr`, which reads data"),
        ("data['x'] = 1", "line 1, column 5", "write this filter in `expr`"),
        ("a = 1.5", "line 1, column 6", "numbers are whole"),
        ("in = 5", "line 1, column 1", "IN is a keyword"),
        ("my_name = 5", "line 1, column 9", "unexpected '='; expected `(`"),
        ("a_1 = 5", "line 1, column 1", "letters and digits only"),
        ("x LIKE 123", "line 1, column 8", "expected a text in quotes"),
        ("x LIKE y", "line 1, column 8", "expected a text in quotes"),
        ("x IN ()", "line 1, column 7", "unexpected ')'"),
        ("x IN 'a'", "line 1, column 6", "expected `(`"),
        ("x NOT = 'a'", "line 1, column 7", "expected LIKE or IN"),
        ("EXISTS 'a'", "line 1, column 8", "expected an attribute"),
        ("a = 1;", "line 1, column 6", "unexpected ';'"),
        ("a 5", "line 1, column 3", "unexpected '5'"),
        ("+ 5", "line 1, column 1", "right before the digits"),
        ("2147483648", "line 1, column 1", "between -2147483648 and 2147483647"),
        ("- 2147483648", "line 1, column 3", "between -2147483648 and 2147483647"),
        ("-2147483649", "line 1, column 1", "between -2147483648 and 2147483647"),
        ("a = " + "9" * 5000, "line 1, column 5", "between -2147483648 and 2147483647"),
        ("a = '\ud800'", "line 1, column 6", "half of a surrogate pair"),
        ("LENGHT(type) = 1", "line 1, column 1", "there is no function LENGHT; did you mean LENGTH?"),
        ("1 = nothing()", "line 1, column 5", "there is no function NOTHING"),
        ("LENGTH()", "line 1, column 1", "with 0 arguments there is no LENGTH; there is LENGTH(String) -> Integer"),
        (
            "SUBSTRING(type)",
            "line 1, column 1",
            "SUBSTRING(String, Integer) -> String and SUBSTRING(String, Integer, Integer)",
        ),
    ],
)
def test_a_fault_is_told_with_its_place_and_what_was_meant(text: str, place: str, words: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        Filter.parse({"sql": text})
    assert caught.value.where == f"sql {place}"
    assert words in caught.value.reason


def test_the_caret_stands_below_the_fault() -> None:
    with pytest.raises(InvalidFilter) as caught:
        Filter.parse({"all": [{"sql": "type = 'a'\nAND source === 'b' -- comment"}]})
    assert str(caught.value).splitlines()[1:] == ["  AND source === 'b' -- comment", "  " + " " * 12 + "^"]
    assert caught.value.where == "all[0].sql line 2, column 13"


@pytest.mark.parametrize("value", [None, 5, True, ["a = 1"], {"a": 1}])
def test_an_expression_is_text(value: object) -> None:
    with pytest.raises(InvalidFilter, match="expected an expression as text"):
        Filter.parse({"sql": value})


def test_every_state_of_the_parser_has_something_to_expect() -> None:
    table = _parser().parser.parser._parse_table
    for actions in table.states.values():
        terminals = {name for name in actions if name.isupper() or name == "$END"}
        assert not terminals or terminals & set(_LANGUAGE.words)


def test_no_hint_is_better_than_a_bad_one() -> None:
    assert hint("a ?", 2, {"LOGIC"}) == ""
    assert hint("a zzzzzz", 2, {"LOGIC"}) == ""
    assert hint("zzzzzz zzzzzz", 7, {"LOGIC"}) == ""


# -- bounds


def test_an_expression_has_a_greatest_length() -> None:
    text = "a = '" + "x" * (MAX_EXPRESSION - 6) + "'"
    assert len(text) == MAX_EXPRESSION
    assert str(parse(text)) == text
    with pytest.raises(InvalidFilter, match=f"at most {MAX_EXPRESSION}"):
        parse(text + " ")
    with pytest.raises(InvalidFilter, match=f"1000000 characters, at most {MAX_EXPRESSION}"):
        parse("a" * 1_000_000)


@pytest.mark.parametrize("text", ["1" + "+1" * 20_000, '"' + "'" * 40_000 + '"'])
def test_the_canonical_form_has_the_same_bound(text: str) -> None:
    with pytest.raises(InvalidFilter, match=f"in its canonical form, at most {MAX_EXPRESSION}"):
        parse(text)


@pytest.mark.parametrize("text", ["1" + "+1" * 16_000, "a IN(" + "1," * 16_000 + "1)", '"' + "'" * 32_000 + '"'])
def test_what_is_read_can_be_read_again(text: str) -> None:
    assert len(str(parse(text))) < 2 * len(text)
    assert parse(str(parse(text))) == parse(text)


DEEP = [
    "(%s)",
    "NOT %s",
    "-%s",
    "%s LIKE 'a'",
    "%s IN (1)",
    "1 IN (%s)",
    "f(%s)",
    "(1 + %s)",
    "(a AND %s)",
    "(%s OR a)",
]


@pytest.mark.parametrize("around", DEEP)
def test_an_expression_has_a_greatest_depth(around: str) -> None:
    left, right = around.split("%s")
    counts = [count for count in range(1, MAX_DEPTH) if _fits(left * count + "a" + right * count)]
    assert counts
    assert counts[-1] >= MAX_DEPTH // 2 - 1
    assert counts == list(range(1, len(counts) + 1))
    with pytest.raises(InvalidFilter, match=f"at most {MAX_DEPTH} deep"):
        parse(left * (counts[-1] + 1) + "a" + right * (counts[-1] + 1))
    deepest = parse(left * counts[-1] + "a" + right * counts[-1])
    assert parse(str(deepest)) == deepest
    assert hash(parse(str(deepest))) == hash(deepest)


def _fits(text: str) -> bool:
    try:
        parse(text)
    except InvalidFilter as error:
        assert "deep" in error.reason
        return False
    return True


HOSTILE = [
    *(left * 10_000 + "1" + right * 10_000 for left, right in (around.split("%s") for around in DEEP)),
    *(
        "(" * 60_000,
        "NOT " * 16_000,
        "-" * 60_000,
        "'" + "\\" * 60_000,
        "'" * 60_000,
        "a" * 60_000 + "_1",
        "9" * 60_000,
    ),
    *(
        "1" + "+1" * 30_000,
        "a" + " AND a" * 10_000,
        "f" + "(f" * 30_000,
        "a IN (" + "1," * 30_000,
        " " * 60_000,
        "a1" * 30_000,
    ),
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_expressions_take_linear_time(text: str) -> None:
    started = process_time()
    try:
        expression = parse(text)
    except InvalidFilter as error:
        assert len(str(error)) < 1000
    else:
        assert parse(str(expression)) == expression
    assert process_time() - started < 20
