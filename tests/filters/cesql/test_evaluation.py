from __future__ import annotations

import pytest
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given

from eventroute.errors import InvalidFilter
from eventroute.event import Event
from eventroute.filters.cesql import Expression, evaluate
from eventroute.testing.strategies.sql import Spec, written
from tests.filters.cesql.interpreter import events, interpret, specs


@given(specs(), events())
def test_an_evaluation_is_the_naive_reading(spec: Spec, event: Event) -> None:
    value, errors = interpret(spec, dict(event.attributes))
    result = evaluate(written(spec), event)
    assert (result.value, type(result.value)) == (value, type(value))
    assert {error.kind.value for error in result.errors} == errors
    assert result.matches is (value is True and not errors)


@given(specs(), events())
def test_what_is_printed_means_the_same(spec: Spec, event: Event) -> None:
    expression = Expression.parse(written(spec))
    again = Expression.parse(str(expression))
    assert (again, hash(again), str(again)) == (expression, hash(expression), str(expression))
    assert again.evaluate(event) == expression.evaluate(event)


EVENT = Event(
    {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": "t",
        "time": "2026-11-23T12:00:00.5+01:00",
        "flag": True,
        "number": 5,
        "text": "aé\U0001f600-z",
    }
)
MISSING, CAST, MATH, FUNCTION = "MissingAttributeError", "CastError", "MathError", "FunctionEvaluationError"


