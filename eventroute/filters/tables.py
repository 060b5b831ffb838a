"""The tables in which an index looks up the text of a field."""

from __future__ import annotations

from collections import Counter
from typing import Generic, TypeVar

from eventroute.filters.syntax import Relation, Text

__all__ = ["Affixes", "Column"]

E = TypeVar("E")


class Affixes(Generic[E]):
    """Entries by prefix or suffix: one lookup for each length that a literal has, at most `cover.LONGEST_AFFIX`."""

    __slots__ = ("_counts", "buckets", "lengths")

    def __init__(self) -> None:
        self.buckets: dict[str, set[E]] = {}
        self.lengths: tuple[int, ...] = ()
        self._counts: Counter[int] = Counter()

    def changed(self, literal: str, by: int) -> None:
        """Note that a literal came (1) or went (-1)."""
        length = len(literal)
        self._counts[length] += by
        if not self._counts[length]:
            del self._counts[length]
        if len(self._counts) != len(self.lengths):
            self.lengths = tuple(sorted(self._counts))


class Column(Generic[E]):
    """What an index holds about one field. Changed by one thread at a time; looked up by any meanwhile.

    Every step of a lookup is one operation on a dictionary, set or tuple, which the interpreter does not interrupt.
    """

    __slots__ = ("exact", "prefixes", "readers", "suffixes")

    def __init__(self) -> None:
        self.readers = 0
        """How many entries read the field, whether they are looked up by it or not."""
        self.exact: dict[str, set[E]] = {}
        self.prefixes: Affixes[E] | None = None
        self.suffixes: Affixes[E] | None = None

    def size(self, predicate: Text) -> int:
        """How many entries are held under a predicate."""
        if predicate.relation is Relation.EXACT:
            bucket = self.exact.get(predicate.literal)
        else:
            affixes = self.prefixes if predicate.relation is Relation.PREFIX else self.suffixes
            bucket = None if affixes is None else affixes.buckets.get(predicate.literal)
        return 0 if bucket is None else len(bucket)

    def add(self, predicate: Text, entry: E) -> None:
        """Hold an entry under a predicate."""
        literal = predicate.literal
        if predicate.relation is Relation.EXACT:
            self.exact.setdefault(literal, set()).add(entry)
            return
        affixes = self._affixes(predicate.relation)
        if literal not in affixes.buckets:
            affixes.changed(literal, 1)
        affixes.buckets.setdefault(literal, set()).add(entry)

    def remove(self, predicate: Text, entry: E) -> None:
        """Let go of an entry that is held under a predicate."""
        literal = predicate.literal
        exact = predicate.relation is Relation.EXACT
        buckets = self.exact if exact else self._affixes(predicate.relation).buckets
        buckets[literal].remove(entry)
        if not buckets[literal]:
            del buckets[literal]
            if not exact:
                self._affixes(predicate.relation).changed(literal, -1)

    def _affixes(self, relation: Relation) -> Affixes[E]:
        if relation is Relation.PREFIX:
            self.prefixes = self.prefixes or Affixes()
            return self.prefixes
        self.suffixes = self.suffixes or Affixes()
        return self.suffixes

    def look_up(self, text: str, found: set[E]) -> None:
        """Add to `found` every entry under a predicate that holds for `text`."""
        bucket = self.exact.get(text)
        if bucket is not None:
            found |= bucket
        if self.prefixes is not None:
            buckets = self.prefixes.buckets
            for length in self.prefixes.lengths:
                if length > len(text):
                    break
                bucket = buckets.get(text[:length])
                if bucket is not None:
                    found |= bucket
        if self.suffixes is not None:
            buckets = self.suffixes.buckets
            for length in self.suffixes.lengths:
                if length > len(text):
                    break
                bucket = buckets.get(text[-length:])
                if bucket is not None:
                    found |= bucket
