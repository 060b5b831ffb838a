"""Why an event pattern holds for an event, or does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

from attrs import frozen

from eventroute.canonical import canonical_text
from eventroute.event import Event
from eventroute.filters.pattern.evaluation import data_of, in_network, leaf_holds, object_holds, scalars
from eventroute.filters.pattern.parser import CHOICE
from eventroute.filters.pattern.printing import at, pattern_text
from eventroute.filters.pattern.tree import (
    DATA,
    Affix,
    Cidr,
    Equal,
    IgnoreCase,
    Leaf,
    Numeric,
    Object,
    Test,
    Wildcard,
)
from eventroute.paths import MISSING, Field

__all__ = ["Told", "tell"]

_LONGEST: Final = 60
_Place: TypeAlias = tuple[str | int, ...]
"""Names and the indexes of elements that were chosen, from the top of the event."""


@frozen
class Told:
    """A part of a pattern, whether it holds, why, and what the event has there, MISSING where it has nothing."""

    clause: str
    matched: bool
    why: str
    value: object = MISSING
    parts: tuple[Told, ...] = ()


def tell(tree: Object, event: Event) -> Told:
    """What each leaf of a pattern makes of an event; for arrays, what all of one object makes of them."""
    values = {**event.attributes, DATA: data_of(event)}
    return _all("pattern", tuple(_members(tree, (), values)))


def _all(clause: str, parts: tuple[Told, ...]) -> Told:
    return Told(clause, all(part.matched for part in parts), _count(parts), parts=parts)


def _count(parts: tuple[Told, ...]) -> str:
    return f"{sum(part.matched for part in parts)} of {len(parts)} hold"


def _members(one: Object, place: _Place, values: Mapping[str, Any]) -> Iterator[Told]:
    for name, below in one.members:
        yield from _at(below, (*place, name), values.get(name, MISSING))
    if one.choices:
        choices = [tuple(_members(choice, place, values)) for choice in one.choices]
        parts = tuple(parts[0] if len(parts) == 1 else _all("all", parts) for parts in choices)
        yield Told(CHOICE, any(part.matched for part in parts), _count(parts), parts=parts)


def _at(one: Object | Leaf, place: _Place, value: Any) -> Iterator[Told]:
    if isinstance(one, Leaf):
        matched = leaf_holds(one, value)
        yield Told(_clause(place, one), matched, _why(one, _name(place), value, matched=matched), value)
    elif isinstance(value, list) and value:
        yield _of_array(one, place, value)
    else:
        yield from _members(one, place, value if isinstance(value, dict) else {})


def _of_array(one: Object, place: _Place, value: list[Any]) -> Told:
    """What an object makes of an array: the element for which it holds; else, for what of it elements are there."""
    name, size = _name(place), len(value)
    found = _element(one, value)
    if found is not None:
        steps, element = found
        parts = tuple(_at(one, (*place, *steps), element))
        why = f"element {_index(steps)} of {name}, an array of {size}, is so"
        return Told(_clause(place, one), True, why, value, parts)
    alone = [Object((member,)) for member in one.members] + ([Object((), one.choices)] if one.choices else [])
    parts = tuple(_alone(part, place, value) for part in alone) if len(alone) > 1 else ()
    why = f"no element of {name}, an array of {size}, is so"
    if parts and all(part.matched for part in parts):
        why += ", though for each part of it one is: all must hold for one element"
    return Told(_clause(place, one), False, why, value, parts)


def _alone(part: Object, place: _Place, value: list[Any]) -> Told:
    """What one member of an object by itself makes of an array."""
    found = _element(part, value)
    is_so = f"{'no element' if found is None else f'element {_index(found[0])}'} of {_name(place)} is so"
    return Told(_clause(place, part), found is not None, is_so, value)


def _element(one: Object, array: list[Any]) -> tuple[tuple[int, ...], Any] | None:
    """The first element for which an object holds, and its indexes: more than one where arrays stand in arrays, which
    may be deeper in one another than calls can be.
    """
    waiting, steps = [enumerate(array)], list[int]()
    while waiting:
        for index, element in waiting[-1]:
            if isinstance(element, list) and element:
                waiting.append(enumerate(element))
                steps.append(index)
                break
            if object_holds(one, element):
                return (*steps, index), element
        else:
            waiting.pop()
            del steps[-1:]
    return None


def _index(steps: tuple[int, ...]) -> str:
    return str(steps[0]) if len(steps) == 1 else "".join(f"[{step}]" for step in steps)


def _clause(place: _Place, one: Object | Leaf) -> str:
    names = tuple(step for step in place if isinstance(step, str))
    return f'{{"pattern":{pattern_text(at(names, one))}}}'


def _name(place: _Place) -> str:
    first, *steps = place
    return str(Field(None, tuple(steps))) if first == DATA else str(first)


def _why(leaf: Leaf, name: str, value: Any, *, matched: bool) -> str:
    if value is MISSING:
        return f"the event has no {name}"
    if isinstance(value, dict):
        return f"{name} is an object, and only what its members are is compared"
    if isinstance(value, list):
        if next(scalars(value), MISSING) is MISSING:
            return f"{name} is an array with nothing in it that is compared"
        return f"{'an' if matched else 'no'} element of {name}, an array of {len(value)}, is so"
    shown = f"{name} is {_shown(value)}"
    unlike = "" if matched else _unlike(leaf, value)
    return f"{shown}; {unlike}" if unlike else shown


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = "null" if value is None else repr(value) if isinstance(value, str) else str(canonical_text(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"


def _unlike(leaf: Leaf, value: Any) -> str:
    """What is said where no test of the leaf is for values of this kind."""
    wanted = list(dict.fromkeys(map(_wants, leaf.tests)))
    kind = _kind(value)
    if kind is None or None in wanted:
        return ""
    if kind not in wanted:
        return f"that is {kind}, and {' or '.join(map(str, wanted))} is compared"
    addresses = all(isinstance(test, Cidr) for test in leaf.tests)
    return "that is no IP address" if addresses and not _is_address(value) else ""


def _is_address(text: str) -> bool:
    return in_network("0.0.0.0/0", text) or in_network("::/0", text)


def _wants(test: Test) -> str | None:
    match test:
        case Equal(value):
            return _kind(value)
        case Numeric():
            return "a number"
        case Affix() | IgnoreCase() | Wildcard() | Cidr():
            return "a text"
    return None


def _kind(value: Any) -> str | None:
    match value:
        case bool():
            return "a boolean"
        case int() | float() | Decimal():
            return "a number"
        case str():
            return "a text"
    return None
