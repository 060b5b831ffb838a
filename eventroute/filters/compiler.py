"""Syntax trees to Python functions.

A filter becomes the source of one function that survives any event: it reads attributes and walks objects in
place, and calls out only for values that are not text. Literals are not in the source but handed in, so filters that
differ in nothing else share its code. No text of a filter is code: names stand in the source as string literals.

There are two targets. `for_event` reads an Event. `for_row` reads a row, the index's mapping from a field's text to
its value, where the event itself stands under EVENT.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any, Final, TypeAlias

from eventroute.filters.cesql.runtime import NAMES as SQL_NAMES
from eventroute.filters.cesql.source import Names, write
from eventroute.filters.cesql.tree import REQUIRED
from eventroute.filters.expr.writer import INLINE, NAMES, ConditionWriter, below
from eventroute.filters.pattern.tree import Object, parts
from eventroute.filters.pattern.writer import NAMES as PATTERN_NAMES
from eventroute.filters.pattern.writer import PatternWriter
from eventroute.filters.syntax import (
    AllOf,
    AnyOf,
    Comparator,
    Compare,
    Composed,
    Condition,
    EventPattern,
    Function,
    In,
    Literal,
    Node,
    Not,
    Relation,
    Sql,
    Text,
    Value,
)
from eventroute.filters.values import among, ends, equals, starts
from eventroute.paths import Field

__all__ = ["EVENT", "MAX_SHARED_SOURCE", "SHAPES", "Compiled", "for_event", "for_row"]

SHAPES: Final = 1024
"""How many shapes of filters keep their compiled code for the next filter of that shape."""

MAX_SHARED_SOURCE: Final = 20_000
"""The longest source, in characters, whose code is kept: a long one hardly comes twice."""

EVENT: Final = ""
"""The key of the event in a row; no field has an empty text."""

Compiled: TypeAlias = Callable[[Any], bool]
"""A function of an event or a row."""

_NEAR: Final = 8
"""So many literals are parameters of their own, which are read fastest; the others stand in a tuple."""

# The test of a string, and the function for other values.
_TESTS: Final = {
    Relation.EXACT: ("v in {}", "among"),
    Relation.PREFIX: ("v.startswith({})", "starts"),
    Relation.SUFFIX: ("v.endswith({})", "ends"),
}


def for_event(node: Node) -> Compiled:
    """A function of an Event."""
    return _EventWriter().compile(node)


def for_row(node: Node) -> Compiled:
    """A function of a row."""
    return _RowWriter().compile(node)


def _make(source: str) -> CodeType:
    module = compile(source, "<filter>", "exec", dont_inherit=True)
    return next(constant for constant in module.co_consts if isinstance(constant, CodeType))


_shared = lru_cache(maxsize=SHAPES)(_make)
# All that the code may use.
_NAMES: Final[dict[str, Any]] = {
    **NAMES,
    **PATTERN_NAMES,
    **SQL_NAMES,
    "__builtins__": {},
    "among": among,
    "dict": dict,
    "ends": ends,
    "equals": equals,
    "starts": starts,
    "str": str,
}


def _conjuncts(operands: Iterable[Node]) -> Iterator[Node]:
    for operand in operands:
        if isinstance(operand, EventPattern):
            yield from map(EventPattern, parts(operand.tree))
        else:
            yield operand


class _Writer(ConditionWriter, PatternWriter):
    """Writes one function. `v` is the value in hand, `p0` and so on are the first literals, `p` the others."""

    _subject: str
    """The name of what the function is called with."""
    _getting: str
    """The first statement of the function, after which `_getter` can be used."""
    _getter: str
    """An expression for the function that reads an attribute by its name, or None."""

    def __init__(self) -> None:
        self._literals: list[Any] = []

    def compile(self, node: Node) -> Compiled:
        # Each operand of the outermost conjunction is a statement, so that data is read only when it comes to that.
        operands = node.operands if isinstance(node, AllOf) and node.operands else (node,)
        lines: list[str] = []
        for operand in _conjuncts(operands):
            clause = self._clause(operand)
            lines += [*self._preparation(), f"if not {clause}: return False"]
        # The literals are defaults of parameters, so that calling the function takes no more than its subject.
        near, far = self._literals[:_NEAR], self._literals[_NEAR:]
        parameters = [self._subject, *map("p{}".format, range(len(near))), *(["p"] if far else [])]
        head = f"def test({', '.join(parameters)}):"
        source = "\n    ".join([head, self._getting, *lines, "return True\n"])
        make = _shared if len(source) <= MAX_SHARED_SOURCE else _make
        return FunctionType(make(source), _NAMES, "test", (*near, tuple(far)) if far else tuple(near))

    @abstractmethod
    def _preparation(self) -> list[str]:
        """Statements that the clause just written needs before it."""

    @abstractmethod
    def _event(self) -> str:
        """An expression for the event."""

    def _literal(self, value: object) -> str:
        place = len(self._literals)
        self._literals.append(value)
        return f"p{place}" if place < _NEAR else f"p[{place - _NEAR}]"

    def _clause(self, node: Node) -> str:
        match node:
            case Text(relation, field, literal):
                return self._text(relation, field, (literal,))
            case AllOf(operands):
                return f"({' and '.join(map(self._clause, operands)) or True})"
            case AnyOf(operands):
                return f"({' or '.join(self._alternatives(operands))})"
            case Not(operand):
                return f"(not {self._clause(operand)})"
            case Composed(_, _, meaning):
                return self._clause(meaning)
            case Function(_, _, test):
                return f"(True if {self._literal(test)}({self._event()}) else False)"
            case _:
                return self._leaf_clause(node)

    def _leaf_clause(self, node: Sql | EventPattern | Condition) -> str:
        match node:
            case Sql(expression):
                return write(expression, Names(self._getter, self._attribute, self._literal))
            case EventPattern(tree):
                return f"({self._pattern(tree)})"
            case _:
                return self._condition(node)

    def _alternatives(self, operands: tuple[Node, ...]) -> list[str]:
        """The operands' clauses, where all literals that one field may equal are one clause."""
        groups: dict[object, list[Text]] = {}
        equal: dict[Value, list[Compare]] = {}
        others: list[Node] = []
        for operand in operands:
            match operand:
                case Text(relation, field, _):
                    groups.setdefault((relation, field), []).append(operand)
                case Compare(left, Comparator.EQUAL, Literal()):
                    equal.setdefault(left, []).append(operand)
                case _:
                    others.append(operand)
        joined = [
            self._text(terms[0].relation, terms[0].field, tuple(term.literal for term in terms))
            for terms in groups.values()
        ]
        others += [
            compared[0] if len(compared) == 1 else In(left, tuple(term.right for term in compared), negated=False)
            for left, compared in equal.items()
        ]
        return [*joined, *map(self._clause, others)]

    def _text(self, relation: Relation, field: Field, literals: tuple[str, ...]) -> str:
        value = f"(v := {self._value(field)})"
        if len(literals) == 1:
            p = self._literal(literals[0])
            if relation is Relation.EXACT:
                return f"({value} == {p} or v.__class__ is not str and v is not None and equals(v, {p}))"
        else:
            p = self._literal(frozenset(literals) if relation is Relation.EXACT else literals)
        test, function = _TESTS[relation]
        return f"({test.format(p)} if {value}.__class__ is str else v is not None and {function}(v, {p}))"


