from __future__ import annotations

from typing import Any

import pytest

from eventroute.errors import InvalidFilter
from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex
from eventroute.filters.cesql import Expression, Function, FunctionFailure, Functions, Type, evaluate
from eventroute.filters.sql import sql_with

EVENT = Event({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "subject": "abc", "n": 7})
BOOL, INT, TEXT = Type.BOOLEAN, Type.INTEGER, Type.STRING


def failing(*_: Any) -> Any:
    raise FunctionFailure("it cannot", "wrong type")


def giving_up(text: str) -> str:
    raise FunctionFailure("no idea", text[:1])


OWN = (
    Function("IS_ABC", (TEXT,), BOOL, lambda text: text == "abc"),
    Function("twice", (INT,), INT, lambda number: 2 * number),
    Function("LENGTH", (TEXT, TEXT), INT, lambda one, other: len(one) + len(other)),
    Function("MANY", (), INT, lambda *rest: len(rest), rest=TEXT),
    Function("ANYTHING", (None,), TEXT, lambda value: type(value).__name__),
    Function("FAILS", (), INT, failing),
    Function("GIVES_UP", (TEXT,), TEXT, giving_up),
    Function("LIES", (), BOOL, lambda: "true"),
    Function("HUGE", (), INT, lambda: 2**31),
)


@pytest.mark.parametrize(
    ("text", "value", "errors"),
    [
        ("is_abc(subject)", True, []),
        ("Is_Abc(n)", False, []),
        ("TWICE('21')", 42, []),
        ("LENGTH(subject, n)", 4, []),
        ("LENGTH(subject)", 3, []),
        ("MANY()", 0, []),
        ("MANY(1, 'a', TRUE)", 3, []),
        ("ANYTHING(n)", "int", []),
        ("ANYTHING(TRUE)", "bool", []),
        ("TWICE('x')", 0, ["CastError: 'x' is no Integer"]),
        ("TWICE(missing)", 0, ["MissingAttributeError: the event has no missing"]),
        ("IS_ABC(missing) OR TRUE", False, ["MissingAttributeError: the event has no missing"]),
        ("FAILS()", 0, ["FunctionEvaluationError: it cannot"]),
        ("GIVES_UP(subject)", "a", ["FunctionEvaluationError: no idea"]),
        ("LIES()", False, ["FunctionEvaluationError: LIES returned a str that is no Boolean"]),
        ("HUGE()", 0, ["FunctionEvaluationError: HUGE returned a int that is no Integer"]),
        ("IS_ABC()", False, ["MissingFunctionError: there is no IS_ABC of 0 arguments"]),
        ("NOTHING(1 / 0)", False, ["MissingFunctionError: there is no NOTHING of 1 arguments"]),
    ],
)
def test_functions_can_be_handed_in(text: str, value: object, errors: list[str]) -> None:
    result = evaluate(text, EVENT, functions=OWN)
    assert (result.value, type(result.value)) == (value, type(value))
    assert list(map(str, result.errors)) == errors


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("IS_ABC(subject)", True),
        ("TWICE(n) = 14 AND type = 't'", True),
        ("TWICE(n)", False),
        ("FAILS() = 0", False),
        ("NOT LIES()", False),
        ("GIVES_UP(subject) = 'a'", False),
        ("LENGTH(subject, subject) = 6", True),
    ],
)
def test_a_filter_calls_them_too(text: str, matches: bool) -> None:
    rule = Filter.parse({"own": text}, dialects={"own": sql_with(*OWN)})
    index: FilterIndex[str] = FilterIndex()
    index.add("key", rule)
    assert rule(EVENT) is matches
    assert rule.explain(EVENT).matched is matches
    assert bool(index.match(EVENT)) is bool(index.match_json(EVENT.to_json())) is matches
    assert Filter.parse(str(rule), dialects={"own": sql_with(*OWN)}) == rule


def test_they_are_known_to_their_dialect_only() -> None:
    own = sql_with(Function("IS_ABC", (TEXT,), BOOL, str.isalpha))
    with pytest.raises(InvalidFilter, match="there is no function IS_ABC"):
        Filter.parse({"sql": "IS_ABC(type)"})
    with pytest.raises(InvalidFilter, match="there is no function IS_ABD; did you mean IS_ABC"):
        Filter.parse({"own": "IS_ABD(type)"}, dialects={"own": own})
    with pytest.raises(InvalidFilter, match="expected an expression as text"):
        Filter.parse({"own": 5}, dialects={"own": own})


def test_what_else_a_function_raises_passes_through() -> None:
    broken = sql_with(Function("BROKEN", (), BOOL, lambda: 1 / 0 == 1))
    with pytest.raises(ZeroDivisionError):
        Filter.parse({"own": "BROKEN()"}, dialects={"own": broken})(EVENT)


@pytest.mark.parametrize("name", ["", "A1", "A-B", "_A", "Ä"])
def test_a_name_has_letters_and_underscores(name: str) -> None:
    with pytest.raises(InvalidFilter, match="no function name"):
        Function(name, (), BOOL, bool)


def function(arity: int, rest: Type | None = None) -> Function:
    return Function("ABC", (TEXT,) * arity, INT, len, rest)


def test_functions_of_one_name_differ_in_their_arity() -> None:
    Functions((function(1), function(2), function(3, rest=TEXT)))
    Functions((function(3, rest=TEXT), function(1)))
    for clash in (
        (function(1), function(1)),
        (Function("length", (TEXT,), INT, len),),
        (function(2), function(2, rest=TEXT)),
    ):
        with pytest.raises(InvalidFilter, match="as many arguments"):
            Functions(clash)
    for clash in ((function(0, rest=TEXT), function(3)), (function(1, rest=TEXT), function(2, rest=TEXT))):
        with pytest.raises(InvalidFilter, match="must ask for more"):
            Functions(clash)


def test_expressions_with_other_functions_are_not_equal() -> None:
    plain = Expression.parse("LENGTH(type) = 1")
    own = Expression.parse("LENGTH(type) = 1", functions=Functions(OWN))
    assert plain != own
    assert str(plain) == str(own)


def test_a_function_tells_its_signature() -> None:
    assert [str(one) for one in OWN[:5]] == [
        "IS_ABC(String) -> Boolean",
        "TWICE(Integer) -> Integer",
        "LENGTH(String, String) -> Integer",
        "MANY(String...) -> Integer",
        "ANYTHING(Any) -> String",
    ]
