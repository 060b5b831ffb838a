from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidFilter
from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex
from eventroute.filters.expr.parser import parse_expression
from eventroute.filters.expr.printing import expression_text
from eventroute.filters.expr.quantifiers import MAX_ARRAYS
from eventroute.filters.faults import MAX_EXPRESSION
from eventroute.filters.syntax import MAX_CLAUSES, MAX_DEPTH
from eventroute.testing.strategies.expr import written
from tests.filters.expr.interpreter import specs

EVENT = Event.create(type="t", source="/s", data={"a": 1, "b": True})


def reason(text: str) -> tuple[int, str, str]:
    """The column of the fault, what was said, and the line with the caret."""
    with pytest.raises(InvalidFilter) as caught:
        Filter.parse({"expr": text})
    error = caught.value
    said, *shown = error.reason.split("\n")
    assert error.where.startswith("expr line ")
    assert len(str(error)) < 1000
    assert shown[1].endswith("^")
    return int(error.where.rpartition(" ")[2]), said, shown[1]


# -- precedence


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("a OR b AND c", "a OR (b AND c)"),
        ("a OR b XOR c", "a OR (b XOR c)"),
        ("a XOR b AND c", "a XOR (b AND c)"),
        ("a AND b OR c AND d", "(a AND b) OR (c AND d)"),
        ("NOT a AND b", "(NOT a) AND b"),
        ("NOT a = 1", "NOT (a = 1)"),
        ("NOT a LIKE 'x'", "NOT (a LIKE 'x')"),
        ("NOT a IN (1)", "NOT (a IN (1))"),
        ("NOT a BETWEEN 1 AND 2 AND b", "(NOT (a BETWEEN 1 AND 2)) AND b"),
        ("a + b * c = 1", "(a + (b * c)) = 1"),
        ("a * b + c = 1", "((a * b) + c) = 1"),
        ("a - b - c = 1", "((a - b) - c) = 1"),
        ("a / b * c % d = 1", "(((a / b) * c) % d) = 1"),
        ("-a * b = 1", "((-a) * b) = 1"),
        ("- a + b = 1", "((-a) + b) = 1"),
        ("--a = 1", "-(-a) = 1"),
        ("a-1 = 1", "(a - 1) = 1"),
        ("4-1 = 3", "(4 - 1) = 3"),
        ("a + 1 BETWEEN b - 1 AND b + 1", "(a + 1) BETWEEN (b - 1) AND (b + 1)"),
        ("a + 1 IN (b, c * 2)", "(a + 1) IN (b, (c * 2))"),
        ("a = 1 AND b = 2 OR NOT c != 3", "((a = 1) AND (b = 2)) OR (NOT (c != 3))"),
    ],
)
def test_precedence(text: str, means: str) -> None:
    flat = {"a - b - c = 1": "a - b - c = 1", "a / b * c % d = 1": "a / b * c % d = 1"}
    assert expression_text(parse_expression(text, "")) == expression_text(parse_expression(flat.get(text, means), ""))


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("type='x'", "type = 'x'"),
        ("TYPE <> 'x' and Data.A.b >= 5.0", "type != 'x' AND data.A.b >= 5"),
        ("data.A = 1", "data.A = 1"),
        ("5 < a", "a > 5"),
        ("5 >= a or 'x' = b or 1 <> c", "a <= 5 OR b = 'x' OR c != 1"),
        ("1 = 1", "1 = 1"),
        ("a in(1,2.50,'it''s')", "a IN (1, 2.5, 'it''s')"),
        ("a   is\nnot\tnull", "a IS NOT NULL"),
        ("((a))", "a"),
        ("(a AND b) AND c", "(a AND b) AND c"),
        ("a AND b AND c", "a AND b AND c"),
        ("a + (b + c) = (a + b) + c", "a + (b + c) = (a + b) + c"),
        ("a - (b * c) / d = 1", "a - b * c / d = 1".replace("b * c / d", "(b * c) / d")),
        ("-(-5) = a", "a = 5"),
        ("-(a + b) = -1", "-(a + b) = -1"),
        ("- 0 = a", "a = 0"),
        ("a = 1e3", "a = 1000"),
        ("a = 1.50e-7", "a = 1.5e-7"),
        ("a = 100000000000000000000000000", "a = 1e26"),
        ("data[ 'a' ]['odd key'][ 0 ] = 1", "data.a['odd key'][0] = 1"),
        ('data["a"]["it\'s"] = 1', "data.a['it\\'s'] = 1"),
        ("any( data.l[ * ].n = 1 )", "ANY(data.l[*].n = 1)"),
        ("none(data.l[*].m[*])", "NONE(data.l[*].m[*])"),
        ("lower ( a ) = 'x'", "LOWER(a) = 'x'"),
        ("exists( subject ) and not exists data.a", "EXISTS subject AND NOT EXISTS data.a"),
        ("a not starts  with 'x' or a ends with b or a not contains 'c'",
         "a NOT STARTS WITH 'x' OR a ENDS WITH b OR a NOT CONTAINS 'c'"),
        ("true", "TRUE"),
        ("not false xor bool(a)", "NOT FALSE XOR BOOL(a)"),
    ],
)  # fmt: skip
def test_the_canonical_print(text: str, printed: str) -> None:
    node = parse_expression(text, "")
    assert parse_expression(expression_text(node), "") == node
    shortest = printed.replace("1.5e-7", "1.5e-07") if "e-07" in expression_text(node) else printed
    assert expression_text(node) == shortest


