"""The conditions of `expr` as Python source, for the compiler.

Values are expressions that never raise; no value is None (or MISSING, which no test takes for a value either). Numbers
are compared in place where both are ints, which Python compares exactly; all else is left to `values`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Final

from eventroute.filters.expr import values
from eventroute.filters.expr.functions import FUNCTIONS
from eventroute.filters.like import LikePattern
from eventroute.filters.syntax import (
    Arithmetic,
    Between,
    Call,
    Comparator,
    Compare,
    Condition,
    Each,
    Exclusive,
    Exists,
    In,
    Includes,
    IsNull,
    Like,
    Literal,
    Negative,
    Node,
    Place,
    Quantified,
    Quantifier,
    Truth,
    Value,
)
from eventroute.paths import MISSING, Field
from eventroute.paths.getter import getter
from eventroute.paths.syntax import Steps

__all__ = ["INLINE", "NAMES", "ConditionWriter", "below"]

NAMES: Final[dict[str, Any]] = {
    "MISSING": MISSING,
    "all": all,
    "any": any,
    "int": int,
    "list": list,
    "sum": sum,
    **{name: getattr(values, name) for name in values.__all__ if callable(getattr(values, name))},
    **{f"call_{name}": function.apply for name, function in FUNCTIONS.items()},
}
"""All that the source may use beside what it defines."""

INLINE: Final = 6
"""How many names are followed in place; a longer path would nest parentheses deeper than Python's parser likes."""

_TESTS: Final = {
    Comparator.EQUAL: "== 0",
    Comparator.UNEQUAL: "in (-1, 1)",
    Comparator.LESS: "== -1",
    Comparator.AT_MOST: "in (-1, 0)",
    Comparator.GREATER: "== 1",
    Comparator.AT_LEAST: "in (0, 1)",
}
"""What `order` gives where two values compare so."""

_SYMBOLS: Final = {comparator: comparator.value for comparator in Comparator} | {Comparator.EQUAL: "=="}
_INCLUDES: Final = {
    Place.START: ("v.startswith({})", "begins"),
    Place.END: ("v.endswith({})", "finishes"),
    Place.ANYWHERE: ("{} in v", "contains"),
}


