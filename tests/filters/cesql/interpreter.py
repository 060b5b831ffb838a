"""A naive reading of CESQL, straight from the specification, and strategies for expressions and events that meet.

It reads the tuples that expressions are drawn as, not syntax trees, so the parser is held to it too.
"""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from eventroute.event import Event
from eventroute.testing.strategies import Vocabulary, sql
from eventroute.testing.strategies.sql import Spec

Errors = frozenset[str]

MISSING, CAST, MATH, FUNCTION = "MissingAttributeError", "CastError", "MathError", "FunctionEvaluationError"
SMALLEST, LARGEST = -(2**31), 2**31 - 1
ZERO: dict[str, Any] = {"Boolean": False, "Integer": 0, "String": ""}

# -- evaluation: a value and the kinds of the errors


def interpret(spec: Spec, attributes: dict[str, Any]) -> tuple[Any, Errors]:
    kind, *parts = spec
    if kind == "literal":
        return parts[0], frozenset()
    if kind == "attribute":
        return (attributes[parts[0]], frozenset()) if parts[0] in attributes else (False, frozenset({MISSING}))
    if kind == "exists":
        return parts[0] in attributes, frozenset()
    result: tuple[Any, Errors] = OPERATIONS[kind](parts, lambda inner: interpret(inner, attributes))
    return result


def type_of(value: Any) -> str:
    return {bool: "Boolean", int: "Integer", str: "String"}[type(value)]


def cast(value: Any, to: str) -> tuple[Any, Errors]:
    """Section 3.7."""
    if type_of(value) == to:
        return value, frozenset()
    if to == "String":
        return (str(value).lower() if isinstance(value, bool) else f"{value:d}"), frozenset()
    if not isinstance(value, str):
        return (value != 0 if to == "Boolean" else (1 if value else 0)), frozenset()
    if to == "Boolean":
        known = value.lower() in ("true", "false")
        return value.lower() == "true", frozenset() if known else frozenset({CAST})
    if re.fullmatch("[+-]?[0-9]+", value, re.ASCII) and SMALLEST <= int(value) <= LARGEST:
        return int(value), frozenset()
    return 0, frozenset({CAST})


def use(read: Any, operands: list[tuple[Spec, str | None]]) -> tuple[list[Any], Errors]:
    """Operands, each cast to its type unless that is None, from left to right."""
    values, errors = [], frozenset[str]()
    for spec, to in operands:
        value, erred = read(spec)
        if not erred and to is not None:
            value, erred = cast(value, to)
        values.append(value)
        errors |= erred
    return values, errors


def negation(parts: list[Any], read: Any) -> tuple[Any, Errors]:
    [value], errors = use(read, [(parts[0], "Boolean")])
    return (False if errors else not value), errors


def negative(parts: list[Any], read: Any) -> tuple[Any, Errors]:
    [value], errors = use(read, [(parts[0], "Integer")])
    return (0, errors) if errors else bounded(-value)


def bounded(number: int) -> tuple[int, Errors]:
    return (number, frozenset()) if SMALLEST <= number <= LARGEST else (0, frozenset({MATH}))


def like(parts: list[Any], read: Any) -> tuple[Any, Errors]:
    operand, pattern, negated = parts
    [text], errors = use(read, [(operand, "String")])
    return (False if errors else fits(text, pattern) is not negated), errors


def fits(text: str, pattern: str) -> bool:
    """Section 3.4.3, by dynamic programming: which beginnings of the text the pattern so far fits."""
    units = re.findall(r"\\[%_]|.", pattern, re.DOTALL)
    reached = {0}
    for unit in units:
        if unit == "%":
            reached = set(range(min(reached), len(text) + 1)) if reached else set()
        else:
            char = unit[-1]
            reached = {place + 1 for place in reached if place < len(text) and (unit == "_" or text[place] == char)}
    return len(text) in reached


def contains(parts: list[Any], read: Any) -> tuple[Any, Errors]:
    operand, elements, negated = parts
    [value], errors = use(read, [(operand, None)])
    to = None if errors else type_of(value)
    values, erred = use(read, [(element, to) for element in elements])
    errors |= erred
    return (False if errors else (value in values) is not negated), errors


def binary(parts: list[Any], read: Any) -> tuple[Any, Errors]:
    operator, left, right = parts
    if operator in ("AND", "OR", "XOR"):
        return logic(operator, left, right, read)
    if operator in ("=", "!=", "<>"):
        (one, other), errors = use(read, [(left, None), (right, None)])
        if not errors:
            one, errors = cast(one, type_of(other))
        return (False if errors else (one == other) is (operator == "=")), errors
    if operator in ORDER:
        (one, other), errors = use(read, [(left, None), (right, None)])
        if not errors:
            (one, first), (other, second) = cast(one, "Integer"), cast(other, "Integer")
            errors = first | second
        return (False if errors else ORDER[operator](one, other)), errors
    (one, other), errors = use(read, [(left, "Integer"), (right, "Integer")])
    return (0, errors) if errors else calculate(operator, one, other)


ORDER: dict[str, Any] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


def calculate(operator: str, one: int, other: int) -> tuple[int, Errors]:
    if operator in "+-*":
        return bounded({"+": one + other, "-": one - other, "*": one * other}[operator])
    if other == 0:
        return 0, frozenset({MATH})
    quotient = abs(one) // abs(other)
    if (one < 0) != (other < 0):
        quotient = -quotient
    return bounded(quotient) if operator == "/" else (one - quotient * other, frozenset())


