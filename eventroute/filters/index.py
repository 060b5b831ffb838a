"""FilterIndex: very many filters, one pass over an event.

A filter is held under its cover (see `cover`), in tables by field and text. A match looks the event's own values up in
them. Of the filters that it finds there, and those that have no cover, it tests what the cover leaves open; what
several of them leave open alike is tested once.

Threads: additions and removals are serialised by a lock. A match takes no lock: each of its steps is one operation on
a dictionary, set, list or tuple that the interpreter does not interrupt, and a match during which the index changed is
done again under the lock. So every match sees the index as it was at one moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

import msgspec
from attrs import frozen

from eventroute.event import Event
from eventroute.filters.compiler import EVENT, Compiled, for_row
from eventroute.filters.cover import cover
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
    every event. `fields` are read by filters, and `tests` are the functions that evaluate what is left of filters once
    they are found, shared by those that leave the same. The last match found `candidates` filters, the `always`
    included, and called `evaluations` of the tests.
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
    tests: int
    candidates: int
    evaluations: int


class _Rest:
    """What is left to be tested of filters that have been found: one for all that leave the same."""

    __slots__ = ("node", "test", "users")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.test: Compiled | None = None
        self.users = 0

    def compile(self) -> Compiled:
        """The function, made when it is first called."""
        self.test = for_row(self.node)
        return self.test


class _Entry(Generic[K]):
    """A filter with all keys that have it; `rest` is None where that it is found decides.

    Most often there is one `key`, and a set would take four times the memory: `keys` is None then.
    """

    __slots__ = ("key", "keys", "node", "predicates", "rest")

    def __init__(self, node: Node, key: K) -> None:
        self.node = node
        self.predicates: tuple[Predicate, ...] = ()
        self.rest: _Rest | None = None
        self.key = key
        self.keys: set[K] | None = None

    def __len__(self) -> int:
        return 1 if self.keys is None else len(self.keys)

    def add(self, key: K) -> None:
        """Have one more key."""
        if self.keys is not None:
            self.keys.add(key)
        elif key != self.key:
            self.keys = {self.key, key}

    def remove(self, key: K) -> bool:
        """Have one less of several keys; False where it is the last one."""
        if self.keys is None:
            return False
        self.keys.remove(key)
        return bool(self.keys)


class _Alike(Generic[K]):
    """Several filters that one text finds and that leave the same to be tested, as they were at one moment."""

    __slots__ = ("entries", "key", "keys", "rest")

    def __init__(self, entries: list[_Entry[K]]) -> None:
        self.entries = entries
        self.rest = entries[0].rest
        self.key = entries[0].key
        self.keys = {key for entry in entries for key in entry.keys or (entry.key,)}


_Found: TypeAlias = _Entry[K] | _Alike[K]

_DECIDED: Final[dict[_Rest | None, bool]] = {None: True}
_NONE_YET: Final[Column[Any]] = Column()
_AFFIX: Final = 4
"""What it counts to look at a filter because of what a text begins or ends with, beside other ways to find it."""
_FEW: Final = 3
"""As many filters are looked at as fast as they are gathered."""
_MOST_ALIKE: Final = 64
"""How many keys filters that are alike may have to be taken together: beyond, a copy of their keys is worse."""


def _gathered(found: list[_Found[K]]) -> tuple[_Found[K], ...]:
    """What a column found, for it to keep in mind."""
    if len(found) < _FEW:
        return tuple(found)
    by_rest: dict[_Rest | None, list[Any]] = {}
    for entry in dict.fromkeys(found):
        by_rest.setdefault(entry.rest, []).append(entry)
    gathered: list[_Found[K]] = []
    for entries in by_rest.values():
        if len(entries) > 1 and sum(map(len, entries)) <= _MOST_ALIKE:
            gathered.append(_Alike(entries))
        else:
            gathered += entries
    return tuple(gathered)


class FilterIndex(Generic[K]):
    """Filters by key; `match` gives the keys of those that match an event.

    Adding and removing cost the same at any size, and so does a match, but for the filters that have no cover. When
    the set of fields that filters read changes, or how one is looked up, the next match pays for a new plan: some
    microseconds a field.
    Any thread may call any method at any time.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._version = 0  # odd while a change is under way
        self._by_key: dict[K, _Entry[K]] = {}
        self._entries: dict[Node, _Entry[K]] = {}
        self._rests: dict[Node, _Rest] = {}
        self._always: set[_Entry[K]] = set()
        self._columns: dict[Field, Column[Any]] = {}
        self._whole = 0  # entries that want the whole event
        self._plan: Plan[Any] | None = None
        self._last: tuple[list[Any], dict[_Rest | None, bool]] = [], _DECIDED

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self._by_key)

    def __iter__(self) -> Iterator[K]:
        """The keys, as they were when it was asked for them."""
        with self._lock:
            return iter(list(self._by_key))

    def add(self, key: K, filter: Filter) -> None:
        """Hold a filter under a key, in place of the one that the key has."""
        with self._lock:
            self._version += 1
            try:
                self._put(key, filter.syntax)
            finally:
                self._version += 1

    def discard(self, key: K) -> None:
        """Let go of a key and its filter; nothing happens where there is no such key."""
        with self._lock:
            self._version += 1
            try:
                entry = self._by_key.pop(key, None)
                if entry is not None:
                    self._leave(entry, key)
            finally:
                self._version += 1

    def _put(self, key: K, node: Node) -> None:
        before = self._by_key.get(key)
        fresh = _Entry(node, key)
        entry = self._entries.setdefault(node, fresh)  # asks once for the hash, which takes a while
        if entry is before:
            return
        if entry is fresh:
            self._enter(entry)
        self._by_key[key] = entry
        entry.add(key)
        self._forget(entry)
        if before is not None:
            self._leave(before, key)

    def _enter(self, entry: _Entry[K]) -> None:
        node = entry.node
        found = cover(node, self._cost)
        self._read(node)
        if found is None:
            entry.rest = self._rest(node, node)
            self._always.add(entry)
            return
        entry.predicates, entry.rest = found.predicates, self._rest(found.rest, node)
        for predicate in entry.predicates:
            if self._columns[predicate.field].add(predicate, entry):
                self._plan = None  # it leaves out what there was not

    def _leave(self, entry: _Entry[K], key: K) -> None:
        if entry.remove(key):
            self._forget(entry)
            return
        del self._entries[entry.node]
        if entry.rest is not None:
            self._release(entry.rest)
        self._always.discard(entry)
        for predicate in entry.predicates:
            self._columns[predicate.field].remove(predicate, entry)  # a plan that looks for more does no harm
        self._unread(entry.node)

    def _forget(self, entry: _Entry[K]) -> None:
        """What columns keep in mind of the entry is no longer so: its keys have changed."""
        for predicate in entry.predicates:
            self._columns[predicate.field].forget()

    def _read(self, node: Node) -> None:
        """Have columns for what a filter reads."""
        read = reads(node)
        self._whole += read.whole
        for field in read.fields:
            column = self._columns.get(field)
            if column is None:
                column = self._columns[field] = Column(_gathered)
                self._plan = None
            column.readers += 1
            if field in read.nulls and not column.nulls:
                column.nulls = True
                self._plan = None
        if read.whole and self._whole == 1:
            self._plan = None

    def _unread(self, node: Node) -> None:
        read = reads(node)
        self._whole -= read.whole
        for field in read.fields:
            column = self._columns[field]
            column.readers -= 1
            if not column.readers:
                del self._columns[field]
                self._plan = None
        if read.whole and not self._whole:
            self._plan = None

    def _rest(self, left: Node | None, node: Node) -> _Rest | None:
        """What a filter leaves to be tested; nobody shares the whole of a filter."""
        if left is None:
            return None
        if left is node:
            return _Rest(node)
        rest = self._rests.setdefault(left, _Rest(left))
        rest.users += 1
        return rest

    def _release(self, rest: _Rest) -> None:
        rest.users -= 1
        if not rest.users:
            del self._rests[rest.node]

    def _cost(self, predicate: Predicate) -> float:
        """How many filters an event that has the predicate would have to be compared with.

        As an empty table says nothing, a short text counts for more, as many events have it, and what a text begins or
        ends with for more than a whole one.
        """
        size = self._columns.get(predicate.field, _NONE_YET).size(predicate)
        if isinstance(predicate, Text):
            relation, length = predicate.relation, len(predicate.literal)
            return size + (1 if relation is Relation.EXACT else _AFFIX) + 8 / max(length, 1)
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
        found: list[Any] = [*self._always]
        (self._plan or self._make_plan()).read(event, row, found)
        return self._holding(found, row)

    def _match_raw(self, raw: Raw) -> set[K]:
        if not self._columns and not self._whole:  # all that are held take every event, or none
            return self._holding([*self._always], {})
        plan = self._plan or self._make_plan()
        if plan.decode is not None:
            try:
                values = plan.decode(raw)
            except (msgspec.MsgspecError, ValueError, RecursionError):
                values = {"data_base64": raw}  # Event says what is wrong
            if values.get("data_base64") is None:
                row: dict[str, Any] = {}
                found: list[Any] = [*self._always]
                plan.walk(values, row, found)
                return self._holding(found, row)
        return self._match_event(Event.from_json(raw))

    def _make_plan(self) -> Plan[Any]:
        with self._lock:
            self._plan = plan = Plan(self._columns, whole=self._whole > 0)
            return plan

    def _holding(self, found: list[Any], row: dict[str, Any]) -> set[K]:
        """The keys of those that hold."""
        self._last = found, _DECIDED
        if not found:
            return set()
        if len(found) == 1 and (one := found[0]).rest is None:
            return {one.key} if one.keys is None else set(one.keys)
        verdicts = _DECIDED.copy()
        self._last = found, verdicts
        keys: set[K] = set()
        for one in found:
            rest = one.rest
            verdict = verdicts.get(rest)
            if verdict is None:
                verdict = verdicts[rest] = (rest.test or rest.compile())(row)
            if verdict:
                if one.keys is None:
                    keys.add(one.key)
                else:
                    keys |= one.keys
        return keys

    def stats(self) -> IndexStats:
        """What the index holds, and what the last match cost; counted at each call."""
        with self._lock:
            kinds = Counter(kind for entry in self._entries.values() for kind in _kinds(entry.predicates))
            found, verdicts = self._last
            whole = sum(entry.rest is not None and entry.rest.node is entry.node for entry in self._entries.values())
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
                tests=len(self._rests) + whole,
                candidates=len({entry for one in found for entry in getattr(one, "entries", (one,))}),
                evaluations=len(verdicts) - 1,
            )


def _kinds(predicates: tuple[Predicate, ...]) -> set[object]:
    return {one.relation if isinstance(one, Text) else type(one) for one in predicates}