class ConditionWriter(ABC):
    """Writes conditions. `v` is the value in hand, `e1`, `e2`... are the elements that quantifiers have in hand."""

    @abstractmethod
    def _clause(self, node: Node) -> str:
        """An expression for any clause."""

    @abstractmethod
    def _literal(self, value: object) -> str:
        """An expression for something that is handed in."""

    @abstractmethod
    def _value(self, field: Field) -> str:
        """An expression for a field's value, which is None or MISSING where there is none."""

    @abstractmethod
    def _presence(self, field: Field) -> str:
        """An expression for whether the event has the field, null included."""

    @abstractmethod
    def _whole_data(self) -> str:
        """An expression for the data as it is decoded."""

    def _condition(self, node: Condition) -> str:
        match node:
            case Compare():
                return self._compare(node)
            case In(value, options, negated):
                return self._in(value, options, negated=negated)
            case Between():
                return self._between(node)
            case Like(value, pattern, negated):
                return self._like(value, LikePattern(pattern), negated=negated)
            case Includes():
                return self._includes(node)
            case Quantified():
                return self._quantified(node)
            case _:
                return self._test(node)

    def _test(self, node: Truth | IsNull | Exists | Exclusive) -> str:
        match node:
            case Truth(value):
                return f"({self._read(value)} is True)"
            case Exclusive(operands):
                return f"(sum(({', '.join(f'not not {self._clause(operand)}' for operand in operands)})) % 2)"
            case IsNull(value, negated):
                test = f"((v := {self._read(value)}) is None or v is MISSING)"
                return f"(not {test})" if negated else test
            case Exists(Field() as field):
                return self._presence(field)
            case Exists(Each(path)):
                element = f"e{len(path) - 1}"
                return f"({self._literal(getter(path[-1]))}({element}) is not MISSING)"
        raise AssertionError(node)

    def _compare(self, node: Compare) -> str:
        value, test = self._read(node.left), _TESTS[node.comparator]
        if not isinstance(node.right, Literal):
            return self._compare_values(value, node.comparator, self._read(node.right))
        literal = node.right.value
        equal = node.comparator is Comparator.EQUAL
        if isinstance(literal, bool):
            p = self._literal(literal is equal)
            return f"({value} is {p})"
        if isinstance(literal, str):
            moment = values.instant(literal)
            if moment is not None:
                return f"(order(instant({value}), {self._literal(moment)}) {test})"
            p = self._literal(literal)
            if equal:
                return f"({value} == {p})"
            return f"((v := {value}).__class__ is str and v {_SYMBOLS[node.comparator]} {p})"
        p = self._literal(literal)
        inline = f"v {_SYMBOLS[node.comparator]} {p}"
        return f"({inline} if (v := {value}).__class__ is int else v is not None and order(v, {p}) {test})"

    def _compare_values(self, left: str, comparator: Comparator, right: str) -> str:
        if comparator is Comparator.EQUAL:
            return f"same({left}, {right})"
        if comparator is Comparator.UNEQUAL:
            return f"differ({left}, {right})"
        return f"(order({left}, {right}) {_TESTS[comparator]})"

    def _in(self, value: Value, options: tuple[Value, ...], *, negated: bool) -> str:
        read = self._read(value)
        literals = [option.value for option in options if isinstance(option, Literal)]
        others = [self._read(option) for option in options if not isinstance(option, Literal)]
        known = _options(literals)
        if not negated and not others and not (known.numbers or known.instants or known.booleans):
            return f"((v := {read}).__class__ is str and v in {self._literal(known.texts)})"
        function = "none_of" if negated else "one_of"
        return f"{function}({read}, {self._literal(known)}, ({''.join(f'{other}, ' for other in others)}))"

    def _between(self, node: Between) -> str:
        low, high = self._order("v", node.low), self._order("v", node.high)
        read = f"(v := {self._read(node.value)})"
        if node.negated:
            return (
                f"({read} is not None and (x := {low}) is not None and (y := {high}) is not None and (x < 0 or y > 0))"
            )
        return f"({read} is not None and {low} in (0, 1) and {high} in (-1, 0))"

    def _order(self, name: str, other: Value) -> str:
        """How a variable stands to another value."""
        if isinstance(other, Literal) and (moment := values.instant(other.value)) is not None:
            return f"order(instant({name}), {self._literal(moment)})"
        return f"order({name}, {self._read(other)})"

    def _like(self, value: Value, pattern: LikePattern, *, negated: bool) -> str:
        read = self._read(value)
        if pattern.exact is not None:
            test = f"v == {self._literal(pattern.exact)}"
        elif pattern.is_prefix:
            test = f"v.startswith({self._literal(pattern.prefix)})"
        elif pattern.is_suffix:
            test = f"v.endswith({self._literal(pattern.suffix)})"
        elif pattern.infix is not None:
            test = f"{self._literal(pattern.infix)} in v"
        else:
            test = f"{self._literal(pattern.matches)}(v)"
        return f"((v := {read}).__class__ is str and {f'not {test}' if negated else test})"

    def _includes(self, node: Includes) -> str:
        read = self._read(node.value)
        test, function = _INCLUDES[node.place]
        if isinstance(node.part, Literal):
            test = test.format(self._literal(node.part.value))
            return f"((v := {read}).__class__ is str and {f'not {test}' if node.negated else test})"
        both = f"({read}, {self._read(node.part)})"
        return f"(texts{both} and not {function}{both})" if node.negated else f"{function}{both}"

    def _quantified(self, node: Quantified) -> str:
        level = len(node.array)
        array, element = f"l{level}", f"e{level}"
        condition = self._clause(node.condition)
        function = {Quantifier.ANY: "any", Quantifier.ALL: "all", Quantifier.NONE: "not any"}[node.quantifier]
        return (
            f"(({array} := {self._array(node.array)}).__class__ is list"
            f" and {function}({condition} for {element} in {array}))"
        )

    def _array(self, array: tuple[Steps, ...]) -> str:
        if len(array) > 1:
            return self._read(Each(array))
        return self._value(Field(None, array[0])) if array[0] else self._whole_data()

    def _read(self, value: Value) -> str:
        match value:
            case Field():
                return self._value(value)
            case Each(path):
                return self._element(f"e{len(path) - 1}", path[-1])
            case Literal(content):
                return self._literal(content)
            case Call(name, arguments):
                return f"call_{name}({', '.join(map(self._read, arguments))})"
            case Arithmetic(operands, operators):
                return f"reckon(({', '.join(map(self._read, operands))}), {self._literal(operators)})"
            case Negative(operand):
                return f"negative({self._read(operand)})"

    def _element(self, element: str, steps: Steps) -> str:
        names = [step for step in steps if isinstance(step, str)]
        if len(names) < len(steps) or len(names) > INLINE:
            return f"{self._literal(getter(steps))}({element})"
        return below(element, names)


def below(value: str, names: Sequence[str]) -> str:
    """An expression for what names lead to below a value that a variable holds."""
    for name in names:
        test = f"(o := {value})" if value.startswith("(") else value
        value = f"({'o' if value.startswith('(') else value}.get({name!r}) if {test}.__class__ is dict else None)"
    return value


def _options(literals: Iterable[object]) -> values.Options:
    """The literals by kind, times apart from other texts."""
    kinds: dict[str, set[Any]] = {"text": set(), "number": set(), "instant": set(), "boolean": set()}
    for literal in literals:
        moment = values.instant(literal)
        if moment is not None:
            kinds["instant"].add(moment)
        else:
            kind = "text" if isinstance(literal, str) else "boolean" if isinstance(literal, bool) else "number"
            kinds[kind].add(values.exact(literal) if kind == "number" else literal)
    return values.Options(*map(frozenset, kinds.values()))
