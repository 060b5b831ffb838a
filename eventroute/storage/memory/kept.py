"""The dead letters of one bus in memory."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable

from attrs import define, evolve, field

from eventroute.storage.base import DeadLetter, Forward, Forwards

__all__ = ["KeptLetters"]

Key = tuple[str, int]

_SPARE = 100
"""How many entries of letters that are gone the heap may have, beside one for each that is there."""


@define
class _Kept:
    letter: DeadLetter
    session: str | None = None


@define
class KeptLetters:
    """The dead letters of one bus by subscription and offset."""

    rows: dict[Key, _Kept] = field(factory=dict)
    dropped: int = 0
    """How many a bound has taken away."""
    _going: dict[Key, None] = field(factory=dict)
    """Those that are to go elsewhere."""
    _ages: list[tuple[float, str, int]] = field(factory=list)
    """A heap of their times, with entries of some that are gone or have another time by now."""

    def get(self, key: Key) -> DeadLetter | None:
        """One letter."""
        kept = self.rows.get(key)
        return None if kept is None else kept.letter

    def born(self, key: Key) -> int:
        """The `born` of its subscription."""
        return self.rows[key].letter.born if key in self.rows else 0

    def put(self, letter: DeadLetter, born: int) -> None:
        """Insert or overwrite."""
        key = letter.subscription, letter.offset
        letter = evolve(letter, born=born)
        self.rows[key] = _Kept(letter)
        self._mark(key, letter)
        heapq.heappush(self._ages, (letter.time, *key))
        if len(self._ages) > 2 * len(self.rows) + _SPARE:
            self._ages = [(kept.letter.time, *one) for one, kept in self.rows.items()]
            heapq.heapify(self._ages)

    def drop(self, key: Key) -> None:
        """Remove it, if it is there."""
        self.rows.pop(key, None)
        self._going.pop(key, None)

    def page(self, subscription: str | None, after: Key | None, limit: int) -> list[DeadLetter]:
        """In the order of subscription and offset."""
        keys = (
            key
            for key in self.rows
            if (subscription is None or key[0] == subscription) and (after is None or key > after)
        )
        return [self.rows[key].letter for key in heapq.nsmallest(limit, keys)]

    def count(self) -> dict[tuple[str, str], int]:
        """By subscription and reason."""
        counts: dict[tuple[str, str], int] = {}
        for kept in self.rows.values():
            key = (kept.letter.subscription, kept.letter.reason)
            counts[key] = counts.get(key, 0) + 1
        return counts

    def oldest(self, limit: int) -> list[tuple[str, int, float, int]]:
        """Subscription, offset, time and bytes of the oldest."""
        found: dict[tuple[float, str, int], DeadLetter] = {}
        while self._ages and len(found) < limit:
            entry = heapq.heappop(self._ages)
            letter = self.get(entry[1:])
            if letter is not None and letter.time == entry[0]:
                found[entry] = letter
        for entry in found:
            heapq.heappush(self._ages, entry)
        return [(name, offset, time, len(letter.event)) for (time, name, offset), letter in found.items()]

    # -- those that are to go elsewhere ----------------------------------------------------------------------------

    def forwards(self, living: Collection[str]) -> tuple[Forwards, ...]:
        """By subscription; `living` are the sessions that hold what they hold."""
        found: dict[str, list[float | None]] = {}
        for key, forward in self._forwards():
            found.setdefault(key[0], []).append(None if self.rows[key].session in living else forward.due)
        return tuple(
            Forwards(name, len(dues), min((due for due in dues if due is not None), default=None))
            for name, dues in sorted(found.items())
        )

    def free(self, subscription: str, now: float, limit: int, living: Collection[str]) -> list[DeadLetter]:
        """Those that are due and that nobody holds."""
        due = (
            (forward.due, key[1], key)
            for key, forward in self._forwards()
            if key[0] == subscription and forward.due <= now and self.rows[key].session not in living
        )
        return [self.rows[key].letter for _, _, key in heapq.nsmallest(limit, due)]

    def hold(self, letters: Iterable[DeadLetter], session: str) -> None:
        """Let the session hold these."""
        for letter in letters:
            self.rows[letter.subscription, letter.offset].session = session

    def let_go(self, letters: Iterable[DeadLetter], session: str) -> None:
        """Free those that the session holds."""
        for letter in letters:
            kept = self.rows.get((letter.subscription, letter.offset))
            if kept is not None and kept.session == session:
                kept.session = None

    def put_off(self, letter: DeadLetter) -> None:
        """Change where it stands on its way."""
        key = letter.subscription, letter.offset
        kept = self.rows[key]
        kept.letter, kept.session = evolve(kept.letter, forward=letter.forward), None
        self._mark(key, letter)

    def _mark(self, key: Key, letter: DeadLetter) -> None:
        if letter.forward is None:
            self._going.pop(key, None)
        else:
            self._going[key] = None

    def _forwards(self) -> Iterable[tuple[Key, Forward]]:
        for key in self._going:
            forward = self.rows[key].letter.forward
            if forward is not None:
                yield key, forward
