from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidFilter
from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.filters.cesql.forms import expression_of
from eventroute.filters.dialects import parse
from eventroute.filters.expr.forms import condition_of
from eventroute.filters.filter import node_parsers
from eventroute.filters.forms import BadForm
from eventroute.filters.stored import VERSION, read, read_again
from eventroute.filters.syntax import Sql
from eventroute.testing.strategies import json_values
from tests.filters.interpreter import specs

EXPR = [
    "type = 'a' AND NOT data.x",
    "a XOR b XOR (c OR data.d[0]['e f'] IS NULL)",
    "data.n > 1 AND data.n <= 2.50 AND data.n != -3",
    "data.n IN (1, 'x', TRUE, 123456789012345678901234567890, 1e30)",
    "data.n IN (0.1234567890123456789012, -0.1234567890123456789012, -1.5e300)",
    "data.n NOT BETWEEN -1 AND data.m + 2 * LENGTH(subject) - -data.k / 3 % 4",
    "time > '2026-11-23T12:00:00Z' OR subject NOT LIKE 'a%_\\%' OR id LIKE 'it''s'",
    "subject STARTS WITH 'a' OR subject NOT ENDS WITH 'b' OR data.t CONTAINS LOWER(source)",
    "EXISTS data.a AND data['b'] IS NOT NULL AND UPPER(CONCAT('a', 'b')) = 'AB'",
    "ANY(data.l[*].n > 1 AND ALL(data.l[*].m[*] = 'x')) OR NONE(data[*] = 1) OR ANY(EXISTS data.l[*].x)",
]
SQL = [
    "type = 'a' AND NOT EXISTS subject OR a XOR b",
    "source LIKE 'a%\\_' AND subject NOT LIKE '_' OR subject IN ('a', TRUE, 5, -7) OR NOT (x NOT IN (y))",
    "ABS(-x) + 2 * 3 - 1 % 4 / 5 <= LENGTH(CONCAT('a', \"b\")) AND LEFT(id, 2) <> 'ab' AND 1 < 2",
    "FALSE",
]
texts = st.one_of(st.sampled_from(EXPR), st.sampled_from(SQL).map(lambda text: {"sql": text}), specs())


def again(forms: Any) -> Any:
    """As they come out of a storage."""
    return msgspec.json.decode(msgspec.json.encode(forms))


def size(node: Any) -> Any:
    return (node.expression.depth, node.expression.size) if isinstance(node, Sql) else None


@given(st.lists(texts, max_size=5))
def test_what_was_read_is_read_again(spec: list[Any]) -> None:
    parsed = read(spec, {})
    restored = read_again(spec, {}, VERSION, again(parsed.forms))
    assert parsed.node == restored.node == parse(spec, {})
    assert again(restored.forms) == again(parsed.forms)


