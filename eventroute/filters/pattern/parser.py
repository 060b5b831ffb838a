"""JSON objects to event patterns. What cannot be understood in any part is refused, with the place."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping, Sequence
from typing import Final, TypeGuard

from eventroute.errors import InvalidFilter
from eventroute.filters.expr.places import CORE
from eventroute.filters.faults import meant
from eventroute.filters.pattern.operators import OPERATORS, Unfit, literal, test
from eventroute.filters.pattern.tree import DATA, AnythingBut, Leaf, Object, Test
from eventroute.filters.syntax import MAX_CLAUSES, MAX_DEPTH, MAX_LITERAL, EventPattern

__all__ = ["CHOICE", "parse_pattern"]

CHOICE: Final = "$or"
"""The member that is no member, but a list of objects of which one must hold."""

_EXAMPLE: Final = "{'type': ['com.example.made'], 'data': {'size': [1, 2]}}"
_ELSEWHERE: Final = {
    "detail-type": "type",
    "detailType": "type",
    "data_base64": DATA,
    "account": "source",
    "region": "source",
    "resources": "subject",
}
"""What EventBridge and others call what CloudEvents calls otherwise."""

_OBJECTS: Final = (dict, Mapping)  # it takes long to ask whether something is a Mapping
_LISTS: Final = (list, tuple, Sequence)
_TEXTS: Final = (str, bytes, bytearray, memoryview)
_is_attribute = re.compile(r"[a-z0-9]+").fullmatch
_plain = re.compile(r"[A-Za-z0-9_$-]{1,64}").fullmatch
_surrogate = re.compile("[\ud800-\udfff]").search


def parse_pattern(spec: object, where: str) -> EventPattern:
    """The pattern that an object says. Raises InvalidFilter."""
    return EventPattern(_Reader().top(spec, where, 1))


class _Reader:
    """Reads one pattern, counting its clauses."""

    def __init__(self) -> None:
        self._clauses = 0

    def top(self, spec: object, where: str, depth: int) -> Object:
        """A pattern for a whole event, or one of its choices."""
        members = self._enter(spec, where, depth)
        return self._object(members, where, depth, top=True)

    def _enter(self, spec: object, where: str, depth: int) -> Mapping[object, object]:
        if not isinstance(spec, _OBJECTS):
            raise InvalidFilter(f"expected an object such as {_EXAMPLE}, not {reprlib.repr(spec)}", where=where)
        if not spec:
            raise InvalidFilter(f"the object is empty, and says nothing: write one such as {_EXAMPLE}", where=where)
        if depth > MAX_DEPTH:
            raise InvalidFilter(f"objects nest at most {MAX_DEPTH} deep", where=where[:200])
        self._count(where)
        return spec

    def _count(self, where: str, clauses: int = 1) -> None:
        self._clauses += clauses
        if self._clauses > MAX_CLAUSES:
            raise InvalidFilter(f"a pattern has at most {MAX_CLAUSES} clauses: make several of it", where=where[:200])

    def _object(self, spec: Mapping[object, object], where: str, depth: int, *, top: bool) -> Object:
        members: list[tuple[str, Object | Leaf]] = []
        choices: tuple[Object, ...] = ()
        for name, value in spec.items():
            place = _below(name, where)
            if name == CHOICE:
                choices = self._choices(value, place, depth, top=top)
            else:
                members.append((_checked(name, value, place, top=top), self._member(value, place, depth + 1)))
        members.sort(key=lambda member: member[0])
        return Object(tuple(members), choices)

    def _choices(self, value: object, where: str, depth: int, *, top: bool) -> tuple[Object, ...]:
        if not _is_list(value) or len(value) < 2:
            raise InvalidFilter(
                f"{CHOICE} takes a list of two or more objects, of which one must hold, not {reprlib.repr(value)}",
                where=where,
            )
        choices = list[Object]()
        for place, one in enumerate(value):
            below = f"{where}[{place}]"
            choices.append(self._object(self._enter(one, below, depth + 1), below, depth + 1, top=top))
        return tuple(choices)

    def _member(self, value: object, where: str, depth: int) -> Object | Leaf:
        if _is_list(value):
            return self._leaf(value, where)
        if isinstance(value, _OBJECTS):
            return self._object(self._enter(value, where, depth), where, depth, top=False)
        raise InvalidFilter(_no_list(value, where), where=where)

    def _leaf(self, value: Sequence[object], where: str) -> Leaf:
        if not value:
            raise InvalidFilter("the array is empty, so nothing fits: write what may stand there", where=where)
        tests = list[Test]()
        for place, one in enumerate(value):
            below = f"{where}[{place}]"
            try:
                read = test(one) if isinstance(one, _OBJECTS) else literal(one)
            except Unfit as unfit:
                raise InvalidFilter(unfit.reason, where=below + unfit.where) from None
            self._count(below, len(read.tests) if isinstance(read, AnythingBut) else 1)
            tests.append(read)
        return Leaf(tuple(tests))


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, _LISTS) and not isinstance(value, _TEXTS)


def _below(name: object, where: str) -> str:
    return f"{where}.{name}" if isinstance(name, str) and _plain(name) else f"{where}[{reprlib.repr(name)}]"


def _checked(name: object, value: object, where: str, *, top: bool) -> str:
    """The name of a member, if it is one."""
    if not isinstance(name, str):
        raise InvalidFilter(f"a name is a text, not {reprlib.repr(name)}", where=where)
    if len(name) > MAX_LITERAL:
        raise InvalidFilter(f"the name has {len(name)} characters, at most {MAX_LITERAL} are allowed", where=where)
    if not name.isascii() and _surrogate(name):
        raise InvalidFilter("the name has half of a surrogate pair, which no event has", where=where)
    if not top or name == DATA:
        return name
    if not _is_attribute(name):
        raise InvalidFilter(f"{_no_attribute(name)}; other members of a pattern stand in 'data'", where=where)
    if isinstance(value, _OBJECTS):
        raise InvalidFilter(_no_members(name, value), where=where)
    return name


def _no_attribute(name: str) -> str:
    reason = f"an event has no attribute {reprlib.repr(name)}: attributes have lower-case letters and digits only"
    elsewhere = _ELSEWHERE.get(name)
    if elsewhere is not None:
        return f"{reason}; CloudEvents has {elsewhere!r} for it"
    plain = re.sub("[^a-z0-9]", "", name[:64].lower())
    return reason + (meant(plain, (*CORE, DATA)) or f"; did you mean {plain}?" if plain else "")


def _no_members(name: str, value: Mapping[object, object]) -> str:
    first = next(iter(value), None)
    if isinstance(first, str) and first in OPERATORS:
        return f"an operator stands in an array: write [{{'{first}': ...}}]"
    if name == "detail":
        return "attributes have no members; CloudEvents has 'data' for 'detail'"
    return f"attributes have no members: write {{'{name}': [...]}}, or put it into 'data'"


def _no_list(value: object, where: str) -> str:
    name = where.rpartition(".")[2]
    if name in OPERATORS:
        return f"an operator stands in an array: write [{{'{name}': {reprlib.repr(value)}}}]"
    return f"expected an array of what may stand there, or an object, not {reprlib.repr(value)}: put it in [ ]"
