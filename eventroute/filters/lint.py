"""What is odd about a filter, though it is one: clauses that never match, or that may not mean what they seem to."""

from __future__ import annotations

from collections.abc import Iterator

from eventroute.filters.cesql.expression import Expression
from eventroute.filters.cesql.lint import lint as lint_sql
from eventroute.filters.expr.lint import known
from eventroute.filters.expr.lint import lint as lint_expression
from eventroute.filters.oddity import Oddity
from eventroute.filters.pattern.lint import lint as lint_pattern
from eventroute.filters.syntax import EventPattern, Node, Sql, leaves
from eventroute.paths import Field

__all__ = ["lint"]


def lint(node: Node) -> tuple[Oddity, ...]:
    """All oddities in a filter, each once."""
    found: dict[Oddity, None] = {}
    for leaf in leaves(node):
        if isinstance(leaf, Sql):
            found.update(dict.fromkeys((*lint_sql(leaf.expression), *_unknown(leaf.expression))))
        elif isinstance(leaf, EventPattern):
            found.update(dict.fromkeys(lint_pattern(leaf.tree)))
    found.update(dict.fromkeys(lint_expression(node)))
    return tuple(found)


def _unknown(expression: Expression) -> Iterator[Oddity]:
    """The attributes of `sql` that CloudEvents does not know."""
    for name in sorted(expression.attributes - {"data"}):
        for reason in known(Field(name), "data is read by `expr`, as in data.{}"):
            yield Oddity(name, reason)
