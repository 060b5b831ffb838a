"""What is odd about a CESQL expression, though it is one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from eventroute.filters.cesql.casts import Type, integer, shown
from eventroute.filters.cesql.evaluation import evaluate_tree
from eventroute.filters.cesql.expression import Expression
from eventroute.filters.cesql.functions import Functions
from eventroute.filters.cesql.printing import text_of
from eventroute.filters.cesql.tree import (
    CORE,
    REQUIRED,
    Attribute,
    Call,
    Chain,
    Exists,
    In,
    Integer,
    Level,
    Like,
    Negative,
    Node,
    Operator,
    Step,
    String,
    nodes,
)
from eventroute.filters.oddity import Oddity

__all__ = ["lint"]

_LONGEST_NAME: Final = 20  # characters, section 2.2
_EQUALITIES: Final = frozenset({Operator.EQUAL, Operator.UNEQUAL})


def lint(expression: Expression) -> list[Oddity]:
    """Clauses that can never match, and those that may mean something else than they seem to."""
    found = [Oddity(str(expression), reason) for reason in _whole(expression.root, expression.functions)]
    for node in nodes(expression.root):
        found += [Oddity(text_of(node), reason) for reason in _reasons(node, expression.functions)]
    return list(dict.fromkeys(found))


def _whole(root: Node, functions: Functions) -> Iterator[str]:
    match root:
        case Integer() | String() | Negative() | Chain(Level.SUM | Level.PRODUCT):
            yield "it never matches, since its value is no Boolean"
        case Call(name, arguments):
            function = functions.find(name, len(arguments))
            if function is not None and function.result is not Type.BOOLEAN:
                yield f"it never matches, since {name} returns no Boolean"


def _reasons(node: Node, functions: Functions) -> Iterator[str]:
    match node:
        case Attribute("data") | Exists("data"):
            yield "an event has no attribute data: its data is read by `expr`, as in data.action"
        case Attribute(name) | Exists(name) if len(name) > _LONGEST_NAME:
            yield f"a name of more than {_LONGEST_NAME} characters may not be known elsewhere"
        case Chain(Level.LOGIC):
            yield from _logic(node)
        case Chain(Level.COMPARISON) | Like() | In():
            yield from _comparison(node, functions)


def _logic(node: Chain) -> Iterator[str]:
    operators = {step.operator for step in node.steps}
    if len(operators) > 1:
        yield "AND, OR and XOR bind alike, from left to right: part them by parentheses"
        return
    operands = [node.first, *(step.operand for step in node.steps)]
    if operators == {Operator.AND}:
        yield from _contradictions(operands)
        return
    needed = [_needed(operand) for operand in operands]
    told = needed if operators == {Operator.XOR} else needed[:-1]
    names = sorted(set().union(*told) - needed[0].intersection(*needed))
    if names:
        yield (
            f"an event without {' or '.join(names)} may not match, whatever the other operands say: "
            "ask EXISTS before, or write this filter in `expr`"
        )


def _needed(node: Node) -> set[str]:
    """The attributes without which the node errs; what an AND asks for by EXISTS is not among them."""
    asked: set[str] = set()
    if isinstance(node, Chain) and all(step.operator is Operator.AND for step in node.steps):
        operands = [node.first, *(step.operand for step in node.steps)]
        asked = {operand.name for operand in operands if isinstance(operand, Exists)}
    return {part.name for part in nodes(node) if isinstance(part, Attribute)} - REQUIRED - asked


def _contradictions(operands: list[Node]) -> Iterator[str]:
    wanted: dict[str, str] = {}
    for operand in operands:
        match operand:
            case Chain(Level.COMPARISON, Attribute(name), (Step(Operator.EQUAL, String(value)),)):
                if wanted.setdefault(name, value) != value:
                    yield f"it never matches: {name} cannot be {shown(wanted[name])} and {shown(value)}"


def _comparison(node: Chain | Like | In, functions: Functions) -> Iterator[str]:
    if not any(isinstance(part, Attribute | Exists) for part in nodes(node)):
        result = evaluate_tree(node, lambda name: None, functions)
        yield f"it is always {'an error' if result.errors else str(result.value).lower()}"
        return
    if not isinstance(node, Chain):
        return
    match node:
        case Chain(_, Attribute(name), (Step(Operator.EQUAL, String("")),)) if name in CORE:
            yield f"it never matches: {name} is never empty"
    if _EQUALITIES.isdisjoint(step.operator for step in node.steps):
        yield from _order([node.first, *(step.operand for step in node.steps)])


def _order(operands: list[Node]) -> Iterator[str]:
    if Attribute("time") in operands:
        yield "it is always an error: < and > compare integers; `expr` compares times"
        return
    for operand in operands:
        if isinstance(operand, String) and integer(operand.value) is None:
            yield f"it is always an error: < and > compare integers, and {shown(operand.value)} is none"
