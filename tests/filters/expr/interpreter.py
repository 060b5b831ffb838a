"""A naive reading of `expr`, straight from the rules, and strategies for expressions and events that often meet.

An expression is drawn as nested tuples, which `written` turns into text and `holds` evaluates. Numbers are fractions.
"""

from __future__ import annotations

import json
import re
from decimal import Context, Decimal
from fractions import Fraction
from functools import reduce
from typing import Any

from hypothesis import strategies as st

from eventroute.errors import InvalidEvent
from eventroute.event import Event
from eventroute.testing.strategies import Vocabulary, expr
from eventroute.testing.strategies.expr import Spec, written
from eventroute.timestamps import parse_timestamp

ATTRIBUTES = ("type", "source", "subject", "time", "flag", "number", "absent")
# Places in data, with the names and indexes that each means.
PLACES: dict[str, tuple[str | int, ...]] = {
    "data.a": ("a",),
    "data['a']": ("a",),
    "data.b": ("b",),
    "data.a.b": ("a", "b"),
    "data['odd key']": ("odd key",),
    "data.l[0]": ("l", 0),
    "data.l[-1].n": ("l", -1, "n"),
    "data.é": ("é",),
    "data.a.a.a.a.a.a.a.a": ("a",) * 8,
    "data[0]": (0,),
}
FIELDS = (*ATTRIBUTES, *PLACES)
# Arrays, and what a quantifier may read of their elements.
ARRAYS: dict[str, tuple[str | int, ...]] = {"data.l": ("l",), "data.a": ("a",), "data": (), "data.b.l": ("b", "l")}
BELOW: dict[str, tuple[str | int, ...]] = {
    "": (),
    ".n": ("n",),
    ".m": ("m",),
    "['n']": ("n",),
    "[0]": (0,),
    ".a.b": ("a", "b"),
}
INNER: dict[str, tuple[str | int, ...]] = {".m": ("m",), "": (), ".a.l": ("a", "l")}

STEPS = BELOW | INNER

TIMES = ("2020-01-01T00:00:00Z", "2020-01-01T01:00:00+01:00", "2021-06-01T12:00:00.5Z", "2020-01-01t00:00:00.000z")
TEXTS = ("", "a", "ab", "abc", "b", "t", "5", "it's", "100%", "a_c", "true", "é", "2020-01-01", *TIMES)
NUMBERS = (
    "0", "1", "5", "5.0", "1.5", "0.1", "0.30", "1e2", "100", "2.5e-1", "12345678901234567890123",
    "0.1000000000000000055511151231257827", "1e23", "100000000000000000000000",
    "9007199254740993", "9007199254740993.0",
)  # fmt: skip
PATTERNS = ("", "%", "a%", "%b", "%b%", "a_c", "_", "a%c", "100\\%", "a\\_c", "%a%b%", "_%_", "\\", "5", "é%")


class Number(str):
    """A number as JSON writes it."""

    __slots__ = ()


# -- meaning


def holds(spec: Spec, event: Event, bound: dict[str, Any] | None = None) -> bool:  # noqa: PLR0911  # a case for each kind
    """Whether a condition holds for an event; `bound` has the elements in hand by the path of their array."""
    bound = bound or {}
    match spec:
        case ("AND", *operands):
            return all(holds(one, event, bound) for one in operands)
        case ("OR", *operands):
            return any(holds(one, event, bound) for one in operands)
        case ("XOR", *operands):
            return sum(holds(one, event, bound) for one in operands) % 2 == 1
        case ("NOT", operand):
            return not holds(operand, event, bound)
        case ("truth", value):
            return read(value, event, bound) is True
        case ("exists", value):
            return read(value, event, bound, null="null") is not None
        case ("null", value, negated):
            return (read(value, event, bound) is None) is not negated
        case ("quantified", kind, chain, condition):
            return quantified(kind, chain, condition, event, bound)
    return compares(spec, event, bound)


def compares(spec: Spec, event: Event, bound: dict[str, Any]) -> bool:
    match spec:
        case ("compare", left, operator, right):
            return compare(left, operator, right, event, bound)
        case ("in", value, options, False):
            return any(compare(value, "=", option, event, bound) for option in options)
        case ("in", value, options, True):
            return all(compare(value, "!=", option, event, bound) for option in options)
        case ("between", value, low, high, negated):
            orders = [order(*sides(value, end, event, bound)) for end in (low, high)]
            if None in orders:
                return False
            return (orders[0] >= 0 and orders[1] <= 0) is not negated
        case ("like", value, pattern, negated):
            text = read(value, event, bound)
            return (
                isinstance(text, str) and (re.fullmatch(regular(pattern), text, re.DOTALL) is not None) is not negated
            )
        case ("part", value, place, part, negated):
            text, sought = read(value, event, bound), read(part, event, bound)
            if not isinstance(text, str) or not isinstance(sought, str):
                return False
            tests = {"STARTS WITH": text.startswith, "ENDS WITH": text.endswith, "CONTAINS": text.__contains__}
            return tests[place](sought) is not negated
    raise AssertionError(spec)


