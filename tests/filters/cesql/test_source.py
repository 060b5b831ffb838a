from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.event import Event
from eventroute.filters.cesql import Expression
from eventroute.filters.cesql.runtime import NAMES, Walked
from eventroute.filters.cesql.source import MAX_COMPILED, Names, write
from eventroute.filters.cesql.tree import MAX_DEPTH
from eventroute.testing.strategies.sql import Spec, written
from tests.filters.cesql.interpreter import NAMES as ATTRIBUTES
from tests.filters.cesql.interpreter import events, interpret, predicates, specs


def compiled(text: str) -> tuple[Callable[[Callable[[str], Any]], Any], list[Any], str]:
    """The function of a way to read attributes, its literals, its source."""
    literals: list[Any] = []

    def literal(value: object) -> str:
        literals.append(value)
        return f"p[{len(literals) - 1}]"

    source = write(Expression.parse(text), Names("get", "get({!r})".format, literal))
    function = eval(f"lambda get: {source}", {**NAMES, "__builtins__": {}, "str": str, "p": literals})
    return function, literals, source


def passes(text: str, event: Event) -> bool:
    return bool(compiled(text)[0](event.attributes.get))


@given(specs(), events())
def test_a_compiled_expression_is_the_naive_reading(spec: Spec, event: Event) -> None:
    value, errors = interpret(spec, dict(event.attributes))
    assert passes(written(spec), event) is (value is True and not errors)


@given(
    st.lists(predicates(), min_size=3, max_size=12),
    st.lists(st.sampled_from(("AND", "OR", "XOR")), min_size=11),
    events(),
)
def test_long_and_mixed_chains_too(operands: list[Spec], operators: list[str], event: Event) -> None:
    spec = operands[0]
    for operator, operand in zip(operators, operands[1:], strict=False):
        spec = ("binary", operator, spec, operand)
    value, errors = interpret(spec, dict(event.attributes))
    text = " ".join(
        f"{operator} ({written(operand)})" for operator, operand in zip(["", *operators], operands, strict=False)
    )
    assert passes(text, event) is (value is True and not errors)


strange = st.sampled_from((None, 1.5, [], ["a"], {}, {"a": 1}, 10**30, "a", True, 5))


@given(specs(), st.dictionaries(st.sampled_from(ATTRIBUTES), strange))
def test_attributes_that_nobody_has_checked_do_no_harm(spec: Spec, attributes: dict[str, Any]) -> None:
    assert compiled(written(spec))[0](attributes.get) in (True, False, None)


def test_no_text_of_an_expression_is_code() -> None:
    text = """ext = '__import__("os").abort()' AND ext LIKE '{p}%' OR ext IN (\"'); abort('\", '\\n')"""
    assert "abort" not in compiled(text)[2]
    assert "import" not in compiled(text)[2]


def test_expressions_of_one_shape_have_one_source() -> None:
    one, other = (
        compiled("type = 'a' AND ext LIKE 'b%' AND number > 5"),
        compiled("type='it' and ext like 'c%' and number > 7"),
    )
    assert one[2] == other[2]
    assert one[1] != other[1]


@pytest.mark.parametrize(
    "text",
    ["type = 'a' AND source LIKE 'a%'", "type = 'a' OR source IN ('a', 'b')", "LENGTH(subject) > 3 AND NOT EXISTS ext"],
)
def test_what_people_write_is_compiled(text: str) -> None:
    assert not any(isinstance(literal, Walked) for literal in compiled(text)[1])


EVENT = Event({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "n": 1})


@pytest.mark.parametrize("nesting", [2, 7, 8, 9, 30, MAX_DEPTH - 2])
@pytest.mark.parametrize(
    ("outer", "inner"),
    [("NOT (%s)", "NOT n"), ("n AND (%s XOR 'false')", "n = 1"), ("ABS(%s) = 1", "n"), ("(%s) LIKE 'true'", "n = 1")],
)
def test_deep_expressions_compile(outer: str, inner: str, nesting: int) -> None:
    text = inner
    while Expression.parse(text).depth < nesting - 3:
        text = outer % text
    assert passes(text, EVENT) is Expression.parse(text).evaluate(EVENT).matches


@pytest.mark.parametrize("joint", ["AND", "OR", "XOR"])
@pytest.mark.parametrize("operands", [MAX_COMPILED // 2 - 1, MAX_COMPILED])
def test_wide_expressions_compile(joint: str, operands: int) -> None:
    text = f" {joint} ".join(["EXISTS n"] * operands)
    function, literals, _ = compiled(text)
    assert bool(function(EVENT.attributes.get)) is Expression.parse(text).evaluate(EVENT).matches
    assert len(literals) == (operands == MAX_COMPILED)


@pytest.mark.parametrize("operator", ["+", "*", "=", "AND a OR b XOR"])
def test_long_chains_of_any_operator_compile(operator: str) -> None:
    text = f" {operator} ".join(["1"] * 500)
    assert passes(text, EVENT) is Expression.parse(text).evaluate(EVENT).matches


@pytest.mark.parametrize("text", ["n = 1 = TRUE", "1 < 2 = n", "TRUE = (n = 1 != FALSE)", "n != 2 = 'x' = FALSE"])
def test_chains_of_comparisons_compile(text: str) -> None:
    assert passes(text, EVENT) is Expression.parse(text).evaluate(EVENT).matches


def test_an_unknown_function_is_an_error() -> None:
    assert not passes("nothing()", EVENT)
    assert passes("n = 1 OR nothing()", EVENT)
    assert not passes("NOT nothing()", EVENT)


def test_data_is_no_attribute_whatever_an_index_has_under_that_name() -> None:
    row = {"data": "payload", "type": "t"}
    for text in ("EXISTS data", "data = 'payload'", "-" * 20 + "LENGTH(data) > 0", "NOT " * 20 + "EXISTS data"):
        assert not compiled(text)[0](row.get)