def logic(operator: str, left: Spec, right: Spec, read: Any) -> tuple[bool, Errors]:
    [one], errors = use(read, [(left, "Boolean")])
    if errors:
        one = False
    if operator == "AND" and not one:
        return False, errors
    if operator == "OR" and one:
        return True, errors
    [other], erred = use(read, [(right, "Boolean")])
    errors |= erred
    return (False if errors else (one != other if operator == "XOR" else other)), errors


def call(parts: list[Any], read: Any) -> tuple[Any, Errors]:
    name, arguments = parts
    parameters, result, apply = FUNCTIONS[name]
    if len(parameters) < len(arguments):
        parameters = parameters + [parameters[-1]] * (len(arguments) - len(parameters))
    values, errors = use(read, list(zip(arguments, parameters, strict=False)))
    if errors:
        return ZERO[result], errors
    outcome: tuple[Any, Errors] = apply(*values)
    return outcome


def substring(text: str, position: int, size: int = LARGEST) -> tuple[str, Errors]:
    if position > len(text) or position < -len(text) or size < 0:
        return "", frozenset({FUNCTION})
    if position == 0:
        return "", frozenset()
    rest = text[position - 1 :] if position > 0 else text[position:]
    return rest[:size], frozenset()


def good(value: Any) -> tuple[Any, Errors]:
    return value, frozenset()


# Parameters, where None takes anything; result; what is done. The last parameter is that of further arguments.
FUNCTIONS: dict[str, tuple[list[str | None], str, Any]] = {
    "INT": ([None], "Integer", lambda value: cast(value, "Integer")),
    "BOOL": ([None], "Boolean", lambda value: cast(value, "Boolean")),
    "STRING": ([None], "String", lambda value: cast(value, "String")),
    "LENGTH": (["String"], "Integer", lambda text: good(len(text))),
    "CONCAT": (["String"], "String", lambda *texts: good("".join(texts))),
    "CONCAT_WS": (["String"], "String", lambda by, *texts: good(by.join(texts))),
    "LOWER": (["String"], "String", lambda text: good(text.lower())),
    "UPPER": (["String"], "String", lambda text: good(text.upper())),
    "TRIM": (["String"], "String", lambda text: good(re.sub(r"\A[ \t\n\u2003]+|[ \t\n\u2003]+\Z", "", text))),
    "LEFT": (
        ["String", "Integer"],
        "String",
        lambda text, size: good(text[:size]) if size >= 0 else (text, frozenset({FUNCTION})),
    ),
    "RIGHT": (
        ["String", "Integer"],
        "String",
        lambda text, size: (
            good("".join(reversed("".join(reversed(text))[:size]))) if size >= 0 else (text, frozenset({FUNCTION}))
        ),
    ),
    "SUBSTRING": (["String", "Integer", "Integer"], "String", substring),
    "ABS": (
        ["Integer"],
        "Integer",
        lambda number: good(abs(number)) if number != SMALLEST else (LARGEST, frozenset({MATH})),
    ),
}

OPERATIONS: dict[str, Any] = {
    "not": negation,
    "negative": negative,
    "like": like,
    "in": contains,
    "binary": binary,
    "call": call,
}

# -- strategies

NAMES = ("type", "source", "subject", "ext", "flag", "number", "time")
TEXTS = (
    *("a", "ab", "abc", "b", "", "A", "true", "False", "TRUE", "1", "5", "05", "+5", "-1", "0", "12", " 1", "1 "),
    *(
        "2147483647",
        "2147483648",
        "-2147483648",
        "\u0665",
        "a%b",
        "a_b",
        "%",
        "it's",
        'say "a"',
        "a\\b",
        "é",
        "a\nb",
        " \u2003a\t",
    ),
)
NUMBERS = (0, 1, -1, 2, 3, 5, 10, -7, 12, 65536, LARGEST, SMALLEST)
PATTERNS = (
    *(
        "a",
        "a%",
        "%a",
        "%b%",
        "%",
        "",
        "_",
        "a_",
        "_b",
        "a%b",
        "a%b%",
        "%a_b%",
        "a_%c",
        "_%_",
        "%_c",
        "tr%",
        "_5",
        "\\%",
    ),
    *("a\\%b", "a\\_b", "a\\b", "%_%", "2147%", "-%", "%\n%", "%it's", "é"),
)

VOCABULARY = Vocabulary(fields=(*NAMES, "other"), texts=TEXTS, numbers=tuple(map(str, NUMBERS)), patterns=PATTERNS)


def specs() -> st.SearchStrategy[Spec]:
    """Expressions of every kind, and such as people write for filters."""
    return sql.specs(VOCABULARY)


def predicates() -> st.SearchStrategy[Spec]:
    """Comparisons joined by AND, OR, XOR and NOT."""
    return sql.predicates(VOCABULARY)


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Events whose attributes the expressions of `specs` often meet."""
    texts = st.sampled_from([text for text in TEXTS if text and text.isprintable()])
    optional = {
        "subject": texts,
        "ext": st.sampled_from([text for text in TEXTS if text.isprintable()])
        | st.sampled_from(NUMBERS)
        | st.booleans(),
        "flag": st.booleans() | st.sampled_from(("true", "FALSE", "x")),
        "number": st.sampled_from(NUMBERS),
        "time": st.just("2026-11-23T12:00:00Z"),
    }
    required = {
        "specversion": "1.0",
        "id": "1",
        "type": draw(texts),
        "source": draw(st.sampled_from(("a", "ab", "/b", "5"))),
    }
    return Event(required | draw(st.fixed_dictionaries({}, optional=optional)))
