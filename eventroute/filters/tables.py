"""The tables in which an index looks up the text of a field."""

from __future__ import annotations

from collections import Counter
from typing import Generic, TypeVar

from eventroute.filters.syntax import Relation, Text
from eventroute.filters.values import texts

__all__ = ["Affixes", "Column"]

E = TypeVar("E")


class Column(Generic[E]):
    """What an index holds about one field. One thread at a time changes it, any look up meanwhile.

    Every step of a lookup is one operation on a dictionary, set or tuple, which the interpreter does not interrupt.
    """

    __slots__ = ("_prefixes", "_suffixes", "affixes", "exact", "readers")

    def __init__(self) -> None:
        self.readers = 0
        """How many entries read the field, whether they are looked up by it or not."""
        self.exact: dict[str, set[E]] = {}
        self._prefixes: Affixes[E] = Affixes(Relation.PREFIX)
        self._suffixes: Affixes[E] = Affixes(Relation.SUFFIX)
        self.affixes: tuple[Affixes[E], ...] = ()
        """Those of prefixes and suffixes that hold anything."""

    def _buckets(self, relation: Relation) -> dict[str, set[E]]:
        if relation is Relation.EXACT:
            return self.exact
        return (self._prefixes if relation is Relation.PREFIX else self._suffixes).buckets

    def size(self, predicate: Text) -> int:
        """How many entries are held under a predicate."""
        return len(self._buckets(predicate.relation).get(predicate.literal, ()))

    def add(self, predicate: Text, entry: E) -> None:
        """Hold an entry under a predicate."""
        buckets = self._buckets(predicate.relation)
        bucket = buckets.get(predicate.literal)
        if bucket is not None:
            bucket.add(entry)
            return
        buckets[predicate.literal] = {entry}
        self._changed(predicate, 1)

    def remove(self, predicate: Text, entry: E) -> None:
        """Let go of an entry that is held under a predicate."""
        buckets = self._buckets(predicate.relation)
        buckets[predicate.literal].remove(entry)
        if not buckets[predicate.literal]:
            del buckets[predicate.literal]
            self._changed(predicate, -1)

    def _changed(self, predicate: Text, by: int) -> None:
        if predicate.relation is not Relation.EXACT:
            affixes = self._prefixes if predicate.relation is Relation.PREFIX else self._suffixes
            affixes.count(len(predicate.literal), by)
            self.affixes = tuple(one for one in (self._prefixes, self._suffixes) if one.buckets)

    def look_up(self, value: object, found: set[E]) -> None:
        """Add to `found` every entry under a predicate that holds for a value."""
        for text in texts(value):
            bucket = self.exact.get(text)
            if bucket is not None:
                found |= bucket
            for affixes in self.affixes:
                affixes.look_up(text, found)


class Affixes(Generic[E]):
    """Entries by prefix or by suffix: one lookup for each length that some literal has (see `cover.LONGEST_AFFIX`)."""

    __slots__ = ("_begins", "_counts", "buckets", "lengths")

    def __init__(self, relation: Relation) -> None:
        self._begins = relation is Relation.PREFIX
        self._counts: Counter[int] = Counter()
        self.buckets: dict[str, set[E]] = {}
        self.lengths: tuple[int, ...] = ()
        """The lengths of the literals, ascending."""

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
