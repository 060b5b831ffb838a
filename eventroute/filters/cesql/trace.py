"""What each clause of a CESQL expression makes of an event: the material of an explanation."""

from __future__ import annotations

from attrs import frozen

from eventroute.filters.cesql.casts import Type, Value, shown, type_of
from eventroute.filters.cesql.evaluation import Read, Result, evaluate_tree
from eventroute.filters.cesql.expression import Expression
from eventroute.filters.cesql.functions import Functions
from eventroute.filters.cesql.printing import text_of
from eventroute.filters.cesql.tree import Attribute, Call, Chain, Exists, Level, Node, Not, nodes

__all__ = ["Trace", "trace"]


@frozen
class Trace:
    """One clause: whether it is true without an error, why, and of what clauses it is made.

    `clause` is its text, or only NOT, AND, OR or XOR where the parts say the rest. `value` is what the event has in
    the attribute that the clause reads, if that is one.
    """

    clause: str
    matched: bool
    why: str
    value: Value | None = None
    parts: tuple[Trace, ...] = ()


def trace(expression: Expression, read: Read) -> Trace:
    """What every clause makes of an event, those included that the outcome does not depend on."""
    tracer = _Tracer(read, expression.functions)
    result = tracer.evaluate(expression.root)
    if result.errors or type_of(result.value) is Type.BOOLEAN:
        return tracer.clause(expression.root)
    why = f"its value is {shown(result.value)}, and a filter's is a Boolean"
    return Trace(str(expression), False, why, tracer.seen(expression.root))


class _Tracer:
    """Evaluates each clause by itself, as a Boolean."""

    def __init__(self, read: Read, functions: Functions) -> None:
        self.read = read
        self.functions = functions

    def evaluate(self, node: Node) -> Result:
        return evaluate_tree(node, self.read, self.functions)

    def clause(self, node: Node) -> Trace:
        result = self.evaluate(Call("BOOL", (node,)))
        match node:
            case Chain(Level.LOGIC, first, steps):
                parts = tuple(self.clause(operand) for operand in (first, *(step.operand for step in steps)))
                operators = {step.operator.value for step in steps}
                name = text_of(node) if len(operators) > 1 else operators.pop()
                why = f"{sum(part.matched for part in parts)} of {len(parts)} hold"
                return Trace(name, result.matches, _erred(result) or why, parts=parts)
            case Not(operand):
                part = self.clause(operand)
                why = f"what it inverts {'holds' if part.matched else 'does not hold'}"
                return Trace("NOT", result.matches, _erred(result) or why, parts=(part,))
        return Trace(text_of(node), result.matches, _erred(result) or self.facts(node), self.seen(node))

    def names(self, node: Node) -> list[str]:
        """The attributes that the clause reads, in the order of their names."""
        return sorted({part.name for part in nodes(node) if isinstance(part, Attribute | Exists)})

    def seen(self, node: Node) -> Value | None:
        names = self.names(node)
        return self.read(names[0]) if len(names) == 1 else None

    def facts(self, node: Node) -> str:
        values = {name: self.read(name) for name in self.names(node)}
        facts = [
            f"the event has no {name}" if value is None else f"{name} is {shown(value)}"
            for name, value in values.items()
        ]
        return ", ".join(facts) or "it reads nothing of the event"


def _erred(result: Result) -> str:
    return "; ".join(f"{error.reason} ({error.kind.value})" for error in result.errors)
