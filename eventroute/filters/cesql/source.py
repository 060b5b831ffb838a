"""CESQL expressions as Python source, for filters: an event passes if the value is true and nothing erred.

An expression becomes one Python expression, in which None is an error and what has an error in it is None. Where only
truth counts, an error may be any false value. Literals are not in the source but handed in, and so is whatever is not
worth compiling. No text of an expression is code: names of attributes stand in the source as string literals.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Final

from attrs import frozen

from eventroute.filters.cesql.casts import Type, string, type_of
from eventroute.filters.cesql.expression import Expression
from eventroute.filters.cesql.functions import Functions
from eventroute.filters.cesql.runtime import Invocation, Members, Walked
from eventroute.filters.cesql.tree import (
    CORE,
    REQUIRED,
    Attribute,
    Boolean,
    Call,
    Chain,
    Exists,
    In,
    Integer,
    Level,
    Like,
    Negative,
    Node,
    Not,
    Operator,
    Step,
    String,
)
from eventroute.filters.like import LikePattern

__all__ = ["MAX_COMPILED", "Names", "write"]

MAX_COMPILED: Final = 2_000
"""How many operators, functions and attributes a compiled expression has; a larger one is walked."""

_DEEPEST: Final = 8  # levels of the tree; more would nest parentheses deeper than Python's parser likes

_SIGNS: Final = {Operator.EQUAL: "==", Operator.UNEQUAL: "!="}
_FUNCTIONS: Final = {
    Operator.PLUS: "sql_plus",
    Operator.MINUS: "sql_minus",
    Operator.TIMES: "sql_times",
    Operator.DIVIDED: "sql_divide",
    Operator.MODULO: "sql_modulo",
}
_CASTS: Final = {Type.BOOLEAN: "sql_as_boolean", Type.INTEGER: "sql_as_integer", Type.STRING: "sql_as_string"}


@frozen
class Names:
    """How the function around an expression calls things.

    `get` reads an attribute by its name, or None; `read` gives an expression for that, by the name. `literal` takes a
    value that is handed in and returns its name.
    """

    get: str
    read: Callable[[str], str]
    literal: Callable[[object], str]


@frozen
class _Code:
    """Source with the type of its value, which is None for an attribute; `errs` if the value may be None."""

    source: str
    type: Type | None
    errs: bool = True


def write(expression: Expression, names: Names) -> str:
    """Source that is true where an event matches, and false or None where it does not."""
    writer = _Writer(names, expression.functions)
    root = expression.root
    if expression.size > MAX_COMPILED:
        return f"({writer.walked(root).source} is True)"
    kind = writer.type(root)
    if kind is Type.BOOLEAN:
        return writer.truth(root, 0)
    return f"({writer.value(root, 0).source} is True)" if kind is None else "False"  # a filter's value is no other


class _Writer:
    """Writes one expression. `s0`, `s1`... are values in hand. `level` is how deep in the source a node stands."""

    def __init__(self, names: Names, functions: Functions) -> None:
        self._names = names
        self._functions = functions
        self._count = 0

    def _variable(self) -> str:
        self._count += 1
        return f"s{self._count}"

    def _read(self, name: str) -> str:
        return "None" if name == "data" else self._names.read(name)  # data is no attribute

    def walked(self, node: Node) -> _Code:
        """The node, called instead of written."""
        return _Code(f"{self._names.literal(Walked(node, self._functions))}({self._names.get})", self.type(node))

    def type(self, node: Node) -> Type | None:
        match node:
            case Attribute():
                return None
            case Call(name, arguments):
                function = self._functions.find(name, len(arguments))
                return function.result if function else Type.BOOLEAN
            case Negative() | Chain(Level.SUM | Level.PRODUCT):
                return Type.INTEGER
            case Boolean() | Integer() | String():
                return type_of(node.value)
        return Type.BOOLEAN

    # -- what counts is the truth, or the value

    def truth(self, node: Node, level: int) -> str:
        """Source that is true where the node's value is, as a Boolean, and anything false elsewhere."""
        match node:
            case Chain(Level.LOGIC) if level < _DEEPEST:
                return self._logic(node, level, truth=True).source
            case Chain(Level.COMPARISON, first, (Step(operator, right),)) if level < _DEEPEST:
                return self._comparison(operator, first, right, level, truth=True).source
            case Like() | In() if level < _DEEPEST:
                return self._test(node, level, truth=True).source
            case Not(operand):
                inner = self._cast(self.value(operand, level + 1), Type.BOOLEAN)
                return f"({inner.source} is False)" if inner.errs else f"(not {inner.source})"
        return self._cast(self.value(node, level), Type.BOOLEAN).source

    def value(self, node: Node, level: int) -> _Code:
        match node:
            case Boolean() | Integer() | String():
                return _Code(self._names.literal(node.value), type_of(node.value), errs=False)
            case Attribute(name):
                return _Code(self._read(name), None)
            case Exists(name):
                return _Code(f"({self._read(name)} is not None)", Type.BOOLEAN, errs=False)
        return self.walked(node) if level >= _DEEPEST else self._operation(node, level)

    def _operation(self, node: Call | Not | Negative | Like | In | Chain, level: int) -> _Code:
        match node:
            case Not(operand):
                inner = self._cast(self.value(operand, level + 1), Type.BOOLEAN)
                return _Code(self._inverted(inner), Type.BOOLEAN, inner.errs)
            case Negative(operand):
                inner = self._cast(self.value(operand, level + 1), Type.INTEGER)
                return _Code(f"sql_negate({inner.source})", Type.INTEGER)
            case Like() | In():
                return self._test(node, level, truth=False)
            case Call():
                return self._call(node, level)
            case Chain():
                return self._chain(node, level)

    def _cast(self, code: _Code, to: Type) -> _Code:
        if code.type is to:
            return code
        errs = code.errs or code.type is None or (code.type is Type.STRING)
        return _Code(f"{_CASTS[to]}({code.source})", to, errs)

    def _inverted(self, code: _Code) -> str:
        if not code.errs:
            return f"(not {code.source})"
        name = self._variable()
        return f"(None if ({name} := {code.source}) is None else not {name})"

    def _call(self, node: Call, level: int) -> _Code:
        function = self._functions.find(node.name, len(node.arguments))
        if function is None:
            return _Code("None", Type.BOOLEAN)
        arguments = []
        for place, argument in enumerate(node.arguments):
            code, to = self.value(argument, level + 1), function.parameter(place)
            arguments.append((code if to is None else self._cast(code, to)).source)
        called = self._names.literal(Invocation(function))
        return _Code(f"{called}({', '.join(arguments)})", function.result)

    # -- one operand and a test of it

    def _guarded(self, operand: Node, to: Type, test: Callable[[str], str], level: int, *, truth: bool) -> _Code:
        """The test of an operand that is cast to a type."""
        name = self._variable()
        if isinstance(operand, Attribute) and operand.name in CORE and to is Type.STRING:
            code = _Code(self._read(operand.name), None, errs=operand.name not in REQUIRED)
            good, bad = ".__class__ is str", ".__class__ is not str"
        else:
            code = self._cast(self.value(operand, level + 1), to)
            good, bad = " is not None", " is None"
        if truth or not code.errs:
            return _Code(f"(({name} := {code.source}){good} and {test(name)})", Type.BOOLEAN, code.errs)
        return _Code(f"(None if ({name} := {code.source}){bad} else {test(name)})", Type.BOOLEAN)

    def _test(self, node: Like | In, level: int, *, truth: bool) -> _Code:
        negation = "not " if node.negated else ""
        if isinstance(node, Like):
            pattern = node.pattern
            return self._guarded(
                node.operand, Type.STRING, lambda name: negation + self._fits(pattern, name), level, truth=truth
            )
        literals = tuple(element for element in node.elements if isinstance(element, Boolean | Integer | String))
        if len(literals) < len(node.elements):
            elements = "".join(f"{self.value(element, level + 1).source}, " for element in node.elements)
            code = _Code(f"sql_contains({self.value(node.operand, level + 1).source}, ({elements}))", Type.BOOLEAN)
        elif isinstance(node.operand, Attribute) and node.operand.name in CORE:
            members = self._names.literal(frozenset(string(literal.value) for literal in literals))
            return self._guarded(
                node.operand, Type.STRING, lambda name: f"{name} {negation}in {members}", level, truth=truth
            )
        else:
            members = self._names.literal(Members.of(literals))
            code = _Code(f"{members}({self.value(node.operand, level + 1).source})", Type.BOOLEAN)
        return _Code(self._inverted(code), Type.BOOLEAN) if node.negated else code

    def _fits(self, pattern: LikePattern, name: str) -> str:
        literal = self._names.literal
        if pattern.exact is not None:
            return f"({name} == {literal(pattern.exact)})"
        if pattern.is_prefix:
            return f"{name}.startswith({literal(pattern.prefix)})"
        if pattern.is_suffix:
            return f"{name}.endswith({literal(pattern.suffix)})"
        if pattern.infix is not None:
            return f"({literal(pattern.infix)} in {name})"
        return f"{literal(pattern.matches)}({name})"

    # -- binary operators

    def _chain(self, node: Chain, level: int) -> _Code:
        if node.level is Level.LOGIC:
            return self._logic(node, level, truth=False)
        if level + len(node.steps) > _DEEPEST:
            return self.walked(node)
        if node.level is Level.COMPARISON:
            return self._comparisons(node, level)
        code = self._cast(self.value(node.first, level + len(node.steps)), Type.INTEGER)
        for step in node.steps:
            right = self._cast(self.value(step.operand, level + 1), Type.INTEGER)
            code = _Code(f"{_FUNCTIONS[step.operator]}({code.source}, {right.source})", Type.INTEGER)
        return code

    def _comparisons(self, node: Chain, level: int) -> _Code:
        [step, *steps] = node.steps
        code = self._comparison(step.operator, node.first, step.operand, level + len(steps), truth=False)
        for step in steps:
            code = self._compared(step.operator, code, self.value(step.operand, level + 1), truth=False)
        return code

    def _comparison(self, operator: Operator, left: Node, right: Node, level: int, *, truth: bool) -> _Code:
        if not isinstance(right, Boolean | Integer | String) or (
            operator not in _SIGNS and not isinstance(right, Integer)
        ):
            return self._compared(operator, self.value(left, level + 1), self.value(right, level + 1), truth=truth)
        sign, literal = _SIGNS.get(operator, operator.value), self._names.literal(right.value)
        if operator is Operator.EQUAL and isinstance(left, Attribute) and isinstance(right, String):
            surely = CORE if truth else REQUIRED
            if left.name in surely:
                return _Code(f"({self._read(left.name)} == {literal})", Type.BOOLEAN, errs=False)
        return self._guarded(left, type_of(right.value), lambda name: f"{name} {sign} {literal}", level, truth=truth)

    def _compared(self, operator: Operator, left: _Code, right: _Code, *, truth: bool) -> _Code:
        if operator not in _SIGNS:
            left, right = self._cast(left, Type.INTEGER), self._cast(right, Type.INTEGER)
        elif right.type is None:
            code = _Code(f"sql_equal({left.source}, {right.source})", Type.BOOLEAN)
            return code if operator is Operator.EQUAL else _Code(self._inverted(code), Type.BOOLEAN)
        else:
            left = self._cast(left, right.type)
        one, other = self._variable(), self._variable()
        test = f"{one} {_SIGNS.get(operator, operator.value)} {other}"
        first, second = f"({one} := {left.source})", f"({other} := {right.source})"
        if truth:
            return _Code(f"({first} is not None and {second} is not None and {test})", Type.BOOLEAN)
        return _Code(f"(None if {first} is None or {second} is None else {test})", Type.BOOLEAN)

    def _logic(self, node: Chain, level: int, *, truth: bool) -> _Code:
        """AND, OR and XOR: operands that one operator joins are one run, and a run is the next one's first operand."""
        runs = [(operator, [step.operand for step in steps]) for operator, steps in groupby(node.steps, _operator)]
        if level + len(runs) > _DEEPEST:
            return self.walked(node)
        runs[0][1].insert(0, node.first)
        before: list[_Code] = []
        for place, (operator, operands) in enumerate(runs):
            last = place == len(runs) - 1
            before = [self._run(operator, before, operands, level + len(runs) - place, truth=truth and last)]
        return before[0]

    def _run(self, operator: Operator, before: list[_Code], operands: list[Node], level: int, *, truth: bool) -> _Code:
        if operator is Operator.AND and truth:
            sources = [code.source for code in before] + [self.truth(operand, level) for operand in operands]
            return _Code(f"({' and '.join(sources)})", Type.BOOLEAN)
        codes = before + [self._cast(self.value(operand, level), Type.BOOLEAN) for operand in operands]
        sources = [code.source for code in codes]
        errs = any(code.errs for code in codes)
        if operator is Operator.AND:  # the first that is not true, so None for an error
            return _Code(f"({' and '.join(sources)})", Type.BOOLEAN, errs)
        if operator is Operator.OR:
            if not any(code.errs for code in codes[:-1]):
                return _Code(f"({' or '.join(sources)})", Type.BOOLEAN, errs)
            name = self._variable()
            decided = " or ".join(f"({name} := {source}) is not False" for source in sources)
            return _Code(f"({name} if {decided} else False)", Type.BOOLEAN)
        names = [self._variable() for _ in sources]
        erred = " or ".join(f"({name} := {source}) is None" for name, source in zip(names, sources, strict=True))
        return _Code(f"(None if {erred} else {' ^ '.join(names)})", Type.BOOLEAN, errs)


def _operator(step: Step) -> Operator:
    return step.operator