@pytest.mark.parametrize(
    "pair",
    [("a = 1", "a = TRUE"), ("a = 1", "a = '1'"), ("a AND b", "b AND a"), ("a LIKE 'x'", "a = 'x'"), ("a", "a = TRUE")],
)
def test_what_is_written_otherwise_is_another_filter(pair: tuple[str, str]) -> None:
    one, other = map(Filter.parse, pair)
    assert one != other


@pytest.mark.parametrize(
    "pair", [("a = 1", "a = 1.0"), ("a = 1.5", "a = 15e-1"), ("a = 1", "1 = a"), ("a<>1", "a != 1")]
)
def test_spelling_does_not_count(pair: tuple[str, str]) -> None:
    one, other = map(Filter.parse, pair)
    assert one == other
    assert hash(one) == hash(other)


def test_keywords_end_where_words_end() -> None:
    assert str(parse_expression("android = 1 AND inn = 2", "")) == str(parse_expression("android=1 and inn=2", ""))
    for name in ("android", "orbit", "notes", "liked", "info", "isnull", "existsx", "truely", "anyone", "betweens"):
        assert Filter.parse(f"{name} = 'x'")(Event.create(type="t", source="/", extensions={name: "x"}))


# -- faults


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("a == 1", 3, ["unexpected '='", "write = for equality"]),
        ("a = 1 && b", 7, ["write AND"]),
        ("a = 1 || b", 7, ["write OR"]),
        ("!a", 1, ["write NOT"]),
        ("a =~ 'x'", 4, ["write LIKE"]),
        ('a = "x"', 5, ["a text stands in single quotes"]),
        ("a = `x`", 5, ["single quotes"]),
        ("a = 'x", 5, ["the text has no end"]),
        ("a = 'it's'", 9, ["unexpected 's'"]),
        ("(a = 1", 7, ["it ends too early", "expected AND, XOR, OR or )", "the parenthesis at position 1 is open"]),
        ("((a = 1) AND ')' = b", 21, ["the parenthesis at position 1 is open"]),
        ("a = 1)", 6, ["unexpected ')'", "no parenthesis is open"]),
        ("LOWER(a, b = 'x'", 17, ["the parenthesis at position 6 is open"]),
        ("LENGHT(a) = 1", 1, ["there is no function LENGHT; did you mean LENGTH?"]),
        ("a = 1 AND substrin(b, 1) = 'x'", 11, ["did you mean SUBSTRING?"]),
        ("every(data.a[*])", 1, ["there is no function every"]),
        ("f(a)", 1, ["there is no function f: known are ABS, ALL, ANY, BOOL"]),
        ("a LYKE 'x'", 3, ["did you mean LIKE?"]),
        ("a BETWEN 1 AND 2", 3, ["did you mean BETWEEN?"]),
        ("a = 1 AN b", 7, ["did you mean AND?"]),
        ("a CONTAIN 'x'", 3, ["did you mean CONTAINS?"]),
        ("a STARTS 'x'", 10, ["expected WITH"]),
        ("a is nul", 6, ["did you mean NULL?"]),
        ("a = NULL", 5, ["NULL is a keyword", "write IS NULL or IS NOT NULL"]),
        ("a < b < c", 7, ["comparisons do not chain"]),
        ("a = b = c", 7, ["comparisons do not chain"]),
        ("a IN [1, 2]", 6, ["write a list in parentheses"]),
        ("a IN ()", 7, ["unexpected ')'"]),
        ("a IN 1", 6, ["unexpected '1'; expected ("]),
        ("a LIKE b", 8, ["expected a text in single quotes"]),
        ("a LIKE LOWER('x')", 8, ["expected a text in single quotes"]),
        ("$.data.a = 1", 1, ["leave out the $."]),
        ("$data = 1", 1, ["leave out the $"]),
        ("a;", 2, ["no end mark"]),
        ("", 1, ["it ends too early", "a value"]),
        ("  \n ", 2, ["it ends too early"]),
        ("a AND", 6, ["it ends too early"]),
        ("a = 1\nAND b ==\n2", 7, ["write = for equality"]),
        ("a AND AND (b)", 7, ["AND is a keyword"]),
        ("OR", 1, ["OR is a keyword"]),
        ("5", 1, ["this is a number, and a condition is expected"]),
        ("a AND 'x'", 7, ["this is a text, and a condition is expected"]),
        ("NOT LENGTH(a)", 5, ["this is a number, and a condition is expected"]),
        ("(a = 1) = (b = 2)", 2, ["this is a condition, and a value is expected"]),
        ("(a AND b) + 1 = 2", 2, ["this is a condition"]),
        ("LOWER(a = 1) = 'x'", 7, ["this is a condition"]),
        ("(a = 1) IS NULL", 2, ["this is a condition"]),
        ("'a' = 1", 7, ["a text and a number are never alike"]),
        ("LENGTH(a) = 'x'", 13, ["a number and a text are never alike"]),
        ("LOWER(a) IN ('a', 1)", 19, ["a text and a number are never alike"]),
        ("1 BETWEEN 2 AND 'x'", 17, ["a number and a text are never alike"]),
        ("a BETWEEN 2 AND 'x'", 17, ["a number and a text are never alike"]),
        ("a < TRUE", 5, ["booleans have no order"]),
        ("a BETWEEN FALSE AND TRUE", 11, ["booleans have no order"]),
        ("a + 'x' = 1", 5, ["+ takes a number, and this is a text"]),
        ("TRUE * a = 1", 1, ["* takes a number, and this is a boolean"]),
        ("-'x' = a", 2, ["- takes a number"]),
        ("5 LIKE 'x'", 1, ["LIKE takes a text, and this is a number"]),
        ("a CONTAINS 5", 12, ["CONTAINS takes a text"]),
        ("LENGTH(a) STARTS WITH 'x'", 1, ["STARTS WITH takes a text"]),
        ("LOWER(5) = 'x'", 7, ["LOWER takes a text, and this is a number"]),
        ("LEFT('x', 'y') = 'x'", 11, ["LEFT takes a number, and this is a text"]),
        ("LEFT(a) = 'x'", 1, ["LEFT takes 2 arguments, not 1"]),
        ("LOWER() = 'x'", 1, ["LOWER takes 1 argument, not 0"]),
        ("SUBSTRING(a) = 'x'", 1, ["SUBSTRING takes 2 to 3 arguments, not 1"]),
        ("CONCAT_WS() = 'x'", 1, ["CONCAT_WS takes at least 1 argument, not 0"]),
        ("ANY(a, b)", 1, ["ANY takes one condition, not 2"]),
        ("ALL()", 1, ["ALL takes one condition, not 0"]),
        ("my_attr = 1", 1, ["letters and digits only", "data.my_attr"]),
        ("data_schema = 1", 1, ["did you mean dataschema?"]),
        ("foo.bar = 1", 1, ["only data has paths: write data.foo.bar"]),
        ("é = 1", 1, ["unexpected 'é'"]),
        ("data.* = 1", 5, ["unexpected '.'"]),
        ("data..a = 1", 5, ["unexpected '.'"]),
        ("data[?@.a] = 1", 1, ["names, indexes and [*] only"]),
        ("data[0:1] = 1", 1, ["names, indexes and [*] only"]),
        ("data['a','b'] = 1", 1, ["names, indexes and [*] only"]),
        ("data[01] = 1", 1, ["no leading zeros"]),
        ("data['a = 1", 5, ["a path has .name"]),
        ("data.a[*] = 1", 1, ["has many values", "ANY(), ALL() or NONE()"]),
        ("a = 1 AND b IN (1, data.a[*].b)", 20, ["has many values"]),
        ("1.2.3 = a", 1, ["unexpected '1'"]),
        (".5 = a", 1, ["unexpected '.'"]),
        ("5. = a", 1, ["unexpected '5'"]),
        ("a = 1e401", 5, ["between 1e-400 and 1e400"]),
        ("a = 1e-401", 5, ["between 1e-400 and 1e400"]),
        ("a = 1e99999999999", 5, ["between 1e-400 and 1e400"]),
        (f"a = {'1' * 4301}", 5, ["at most 4300 digits"]),
        ("a = 'x' \x00", 9, ["unexpected"]),
        ("a ^ b", 3, ["write XOR"]),
        ("EXISTS (a = 1)", 11, ["expected )"]),
        ("EXISTS 'a'", 8, ["expected"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(text: str, column: int, words: list[str]) -> None:
    at, said, caret = reason(text)
    assert at == column
    assert len(caret) <= 2 + 40 + 1
    for word in words:
        assert word in said


def test_a_fault_in_a_long_line_is_shown_with_what_is_around_it() -> None:
    with pytest.raises(InvalidFilter) as caught:
        Filter.parse([{"not": "a = 1 AND\n" + "b = 2 AND " * 20 + "c == 3" + " AND d" * 20}])
    where, shown, caret = str(caught.value).split("\n")
    assert where.startswith("filters[0].not.expr line 2, column 203: unexpected '='")
    assert shown[caret.index("^")] == "="
    assert len(shown) <= 2 + 80


# -- bounds


def test_the_longest_expression() -> None:
    text = f"a = '{'x' * (MAX_EXPRESSION - 6)}'"
    assert len(text) == MAX_EXPRESSION
    assert not Filter.parse(text)(EVENT)
    for much in (1, 1_000_000):
        with pytest.raises(InvalidFilter, match=f"at most {MAX_EXPRESSION} are allowed"):
            Filter.parse(text + " " * much)


def test_what_is_longer_when_printed_is_bounded_too() -> None:
    text = "a IN (" + ",".join(["1"] * (MAX_EXPRESSION // 2 - 10)) + ")"
    with pytest.raises(InvalidFilter, match=r"as it is printed, at most 65536"):
        Filter.parse(text)
    halves = ["a IN (" + ",".join(["1"] * 20_000) + ")"] * 2
    rule = Filter.parse(halves)
    assert str(rule).startswith('{"all":[{"expr":')
    assert Filter.parse(str(rule)) == rule


@pytest.mark.parametrize(
    ("left", "right", "end", "most"),
    [
        ("NOT ", "", "", MAX_DEPTH - 1),
        ("-", "", " = 1", MAX_DEPTH - 1),
        ("ABS(", ")", " = 1", MAX_DEPTH - 1),
        ("NOT (a AND ", ")", "", MAX_DEPTH // 2 - 1),
        ("a OR (b XOR (", "))", "", MAX_DEPTH // 2 - 1),
    ],
)
def test_nesting_is_bounded(left: str, right: str, end: str, most: int) -> None:
    deepest = Filter.parse(left * most + "a" + right * most + end)
    index: FilterIndex[int] = FilterIndex()
    index.add(0, deepest)
    for event in (EVENT, Event.create(type="t", source="/", extensions={"a": True}, data={"a": 1})):
        assert deepest.explain(event).matched is deepest(event) is bool(index.match(event))
    assert Filter.parse(str(deepest)) == deepest
    for times in (most + 2, 4000):
        with pytest.raises(InvalidFilter, match=f"nests more than {MAX_DEPTH} deep"):
            Filter.parse(left * times + "a" + right * times + end)


def test_arrays_in_arrays_are_bounded() -> None:
    path = "data" + ".a.b.c.d.e.f[*]" * MAX_ARRAYS + ".a.b.c.d.e.f"
    around = MAX_DEPTH - 2 * MAX_ARRAYS - 2
    deepest = Filter.parse("NOT (a AND " * (around // 2) + f"NOT ANY({path} = 1)" + ")" * (around // 2))
    value: Any = 1
    for _ in range(MAX_ARRAYS + 1):
        for name in "fedcba":
            value = {name: value}
        value = [value]
    event = Event.create(type="t", source="/", data=value[0], extensions={"a": True})
    index: FilterIndex[int] = FilterIndex()
    index.add(0, deepest)
    assert deepest.explain(event).matched is deepest(event) is (index.match_json(event.to_json()) == {0})
    assert Filter.parse(f"ANY({path} = 1)")(event)
    with pytest.raises(InvalidFilter, match=f"nests more than {MAX_DEPTH} deep"):
        Filter.parse("ANY(" + "NOT " * (MAX_DEPTH - MAX_ARRAYS) + "data.l" + "[*]" * MAX_ARRAYS + ")")
    for stars in (MAX_ARRAYS + 1, MAX_DEPTH, 300):
        with pytest.raises(InvalidFilter, match=f"at most {MAX_ARRAYS} arrays"):
            Filter.parse("ANY(data.l" + "[*]" * stars + " = 1)")


def test_parentheses_alone_nest_as_deep_as_anybody_likes() -> None:
    assert Filter.parse("(" * 30_000 + "TRUE" + ")" * 30_000)(EVENT)


def test_what_stands_around_an_expression_counts() -> None:
    text = "NOT " * (MAX_DEPTH - 1) + "a"
    Filter.parse([text])
    with pytest.raises(InvalidFilter, match=f"at most {MAX_DEPTH} deep"):
        Filter.parse({"not": text})


def test_the_number_of_clauses_is_bounded() -> None:
    Filter.parse(" OR ".join(["a"] * (MAX_CLAUSES - 1)))
    for more in (["a"] * MAX_CLAUSES, ["a"] * 13_000):
        with pytest.raises(InvalidFilter, match=f"at most {MAX_CLAUSES} clauses"):
            Filter.parse(" OR ".join(more))


@pytest.mark.parametrize("value", [None, 5, True, ["a"], {"a": 1}, b"a = 1"])
def test_an_expression_is_text(value: Any) -> None:
    with pytest.raises(InvalidFilter, match="expected an expression as text"):
        Filter.parse({"expr": value})


# -- garbage

tokens = st.sampled_from(
    [
        *(
            "a",
            "type",
            "data.a",
            "data.l[*].n",
            "data['x']",
            "(",
            ")",
            ",",
            "=",
            "==",
            "!=",
            "<",
            ">=",
            "+",
            "-",
            "*",
            "/",
        ),
        *(
            "%",
            "'x'",
            "''",
            "5",
            "1.5",
            "1e9",
            "TRUE",
            "NOT",
            "AND",
            "OR",
            "XOR",
            "LIKE",
            "IN",
            "BETWEEN",
            "STARTS",
            "WITH",
        ),
        *(
            "ENDS",
            "CONTAINS",
            "EXISTS",
            "IS",
            "NULL",
            "LENGTH(",
            "LOWER(",
            "ANY(",
            "ALL(",
            "NONE(",
            "CONCAT(",
            "'",
            '"',
        ),
        *("[", "]", ".", ";", "é", "\ud800", "\0"),
    ]
)


@given(st.lists(tokens, max_size=12).map(" ".join) | st.text(max_size=30))
def test_garbage_is_refused_and_nothing_else(text: str) -> None:
    try:
        rule = Filter.parse({"expr": text})
    except InvalidFilter as error:
        assert error.where.startswith("expr")
    else:
        assert Filter.parse(str(rule)) == rule
        assert rule.explain(EVENT).matched is rule(EVENT)
        assert all(oddity.clause and oddity.reason for oddity in rule.lint())


@given(specs(), st.data())
def test_a_spoilt_expression_is_refused_or_another(spec: Any, data: st.DataObject) -> None:
    text = written(spec)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 3, len(text))))
    spoilt = text[:start] + data.draw(tokens | st.just("")) + text[end:]
    try:
        rule = Filter.parse({"expr": spoilt})
    except InvalidFilter as error:
        assert error.reason
    else:
        assert Filter.parse(str(rule)) == rule
        assert rule.explain(EVENT).matched is rule(EVENT)
