"""Event patterns as Python source, for the compiler.

The source is for events whose objects hold no arrays, the usual case: members are read in place. Where it meets an
array, it calls `evaluation`, and so it does below INLINE objects in one another.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from eventroute.filters.expr.values import exact
from eventroute.filters.pattern.evaluation import (
    data_holds,
    in_network,
    in_range,
    leaf_holds,
    object_holds,
    pattern_holds,
    row_holds,
)
from eventroute.filters.pattern.places import ARRAYS
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
    Limit,
    Numeric,
    Object,
    Path,
    Test,
    Wildcard,
    can_miss,
    tells_null,
)
from eventroute.filters.pattern.wildcard import pieces
from eventroute.paths import Field

__all__ = ["NAMES", "PatternWriter"]

_INLINE: Final = 6  # objects in one another: more would nest parentheses deeper than Python's parser likes

NAMES: Final[dict[str, Any]] = {
    "data_holds": data_holds,
    "exact": exact,
    "in_network": in_network,
    "in_range": in_range,
    "leaf_holds": leaf_holds,
    "object_holds": object_holds,
    "pattern_holds": pattern_holds,
    "row_holds": row_holds,
}
"""All that the source may use beside what the compiler's has anyway."""

_IS_THERE: Final = "v is not MISSING and v.__class__ is not dict"


