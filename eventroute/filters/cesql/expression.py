"""Expression: a CESQL expression, read once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from attrs import field, frozen

from eventroute.errors import InvalidFilter
from eventroute.event import Event
from eventroute.filters.cesql.evaluation import Result, evaluate_tree
from eventroute.filters.cesql.functions import BUILT_IN, Function, Functions
from eventroute.filters.cesql.parser import parse
from eventroute.filters.cesql.printing import text_of
from eventroute.filters.cesql.tree import Attribute, Call, Exists, Node, nodes
from eventroute.filters.faults import MAX_EXPRESSION, located, meant

if TYPE_CHECKING:
    from cloudevents.core.base import BaseCloudEvent

__all__ = ["Expression", "evaluate", "parse_predicate"]


@frozen(repr=False)
class Expression:
    """A CESQL expression (CESQL 1.0.0). Make it with `Expression.parse`.

    Expressions are equal if they say the same but for spaces, the case of names and keywords, needless parentheses
    and the choice between `!=` and `<>`. Immutable, hashable.
    """

    root: Node
    functions: Functions = BUILT_IN
    depth: int = field(default=1, eq=False)
    """How deep it nests, parentheses included."""
    size: int = field(default=1, eq=False)
    """How many operators, functions and attributes it has."""

    @classmethod
    def parse(cls, text: str, *, functions: Functions = BUILT_IN, where: str = "") -> Expression:
        """Read an expression. A function that is not known makes a MissingFunctionError of each evaluation.

        Raises InvalidFilter with the line and the column for what cannot be read.
        """
        parsed = parse(text, where)
        expression = cls(parsed.node, functions, parsed.depth, parsed.size)
        # The canonical form is at most twice as long, and must be readable too.
        if len(text) > MAX_EXPRESSION // 2 and (length := len(str(expression))) > MAX_EXPRESSION:
            raise InvalidFilter(
                f"the expression has {length} characters in its canonical form, at most {MAX_EXPRESSION} are allowed: "
                "make several filters",
                where=where,
            )
        return expression

    def evaluate(self, event: BaseCloudEvent) -> Result:
        """The value of the expression for an event, and the errors that came up.

        Raises InvalidEvent for an object that is no valid CloudEvent, and what a function of the application raises.
        """
        return evaluate_tree(self.root, Event.from_cloudevent(event).attributes.get, self.functions)

    @property
    def attributes(self) -> frozenset[str]:
        """The names of all attributes that it reads."""
        return frozenset(node.name for node in nodes(self.root) if isinstance(node, Attribute | Exists))

    def __str__(self) -> str:
        """The expression in its canonical form, which reads back as the same."""
        return text_of(self.root)

    def __repr__(self) -> str:
        return f"Expression({str(self)!r})"


def evaluate(expression: str | Expression, event: BaseCloudEvent, *, functions: Iterable[Function] = ()) -> Result:
    """The value of an expression for an event, and the errors that came up (CESQL 1.0.0, section 3.6).

    `functions` are the application's own, for an expression given as text. Raises InvalidFilter for text that cannot be
    read (the specification's ParseError), and InvalidEvent for an object that is no valid CloudEvent.
    """
    if isinstance(expression, str):
        expression = Expression.parse(expression, functions=Functions(tuple(functions)))
    return expression.evaluate(event)


def parse_predicate(text: str, where: str, functions: Functions = BUILT_IN) -> Expression:
    """An expression for a filter: all its functions are known.

    Raises InvalidFilter with the line and the column.
    """
    expression = Expression.parse(text, functions=functions, where=where)
    for node in nodes(expression.root):
        if isinstance(node, Call) and functions.find(node.name, len(node.arguments)) is None:
            raise located(_unknown(node, functions), text, node.position, where)
    return expression


def _unknown(call: Call, functions: Functions) -> str:
    known = functions.named(call.name)
    if not known:
        return f"there is no function {call.name:.80}{meant(call.name, functions.names)}"
    return f"with {len(call.arguments)} arguments there is no {call.name}; there is {' and '.join(map(str, known))}"
