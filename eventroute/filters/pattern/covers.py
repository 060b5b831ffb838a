"""By what an index finds event patterns: predicates of which one holds whenever the pattern does.

The tables of texts hold canonical texts, so they also find a number that is written as the text is: finding it decides
only for attributes that are always texts.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from ipaddress import IPv4Network, ip_network
from typing import Final, TypeAlias

from eventroute.filters.expr.places import CORE
from eventroute.filters.pattern.places import place
from eventroute.filters.pattern.tree import (
    Affix,
    AnythingBut,
    Cidr,
    Edge,
    Equal,
    Exists,
    IgnoreCase,
    Leaf,
    Number,
    Numeric,
    Object,
    Path,
    Test,
    Wildcard,
)
from eventroute.filters.pattern.wildcard import pieces
from eventroute.filters.predicates import Predicate, Present, Span
from eventroute.filters.ranges import rounded
from eventroute.filters.syntax import Relation, Text
from eventroute.paths import Field

__all__ = ["MAX_SPELLINGS", "Found", "pattern_cover", "spellings"]

Found: TypeAlias = tuple[tuple[Predicate, ...], bool]
"""The predicates, and whether one of them holding decides that the pattern does."""

MAX_SPELLINGS: Final = 16
"""In how many ways the beginning of a text is spelt at most that is looked up in any case of letters."""

_LARGEST: Final = sys.float_info.max
_ALWAYS_THERE: Final = frozenset({"specversion", "id", "source", "type"})
_CASED: Final = 0x20000  # characters with a case are below
_RELATIONS: Final = {Edge.PREFIX: Relation.PREFIX, Edge.SUFFIX: Relation.SUFFIX}


def pattern_cover(one: Object | Leaf, cost: Callable[[Predicate], float], path: Path = ()) -> Found | None:
    """What the pattern is found by, or None where it must be evaluated always."""
    if isinstance(one, Leaf):
        return _leaf(place(path), one)
    options = [pattern_cover(below, cost, (*path, name)) for name, below in one.members]
    if one.choices:
        options.append(_union([pattern_cover(choice, cost, path) for choice in one.choices]))
    known = [option for option in options if option is not None]
    if not known:
        return None
    if len(options) == 1:
        return known[0]
    predicates, _ = known[0] if len(known) == 1 else min(known, key=lambda option: sum(map(cost, option[0])))
    return predicates, False


def _union(options: list[Found | None]) -> Found | None:
    predicates: dict[Predicate, None] = {}
    decides = True
    for option in options:
        if option is None:
            return None
        predicates.update(dict.fromkeys(option[0]))
        decides &= option[1]
    return tuple(predicates), decides


def _leaf(field: Field | None, leaf: Leaf) -> Found | None:
    if field is None:
        return None
    found = list[Found | None]()
    for test in leaf.tests:
        precise = _precise(field, test)
        if precise:
            found.append((tuple(precise), field.attribute in CORE and _is_whole(test)))
        elif test == Exists(False) or field.attribute in _ALWAYS_THERE:
            return None
        else:
            found.append(((Present(field),), False))
    return _union(found)


def _is_whole(test: Test) -> bool:
    """Whether the predicate of a text says all of the test."""
    if isinstance(test, Equal):
        return isinstance(test.value, str)
    return isinstance(test, Affix) and not test.ignore_case


def _precise(field: Field, test: Test) -> list[Predicate]:
    """What says more than that the field is there; nothing where nothing does."""
    match test:
        case Equal(value):
            return list(_of_value(field, value))
        case Numeric():
            return [_span(field, test)]
        case Affix() | IgnoreCase():
            return list(_of_text(field, test))
        case Wildcard(text):
            return list(_of_wildcard(field, text))
        case Cidr(network):
            return list(_of_network(field, network))
        case Exists() | AnythingBut():
            return []


def _of_value(field: Field, value: str | Number | bool | None) -> Iterator[Predicate]:
    match value:
        case None:
            return
        case bool():
            yield Text(Relation.EXACT, field, "true" if value else "false")
        case str():
            yield Text(Relation.EXACT, field, value)
        case _:
            yield Span(field, _low(value), _high(value), instants=False)


def _low(number: Number) -> float:
    return min(rounded(number), _LARGEST)


def _high(number: Number) -> float:
    return max(rounded(number), -_LARGEST)


def _span(field: Field, test: Numeric) -> Span:
    low = -math.inf if test.low is None else _low(test.low.number)
    high = math.inf if test.high is None else _high(test.high.number)
    return Span(field, low, high if high >= low else math.inf, instants=False)


def _of_text(field: Field, test: Affix | IgnoreCase) -> Iterator[Predicate]:
    if isinstance(test, Affix) and not test.ignore_case:
        if test.text:
            yield Text(_RELATIONS[test.edge], field, test.text)
        return
    edge = test.edge if isinstance(test, Affix) else Edge.PREFIX
    for spelling in spellings(test.text, edge):
        yield Text(_RELATIONS[edge], field, spelling)


def _of_wildcard(field: Field, text: str) -> Iterator[Predicate]:
    read = pieces(text)
    if read.exact is not None:
        yield Text(Relation.EXACT, field, read.exact)
    elif read.texts[0]:
        yield Text(Relation.PREFIX, field, read.texts[0])
    elif read.texts[-1]:
        yield Text(Relation.SUFFIX, field, read.texts[-1])


def _of_network(field: Field, text: str) -> Iterator[Predicate]:
    """IPv6 addresses have too many spellings."""
    network = ip_network(text)
    fixed = network.prefixlen // 8
    if isinstance(network, IPv4Network) and fixed:
        octets = str(network.network_address).split(".")
        start = ".".join(octets[:fixed])
        yield Text(Relation.EXACT, field, start) if fixed == 4 else Text(Relation.PREFIX, field, f"{start}.")


# -- texts in any case of letters


def spellings(text: str, edge: Edge) -> tuple[str, ...]:
    """Short texts, with one of which each text begins (or ends) that does so with this one in any case of letters."""
    spelt = {"": text.casefold()}  # to what remains of the text
    while any(spelt.values()):
        longer: dict[str, str] = {}
        for before, rest in spelt.items():
            if rest:
                longer.update(_spelt_on(before, rest, edge))
            else:
                longer[before] = rest
        if len(longer) > MAX_SPELLINGS and "" not in spelt:
            break
        spelt = longer
    return tuple(spelling for spelling in spelt if spelling)


def _spelt_on(before: str, rest: str, edge: Edge) -> Iterator[tuple[str, str]]:
    starts = edge is Edge.PREFIX
    next_one = rest[0] if starts else rest[-1]
    for char in (next_one, *_folded(edge).get(next_one, ())):
        folded = char.casefold()
        spelling = before + char if starts else char + before
        if starts and rest.startswith(folded):
            yield spelling, rest[len(folded) :]
        elif not starts and rest.endswith(folded):
            yield spelling, rest[: -len(folded)]
        elif folded.startswith(rest) if starts else folded.endswith(rest):
            yield spelling, ""


@cache
def _folded(edge: Edge) -> Mapping[str, str]:
    """The characters whose folding begins (or ends) with another one, by that one."""
    found: dict[str, str] = {}
    for char in map(chr, range(_CASED)):
        folded = char.casefold()
        if folded != char:
            one = folded[0] if edge is Edge.PREFIX else folded[-1]
            found[one] = found.get(one, "") + char
    return found