class PatternWriter(ABC):
    """Writes patterns. `v` is the value in hand, `o0`, `o1`... are objects in one another."""

    @abstractmethod
    def _literal(self, value: object) -> str:
        """An expression for something that is handed in."""

    @abstractmethod
    def _attribute(self, name: str) -> str:
        """An expression for an attribute, or None."""

    @abstractmethod
    def _whole_data(self) -> str:
        """An expression for the data as it is decoded, None where there is none."""

    @abstractmethod
    def _event(self) -> str:
        """An expression for the event."""

    def _pattern(self, tree: Object, level: int = 0) -> str:
        clauses = [self._top(name, below) for name, below in sorted(tree.members, key=lambda one: one[0] == DATA)]
        if tree.choices and level > _INLINE:
            clauses.append(f"pattern_holds({self._literal(Object((), tree.choices))}, {self._event()})")
        elif tree.choices:
            clauses.append(_either(self._pattern(choice, level + 1) for choice in tree.choices))
        return " and ".join(clauses)

    def _top(self, name: str, below: Object | Leaf) -> str:
        if isinstance(below, Object):
            return self._data_object(below)
        if name == DATA:
            return f"data_holds({self._literal(below)}, {self._event()})"
        return self._of_attribute(below, self._attribute(name))

    def _data_object(self, one: Object) -> str:
        return self._object(one, self._whole_data(), 0)

    def _object(self, one: Object, value: str, level: int) -> str:
        if level > _INLINE:
            return f"object_holds({self._literal(one)}, {value})"
        name = f"o{level}"
        slow = f"object_holds({self._literal(one)}, {name})"
        if not can_miss(one):
            slow = f"{name}.__class__ is list and {slow}"
        return f"({self._members(one, name, level)} if ({name} := {value}).__class__ is dict else {slow})"

    def _members(self, one: Object, name: str, level: int) -> str:
        clauses = list[str]()
        for key, below in one.members:
            if isinstance(below, Object):
                clauses.append(self._object(below, f"{name}.get({key!r})", level + 1))
            else:
                default = ", MISSING" if tells_null(below) else ""
                clauses.append(self._leaf(below, f"{name}.get({key!r}{default})"))
        if one.choices and level > _INLINE:
            clauses.append(f"object_holds({self._literal(Object((), one.choices))}, {name})")
        elif one.choices:
            clauses.append(_either(self._members(choice, name, level + 1) for choice in one.choices))
        return " and ".join(clauses)

    # -- a row, which has values by the texts of their fields

    def _in_row(self, one: Object) -> str:
        slow = f"row_holds({self._literal(one)}, (), row)"
        return f"({self._at(one, (), 0)} if {ARRAYS!r} not in row else {slow})"

    def _at(self, one: Object, path: Path, level: int) -> str:
        """What an object says of a place, where no arrays are on the way."""
        clauses = list[str]()
        for name, below in one.members:
            if isinstance(below, Object):
                clauses.append(self._at(below, (*path, name), level))
            else:
                default = ", MISSING" if tells_null(below) else ""
                clauses.append(self._leaf(below, f"get({str(Field(None, (*path, name)))!r}{default})"))
        if one.choices and level > _INLINE:
            clauses.append(f"row_holds({self._literal(Object((), one.choices))}, {self._literal(path)}, row)")
        elif one.choices:
            clauses.append(_either(self._at(choice, path, level + 1) for choice in one.choices))
        return " and ".join(clauses)

    # -- a leaf

    def _of_attribute(self, leaf: Leaf, value: str) -> str:
        """An attribute is never an array, nor null."""
        match leaf.tests:
            case [Equal(str() as text)]:
                return f"({value} == {self._literal(text)})"
        return f"({self._any(leaf.tests)} if (v := {value}) is not None else {Exists(False) in leaf.tests})"

    def _leaf(self, leaf: Leaf, value: str) -> str:
        slow = f"leaf_holds({self._literal(leaf)}, v)"
        match leaf.tests:
            case [Equal(str() as text)]:
                return f"((v := {value}) == {self._literal(text)} or v.__class__ is list and {slow})"
            case [Equal(int() as number)] if not isinstance(number, bool):
                p = self._literal(number)
                return f"(v == {p} if (v := {value}).__class__ is int else v is not None and {slow})"
            case [Numeric() as test]:
                inline = self._in_range(test)
                return f"({inline} if (v := {value}).__class__ is int else v is not None and {slow})"
        return f"({self._any(leaf.tests)} if (v := {value}).__class__ is not list else {slow})"

    # -- tests of `v`, which is no array

    def _any(self, tests: Iterable[Test]) -> str:
        """An expression for whether one of the tests holds; MISSING and objects are nothing."""
        alike: dict[tuple[object, object], list[Any]] = {}
        for test in tests:
            alike.setdefault(_kind(test), []).append(test)
        return _either(self._alike(one) for one in alike.values())

    def _alike(self, tests: list[Any]) -> str:
        first: Test = tests[0]
        match first:
            case Equal(bool() | None):
                return f"v is {first.value}"
            case Equal(int() | float() | Decimal()):
                p = self._literal(frozenset(exact(test.value) for test in tests))
                return f"(v in {p} if v.__class__ is int else exact(v) in {p})"
            case Numeric():
                slow = f"in_range({self._literal(first)}, v)"
                return f"({self._in_range(first)} if v.__class__ is int else {slow})"
            case Exists(wanted):
                return _IS_THERE if wanted else f"not ({_IS_THERE})"
            case AnythingBut(others):
                return f"{_IS_THERE} and not {self._any(others)}"
        return f"v.__class__ is str and {self._fits(first, tests)}"

    def _fits(self, first: Equal | Affix | IgnoreCase | Wildcard | Cidr, tests: list[Any]) -> str:
        """The test of a text."""
        match first:
            case Affix(edge, _, ignore_case):
                texts = tuple(test.text.casefold() if ignore_case else test.text for test in tests)
                method = "startswith" if edge is Edge.PREFIX else "endswith"
                p = self._literal(texts if len(texts) > 1 else texts[0])
                return f"v{'.casefold()' if ignore_case else ''}.{method}({p})"
            case IgnoreCase():
                return f"v.casefold() in {self._literal(frozenset(test.text.casefold() for test in tests))}"
            case Wildcard(text):
                return f"{self._literal(pieces(text).fit)}(v)"
            case Cidr(network):
                return f"in_network({self._literal(network)}, v)"
            case Equal():
                return f"v in {self._literal(frozenset(test.value for test in tests))}"

    def _in_range(self, test: Numeric) -> str:
        """Python compares an int with any of our numbers exactly."""
        sides = [(">", test.low), ("<", test.high)]
        return " and ".join(self._side(sign, limit) for sign, limit in sides if limit is not None)

    def _side(self, sign: str, limit: Limit) -> str:
        return f"v {sign}{'=' if limit.included else ''} {self._literal(limit.number)}"


def _kind(test: Test) -> tuple[object, object]:
    """What tests share that one expression can say together."""
    match test:
        case Equal(None | bool() as value):
            return "constant", value
        case Equal(value):
            return "text" if isinstance(value, str) else "number", None
        case Affix(edge, _, ignore_case):
            return edge, ignore_case
        case IgnoreCase():
            return IgnoreCase, None
    return test, None


def _either(clauses: Iterable[str]) -> str:
    return f"({' or '.join(clauses)})"
