"""The form of text expressions: what reading them made, as JSON values, from which it is made again ten times faster.

Who keeps filters keeps them as they were written, and beside them the forms that `read` gives. `read_again` takes both.
Where the forms are of another version, or are none, it reads the texts: forms are a shortcut, and no more. Yet
whatever stands in them, nothing but trees come out, for what a tree says becomes source.

What makes another tree of a text, or another form of a tree, needs a new VERSION: a test knows the forms of this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from attrs import frozen

from eventroute.errors import InvalidPath
from eventroute.filters.cesql.forms import expression_form, expression_of
from eventroute.filters.dialects import LANGUAGES, NodeParser, parse
from eventroute.filters.expr.forms import condition_form, condition_of
from eventroute.filters.forms import BadForm
from eventroute.filters.syntax import Node, Sql

__all__ = ["VERSION", "Parsed", "read", "read_again"]

VERSION: Final = 1
"""The version of the forms."""


@frozen
class Parsed:
    """The tree of a filter, and the forms of the text expressions in it in the order in which they are read."""

    node: Node
    forms: tuple[Any, ...]


def read(spec: object, custom: Mapping[str, NodeParser]) -> Parsed:
    """Read a filter or a list of filters, as `dialects.parse` does. Raises InvalidFilter."""
    forms: list[Any] = []

    def recording(parser: NodeParser) -> NodeParser:
        def parse_text(text: str, where: str) -> Node:
            node = parser(text, where)
            forms.append(expression_form(node.expression) if isinstance(node, Sql) else condition_form(node))
            return node

        return parse_text

    node = parse(spec, custom, {name: recording(parser) for name, parser in LANGUAGES.items()})
    return Parsed(node, tuple(forms))


def read_again(spec: object, custom: Mapping[str, NodeParser], version: object, forms: object) -> Parsed:
    """What `read` gave for the filter, in which nothing has changed since. Raises InvalidFilter."""
    if version != VERSION or not isinstance(forms, list):
        return read(spec, custom)
    waiting = iter(forms)
    try:
        node = parse(spec, custom, {name: _restoring(name, waiting) for name in LANGUAGES}, counted=True)
    except BadForm:
        return read(spec, custom)
    return read(spec, custom) if next(waiting, None) is not None else Parsed(node, tuple(forms))


def _restoring(name: str, forms: Iterator[Any]) -> NodeParser:
    restore: Callable[[Any], Node] = condition_of if name == "expr" else _sql

    def parse_text(text: str, where: str) -> Node:
        try:
            return restore(next(forms))
        except (StopIteration, ValueError, TypeError, LookupError, InvalidPath) as error:
            raise BadForm(f"this is no form of {text!r:.80} ({where})") from error

    return parse_text


def _sql(form: Any) -> Node:
    return Sql(expression_of(form))
