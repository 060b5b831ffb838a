"""Filter: a condition on events, read once, evaluated often."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import field, frozen

from eventroute.errors import InvalidFilter
from eventroute.event import Event
from eventroute.filters.compiler import Compiled, for_event
from eventroute.filters.dialects import BUILT_IN, NodeParser, parse
from eventroute.filters.explain import Explanation, explain
from eventroute.filters.lint import lint
from eventroute.filters.oddity import Oddity
from eventroute.filters.printing import json_text
from eventroute.filters.syntax import Composed, EventTest, Function, Node
from eventroute.jsontext import decode_json

if TYPE_CHECKING:
    from cloudevents.core.base import BaseCloudEvent

__all__ = ["DialectParser", "Filter", "node_parsers"]

DialectParser: TypeAlias = Callable[[Any, str], EventTest]
"""A dialect that an application hands in: it gets the JSON value that stands under the dialect's name, and the place.

It returns a Filter, which is then part of the filter around it and indexed as if it were written out, or any other
hashable function of an event, which is called for every event that nothing else in the filter rules out. What that
function raises reaches whoever matches. Raises InvalidFilter(reason, where=place) for a value that makes no sense.
"""


@frozen(repr=False)
class Filter:
    """A condition on events. Make it with `Filter.parse`.

    Filters are equal if they say the same: the spelling of paths and the order of an object's members do not count,
    the order of `all` and `any` does. Immutable, hashable, safe to share between threads.
    """

    syntax: Node
    _test: Compiled | None = field(default=None, init=False, eq=False)

    @classmethod
    def parse(
        cls,
        spec: Mapping[str, Any] | Sequence[Mapping[str, Any] | str] | str,
        *,
        dialects: Mapping[str, DialectParser] | None = None,
    ) -> Filter:
        """Read one filter (an object with one dialect, or an expression in `expr`), or a list, of which all must match.

        An empty list matches everything. A text that begins with `{` or `[` is such an object or list as JSON text,
        as `str(filter)` gives it. `dialects` are the application's own, by name. Nesting, number of clauses
        and length of texts are bounded (`filters.syntax.MAX_...`).

        Raises InvalidFilter, whose `where` is the place, for what cannot be understood in any part.
        """
        custom = node_parsers(dialects)
        if isinstance(spec, str) and spec.lstrip()[:1] in ("{", "["):
            return cls(parse(_decoded(spec), custom))
        return cls(parse(spec, custom))

    def __call__(self, event: BaseCloudEvent) -> bool:
        """Whether the event matches. Raises InvalidEvent for an object that is no valid CloudEvent."""
        if event.__class__ is not Event:
            event = Event.from_cloudevent(event)
        return (self._test or self._compile())(event)

    def _compile(self) -> Compiled:
        # Only now: most filters in an index are never evaluated. A cached_property would slow each call down.
        test = for_event(self.syntax)
        object.__setattr__(self, "_test", test)
        return test

    def explain(self, event: BaseCloudEvent) -> Explanation:
        """Why the event matches or does not, clause by clause. Raises InvalidEvent as calling the filter does."""
        return explain(self.syntax, Event.from_cloudevent(event))

    def lint(self) -> tuple[Oddity, ...]:
        """What is odd about the filter, though it is one: each oddity has a `clause` and a `reason`."""
        return lint(self.syntax)

    def to_dict(self) -> dict[str, Any] | list[Any]:
        """The filter as JSON values that `parse` reads back: an object, or an empty list if it matches everything."""
        result: dict[str, Any] | list[Any] = decode_json(str(self).encode())
        return result

    def __str__(self) -> str:
        """Compact JSON text of `to_dict`."""
        return json_text(self.syntax)

    def __repr__(self) -> str:
        return f"Filter({self})"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """For hypothesis and IPython: as it is read back, so that a failing example can be copied."""
        printer.text(f"Filter.parse({str(self)!r})")


def node_parsers(dialects: Mapping[str, DialectParser] | None) -> Mapping[str, NodeParser]:
    """What an application handed in, as `dialects.parse` takes it. Raises InvalidFilter for the name of a built-in."""
    return {name: _adopt(name, parser) for name, parser in (dialects or {}).items()}


def _decoded(text: str) -> Any:
    try:
        return decode_json(text.encode())
    except ValueError as error:
        raise InvalidFilter(f"it begins as JSON does, and is none: {error}") from None


def _adopt(name: str, parser: DialectParser) -> NodeParser:
    if name in BUILT_IN:
        raise InvalidFilter(f"the dialect {name!r} is built in: choose another name", where="dialects")

    def parse_clause(text: str, where: str) -> Node:
        test = parser(decode_json(text.encode()), where)
        if isinstance(test, Filter):
            return Composed(name, text, test.syntax)
        if not callable(test) or not isinstance(test, Hashable):
            raise InvalidFilter(
                f"the dialect {name!r} made a {type(test).__name__}: it must return a Filter or a hashable function",
                where=where,
            )
        return Function(name, text, test)

    return parse_clause
