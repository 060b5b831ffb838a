"""What a CESQL expression says of an event: a value, and the errors that came up (sections 3.2 to 3.7).

Every operator is total: what it cannot do leaves a value and an error, and the evaluation goes on. An operator or
function with an operand that erred has no obvious value and returns its type's zero value (section 3.3); that is what
section 3.2 says of missing attributes too, and what makes `x != y` the same as `NOT (x = y)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from attrs import frozen

from eventroute.filters.cesql.arithmetic import ARITHMETIC, ORDER, negate
from eventroute.filters.cesql.casts import Type, Value, cast, shown, type_of
from eventroute.filters.cesql.errors import ErrorKind, EvaluationError, FunctionFailure
from eventroute.filters.cesql.functions import Functions
from eventroute.filters.cesql.tree import (
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

__all__ = ["Read", "Result", "evaluate_tree"]

Read: TypeAlias = Callable[[str], Value | None]
"""The value of an attribute by its name, or None if the event has none."""


@frozen
class Result:
    """The value of an expression, and the errors in the order in which they came up, each once."""

    value: Value
    errors: tuple[EvaluationError, ...] = ()

    @property
    def matches(self) -> bool:
        """Whether an event passes as by a filter: the value is true and there is no error (section 1.2)."""
        return self.value is True and not self.errors


def evaluate_tree(node: Node, read: Read, functions: Functions) -> Result:
    """The value of a tree and its errors. What a function of the application's raises passes through."""
    evaluation = _Evaluation(read, functions)
    value = evaluation.value(node)
    return Result(value, tuple(dict.fromkeys(evaluation.errors)))


class _Evaluation:
    """Walks a tree and collects errors."""

    def __init__(self, read: Read, functions: Functions) -> None:
        self.read = read
        self.functions = functions
        self.errors: list[EvaluationError] = []

    def error(self, kind: ErrorKind, reason: str) -> None:
        self.errors.append(EvaluationError(kind, reason))

    def value(self, node: Node) -> Value:
        """The value of a node, also where it errs."""
        match node:
            case Boolean(value) | Integer(value) | String(value):
                return value
            case Attribute(name):
                return self.attribute(name)
            case Exists(name):
                return self.read(name) is not None
            case Call():
                return self.call(node)
            case Chain(level):
                result = self.chain(node)
                return _KINDS[level].zero if result is None else result
            case Negative(operand):
                return self.negate(operand)
        return self.test(node)

    def operand(self, node: Node, to: Type | None = None) -> Value | None:
        """The value of an operand, cast to a type, or None if there was an error in it."""
        before = len(self.errors)
        value = self.value(node)
        if len(self.errors) > before:
            return None
        return value if to is None else self.cast(value, to)

    def cast(self, value: Value, to: Type) -> Value | None:
        result = cast(value, to)
        if result is None:
            self.error(ErrorKind.CAST, f"{shown(value)} is no {to.value}")
        return result

    def attribute(self, name: str) -> Value:
        value = self.read(name)
        if value is None:
            self.error(ErrorKind.MISSING_ATTRIBUTE, f"the event has no {name}")
            return False
        return value

    def test(self, node: Not | Like | In) -> bool:
        match node:
            case Not(operand):
                return self.operand(operand, Type.BOOLEAN) is False
            case Like(operand, pattern, negated):
                text = self.operand(operand, Type.STRING)
                return isinstance(text, str) and pattern.matches(text) is not negated
            case In(operand, elements, negated):
                found = self.contains(operand, elements)
                return found is not None and found is not negated

    def negate(self, operand: Node) -> int:
        number = self.operand(operand, Type.INTEGER)
        if number is None:
            return 0
        result = negate(int(number))
        if result is None:
            self.error(ErrorKind.MATH, f"-({number}) has more than 32 bits")
            return 0
        return result

    def contains(self, operand: Node, elements: tuple[Node, ...]) -> bool | None:
        """IN: every element is evaluated and cast to the operand's type; None if any of that errs."""
        value = self.operand(operand)
        to = None if value is None else type_of(value)
        values = [self.operand(element, to) for element in elements]
        return None if value is None or None in values else value in values

    def call(self, node: Call) -> Value:
        function = self.functions.find(node.name, len(node.arguments))
        if function is None:
            self.error(ErrorKind.MISSING_FUNCTION, f"there is no {node.name} of {len(node.arguments)} arguments")
            return False
        given = [self.operand(argument, function.parameter(place)) for place, argument in enumerate(node.arguments)]
        arguments = [value for value in given if value is not None]
        if len(arguments) < len(given):
            return function.result.zero
        try:
            return function.call(arguments)
        except FunctionFailure as failure:
            self.error(failure.kind, failure.reason)
            return function.result.zero if failure.value is None else failure.value

    def chain(self, node: Chain) -> Value | None:
        left = self.operand(node.first, _OPERANDS.get(node.level))
        for step in node.steps:
            if node.level is Level.LOGIC:
                left = self.logic(left, step)
            elif node.level is Level.COMPARISON:
                left = self.compare(left, step.operator, self.operand(step.operand))
            else:
                left = self.calculate(left, step.operator, self.operand(step.operand, Type.INTEGER))
        return left

    def logic(self, left: Value | None, step: Step) -> bool | None:
        if step.operator is Operator.AND and not left:  # where it errs, its value is false
            return None if left is None else False
        if step.operator is Operator.OR and left:
            return True
        right = self.operand(step.operand, Type.BOOLEAN)
        if left is None or right is None:
            return None
        return left is not right if step.operator is Operator.XOR else bool(right)

    def compare(self, left: Value | None, operator: Operator, right: Value | None) -> bool | None:
        if left is None or right is None:
            return None
        if operator in ORDER:
            one, other = self.cast(left, Type.INTEGER), self.cast(right, Type.INTEGER)
            return None if one is None or other is None else ORDER[operator](int(one), int(other))
        one = self.cast(left, type_of(right))
        return None if one is None else (one == right) is (operator is Operator.EQUAL)

    def calculate(self, left: Value | None, operator: Operator, right: Value | None) -> int | None:
        if left is None or right is None:
            return None
        result = ARITHMETIC[operator](int(left), int(right))
        if result is None:
            why = "divides by zero" if right == 0 else "has more than 32 bits"
            self.error(ErrorKind.MATH, f"{left} {operator.value} {right} {why}")
        return result


# What the operators of a level return, and what they cast their operands to, unless that depends on the operands.
_KINDS: Final = {
    Level.PRODUCT: Type.INTEGER,
    Level.SUM: Type.INTEGER,
    Level.COMPARISON: Type.BOOLEAN,
    Level.LOGIC: Type.BOOLEAN,
}
_OPERANDS: Final[dict[Level, Type]] = {level: kind for level, kind in _KINDS.items() if level is not Level.COMPARISON}
