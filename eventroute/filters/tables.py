"""The tables in which an index looks up the value of a field.

What is found is a list, in which an entry that is found twice stands twice. Every step of a lookup is one operation
on a dictionary, set, list or tuple, which the interpreter does not interrupt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from operator import itemgetter
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from attrs import frozen

from eventroute.filters.buckets import Bucket, put, take
from eventroute.filters.expr.values import instant
from eventroute.filters.predicates import Predicate, Present, Span
from eventroute.filters.ranges import Ranges, rounded
from eventroute.filters.syntax import Relation, Text
from eventroute.filters.values import texts

__all__ = ["EXACT", "MAX_RECENT", "MAX_RECENT_FOUND", "MAX_RECENT_TEXT", "Affixes", "Column", "Kinds"]

MAX_RECENT: Final = 4096
"""How many texts a column keeps in mind with what it found for them; at the bound it forgets all of them."""

MAX_RECENT_TEXT: Final = 256
"""The longest text, in characters, that is kept in mind."""

MAX_RECENT_FOUND: Final = 64
"""How much is found at most for a text that is kept in mind."""

E = TypeVar("E")
Gather: TypeAlias = Callable[[list[E]], tuple[E, ...]]
"""Makes what was found for a text shorter: without repetitions, and alike entries as one."""

EXACT: Final = 2**53
"""Whole numbers up to it are floats."""

_PRESENT: Final = 100
"""What it counts to look at an entry because its field is there, beside other ways to find it."""


class _Table(Protocol[E]):
    def __bool__(self) -> bool: ...
    def look_up(self, text: str, found: list[E]) -> None: ...


@frozen
class Kinds:
    """Of which kinds a column holds predicates; a compiled walk leaves out the others."""

    exact: bool
    affixes: bool
    """Predicates of texts that are no whole ones, or of any value."""
    numbers: bool

    @property
    def texts(self) -> bool:
        """Whether a text may find anything."""
        return self.exact or self.affixes

    @property
    def some(self) -> bool:
        """Whether any value may find anything."""
        return self.exact or self.affixes or self.numbers


_NO_KINDS: Final = Kinds(exact=False, affixes=False, numbers=False)


class Column(Generic[E]):
    """What an index holds about one field. One thread at a time changes it, any look up meanwhile.

    Texts come again: types, sources, names. So where finding what holds for a text takes more than a step, it is kept
    in mind until the column changes. A change ends by starting a new `recent`, and who looks up takes hold of `recent`
    before anything else: what was found while the column changed goes into one that is given up.
    """

    __slots__ = (
        "_gather",
        "_instants",
        "_numbers",
        "_prefixes",
        "_present",
        "_suffixes",
        "affixes",
        "exact",
        "kinds",
        "nulls",
        "numbers",
        "readers",
        "recent",
    )

    def __init__(self, gather: Gather[E] = tuple) -> None:
        self._gather = gather
        self.recent: dict[str, tuple[E, ...]] = {}
        """What `recall` found for texts."""
        self.readers = 0
        """How many entries read the field, whether they are looked up by it or not."""
        self.exact: dict[str, Bucket[E]] = {}
        self._prefixes: Affixes[E] = Affixes(Relation.PREFIX)
        self._suffixes: Affixes[E] = Affixes(Relation.SUFFIX)
        self._numbers: Ranges[E] = Ranges()
        self._instants: _Instants[E] = _Instants()
        self._present: _Presence[E] = _Presence()
        self.affixes: tuple[_Table[E], ...] = ()
        """The tables of texts, but for `exact`, that hold anything."""
        self.numbers: Ranges[E] | None = None
        """The table of numbers, if it holds anything."""
        self.kinds = _NO_KINDS
        """What there is to be looked up; another object when that changes."""
        self.nulls = False
        """Whether an entry ever asked if the field is there, null included."""

    def _buckets(self, relation: Relation) -> dict[str, Bucket[E]]:
        if relation is Relation.EXACT:
            return self.exact
        return (self._prefixes if relation is Relation.PREFIX else self._suffixes).buckets

    def _ranges(self, span: Span) -> Ranges[E]:
        return self._instants.ranges if span.instants else self._numbers

    def size(self, predicate: Predicate) -> float:
        """How many entries are held under a predicate, more or less."""
        if isinstance(predicate, Text):
            return len(self._buckets(predicate.relation).get(predicate.literal, ()))
        if isinstance(predicate, Span):
            return self._ranges(predicate).size(predicate.low, predicate.high)
        return _PRESENT + len(self._present.entries)

    def forget(self) -> None:
        """Keep nothing in mind: the column or one of its entries has changed."""
        if self.recent:
            self.recent = {}

    def add(self, predicate: Predicate, entry: E) -> bool:
        """Hold an entry under a predicate; says whether it is the first of a kind."""
        before = self.kinds
        self._add(predicate, entry)
        self.forget()
        return self.kinds is not before

    def _add(self, predicate: Predicate, entry: E) -> None:
        match predicate:
            case Text():
                self._add_text(predicate, entry)
            case Span(_, low, high):
                ranges = self._ranges(predicate)
                first = not ranges
                ranges.add(low, high, entry)
                if first:
                    self._arrange()
            case Present():
                self._present.entries.add(entry)
                if len(self._present.entries) == 1:
                    self._arrange()

    def remove(self, predicate: Predicate, entry: E) -> None:
        """Let go of an entry that is held under a predicate."""
        self._remove(predicate, entry)
        self.forget()

    def _remove(self, predicate: Predicate, entry: E) -> None:
        match predicate:
            case Text():
                self._remove_text(predicate, entry)
            case Span(_, low, high):
                ranges = self._ranges(predicate)
                ranges.remove(low, high, entry)
                if not ranges:
                    self._arrange()
            case Present():
                self._present.entries.remove(entry)
                if not self._present.entries:
                    self._arrange()

    def _add_text(self, predicate: Text, entry: E) -> None:
        if put(self._buckets(predicate.relation), predicate.literal, entry):
            self._changed(predicate, 1)

    def _remove_text(self, predicate: Text, entry: E) -> None:
        if take(self._buckets(predicate.relation), predicate.literal, entry):
            self._changed(predicate, -1)

    def _changed(self, predicate: Text, by: int) -> None:
        buckets = self._buckets(predicate.relation)
        if predicate.relation is not Relation.EXACT:
            affixes = self._prefixes if predicate.relation is Relation.PREFIX else self._suffixes
            affixes.count(predicate.literal, by)
        if len(buckets) <= 1:
            self._arrange()

    def _arrange(self) -> None:
        tables: tuple[_Table[E], ...] = (self._prefixes, self._suffixes, self._instants, self._present)
        self.affixes = tuple(table for table in tables if table)
        self.numbers = self._numbers or None
        self.kinds = Kinds(bool(self.exact), bool(self.affixes), bool(self._numbers))

    def look_up(self, value: object, found: list[E]) -> None:
        """Add to `found` every entry under a predicate that holds for a value."""
        kind = value.__class__
        if kind is str:
            found += self.recall(value)  # type: ignore[arg-type]  # a str, as was seen
            return
        if kind is int:
            self.look_up_whole(value, found)  # type: ignore[arg-type]  # an int, as was seen
            return
        if kind is list:
            several: set[E] = set()  # each text of a long array may find the same
            for text in texts(value):
                several.update(self._find(text))
            found += several
        else:
            if self.exact or self.affixes:
                for text in texts(value):
                    found += self._find(text)
            if self.numbers is not None and isinstance(value, float | Decimal):
                self.numbers.look_up(rounded(value), found)
        if self._present.entries:
            found += self._present.entries

    def look_up_whole(self, number: int, found: list[E]) -> None:
        """As `look_up`, of an int."""
        if self.exact or self.affixes:
            found += self._find(str(number))
        if self.numbers is not None:
            self.numbers.look_up(number if -EXACT <= number <= EXACT else rounded(number), found)
        if self._present.entries:
            found += self._present.entries

    def recall(self, text: str) -> Iterable[E]:
        """Every entry under a predicate that holds for a text."""
        if not self.affixes:
            return self.exact.get(text, ())
        recent = self.recent
        known = recent.get(text)
        return self.learn(text, recent) if known is None else known

    def learn(self, text: str, recent: dict[str, tuple[E, ...]]) -> tuple[E, ...]:
        """What `recall` gives for a text that is not in `recent`, and which it then is."""
        found = self._gather(self._find(text))
        if len(found) <= MAX_RECENT_FOUND and len(text) <= MAX_RECENT_TEXT:
            if len(recent) >= MAX_RECENT:
                recent.clear()
            recent[text] = found
        return found

    def _find(self, text: str) -> list[E]:
        found: list[E] = []
        found += self.exact.get(text, ())
        for table in self.affixes:
            table.look_up(text, found)
        return found

    def look_up_null(self, found: list[E]) -> None:
        """Add to `found` every entry under a predicate that holds for null."""
        found += self._present.entries


class _Presence(Generic[E]):
    """Entries whose field need only be there."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: set[E] = set()

    def __bool__(self) -> bool:
        return bool(self.entries)

    def look_up(self, text: str, found: list[E]) -> None:
        """Add all to `found`, whatever the text is."""
        found += self.entries


