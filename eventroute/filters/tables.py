"""The tables in which an index looks up the text of a field."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Final, Generic, Protocol, TypeVar

from eventroute.filters.expr.values import instant
from eventroute.filters.predicates import Predicate, Present, Span
from eventroute.filters.ranges import Ranges, rounded
from eventroute.filters.syntax import Relation, Text
from eventroute.filters.values import texts

__all__ = ["Affixes", "Column"]

E = TypeVar("E")

_PRESENT: Final = 100
"""What it counts to look at an entry because its field is there, beside other ways to find it."""


class _Table(Protocol[E]):
    def __bool__(self) -> bool: ...
    def look_up(self, text: str, found: set[E]) -> None: ...


class Column(Generic[E]):
    """What an index holds about one field. One thread at a time changes it, any look up meanwhile.

    Every step of a lookup is one operation on a dictionary, set or tuple, which the interpreter does not interrupt.
    """

    __slots__ = ("_instants", "_numbers", "_prefixes", "_present", "_suffixes", "affixes", "exact", "nulls", "readers")

    def __init__(self) -> None:
        self.readers = 0
        """How many entries read the field, whether they are looked up by it or not."""
        self.exact: dict[str, set[E]] = {}
        self._prefixes: Affixes[E] = Affixes(Relation.PREFIX)
        self._suffixes: Affixes[E] = Affixes(Relation.SUFFIX)
        self._numbers: Ranges[E] = Ranges()
        self._instants: _Instants[E] = _Instants()
        self._present: _Presence[E] = _Presence()
        self.affixes: tuple[_Table[E], ...] = ()
        """The tables of texts, but for `exact`, that hold anything."""
        self.nulls = False
        """Whether an entry ever asked if the field is there, null included."""

    def _buckets(self, relation: Relation) -> dict[str, set[E]]:
        if relation is Relation.EXACT:
            return self.exact
        return (self._prefixes if relation is Relation.PREFIX else self._suffixes).buckets

    def _ranges(self, span: Span) -> Ranges[E]:
        return self._instants.ranges if span.instants else self._numbers

    def size(self, predicate: Predicate) -> float:
        """How many entries are held under a predicate, more or less."""
        match predicate:
            case Text(relation, _, literal):
                return len(self._buckets(relation).get(literal, ()))
            case Span(_, low, high):
                return self._ranges(predicate).size(low, high)
            case Present():
                return _PRESENT + len(self._present.entries)

    def add(self, predicate: Predicate, entry: E) -> None:
        """Hold an entry under a predicate."""
        match predicate:
            case Text():
                self._add_text(predicate, entry)
            case Span(_, low, high):
                self._ranges(predicate).add(low, high, entry)
                self._arrange()
            case Present():
                self._present.entries.add(entry)
                self._arrange()

    def remove(self, predicate: Predicate, entry: E) -> None:
        """Let go of an entry that is held under a predicate."""
        match predicate:
            case Text():
                self._remove_text(predicate, entry)
            case Span(_, low, high):
                self._ranges(predicate).remove(low, high, entry)
                self._arrange()
            case Present():
                self._present.entries.remove(entry)
                self._arrange()

    def _add_text(self, predicate: Text, entry: E) -> None:
        buckets = self._buckets(predicate.relation)
        bucket = buckets.get(predicate.literal)
        if bucket is not None:
            bucket.add(entry)
            return
        buckets[predicate.literal] = {entry}
        self._changed(predicate, 1)

    def _remove_text(self, predicate: Text, entry: E) -> None:
        buckets = self._buckets(predicate.relation)
        buckets[predicate.literal].remove(entry)
        if not buckets[predicate.literal]:
            del buckets[predicate.literal]
            self._changed(predicate, -1)

    def _changed(self, predicate: Text, by: int) -> None:
        if predicate.relation is not Relation.EXACT:
            affixes = self._prefixes if predicate.relation is Relation.PREFIX else self._suffixes
            affixes.count(len(predicate.literal), by)
            self._arrange()

    def _arrange(self) -> None:
        tables: tuple[_Table[E], ...] = (self._prefixes, self._suffixes, self._instants, self._present)
        self.affixes = tuple(table for table in tables if table)

    def look_up(self, value: object, found: set[E]) -> None:
        """Add to `found` every entry under a predicate that holds for a value."""
        for text in texts(value):
            bucket = self.exact.get(text)
            if bucket is not None:
                found |= bucket
            for affixes in self.affixes:
                affixes.look_up(text, found)
        if self._numbers and isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            self._numbers.look_up(rounded(value), found)
        found |= self._present.entries

    def look_up_null(self, found: set[E]) -> None:
        """Add to `found` every entry under a predicate that holds for null."""
        found |= self._present.entries


class _Presence(Generic[E]):
    """Entries whose field need only be there."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: set[E] = set()

    def __bool__(self) -> bool:
        return bool(self.entries)

    def look_up(self, text: str, found: set[E]) -> None:
        """Add all to `found`, whatever the text is."""
        found |= self.entries


class _Instants(Generic[E]):
    """Entries by spans of instants."""

    __slots__ = ("ranges",)

    def __init__(self) -> None:
        self.ranges: Ranges[E] = Ranges()

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def look_up(self, text: str, found: set[E]) -> None:
        """Add to `found` every entry under a span that holds the instant that a text means, if it means one."""
        moment = instant(text)
        if moment is not None:
            self.ranges.look_up(rounded(moment), found)


class Affixes(Generic[E]):
    """Entries by prefix or by suffix: one lookup for each length that some literal has (see `cover.LONGEST_AFFIX`)."""

    __slots__ = ("_begins", "_counts", "buckets", "lengths")

    def __init__(self, relation: Relation) -> None:
        self._begins = relation is Relation.PREFIX
        self._counts: Counter[int] = Counter()
        self.buckets: dict[str, set[E]] = {}
        self.lengths: tuple[int, ...] = ()
        """The lengths of the literals, ascending."""

    def __bool__(self) -> bool:
        return bool(self.buckets)

    def count(self, length: int, by: int) -> None:
        """Note that a literal of this length came (1) or went (-1)."""
        self._counts[length] += by
        if not self._counts[length]:
            del self._counts[length]
        if len(self._counts) != len(self.lengths):
            self.lengths = tuple(sorted(self._counts))

    def look_up(self, text: str, found: set[E]) -> None:
        """Add to `found` every entry under a literal that the text begins or ends with."""
        begins, buckets, size = self._begins, self.buckets, len(text)
        for length in self.lengths:
            if length > size:
                break
            bucket = buckets.get(text[:length] if begins else text[-length:])
            if bucket is not None:
                found |= bucket
