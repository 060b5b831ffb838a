"""A syntax tree as the JSON that it can be read from."""

from __future__ import annotations

from eventroute.filters.expr.printing import expression_text, is_expression
from eventroute.filters.faults import MAX_EXPRESSION
from eventroute.filters.pattern.printing import pattern_text
from eventroute.filters.syntax import AllOf, AnyOf, Composed, Condition, EventPattern, Function, Node, Not, Sql, Text
from eventroute.jsontext import encode_json

__all__ = ["json_text"]


def json_text(node: Node) -> str:
    """Compact JSON text; of a filter that matches everything, an empty array."""
    # What is too long to be read as one expression is printed as its parts.
    if is_expression(node) and (len(text := expression_text(node)) <= MAX_EXPRESSION or isinstance(node, Condition)):
        return _member("expr", encode_json(text).decode())
    match node:
        case Text():
            return _fields((node,))
        case AllOf(()):
            return "[]"
        case AllOf(operands):
            terms = _terms(operands)
            return _fields(terms) if terms else _member("all", _array(operands))
        case AnyOf(operands):
            return _member("any", _array(operands))
        case Not(operand):
            return _member("not", json_text(operand))
        case Composed(dialect, value, _) | Function(dialect, value, _):
            return _member(dialect, value)
        case Sql() | EventPattern():
            return _language(node)
    raise AssertionError(node)


def _language(node: Sql | EventPattern) -> str:
    if isinstance(node, EventPattern):
        return _member("pattern", pattern_text(node.tree))
    return _member("sql", encode_json(str(node.expression)).decode())


def _terms(operands: tuple[Node, ...]) -> tuple[Text, ...]:
    """The operands if one object can say them all, as `exact` on several fields does; else none."""
    terms = tuple(operand for operand in operands if isinstance(operand, Text))
    if len(terms) < 2 or len(terms) < len(operands) or len({term.relation for term in terms}) > 1:
        return ()
    names = [str(term.field) for term in terms]
    return terms if names == sorted(set(names)) else ()


def _fields(terms: tuple[Text, ...]) -> str:
    fields = {str(term.field): term.literal for term in terms}
    return _member(terms[0].relation.value, encode_json(fields).decode())


def _member(name: str, value: str) -> str:
    return f"{{{encode_json(name).decode()}:{value}}}"


def _array(operands: tuple[Node, ...]) -> str:
    return f"[{','.join(map(json_text, operands))}]"
