"""What an index looks up: what must hold of one field for a filter to match."""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

from eventroute.filters.syntax import Text
from eventroute.paths import Field

__all__ = ["Predicate", "Present", "Span"]


@frozen
class Present:
    """The event has the field; null may do."""

    field: Field


@frozen
class Span:
    """The field is a number from `low` to `high`, or an RFC 3339 date-time of such an instant (in microseconds).

    All is rounded to binary64, so the span may hold more than was meant, never less.
    """

    field: Field
    low: float
    high: float
    instants: bool


Predicate: TypeAlias = Text | Present | Span