@pytest.mark.parametrize("spec", [*EXPR, *({"sql": text} for text in SQL)])
def test_a_form_is_all_of_a_text(spec: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = read(spec, {})
    [form] = again(parsed.forms)
    with monkeypatch.context() as patch:
        patch.setattr("eventroute.filters.stored.read", None)  # nothing is parsed
        restored = read_again(spec, {}, VERSION, [form])
    assert restored.node == parsed.node
    assert str(Filter(restored.node)) == str(Filter(parsed.node))
    assert size(restored.node) == size(parsed.node)


@pytest.mark.parametrize("version", [None, 0, VERSION + 1, "1"])
def test_another_version_is_read_from_the_text(version: Any) -> None:
    [form] = read("a = 'b'", {}).forms
    assert read_again("type = 'c'", {}, version, [form]).node == Filter.parse("type = 'c'").syntax


@pytest.mark.parametrize(
    "forms", [None, 5, {}, [], [None], [[]], ["a"], [["is", "a"], ["is", "b"]], [["unheard", 1]], [["is", "a b"]]]
)
def test_forms_that_cannot_be_right_are_read_from_the_text(forms: Any) -> None:
    assert read_again("type = 'c'", {}, VERSION, forms).node == Filter.parse("type = 'c'").syntax


def test_what_was_never_right_stays_refused() -> None:
    for forms in ([], [["is", "a"]], [5]):
        with pytest.raises(InvalidFilter):
            read_again(["type =", {"exact": {}}], {}, VERSION, forms)


def test_dialects_of_the_application_read_for_themselves() -> None:
    custom = node_parsers({"my": lambda value, where: Filter.parse(f"type = '{value}'")})
    spec = [{"my": "t"}, "subject = 's'"]
    parsed = read(spec, custom)
    assert len(parsed.forms) == 1
    assert read_again(spec, custom, VERSION, again(parsed.forms)).node == parsed.node


KNOWN = {
    "type = 'a' AND NOT data.x": ["and", ["=", "type", ["=", "a"]], ["not", ["is", "data.x"]]],
    "ANY(data.l[*].n >= 1.5) XOR data.m IN (1, -2)": [
        "xor",
        ["ANY", [["l"]], [">=", "data.l[*].n", 1.5]],
        ["in", False, "data.m", 1, -2],
    ],
    "LENGTH(id) + 1 * 2 = data.n": [
        "=",
        ["reckon", ["+"], ["call", "LENGTH", "id"], ["reckon", ["*"], 1, 2]],
        "data.n",
    ],
}


@pytest.mark.parametrize("text", KNOWN)
def test_the_forms_of_this_version_are_known(text: str) -> None:
    """Where this fails because a form has changed, VERSION must change, too: forms of the old one are stored."""
    assert again(read(text, {}).forms) == [KNOWN[text]]


def test_the_form_of_sql_in_this_version_is_known() -> None:
    """As above."""
    [form] = again(read({"sql": "a = 'b' OR NOT (c LIKE 'd%' AND ABS(-e) IN (1, TRUE))"}, {}).forms)
    like = ["like", False, "c", "d%"]
    among = ["in", False, ["call", "ABS", 32, ["-", "e"]], 1, True]
    assert form == [
        "sql",
        8,
        11,
        ["logic", ["comparison", "a", "=", ["=", "b"]], "OR", ["not", ["logic", like, "AND", among]]],
    ]
    assert VERSION == 1


EVENT = Event.create(type="t", source="/s", data={"a": 1})


def _swapped(form: Any, draw: Any) -> Any:
    """The form with something else in some place."""
    form = copy.deepcopy(form)
    at = form
    while isinstance(at, list) and at:
        place = draw(st.integers(0, len(at) - 1))
        if draw(st.booleans()) or not isinstance(at[place], list):
            at[place] = draw(
                st.one_of(json_values(4), st.sampled_from(["and", "=", "call", "LENGTH", "in", "ABS", "sql"]))
            )
            break
        at = at[place]
    return form


@given(st.sampled_from([*EXPR, *SQL]), st.data())
def test_whatever_stands_in_a_form_nothing_but_a_tree_comes_out(text: str, data: st.DataObject) -> None:
    spec: Any = text if text in EXPR else {"sql": text}
    [form] = again(read(spec, {}).forms)
    node = read_again(spec, {}, VERSION, [_swapped(form, data.draw)]).node
    try:
        Filter(node)(EVENT)
    except (TypeError, AttributeError, ValueError, LookupError, AssertionError) as error:
        raise AssertionError(node) from error


@pytest.mark.parametrize(
    "form",
    [
        ["call", "__import__", "a"],
        ["=", 5],
        ["number", "0x10"],
        ["calc"],
        {"a": 1},
        None,
        ["reckon", ["+"], 1],
        ["call", "LENGTH"],
        ["call", "LENGTH", "a", "b"],
    ],
)
def test_what_is_no_value(form: Any) -> None:
    with pytest.raises((BadForm, LookupError, ValueError)):
        condition_of(["=", "type", form])


@pytest.mark.parametrize(
    "form",
    [
        [],
        ["sql", 1, 1],
        ["no", 1, 1, True],
        ["sql", 1, True, True],
        ["sql", 1, 1, "a b"],
        ["sql", 1, 1, 2**31],
        ["sql", 1, 1, ["call", "open", 0, "a"]],
        ["sql", 1, 1, ["call", "ABS", "0", "a"]],
        ["sql", 1, 1, ["unheard"]],
        ["sql", 1, 1, ["logic", "a"]],
        ["sql", 1, 1, ["logic", "a", "AND"]],
        ["sql", 1, 1, 1.5],
        ["sql", 1, 1, ["like", 1, "a", "b"]],
    ],
)
def test_what_is_no_sql(form: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # BadForm, or a list of another length
        expression_of(form)