@pytest.mark.parametrize(
    ("text", "value", "errors"),
    [
        # AND, OR and XOR: one level, from left to right; AND and OR end early.
        ("true OR true AND false", False, []),
        ("true XOR true OR true", True, []),
        ("false AND 1 / 0 = 1", False, []),
        ("true OR missing", True, []),
        ("false OR missing", False, [MISSING]),
        ("missing OR true", False, [MISSING]),
        ("missing AND 1 / 0 = 1", False, [MISSING]),
        ("true XOR missing", False, [MISSING]),
        ("missing AND true OR true", False, [MISSING]),
        ("missing OR false XOR true", False, [MISSING]),
        # NOT binds tighter than LIKE and `=`.
        ("NOT type = 'x'", False, [CAST]),
        ("NOT flag = 'false'", True, []),
        ("NOT flag LIKE 'f%'", True, []),
        # A missing attribute: the operator that uses it returns its own zero value.
        ("missing", False, [MISSING]),
        ("missing = ''", False, [MISSING]),
        ("missing != 2", False, [MISSING]),
        ("missing = other", False, [MISSING, MISSING]),
        ("NOT missing", False, [MISSING]),
        ("-missing", 0, [MISSING]),
        ("1 / missing", 0, [MISSING]),
        ("missing < 1", False, [MISSING]),
        ("missing NOT LIKE 'a'", False, [MISSING]),
        ("missing NOT IN ('a')", False, [MISSING]),
        ("type IN ('t', missing)", False, [MISSING]),
        ("NOT (missing = 2)", False, [MISSING]),
        ("EXISTS missing", False, []),
        ("NOT EXISTS missing", True, []),
        ("LENGTH(missing)", 0, [MISSING]),
        # `=` casts the left operand to the right one's type; IN casts elements to the left one's type.
        ("'05' = 5", True, []),
        ("5 = '05'", False, []),
        ("'TRUE' = true", True, []),
        ("true = 'TRUE'", False, []),
        ("7 = true", True, []),
        ("true = 7", False, []),
        ("'x' = 0", False, [CAST]),
        ("'x' != 0", False, [CAST]),
        ("number = '5'", True, []),
        ("5 IN ('05')", True, []),
        ("'5' IN (5)", True, []),
        ("'05' IN (5)", False, []),
        ("true IN (7)", True, []),
        ("1 IN (1, 'x')", False, [CAST]),
        # `<` and friends are for integers only.
        ("'10' > '9'", True, []),
        ("'a' < 'b'", False, [CAST, CAST]),
        ("true > false", True, []),
        # Integers have 32 bits.
        ("2147483647 + 1", 0, [MATH]),
        ("-2147483648 - 1", 0, [MATH]),
        ("65536 * 65536", 0, [MATH]),
        ("--2147483648", 0, [MATH]),
        ("-2147483648 / -1", 0, [MATH]),
        ("-2147483648 % -1", 0, []),
        ("ABS(-2147483648)", 2147483647, [MATH]),
        ("1 / 0", 0, [MATH]),
        ("1 % 0", 0, [MATH]),
        ("-7 / 2", -3, []),
        ("7 / -2", -3, []),
        ("-7 % 2", -1, []),
        ("7 % -2", 1, []),
        ("4-1", 3, []),
        ("1 - 2 - 3", -4, []),
        ("1 / 0 = 0", False, [MATH]),
        # Text to integer: a sign and ASCII digits.
        ("INT('+0012')", 12, []),
        ("INT('-2147483648')", -2147483648, []),
        ("INT('2147483648')", 0, [CAST]),
        ("INT('1_0')", 0, [CAST]),
        ("INT(' 1')", 0, [CAST]),
        ("INT('1.0')", 0, [CAST]),
        ("INT('')", 0, [CAST]),
        ("INT('+')", 0, [CAST]),
        ("INT('\u0665')", 0, [CAST]),
        # LIKE: the whole text, and its case.
        ("text LIKE 'a%z'", True, []),
        ("text LIKE 'a__-_'", True, []),
        ("'a\n\nb' LIKE 'a%_b'", True, []),
        ("text LIKE 'A%'", False, []),
        ("text LIKE '\U0001f600'", False, []),
        ("number LIKE '_'", True, []),
        ("flag LIKE 'tr%'", True, []),
        # Characters, counted from 1.
        ("LENGTH(text)", 5, []),
        ("LEFT(text, 2)", "aé", []),
        ("RIGHT(text, 2)", "-z", []),
        ("RIGHT(text, 0)", "", []),
        ("LEFT(text, -1)", "aé\U0001f600-z", [FUNCTION]),
        ("SUBSTRING(text, 3, 1)", "\U0001f600", []),
        ("SUBSTRING(text, 0)", "", []),
        ("SUBSTRING(text, 0, 5)", "", []),
        ("SUBSTRING(text, -2, 1)", "-", []),
        ("SUBSTRING(text, 6)", "", [FUNCTION]),
        ("SUBSTRING(text, 1, -1)", "", [FUNCTION]),
        ("TRIM(' \u2003\u00a0a\u200b ')", "a\u200b", []),
        ("TRIM('\x1ca\x1f')", "\x1ca\x1f", []),
        # Functions that are not there.
        ("NOTHING(1)", False, ["MissingFunctionError"]),
        ("LENGTH()", False, ["MissingFunctionError"]),
        # Names in any case; an attribute's value as it was received.
        ("EXISTS SOURCE", True, []),
        ("TyPe", "t", []),
        ("time", "2026-11-23T12:00:00.5+01:00", []),
        ("flag", True, []),
        ("number", 5, []),
        ("data", False, [MISSING]),
        # Backslashes in literals.
        (r"'a\'b'", "a'b", []),
        (r"'a\\b'", r"a\\b", []),
        (r"'a\"b'", r"a\"b", []),
        (r'"a\'b\""', "a\\'b\"", []),
        ("LENGTH('')", 0, []),
    ],
)
def test_semantics_line_by_line(text: str, value: object, errors: list[str]) -> None:
    result = evaluate(text, EVENT)
    assert (result.value, type(result.value)) == (value, type(value))
    assert sorted(error.kind.value for error in result.errors) == sorted(errors)
    rule = Expression.parse(text)
    assert evaluate(rule, EVENT) == result


def test_an_error_says_what_was_wrong_once() -> None:
    result = evaluate("missing = 1 OR missing = 2 OR INT('%s') = 1" % ("x" * 1000), EVENT)
    assert [str(error)[:60] for error in result.errors] == [
        "MissingAttributeError: the event has no missing",
        "CastError: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ]
    assert len(str(result.errors[1])) < 120


def test_any_event_of_the_protocol_will_do() -> None:
    assert evaluate("type = 't'", CloudEvent({"source": "/s", "type": "t", "id": "1", "specversion": "1.0"})).matches
    with pytest.raises(InvalidFilter, match="line 1, column 4"):
        evaluate("a =", EVENT)