class _Instants(Generic[E]):
    """Entries by spans of instants."""

    __slots__ = ("ranges",)

    def __init__(self) -> None:
        self.ranges: Ranges[E] = Ranges()

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def look_up(self, text: str, found: list[E]) -> None:
        """Add to `found` every entry under a span that holds the instant that a text means, if it means one."""
        moment = instant(text)
        if moment is not None:
            self.ranges.look_up(rounded(moment), found)


class Affixes(Generic[E]):
    """Entries by prefix or by suffix: at most a lookup for each length that some literal has (`cover.LONGEST_AFFIX`).

    A look at one character spares most of them, and what is spared is a place in memory that nobody had at hand: no
    text is looked up that has not the last character of some prefix of that length, or the first of some suffix.
    """

    __slots__ = ("_begins", "_chars", "_counts", "_lengths", "buckets")

    def __init__(self, relation: Relation) -> None:
        self._begins = relation is Relation.PREFIX
        self._counts: Counter[tuple[int, str]] = Counter()
        self._chars: dict[int, set[str]] = {}  # by length
        self._lengths: tuple[tuple[int, set[str]], ...] = ()  # the same, ascending
        self.buckets: dict[str, Bucket[E]] = {}

    def __bool__(self) -> bool:
        return bool(self.buckets)

    def count(self, literal: str, by: int) -> None:
        """Note that a literal came (1) or went (-1)."""
        length, char = len(literal), literal[-1] if self._begins else literal[0]
        lengths = len(self._chars)
        self._counts[length, char] += by
        if by > 0:
            self._chars.setdefault(length, set()).add(char)
        elif not self._counts[length, char]:
            del self._counts[length, char]
            self._chars[length].remove(char)
            if not self._chars[length]:
                del self._chars[length]
        if len(self._chars) != lengths:
            self._lengths = tuple(sorted(self._chars.items(), key=itemgetter(0)))

    def look_up(self, text: str, found: list[E]) -> None:
        """Add to `found` every entry under a literal that the text begins or ends with."""
        begins, buckets, size = self._begins, self.buckets, len(text)
        for length, chars in self._lengths:
            if length > size:
                break
            if text[length - 1 if begins else -length] in chars:
                bucket = buckets.get(text[:length] if begins else text[-length:])
                if bucket is not None:
                    found += bucket
