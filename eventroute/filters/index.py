"""FilterIndex: very many filters, one pass over an event.

A filter is held under its cover (see `cover`), in tables by field and text. A match looks the event's own values up in
them and evaluates only the filters that it finds there, and those that have no cover.

Threads: additions and removals are serialised by a lock. A match takes no lock: each of its steps is one operation on
a dictionary, set or tuple that the interpreter does not interrupt, and a match during which the index changed is
done again under the lock. So every match sees the index as it was at one moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import msgspec
from attrs import frozen

from eventroute.event import Event
from eventroute.filters.compiler import EVENT, Compiled, for_row
from eventroute.filters.cover import Cover, cover
from eventroute.filters.filter import Filter
from eventroute.filters.plan import Plan
from eventroute.filters.predicates import Predicate, Present, Span
from eventroute.filters.reads import reads
from eventroute.filters.syntax import Node, Relation, Text
from eventroute.filters.tables import Column
from eventroute.paths import Field

if TYPE_CHECKING:
    from cloudevents.core.base import BaseCloudEvent

__all__ = ["FilterIndex", "IndexStats"]

K = TypeVar("K", bound=Hashable)
Raw: TypeAlias = bytes | bytearray | memoryview | str


@frozen
class IndexStats:
    """What an index holds: `keys`, and `filters`, equal ones counted once.

    Of these, `exact`, `prefix` and `suffix` are found by such a predicate, `range` by a number or a time, `present` by
    nothing but that a field is there (one by several kinds counts in each); `always` have none and are evaluated for
    every event. `fields` are read by filters. The last match found `candidates` filters, the `always` included, and
    evaluated them where that they were found does not decide.
    """

    keys: int
    filters: int
    exact: int
    prefix: int
    suffix: int
    range: int
    present: int
    always: int
    fields: int
    candidates: int


def _decided(_row: object) -> bool:
    """The function of a filter whose cover has decided when it is found."""
    return True


class _Entry(Generic[K]):
    """A filter with all keys that have it."""

    __slots__ = ("cover", "keys", "node", "test")

    def __init__(self, node: Node, cover: Cover | None) -> None:
        self.node = node
        self.cover = cover
        self.keys: set[K] = set()
        self.test: Compiled | None = _decided if cover is not None and cover.decides else None

    def compile(self) -> Compiled:
        """The function of the filter, made when it is first evaluated."""
        self.test = for_row(self.node)
        return self.test


_NONE_YET: Column[Any] = Column()


class FilterIndex(Generic[K]):
    """Filters by key; `match` gives the keys of those that match an event.

    Adding and removing cost the same at any size, and so does a match, but for the filters that have no cover. When
    the set of fields that filters read changes, the next match pays for a new plan: some microseconds a field.
    Any thread may call any method at any time.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._version = 0  # odd while a change is under way
        self._by_key: dict[K, _Entry[K]] = {}
        self._entries: dict[Node, _Entry[K]] = {}
        self._always: set[_Entry[K]] = set()
        self._columns: dict[Field, Column[_Entry[K]]] = {}
        self._whole = 0  # entries that want the whole event
        self._plan: Plan[_Entry[K]] | None = None
        self._candidates = 0

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self._by_key)

    def add(self, key: K, filter: Filter) -> None:
        """Hold a filter under a key, in place of the one that the key has."""
        with self._change():
            before = self._by_key.get(key)
            entry = self._entries.get(filter.syntax)
            if entry is None:
                entry = self._enter(filter.syntax)
            self._by_key[key] = entry
            entry.keys.add(key)
            if before is not None and before is not entry:
                self._leave(before, key)

    def discard(self, key: K) -> None:
        """Let go of a key and its filter; nothing happens where there is no such key."""
        with self._change():
            entry = self._by_key.pop(key, None)
            if entry is not None:
                self._leave(entry, key)

    @contextmanager
    def _change(self) -> Iterator[None]:
        with self._lock:
            self._version += 1
            try:
                yield
            finally:
                self._version += 1

    def _enter(self, node: Node) -> _Entry[K]:
        entry: _Entry[K] = _Entry(node, cover(node, self._cost))
        read = reads(node)
        self._whole += read.whole
        for field in read.fields:
            column = self._columns.get(field)
            if column is None:
                column = self._columns[field] = Column()
                self._plan = None
            column.readers += 1
            if field in read.nulls and not column.nulls:
                column.nulls = True
                self._plan = None
        if read.whole and self._whole == 1:
            self._plan = None
        if entry.cover is None:
            self._always.add(entry)
        else:
            for predicate in entry.cover.predicates:
                self._columns[predicate.field].add(predicate, entry)
        self._entries[node] = entry
        return entry

    def _leave(self, entry: _Entry[K], key: K) -> None:
        entry.keys.remove(key)
        if entry.keys:
            return
        del self._entries[entry.node]
        if entry.cover is None:
            self._always.remove(entry)
        else:
            for predicate in entry.cover.predicates:
                self._columns[predicate.field].remove(predicate, entry)
        read = reads(entry.node)
        self._whole -= read.whole
        for field in read.fields:
            column = self._columns[field]
            column.readers -= 1
            if not column.readers:
                del self._columns[field]
                self._plan = None
        if read.whole and not self._whole:
            self._plan = None

    def _cost(self, predicate: Predicate) -> float:
        """How many filters an event that has the predicate would have to be compared with.

        As an empty table says nothing, a short prefix or suffix counts for more: it fits many values.
        """
        size = self._columns.get(predicate.field, _NONE_YET).size(predicate)
        if isinstance(predicate, Text) and predicate.relation is not Relation.EXACT:
            return size + 1 + 8 / len(predicate.literal)
        return size + 1

    def match(self, event: BaseCloudEvent) -> set[K]:
        """The keys of all filters that match. Raises InvalidEvent for an object that is no valid CloudEvent."""
        whole = Event.from_cloudevent(event)
        before = self._version
        keys = self._match_event(whole)
        if before != self._version or before & 1:
            with self._lock:
                keys = self._match_event(whole)
        return keys

    def match_json(self, raw: Raw) -> set[K]:
        """The keys of all filters that match an event in structured mode, decoding only what they read.

        The same as `match(Event.from_json(raw))` for every `raw` that `from_json` accepts. Raises InvalidEvent for a
        fault in what it reads; what it skips it does not check.
        """
        before = self._version
        keys = self._match_raw(raw)
        if before != self._version or before & 1:
            with self._lock:
                keys = self._match_raw(raw)
        return keys

    def _match_event(self, event: Event) -> set[K]:
        row: dict[str, Any] = {EVENT: event}
        found = self._always.copy()
        (self._plan or self._make_plan()).read(event, row, found)
        return self._holding(found, row)

    def _match_raw(self, raw: Raw) -> set[K]:
        plan = self._plan or self._make_plan()
        if plan.decode is not None:
            try:
                values = plan.decode(raw)
            except (msgspec.MsgspecError, ValueError, RecursionError):
                values = {"data_base64": raw}  # Event says what is wrong
            if values.get("data_base64") is None:
                row: dict[str, Any] = {}
                found = self._always.copy()
                plan.walk(values, row, found)
                return self._holding(found, row)
        return self._match_event(Event.from_json(raw))

    def _make_plan(self) -> Plan[_Entry[K]]:
        with self._lock:
            self._plan = plan = Plan(self._columns, whole=self._whole > 0)
            return plan

    def _holding(self, found: set[_Entry[K]], row: dict[str, Any]) -> set[K]:
        """The keys of those entries that hold."""
        self._candidates = len(found)
        keys: set[K] = set()
        for entry in found:
            if (entry.test or entry.compile())(row):
                keys |= entry.keys
        return keys

    def stats(self) -> IndexStats:
        """What the index holds, and what the last match cost; counted at each call."""
        with self._lock:
            kinds = Counter(kind for entry in self._entries.values() for kind in _kinds(entry.cover))
            return IndexStats(
                keys=len(self._by_key),
                filters=len(self._entries),
                exact=kinds[Relation.EXACT],
                prefix=kinds[Relation.PREFIX],
                suffix=kinds[Relation.SUFFIX],
                range=kinds[Span],
                present=kinds[Present],
                always=len(self._always),
                fields=len(self._columns),
                candidates=self._candidates,
            )


def _kinds(cover: Cover | None) -> set[object]:
    predicates = () if cover is None else cover.predicates
    return {one.relation if isinstance(one, Text) else type(one) for one in predicates}