def regular(pattern: str) -> str:
    parts = re.findall(r"\\[%_]|.", pattern, re.DOTALL)
    return "".join({"%": ".*", "_": "."}.get(part) or re.escape(part[-1]) for part in parts)


def compare(left: Spec, operator: str, right: Spec, event: Event, bound: dict[str, Any]) -> bool:
    one, other = sides(left, right, event, bound)
    operator = "!=" if operator == "<>" else operator
    if isinstance(one, bool) and isinstance(other, bool):
        return {"=": one == other, "!=": one != other}.get(operator, False)
    found = order(one, other)
    if found is None:
        return False
    tests = {"=": found == 0, "!=": found != 0, "<": found < 0, "<=": found <= 0, ">": found > 0, ">=": found >= 0}
    return bool(tests[operator])


def sides(left: Spec, right: Spec, event: Event, bound: dict[str, Any]) -> tuple[Any, Any]:
    """Both values; as instants where a literal is a date-time."""
    one, other = read(left, event, bound), read(right, event, bound)
    literals = [side[1] for side in (left, right) if side[0] == "text"]
    if any(moment(literal) for literal in literals) and len(literals) == 1:
        return moment(one), moment(other)
    return one, other


def moment(value: Any) -> Any:
    try:
        return parse_timestamp(value) if isinstance(value, str) else None
    except ValueError:
        return None


def order(one: Any, other: Any) -> Any:
    one, other = (value if number(value) is None else number(value) for value in (one, other))
    alike = isinstance(one, str) and isinstance(other, str)
    alike = alike or (isinstance(one, Fraction) and isinstance(other, Fraction))
    alike = alike or (hasattr(one, "tzinfo") and hasattr(other, "tzinfo"))
    return (one > other) - (one < other) if alike else None


def number(value: Any) -> Fraction | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return Fraction(Decimal(repr(value)))
    return Fraction(value) if isinstance(value, int | Decimal | Fraction) else None


def quantified(kind: str, chain: tuple[Spec, ...], condition: Spec, event: Event, bound: dict[str, Any]) -> bool:
    array, *inner = chain
    values = read(array, event, bound)
    if not isinstance(values, list):
        return False
    below = "ANY" if kind == "NONE" else kind
    name = written(array) + "[*]"
    verdicts = [
        quantified(below, tuple(inner), condition, event, bound | {name: value})
        if inner
        else holds(condition, event, bound | {name: value})
        for value in values
    ]
    return {"ANY": any(verdicts), "ALL": all(verdicts), "NONE": not any(verdicts)}[kind]


def read(value: Spec, event: Event, bound: dict[str, Any], null: Any = None) -> Any:  # noqa: C901, PLR0911  # a case for each kind
    match value:
        case ("field", name) if name in ATTRIBUTES:
            return event.attributes.get(name)
        case ("field", name):
            return follow(event.data, PLACES[name], null)
        case ("array", name):
            return follow(event.data, ARRAYS[name])
        case ("each", array, below):
            return follow(bound[array + "[*]"], STEPS[below], null)
        case ("text", text):
            return text
        case ("number", text):
            return Fraction(text)
        case ("boolean", truth):
            return truth
        case ("minus", operand):
            found = number(read(operand, event, bound))
            return None if found is None else -found
        case ("call", name, *arguments):
            return call(name, [read(argument, event, bound) for argument in arguments])
        case ("reckon", operands, operators):
            values = [number(read(operand, event, bound)) for operand in operands]
            return reduce(lambda left, step: reckon(left, *step), zip(operators, values[1:], strict=True), values[0])
    raise AssertionError(value)


def follow(value: Any, steps: tuple[str | int, ...], null: Any = None) -> Any:
    """What the steps lead to; None if that is nothing, `null` if it is null."""
    for step in steps:
        named = isinstance(step, str) and isinstance(value, dict) and step in value
        numbered = isinstance(step, int) and isinstance(value, list) and -len(value) <= step < len(value)
        if not named and not numbered:
            return None
        value = value[step]
    return null if value is None else value


def reckon(left: Fraction | None, operator: str, right: Fraction | None) -> Fraction | None:
    if left is None or right is None or (operator in "/%" and right == 0):
        return None
    if operator == "/":
        return rounded(left / right)
    if operator == "%":
        rest = abs(left) % abs(right)
        return rest if left >= 0 else -rest
    return left + right if operator == "+" else left - right if operator == "-" else left * right


