"""Why a filter matched an event, or did not: its clauses, each with its verdict and the value that it saw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from attrs import frozen

from eventroute.canonical import canonical_text
from eventroute.event import Event
from eventroute.filters.cesql.trace import Trace, trace
from eventroute.filters.compiler import for_event
from eventroute.filters.expr.printing import expression_text
from eventroute.filters.expr.reasons import elements, reason
from eventroute.filters.pattern.reasons import Told, tell
from eventroute.filters.printing import json_text
from eventroute.filters.syntax import (
    AllOf,
    AnyOf,
    Composed,
    Condition,
    EventPattern,
    Exclusive,
    Function,
    Node,
    Not,
    Quantified,
    Quantifier,
    Relation,
    Sql,
    Text,
)
from eventroute.filters.values import texts
from eventroute.paths import MISSING, Missing

__all__ = ["LONGEST_TEXT", "Explanation", "explain"]

LONGEST_TEXT: Final = 80
"""How many characters of a value or a clause are printed."""


@frozen
class Explanation:
    """One clause of a filter and what it made of one event. Printed, it is a tree of lines.

    `clause` is the clause as JSON text or as an expression, or only its dialect where `parts`
    explain what it is made of. `value` is what the event has in the first field that the clause reads: MISSING where it
    has nothing, and where the clause reads no field.
    """

    clause: str
    matched: bool
    why: str
    value: object = MISSING
    parts: tuple[Explanation, ...] = ()

    def __str__(self) -> str:
        return "\n".join(_lines(self, ""))

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values: `clause`, `matched`, `why`, `value` if there is one, `parts` if there are any."""
        result: dict[str, Any] = {"clause": self.clause, "matched": self.matched, "why": self.why}
        if self.value is not MISSING:
            result["value"] = self.value
        if self.parts:
            result["parts"] = [part.to_dict() for part in self.parts]
        return result


def _lines(explanation: Explanation, indent: str) -> Iterator[str]:
    mark = "✓" if explanation.matched else "✗"
    yield f"{indent}{mark} {_shown(_cut(explanation.clause))}: {_shown(explanation.why)}"
    for part in explanation.parts:
        yield from _lines(part, indent + "  ")


def explain(node: Node, event: Event) -> Explanation:
    """What each clause makes of the event, those included that the outcome no longer depends on."""
    match node:
        case Text(_, field, _):
            return _explain_text(node, field(event))
        case Not(operand):
            part = explain(operand, event)
            why = f"what it inverts {'holds' if part.matched else 'does not hold'}"
            return Explanation("not", not part.matched, why, parts=(part,))
        case AllOf(operands):
            parts = tuple(explain(operand, event) for operand in operands)
            return Explanation("all", all(part.matched for part in parts), _count(parts), parts=parts)
        case AnyOf(operands):
            parts = tuple(explain(operand, event) for operand in operands)
            return Explanation("any", any(part.matched for part in parts), _count(parts), parts=parts)
        case Composed(dialect, _, meaning):
            part = explain(meaning, event)
            return Explanation(dialect, part.matched, "what it stands for says so", parts=(part,))
        case Function(_, _, test):
            return Explanation(json_text(node), bool(test(event)), "its own function says so")
        case Exclusive(operands):
            parts = tuple(explain(operand, event) for operand in operands)
            return Explanation("xor", sum(part.matched for part in parts) % 2 == 1, _count(parts), parts=parts)
        case _:
            return _explain_leaf(node, event)


def _explain_leaf(node: Sql | EventPattern | Condition, event: Event) -> Explanation:
    match node:
        case Sql(expression):
            return _explain_trace(trace(expression, event.attributes.get))
        case EventPattern(tree):
            return _explain_told(tell(tree, event))
        case _:
            return _explain_condition(node, event)


def _explain_told(one: Told) -> Explanation:
    return Explanation(one.clause, one.matched, one.why, one.value, tuple(map(_explain_told, one.parts)))


def _explain_trace(one: Trace) -> Explanation:
    value = MISSING if one.value is None else one.value
    return Explanation(one.clause, one.matched, one.why, value, tuple(map(_explain_trace, one.parts)))


def _explain_condition(node: Condition, event: Event) -> Explanation:
    matched = for_event(node)(event)
    told = reason(node, event, matched=matched)
    parts: list[Explanation] = []
    if isinstance(node, Quantified) and matched is (node.quantifier is Quantifier.ANY):
        wanted = node.quantifier is not Quantifier.ALL
        decisive = next((one for one in elements(node, event) if for_event(one)(event) is wanted), None)
        parts = [] if decisive is None else [explain(decisive, event)]
    return Explanation(expression_text(node), matched, told.why, told.value, tuple(parts))


def _count(parts: tuple[Explanation, ...]) -> str:
    if not parts:
        return "a filter without clauses matches everything"
    return f"{sum(part.matched for part in parts)} of {len(parts)} hold"


def _explain_text(node: Text, value: object) -> Explanation:
    matched = any(_holds(node, text) for text in texts(value))
    return Explanation(json_text(node), matched, _why(node, value, matched), value)


def _holds(node: Text, text: str) -> bool:
    if node.relation is Relation.EXACT:
        return text == node.literal
    return text.startswith(node.literal) if node.relation is Relation.PREFIX else text.endswith(node.literal)


def _why(node: Text, value: object, matched: bool) -> str:
    field = node.field
    match value:
        case Missing():
            return f"the event has no {field}"
        case None:
            return f"{field} is null"
        case dict():
            return f"{field} is an object, and only texts, numbers and booleans are compared"
        case list():
            return f"{'an' if matched else 'no'} element of {field}, an array of {len(value)}, is so"
    return f"{field} is {_cut(repr(canonical_text(value)))}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}... ({len(text)} characters)"


def _shown(text: str) -> str:
    """A text with nothing in it that a terminal would obey."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
