"""What an event pattern means, for values as JSON decoding gives them.

An object of a pattern holds for an object each of whose members holds. For an array it holds if it holds for one of
the elements, which may be arrays again; so what is written in one object holds for one element. Anything else, an
empty array included, has no members. A leaf looks at the values at its place that are neither objects nor arrays: those
of an array are its elements', and theirs.

Each part of a pattern meets each value of the event at most once, so the time is bounded by the product of the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final

from eventroute.event import Event
from eventroute.filters.expr.values import order, same
from eventroute.filters.pattern.places import array_key
from eventroute.filters.pattern.tree import (
    DATA,
    Affix,
    AnythingBut,
    Cidr,
    Edge,
    Equal,
    Exists,
    IgnoreCase,
    Leaf,
    Numeric,
    Object,
    Path,
    Test,
    Wildcard,
)
from eventroute.filters.pattern.wildcard import pieces
from eventroute.paths import MISSING, Field

__all__ = [
    "data_holds",
    "data_of",
    "holds",
    "in_network",
    "in_range",
    "leaf_holds",
    "object_holds",
    "passes",
    "pattern_holds",
    "row_holds",
    "scalars",
]

_LONGEST_ADDRESS: Final = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")


def pattern_holds(tree: Object, event: Event) -> bool:
    """Whether a whole pattern holds for an event."""
    for name, below in tree.members:
        value = data_of(event) if name == DATA else event.attributes.get(name, MISSING)
        if not holds(below, value):
            return False
    return not tree.choices or any(pattern_holds(choice, event) for choice in tree.choices)


def row_holds(one: Object | Leaf, path: Path, row: Mapping[str, Any]) -> bool:
    """Whether what a pattern says of a place in data holds for a row, which has arrays on the way to places."""
    if isinstance(one, Leaf):
        return leaf_holds(one, row.get(_key(path), MISSING))
    array = row.get(array_key(path))
    if array:
        return object_holds(one, array)
    for name, below in one.members:
        if not row_holds(below, (*path, name), row):
            return False
    return not one.choices or any(row_holds(choice, path, row) for choice in one.choices)


@lru_cache(maxsize=4096)  # many filters read few places
def _key(path: Path) -> str:
    return str(Field(None, path))


def data_holds(leaf: Leaf, event: Event) -> bool:
    """Whether a leaf holds for the data as a whole."""
    return leaf_holds(leaf, data_of(event))


def data_of(event: Event) -> Any:
    """The data, or MISSING where there is none."""
    return event.data if event.has_data else MISSING


def holds(one: Object | Leaf, value: Any) -> bool:
    """Whether it holds for a value, or for MISSING."""
    return leaf_holds(one, value) if isinstance(one, Leaf) else object_holds(one, value)


def object_holds(one: Object, value: Any) -> bool:
    """Whether an object of a pattern holds for a value, or for MISSING."""
    if isinstance(value, list) and value:
        return any(object_holds(one, element) for element in _elements(value))
    members = value if isinstance(value, dict) else {}
    for name, below in one.members:
        if not holds(below, members.get(name, MISSING)):
            return False
    return not one.choices or any(object_holds(choice, members) for choice in one.choices)


def leaf_holds(leaf: Leaf, value: Any) -> bool:
    """Whether a leaf of a pattern holds for a value, or for MISSING."""
    nothing = True
    for scalar in scalars(value):
        nothing = False
        if any(passes(test, scalar) for test in leaf.tests):
            return True
    return nothing and Exists(False) in leaf.tests


def scalars(value: Any) -> Iterator[Any]:
    """The values at a leaf's place that are neither arrays nor objects."""
    if isinstance(value, list):
        for element in _elements(value):
            if not isinstance(element, dict | list):
                yield element
    elif not isinstance(value, dict) and value is not MISSING:
        yield value


def _elements(array: list[Any]) -> Iterator[Any]:
    """What stands in an array and in those in it, empty ones too. They may be deeper in one another than calls can be,
    where something else than a router wrote the event.
    """
    waiting = [iter(array)]
    while waiting:
        for element in waiting[-1]:
            if isinstance(element, list) and element:
                waiting.append(iter(element))
                break
            yield element
        else:
            waiting.pop()


def passes(test: Test, value: Any) -> bool:
    """Whether a test holds for a value that is neither array nor object."""
    match test:
        case Equal(wanted):
            return _equal(wanted, value)
        case Affix() | IgnoreCase() | Wildcard() | Cidr():
            return isinstance(value, str) and _fits(test, value)
        case Numeric():
            return in_range(test, value)
        case Exists(wanted):
            return wanted
        case AnythingBut(tests):
            return not any(passes(one, value) for one in tests)


def _equal(wanted: object, value: Any) -> bool:
    if wanted is None or isinstance(wanted, bool):
        return value is wanted
    return same(value, wanted)


def _fits(test: Affix | IgnoreCase | Wildcard | Cidr, text: str) -> bool:
    match test:
        case Affix(edge, part, ignore_case):
            if ignore_case:
                text, part = text.casefold(), part.casefold()
            return text.startswith(part) if edge is Edge.PREFIX else text.endswith(part)
        case IgnoreCase(wanted):
            return text.casefold() == wanted.casefold()
        case Wildcard(pattern):
            return pieces(pattern).fit(text)
        case Cidr(network):
            return in_network(network, text)


def in_range(test: Numeric, value: Any) -> bool:
    """Whether a value is a number in the range."""
    low, high = test.low, test.high
    if low is not None and order(value, low.number) not in ((0, 1) if low.included else (1,)):
        return False
    return high is None or order(value, high.number) in ((-1, 0) if high.included else (-1,))


_network = lru_cache(maxsize=1024)(ip_network)


def in_network(network: str, text: str) -> bool:
    """Whether a text is an IP address, without a zone, in the network."""
    if len(text) > _LONGEST_ADDRESS or "%" in text:
        return False
    try:
        address = ip_address(text)
    except ValueError:
        return False
    known: IPv4Network | IPv6Network = _network(network)
    return address in known