class _EventWriter(_Writer):
    """`a` is the attributes, `d` the data, `o` an object on the way to a value."""

    _subject = "event"
    _getting = "a = event.attributes"
    _getter = "a.get"

    def __init__(self) -> None:
        super().__init__()
        self._data = False
        self._data_ready = False

    def _preparation(self) -> list[str]:
        if self._data and not self._data_ready:
            self._data_ready = True
            return ["d = event.data"]
        return []

    def _event(self) -> str:
        return "event"

    def _attribute(self, name: str) -> str:
        return f"a[{name!r}]" if name in REQUIRED else f"a.get({name!r})"  # each event has these

    def _value(self, field: Field) -> str:
        if field.attribute is not None:
            return self._attribute(field.attribute)
        names = [step for step in field.segments if isinstance(step, str)]
        if len(names) < len(field.segments) or len(names) > INLINE:
            return f"{self._literal(field)}(event)"
        return below(self._whole_data(), names) if names else "event.data_text"

    def _presence(self, field: Field) -> str:
        if field.attribute is not None:
            return f"({field.attribute!r} in a)"
        return f"({self._literal(field)}(event) is not MISSING)"

    def _whole_data(self) -> str:
        self._data = True
        return "d"


class _RowWriter(_Writer):
    """`get` reads the row."""

    _subject = "row"
    _getting = "get = row.get"
    _getter = "get"

    def _preparation(self) -> list[str]:
        return []

    def _event(self) -> str:
        return f"get({EVENT!r})"

    def _attribute(self, name: str) -> str:
        return f"get({name!r})"

    def _data_object(self, one: Object) -> str:
        return self._in_row(one)

    def _value(self, field: Field) -> str:
        return f"get({str(field)!r})"

    def _presence(self, field: Field) -> str:
        return f"({str(field)!r} in row)"

    def _whole_data(self) -> str:
        return f"get({EVENT!r}).data"
