"""The dialects that are JSON objects, and those that an application hands in: specification to syntax tree."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeAlias, TypeGuard

from eventroute.errors import InvalidFilter, InvalidPath
from eventroute.filters.cesql.expression import parse_predicate
from eventroute.filters.expr.parser import parse_expression
from eventroute.filters.pattern.parser import parse_pattern
from eventroute.filters.syntax import (
    MAX_CLAUSES,
    MAX_DEPTH,
    MAX_LITERAL,
    AllOf,
    AnyOf,
    Node,
    Not,
    Relation,
    Sql,
    Text,
    extent,
)
from eventroute.jsontext import encode_json
from eventroute.paths import Field

__all__ = ["BUILT_IN", "LANGUAGES", "NodeParser", "parse"]

NodeParser: TypeAlias = Callable[[str, str], Node]
"""Makes a clause of the JSON text that stands under a dialect's name; the place is for errors."""

_RELATIONS: Final = {relation.value: relation for relation in Relation}


def _sql(text: str, where: str) -> Node:
    return Sql(parse_predicate(text, where))


LANGUAGES: Final[Mapping[str, NodeParser]] = {
    "expr": parse_expression,
    **dict.fromkeys(("sql", "cesql", "ce_sql"), _sql),
}
"""The dialects that are text."""
BUILT_IN: Final = frozenset({*_RELATIONS, *LANGUAGES, "all", "any", "not", "pattern"})

_EXAMPLE: Final = "{'exact': {'type': 'com.example.made'}}"
_OBJECTS: Final = (dict, Mapping)  # it takes long to ask whether something is a Mapping
_LISTS: Final = (list, tuple, Sequence)
_TEXTS: Final = (str, bytes, bytearray, memoryview)
_LONGEST_NAME: Final = 64  # comparing names takes quadratic time
_plain = re.compile(r"[a-z0-9]{1,64}").fullmatch
_surrogate = re.compile("[\ud800-\udfff]").search
_field = lru_cache(maxsize=4096)(Field.parse)  # many filters read few fields


def parse(
    spec: object,
    custom: Mapping[str, NodeParser],
    languages: Mapping[str, NodeParser] = LANGUAGES,
    *,
    counted: bool = False,
) -> Node:
    """The tree of a filter, or of a list of filters, all of which must hold. Raises InvalidFilter with the place.

    `languages` may read texts otherwise; `counted` says that their clauses were found to be few enough before.
    """
    reader = _Reader(custom, languages, counted)
    if not _is_list(spec):
        return reader.filter(spec, "", 1)
    if len(spec) == 1:
        return reader.filter(spec[0], "filters[0]", 1)
    reader.count("filters", 1)
    return AllOf(tuple(reader.filter(one, f"filters[{place}]", 2) for place, one in enumerate(spec)))


