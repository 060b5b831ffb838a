"""A naive reading of event patterns, straight from the rules, and strategies for patterns and events that often meet.

It reads specifications, not syntax trees, and does nothing fast: the compiled functions and the index are held to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from ipaddress import ip_address
from typing import Any

from hypothesis import strategies as st

from eventroute.errors import InvalidEvent
from eventroute.event import Event

TEXTS = (
    "",
    "a",
    "ab",
    "AB",
    "abc",
    "b",
    "ba",
    "a*b",
    "a\\b",
    "K",
    "\u212a",
    "straße",
    "STRASSE",
    "ﬁx",
    "5",
    "true",
    "null",
)
NUMBERS = (0, 1, 5, 5.0, -5, 1.5, 30, 3.0e1, 0.1, 2**53, 2**53 + 1, 12345678901234567890123, 1e300)
ADDRESSES = ("10.0.0.1", "10.0.0.255", "10.1.2.3", "192.168.0.1", "::1", "2001:db8::1", "2001:0db8:0::1", "010.0.0.1")
NETWORKS = ("10.0.0.0/24", "10.0.0.0/8", "10.0.0.9/15", "0.0.0.0/0", "10.0.0.1/32", "2001:db8::/32", "::/0", "::1/128")
WILDCARDS = ("*", "a*", "*b", "a*b", "*a*", "a\\*b", "a\\\\*", "ab", "*5*", "a*b*c", "", "\u017f*")
NAMES = ("a", "b", "c", "odd key", "é", "$x", "a.b", "prefix", "")
ATTRIBUTES = ("type", "source", "subject", "flag", "number", "other")
FREE = ("type", "subject", "flag", "other")
BINARY = ({"data_base64": "YWI=", "datacontenttype": "image/png"}, {"data_base64": "eyJhIjpbMV19"})

ABSENT = object()

# -- meaning


def matches(pattern: dict[str, Any], event: Event) -> bool:
    """Whether an event matches a pattern."""
    return mirrors(pattern, {**event.attributes, **({"data": event.data} if event.has_data else {})})


def mirrors(pattern: dict[str, Any], value: Any) -> bool:
    """One of the objects that a value stands for has all that the pattern asks for."""
    return any(all(member(name, asked, one) for name, asked in pattern.items()) for one in objects(value))


def objects(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list) and value:
        return [one for element in value for one in objects(element)]
    return [value if isinstance(value, dict) else {}]


def member(name: str, asked: Any, one: dict[str, Any]) -> bool:
    if name == "$or":
        return any(mirrors(choice, one) for choice in asked)
    value = one.get(name, ABSENT)
    if isinstance(asked, dict):
        return mirrors(asked, value)
    found = list(leaves(value))
    return any(
        (not found if test == {"exists": False} else any(passes(test, leaf) for leaf in found)) for test in asked
    )


def leaves(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [leaf for element in value for leaf in leaves(element)]
    return [] if isinstance(value, dict) or value is ABSENT else [value]


def passes(test: Any, value: Any) -> bool:
    if not isinstance(test, dict):
        return same(test, value)
    [(operator, of)] = test.items()
    if operator == "exists":
        return of is True
    if operator == "anything-but":
        return not any(passes(one, value) for one in others(of))
    if operator == "numeric":
        return number(value) is not None and all(
            compares(value, sign, limit) for sign, limit in zip(of[::2], of[1::2], strict=True)
        )
    return isinstance(value, str) and fits(operator, of, value)


def others(of: Any) -> list[Any]:
    """What is not meant, as tests."""
    if isinstance(of, dict):
        [(operator, of)] = of.items()
        return [{operator: one} for one in (of if isinstance(of, list) else [of])]
    return of if isinstance(of, list) else [of]


def same(one: Any, other: Any) -> bool:
    if number(one) is not None:
        return number(one) == number(other)
    return type(one) is type(other) and bool(one == other)


def compares(value: Any, sign: str, limit: Any) -> bool:
    one, other = number(value), number(limit)
    assert one is not None
    assert other is not None
    tests = {"=": one == other, "<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}
    return bool(tests[sign])


def number(value: Any) -> Fraction | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return Fraction(Decimal(repr(value)))
    return Fraction(value) if isinstance(value, int | Decimal) else None


def fits(operator: str, of: Any, text: str) -> bool:
    if isinstance(of, dict):
        text, of = text.casefold(), of["equals-ignore-case"].casefold()
    if operator == "equals-ignore-case":
        return text.casefold() == str(of).casefold()
    if operator == "wildcard":
        return re.fullmatch(regular(of), text, re.DOTALL) is not None
    if operator == "cidr":
        return within(of, text)
    return bool(text.startswith(of) if operator == "prefix" else text.endswith(of))


def regular(pattern: str) -> str:
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    return "".join(".*" if part == "*" else re.escape(part[-1]) for part in parts)


def within(network: str, text: str) -> bool:
    base, _, bits = network.partition("/")
    try:
        address = ip_address(text)
    except ValueError:
        return False
    start = ip_address(base)
    free = start.max_prefixlen - int(bits)
    return address.version == start.version and int(address) >> free == int(start) >> free


# -- strategies

_texts = st.sampled_from(TEXTS)
_filled = st.sampled_from(TEXTS[1:])
_numbers = st.sampled_from(NUMBERS)
_literals = _texts | _numbers | st.sampled_from((True, False, None))
_limits = st.one_of(
    st.tuples(st.sampled_from(("=", "<", "<=", ">", ">=")), _numbers).map(list),
    st.tuples(st.sampled_from((">", ">=")), _numbers, st.sampled_from(("<", "<=")), _numbers).map(list),
)


def _one_or_more(one: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return one | st.lists(one, min_size=1, max_size=3)


def _operator(name: str, of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return of.map(lambda value: {name: value})


_folded = _operator("equals-ignore-case", _texts)
_wildcards = st.sampled_from(WILDCARDS)
tests: st.SearchStrategy[Any] = st.one_of(
    _literals,
    _literals,
    st.sampled_from(ADDRESSES),
    _operator("prefix", _texts | _folded),
    _operator("suffix", _texts | _folded),
    _folded,
    _operator("wildcard", _wildcards),
    _operator("numeric", _limits),
    _operator("cidr", st.sampled_from(NETWORKS)),
    _operator("exists", st.booleans()),
    _operator(
        "anything-but",
        st.one_of(
            _one_or_more(_texts),
            _one_or_more(_numbers),
            _operator("prefix", _one_or_more(_filled)),
            _operator("suffix", _one_or_more(_filled)),
            _operator("equals-ignore-case", _one_or_more(_texts)),
            _operator("wildcard", _one_or_more(_wildcards)),
        ),
    ),
)
"""What stands in the arrays of a pattern."""

_arrays = st.lists(tests, min_size=1, max_size=3)
_NAMES = st.sampled_from(("a", "a", "b", "b", "c", *NAMES))


_kinds = st.integers(0, 5)


@st.composite
def _objects(draw: st.DrawFn, names: st.SearchStrategy[str], below: st.SearchStrategy[Any], depth: int = 1) -> Any:
    """An object of a pattern: members, choices, or both."""
    kind = draw(_kinds) if depth else 0
    found: dict[str, Any] = {}
    if kind < 5:
        found = {name: draw(below) for name in draw(st.lists(names, min_size=1, max_size=3, unique=True))}
    if kind > 3:
        choice = _objects(names, below, depth - 1)
        found["$or"] = draw(st.lists(choice, min_size=2, max_size=3))
    return found


@st.composite
def _members_of_data(draw: st.DrawFn, depth: int = 2) -> Any:
    """What stands at a name below data."""
    if depth == 0 or draw(_kinds) < 4:
        return draw(_arrays)
    return draw(_objects(_NAMES, _members_of_data(depth - 1)))


@st.composite
def patterns(draw: st.DrawFn, depth: int = 1) -> dict[str, Any]:
    """Patterns with every operator."""
    found: dict[str, Any] = {}
    kind = draw(_kinds)
    if kind in (0, 4):
        found |= {name: draw(_arrays) for name in draw(st.sets(st.sampled_from(ATTRIBUTES), min_size=1, max_size=2))}
    if kind in (1, 2, 4):
        found["data"] = draw(_objects(_NAMES, _members_of_data()))
    if kind == 3:
        found["data"] = draw(_arrays)
    if not found or (depth and draw(_kinds) == 5):
        found["$or"] = draw(st.lists(patterns(depth - 1), min_size=2, max_size=3)) if depth else None
    return found if found.get("$or", True) else {"type": draw(_arrays)}


scalars = st.one_of(_texts, _numbers, st.sampled_from((True, False, None)), st.sampled_from(ADDRESSES))


def values() -> st.SearchStrategy[Any]:
    """JSON values whose names and values the patterns often meet, arrays everywhere."""
    return st.recursive(
        scalars | st.lists(scalars, max_size=2),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
        max_leaves=10,
    )


@st.composite
def raws(draw: st.DrawFn) -> str:
    """Events as JSON text."""
    event: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": draw(st.sampled_from(("a", "ab", "/b", "5")))}
    event["type"] = draw(st.sampled_from(("a", "ab", "AB", "K", "5", "a*b")))
    event |= draw(
        st.fixed_dictionaries(
            {},
            optional={
                "subject": st.sampled_from((*TEXTS[1:], *ADDRESSES, None)),
                "flag": st.sampled_from((True, False, "true", None)),
                "number": st.sampled_from((0, 5, 30, "5", None)),
                "data": values(),
            },
        )
    )
    if "data" in event and not draw(st.integers(0, 9)):
        del event["data"]
        event |= draw(
            st.sampled_from(({"data_base64": "YWI=", "datacontenttype": "image/png"}, {"data_base64": "eyJhIjpbMV19"}))
        )
    return json.dumps(event, ensure_ascii=draw(st.booleans()))


# -- events that are made for a pattern


@st.composite
def made_for(draw: st.DrawFn, pattern: dict[str, Any]) -> str:
    """An event as JSON text that has much of what a pattern asks for, wrapped in arrays here and there."""
    event = json.loads(draw(raws()))
    if "data_base64" not in event:
        wanted = draw(_shaped({"data": {}, **pattern})) if draw(_kinds) else {}
        event |= {name: of for name, of in wanted.items() if name == "data" or (name in FREE and of in TEXTS[1:])}
    return json.dumps(event)


@st.composite
def _shaped(draw: st.DrawFn, asked: dict[str, Any]) -> Any:
    one: dict[str, Any] = {}
    for name, below in asked.items():
        if name == "$or":
            one |= draw(_shaped(draw(st.sampled_from(below))))
        elif draw(st.integers(0, 9)):
            one[name] = draw(_wrapped(_shaped(below) if isinstance(below, dict) else _passing(below)))
    return one


@st.composite
def _wrapped(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> Any:
    """The value, or an array of it and others."""
    kind = draw(_kinds)
    if kind < 4:
        return draw(inner)
    others = draw(st.lists(inner | scalars, max_size=2))
    value = draw(inner)
    return [*others, [value] if kind == 5 else value]


@st.composite
def _passing(draw: st.DrawFn, asked: list[Any]) -> Any:
    """A value that passes one of the tests, mostly."""
    asked_for = draw(st.sampled_from(asked))
    if not isinstance(asked_for, dict):
        return asked_for
    [(operator, of)] = asked_for.items()
    if isinstance(of, dict) and operator != "anything-but":
        of = str(of["equals-ignore-case"]).swapcase()
    tries: dict[str, Callable[[], Any]] = {
        "prefix": lambda: of + draw(_texts),
        "suffix": lambda: draw(_texts) + of,
        "equals-ignore-case": lambda: str(of).swapcase(),
        "wildcard": lambda: of.replace("\\", "").replace("*", draw(_texts)),
        "numeric": lambda: next(one for one in of if not isinstance(one, str)),
        "cidr": lambda: of.partition("/")[0],
    }
    return tries[operator]() if operator in tries else draw(scalars)


def accepted(raw: str) -> bool:
    """Whether the text is an event."""
    try:
        Event.from_json(raw)
    except InvalidEvent:
        return False
    return True


def events() -> st.SearchStrategy[Event]:
    """Events whose values the patterns often meet."""
    return raws().filter(accepted).map(Event.from_json)
