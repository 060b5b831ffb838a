"""The operators of event patterns: what stands in the arrays at a pattern's leaves, from JSON and back."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from ipaddress import ip_network
from typing import Any, Final

from eventroute.filters.expr.literals import negated_number, number
from eventroute.filters.faults import meant
from eventroute.filters.pattern.tree import (
    Affix,
    AnythingBut,
    Cidr,
    Edge,
    Equal,
    Exists,
    IgnoreCase,
    Limit,
    Number,
    Numeric,
    Test,
    Wildcard,
)
from eventroute.filters.pattern.wildcard import pieces
from eventroute.filters.syntax import MAX_LITERAL
from eventroute.jsontext import encode_json

__all__ = ["OPERATORS", "Unfit", "literal", "plain", "test"]

_IGNORE_CASE: Final = "equals-ignore-case"
_LOWS: Final = (">", ">=")
_HIGHS: Final = ("<", "<=")
_RANGES: Final = "write ['=', 5], ['>', 0], ['<=', 9] or ['>', 0, '<=', 9]"
_surrogate = re.compile("[\ud800-\udfff]").search
_is_cidr = re.compile(r"[0-9A-Fa-f:.]{2,45}/[0-9]{1,3}").fullmatch


class Unfit(Exception):
    """What is wrong, and where below the place at hand."""

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.where = where


# -- from JSON


def literal(value: object) -> Equal:
    """A text, number or boolean, or null. Raises Unfit."""
    if value is None or isinstance(value, bool):
        return Equal(value)
    if isinstance(value, str):
        return Equal(_text(value))
    if isinstance(value, int | float | Decimal):
        return Equal(_number(value))
    if isinstance(value, Sequence):
        raise Unfit("an array holds texts, numbers, true, false, null and operators, and no arrays")
    raise Unfit(f"expected a text, a number, true, false, null or an operator, not {reprlib.repr(value)}")


def test(spec: Mapping[object, object]) -> Test:
    """What an operator says. Raises Unfit."""
    name, value = _only(spec)
    operator = OPERATORS.get(name) if isinstance(name, str) else None
    if operator is None:
        raise Unfit(_unknown(name, OPERATORS))
    read: Test = _within(f".{name}", operator, value)
    return read


def _within(where: str, read: Callable[[Any], Any], value: object) -> Any:
    try:
        return read(value)
    except Unfit as unfit:
        raise Unfit(unfit.reason, where + unfit.where) from None


def _only(spec: Mapping[object, object]) -> tuple[object, object]:
    if len(spec) != 1:
        names = ", ".join(reprlib.repr(name) for name in list(spec)[:4])
        told = f"has {len(spec)} ({names}): put each into an object of its own" if spec else "is empty"
        raise Unfit(f"an object in an array has one operator, and this {told}")
    [item] = spec.items()
    return item


def _unknown(name: object, known: Mapping[str, object]) -> str:
    near = meant(name.lower().replace("_", "-").replace(" ", "-"), known) if isinstance(name, str) else ""
    return f"unknown operator {reprlib.repr(name)}" + (near or f"; known are {', '.join(sorted(known))}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Unfit(f"expected a text, not {reprlib.repr(value)}")
    if len(value) > MAX_LITERAL:
        raise Unfit(f"the text has {len(value)} characters, at most {MAX_LITERAL} are allowed")
    if not value.isascii() and _surrogate(value):
        raise Unfit("the text has half of a surrogate pair, which no event has")
    return value


def _number(value: int | float | Decimal) -> Number:
    """The number, in the one form that equal ones share."""
    try:
        text = encode_json(value).decode("ascii")
        read = number(text.removeprefix("-"))
    except ValueError as error:
        raise Unfit(f"this number cannot be compared with: {error}") from None
    match (negated_number(read) if text.startswith("-") else read).value:
        case int() | float() | Decimal() as found:
            return found
    raise AssertionError(read)


def _affix(edge: Edge) -> Callable[[object], Affix]:
    def read(value: object) -> Affix:
        if not isinstance(value, Mapping):
            return Affix(edge, _text(value), ignore_case=False)
        name, text = _only(value)
        if name != _IGNORE_CASE:
            raise Unfit(_unknown(name, {_IGNORE_CASE: None}))
        return Affix(edge, _within(f".{_IGNORE_CASE}", _text, text), ignore_case=True)

    return read


def _ignore_case(value: object) -> IgnoreCase:
    return IgnoreCase(_text(value))


def _wildcard(value: object) -> Wildcard:
    text = _text(value)
    try:
        pieces(text)
    except ValueError as error:
        raise Unfit(str(error)) from None
    return Wildcard(text)


def _cidr(value: object) -> Cidr:
    text = _text(value)
    try:
        if not _is_cidr(text):
            raise ValueError("write an address, a slash and how many bits are fixed, such as 10.0.0.0/8")
        return Cidr(str(ip_network(text, strict=False)))
    except ValueError as error:
        raise Unfit(f"this is no network: {error}") from None


def _exists(value: object) -> Exists:
    if not isinstance(value, bool):
        raise Unfit(f"exists is true or false, not {reprlib.repr(value)}")
    return Exists(value)


def _numeric(value: object) -> Numeric:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes) or len(value) not in (2, 4):
        raise Unfit(f"expected one or two comparisons, not {reprlib.repr(value)}: {_RANGES}")
    limits = [_limit(value, place) for place in range(0, len(value), 2)]
    signs = [sign for sign, _ in limits]
    match limits:
        case [("=", limit)]:
            return Numeric(limit, limit)
        case [(sign, limit)]:
            return Numeric(limit, None) if sign in _LOWS else Numeric(None, limit)
        case [(low, least), (high, most)] if low in _LOWS and high in _HIGHS:
            return Numeric(least, most)
    raise Unfit(f"two comparisons are > or >= and then < or <=, not {signs[0]} and {signs[1]}: {_RANGES}")


def _limit(value: Sequence[object], place: int) -> tuple[str, Limit]:
    sign, of = value[place], value[place + 1]
    if not isinstance(sign, str) or sign not in ("=", *_LOWS, *_HIGHS):
        raise Unfit(f"unknown comparison {reprlib.repr(sign)}; known are =, >, >=, <, <=", f"[{place}]")
    if isinstance(of, bool) or not isinstance(of, int | float | Decimal):
        raise Unfit(f"expected a number, not {reprlib.repr(of)}", f"[{place + 1}]")
    return sign, Limit(_within(f"[{place + 1}]", _number, of), included="=" in sign)


def _anything_but(value: object) -> AnythingBut:
    if not isinstance(value, Mapping):
        found = _several(value, literal)
        kinds = {isinstance(one.value, str) for one in found}
        if len(kinds) > 1 or any(one.value is None or isinstance(one.value, bool) for one in found):
            raise Unfit("anything-but takes texts or numbers, all of one kind")
        return AnythingBut(found)
    name, of = _only(value)
    if not isinstance(name, str) or name not in _BUT:
        raise Unfit(f"within anything-but: {_unknown(name, _BUT)}")
    tests: tuple[Any, ...] = _within(f".{name}", lambda value: _several(value, _BUT[name]), of)
    if any(isinstance(one, Affix) and not one.text for one in tests):
        raise Unfit("every text begins and ends with the empty text, so nothing would be left", f".{name}")
    return AnythingBut(tests)


def _several(value: object, read: Callable[[Any], Any]) -> tuple[Any, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return (read(value),)
    if not value:
        raise Unfit("the list is empty: say what is not meant")
    return tuple(_within(f"[{place}]", read, one) for place, one in enumerate(value))


def _plain_affix(edge: Edge) -> Callable[[object], Affix]:
    return lambda value: Affix(edge, _text(value), ignore_case=False)


_BUT: Final[Mapping[str, Callable[[Any], Any]]] = {
    "prefix": _plain_affix(Edge.PREFIX),
    "suffix": _plain_affix(Edge.SUFFIX),
    _IGNORE_CASE: _ignore_case,
    "wildcard": _wildcard,
}
"""What stands within `anything-but`, alone or several in a list."""

OPERATORS: Final[Mapping[str, Callable[[Any], Test]]] = {
    "prefix": _affix(Edge.PREFIX),
    "suffix": _affix(Edge.SUFFIX),
    _IGNORE_CASE: _ignore_case,
    "wildcard": _wildcard,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "cidr": _cidr,
    "exists": _exists,
}
"""All operators by name."""


# -- and back


def plain(test: Test) -> object:
    """A test as the JSON value that it is read from."""
    match test:
        case Equal(value):
            return value
        case Numeric():
            return {"numeric": _comparisons(test)}
        case Cidr(network):
            return {"cidr": network}
        case Exists(wanted):
            return {"exists": wanted}
        case AnythingBut(tests):
            return {"anything-but": _listed(tests)}
        case _:
            return {_name(test): _of(test)}


def _name(test: Affix | IgnoreCase | Wildcard) -> str:
    match test:
        case Affix(edge):
            return edge.value
        case IgnoreCase():
            return _IGNORE_CASE
        case Wildcard():
            return "wildcard"


def _of(test: Affix | IgnoreCase | Wildcard) -> object:
    return {_IGNORE_CASE: test.text} if isinstance(test, Affix) and test.ignore_case else test.text


def _listed(tests: tuple[Equal | Affix | IgnoreCase | Wildcard, ...]) -> object:
    values = [test.value if isinstance(test, Equal) else test.text for test in tests]
    several = values if len(values) > 1 else values[0]
    [first, *_] = tests
    return several if isinstance(first, Equal) else {_name(first): several}


def _comparisons(test: Numeric) -> list[object]:
    low, high = test.low, test.high
    if low is not None and low == high and low.included:
        return ["=", low.number]
    found: list[object] = []
    if low is not None:
        found += [">=" if low.included else ">", low.number]
    if high is not None:
        found += ["<=" if high.included else "<", high.number]
    return found