def rounded(value: Fraction) -> Fraction:
    """The value, if it has an end in decimal, else to 34 digits."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest == 1:
        return value
    return Fraction(Context(prec=34).divide(Decimal(value.numerator), Decimal(value.denominator)))


def call(name: str, values: list[Any]) -> Any:  # noqa: C901, PLR0911  # a case for each kind
    texts = [value for value in values if isinstance(value, str)]
    whole = [int(found) for value in values if (found := number(value)) is not None and found.denominator == 1]
    if name in ("LEFT", "RIGHT", "SUBSTRING") and not (texts == values[:1] and len(whole) == len(values) - 1):
        return None
    match name, texts, whole:
        case ("LOWER", [text], _):
            return text.lower()
        case ("UPPER", [text], _):
            return text.upper()
        case ("TRIM", [text], _):
            return re.sub(r"^\s+|\s+$", "", text)
        case ("LENGTH", _, _) if isinstance(values[0], str | list):
            return len(values[0])
        case ("CONCAT", _, _) if len(texts) == len(values):
            return "".join(texts)
        case ("CONCAT_WS", [separator, *others], _) if len(texts) == len(values):
            return separator.join(others)
        case ("LEFT", [text], [count]) if count >= 0:
            return text[:count]
        case ("RIGHT", [text], [count]) if count >= 0:
            return text[-count:] if count else ""
        case ("SUBSTRING", [text], [start, *count]) if abs(start) <= len(text) and all(one >= 0 for one in count):
            rest = "" if start == 0 else text[start - 1 :] if start > 0 else text[start:]
            return rest[: count[0]] if count else rest
        case ("ABS", _, _) if number(values[0]) is not None:
            return abs(number(values[0]) or Fraction())
    return cast(name, values[0])


def cast(name: str, value: Any) -> Any:
    exact = number(value)
    if name == "INT":
        if isinstance(value, str):
            return int(value) if re.fullmatch("[+-]?[0-9]+", value) else None
        return int(value) if isinstance(value, bool) else None if exact is None else int(exact)
    if name == "BOOL":
        if isinstance(value, str):
            return {"true": True, "false": False}.get(value.lower())
        return value if isinstance(value, bool) else None if exact is None else exact != 0
    if name == "STRING":
        if isinstance(value, bool):
            return "true" if value else "false"
        return value if isinstance(value, str) else None if exact is None else plain(exact)
    return None


def plain(value: Fraction) -> str | None:
    """Without an exponent; only for what the tests below make."""
    if value.denominator == 1:
        return str(value.numerator)
    digits = Context(prec=400).divide(Decimal(value.numerator), Decimal(value.denominator))
    return format(digits, "f").rstrip("0")


# -- strategies

VOCABULARY = Vocabulary(
    fields=FIELDS,
    arrays=tuple(ARRAYS),
    elements=tuple(BELOW),
    inner=tuple(INNER),
    texts=TEXTS,
    numbers=NUMBERS,
    patterns=PATTERNS,
)


def specs() -> st.SearchStrategy[Spec]:
    """Conditions of every kind."""
    return expr.specs(VOCABULARY)


def clauses() -> st.SearchStrategy[Spec]:
    """Single conditions."""
    return expr.clauses(VOCABULARY)


scalars = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from((True, False, None)),
    st.sampled_from((*NUMBERS, "-5", "-0.1", "55", "1e400", "1e-400", "100.0")).map(Number),
)


def values() -> st.SearchStrategy[Any]:
    names = st.sampled_from(("a", "b", "l", "m", "n", "odd key", "é"))
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
        max_leaves=10,
    )


def data() -> st.SearchStrategy[Any]:
    """JSON data whose names and values the places above often meet."""
    lists = st.lists(st.dictionaries(st.sampled_from(("n", "m", "a")), values(), max_size=3) | scalars, max_size=3)
    return st.one_of(
        st.fixed_dictionaries({}, optional={"a": values() | lists, "b": values(), "l": lists, "é": scalars}),
        values(),
        lists,
        st.integers(1, 9).flatmap(lambda depth: scalars.map(lambda value: nested(value, depth))),
    )


def nested(value: Any, depth: int) -> Any:
    return value if depth == 0 else {"a": nested(value, depth - 1)}


@st.composite
def raws(draw: st.DrawFn) -> str:
    """Events as JSON text."""
    event: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": draw(st.sampled_from(("a", "/b", "5")))}
    event["type"] = draw(st.sampled_from(("a", "ab", "t", "5", "100%")))
    event |= draw(
        st.fixed_dictionaries(
            {},
            optional={
                "subject": st.sampled_from((*TEXTS[1:], None)),
                "time": st.sampled_from((*TIMES, None)),
                "flag": st.sampled_from((True, False, "true", None)),
                "number": st.sampled_from((0, 5, 55, 100, "5", None)),
                "data": data(),
            },
        )
    )
    return dumped(event)


def dumped(value: Any) -> str:
    """JSON text, numbers as they were written."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {dumped(below)}" for name, below in value.items()) + "}"
    return f"[{', '.join(map(dumped, value))}]" if isinstance(value, list) else json.dumps(value)


def accepted(raw: str) -> bool:
    try:
        Event.from_json(raw)
    except InvalidEvent:
        return False
    return True


def events() -> st.SearchStrategy[Event]:
    return raws().filter(accepted).map(Event.from_json)