class _Reader:
    """Reads one specification, counting its clauses."""

    def __init__(self, custom: Mapping[str, NodeParser], languages: Mapping[str, NodeParser], counted: bool) -> None:
        self._custom = custom
        self._languages = languages
        self._counted_before = counted
        self._clauses = 0

    def count(self, where: str, depth: int, clauses: int = 1) -> None:
        self._clauses += clauses
        if self._clauses > MAX_CLAUSES:
            raise InvalidFilter(f"a filter has at most {MAX_CLAUSES} clauses: make several of it", where=where)
        if depth > MAX_DEPTH:
            raise InvalidFilter(f"clauses nest at most {MAX_DEPTH} deep: flatten them", where=where[:200])

    def filter(self, spec: object, where: str, depth: int) -> Node:
        name, value = self._dialect(spec, where)
        where = f"{where}.{name}" if where else name
        if name in self._custom:
            return self._adopt(name, value, where, depth)
        if name in self._languages:
            return self._expression(self._languages[name], value, where, depth)
        if name == "pattern":
            return self._counted(parse_pattern(value, where), where, depth)
        self.count(where, depth)
        if name in _RELATIONS:
            return self._text(_RELATIONS[name], value, where, depth)
        if name == "not":
            return Not(self.filter(value, where, depth + 1))
        operands = tuple(
            self.filter(one, f"{where}[{place}]", depth + 1) for place, one in enumerate(_filters(value, where))
        )
        return AllOf(operands) if name == "all" else AnyOf(operands)

    def _dialect(self, spec: object, where: str) -> tuple[str, object]:
        if isinstance(spec, str):
            return "expr", spec
        if not isinstance(spec, _OBJECTS):
            raise InvalidFilter(f"expected an object such as {_EXAMPLE}, not {reprlib.repr(spec)}", where=where)
        if len(spec) != 1:
            raise InvalidFilter(_one_name(spec), where=where)
        [(name, value)] = spec.items()
        if not isinstance(name, str) or (name not in BUILT_IN and name not in self._custom):
            raise InvalidFilter(self._unknown(name), where=where)
        return name, value

    def _unknown(self, name: object) -> str:
        known = sorted({*BUILT_IN, *self._custom})
        near = isinstance(name, str) and difflib.get_close_matches(name[:_LONGEST_NAME].lower(), known, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        return f"unknown dialect {reprlib.repr(name)}{meant}; known are {', '.join(known)}"

    def _text(self, relation: Relation, value: object, where: str, depth: int) -> Node:
        if not isinstance(value, _OBJECTS) or not value:
            raise InvalidFilter(
                f"expected an object, field -> text, not {reprlib.repr(value)}: write {_EXAMPLE}", where=where
            )
        if len(value) > 1:
            self.count(where, depth + 1, len(value))
        terms = [_term(relation, name, literal, where) for name, literal in value.items()]
        if len(terms) == 1:
            return terms[0]
        terms.sort(key=_order)
        return AllOf(tuple(terms))

    def _expression(self, language: NodeParser, value: object, where: str, depth: int) -> Node:
        if not isinstance(value, str):
            raise InvalidFilter(f"expected an expression as text, not {reprlib.repr(value)}", where=where)
        node = language(value, where)
        return node if self._counted_before else self._counted(node, where, depth)

    def _adopt(self, name: str, value: object, where: str, depth: int) -> Node:
        try:
            text = encode_json(value).decode()
        except ValueError as error:
            raise InvalidFilter(f"this is not JSON: {error}", where=where) from None
        return self._counted(self._custom[name](text, where), where, depth)

    def _counted(self, node: Node, where: str, depth: int) -> Node:
        inner_depth, clauses = extent(node)
        self.count(where, depth + inner_depth - 1, clauses)
        return node


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, _LISTS) and not isinstance(value, _TEXTS)


def _filters(value: object, where: str) -> Sequence[object]:
    if not _is_list(value) or not value:
        raise InvalidFilter(f"expected a list of at least one filter, not {reprlib.repr(value)}", where=where)
    return value


def _one_name(spec: Mapping[object, object]) -> str:
    if not spec:
        return f"it is empty: write an object such as {_EXAMPLE}, or an empty list of filters for everything"
    names = ", ".join(reprlib.repr(name) for name in list(spec)[:4])
    return f"a filter has one dialect, and this has {len(spec)} ({names}): put several filters into 'all' or 'any'"


def _term(relation: Relation, name: object, literal: object, where: str) -> Text:
    if not isinstance(name, str):
        raise InvalidFilter(f"a field is a text, not {reprlib.repr(name)}", where=where)
    where = f"{where}.{name}" if _plain(name) else f"{where}[{reprlib.repr(name)}]"
    try:
        field = _field(name)
    except InvalidPath as error:
        raise InvalidFilter(f"this is not a field: {error.reason} ({error.where})", where=where) from None
    if not isinstance(literal, str):
        raise InvalidFilter(f"expected a text, not {reprlib.repr(literal)}: put it in quotes", where=where)
    if not literal:
        raise InvalidFilter("the text is empty: say what to compare with", where=where)
    if len(literal) > MAX_LITERAL:
        raise InvalidFilter(f"the text has {len(literal)} characters, at most {MAX_LITERAL} are allowed", where=where)
    if not literal.isascii() and _surrogate(literal):
        raise InvalidFilter("the text has half of a surrogate pair, which no event has", where=where)
    return Text(relation, field, literal)


def _order(term: Text) -> tuple[str, str]:
    """Members of an object have no order, so filters that differ only in it must be equal."""
    return str(term.field), term.literal
