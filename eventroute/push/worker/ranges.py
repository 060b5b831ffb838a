"""The claimed ranges that are open in a worker, and how each is completed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from attrs import evolve

from eventroute.push.bell import Bell
from eventroute.push.delivery import Delivery, Range
from eventroute.push.worker.attempt import without
from eventroute.push.worker.journal import Journal
from eventroute.storage.base import Advance, Bury, Complete, Entry, Settle, Wait

__all__ = ["Ranges"]


TOGETHER = 2_000
"""The most entries that are written in one change for the sake of a range, where its order does not matter."""


class Ranges:
    """A range is completed once nothing of it is pending.

    What came of its deliveries is written in the change in which it is completed, or advances past them. So a range
    that is done again after a crash is done again from where it was, and nothing of it waits in the ledger besides.
    (Only where more than `TOGETHER` of it have to be written down at once, it takes several changes.)

    Those of a reader that is worked on alone are completed one behind the other: so what waits in the ledger for a key
    is always older than what is not written down.
    """

    def __init__(self, journal: Journal) -> None:
        self.opened = Bell()
        """Rings when a range is opened, or one that rested does no more."""
        self._journal = journal
        self._open: dict[Range, None] = {}
        self._in_order: dict[str, deque[Range]] = {}

    def __iter__(self) -> Iterator[Range]:
        return iter(list(self._open))

    def __contains__(self, claimed: Range) -> bool:
        return claimed in self._open

    def open(self, claimed: Range) -> None:
        """Keep a range until it is completed."""
        self._open[claimed] = None
        if claimed.in_order:
            self._in_order.setdefault(claimed.claim.reader, deque()).append(claimed)
        self.opened.ring()

    def pending(self, reader: str) -> int:
        """How many deliveries are pending in the ranges of a reader that is worked on alone."""
        return sum(len(claimed.pending) for claimed in self._in_order.get(reader, ()))

    def reads(self, reader: str) -> bool:
        """Whether a range of a reader that is worked on alone is open here."""
        return reader in self._in_order

    def note(self, delivery: Delivery, entry: Entry) -> None:
        """Have an entry about a delivery written: as soon as its range has got past it."""
        claimed = delivery.noted if delivery.range is None else delivery.range
        if claimed is not None and claimed in self._open and delivery.offset >= claimed.claim.start:
            claimed.entries.append(entry)
            delivery.noted = claimed
        else:
            self._journal.add(entry)

    def release(self, deliveries: Iterable[Delivery]) -> None:
        """Deliveries are settled or written down: their ranges do not wait for them any more."""
        for delivery in deliveries:
            claimed = delivery.range
            if claimed is not None:
                delivery.range = None
                claimed.pending.pop(delivery, None)
                if delivery.offset >= claimed.horizon:
                    claimed.horizon = delivery.offset + 1
                if claimed.resting:
                    claimed.resting = False
                    self.opened.ring()
                if not claimed.pending:
                    self.close_if_done(claimed)

    def forget(self, subscription: str) -> None:
        """A subscription is gone: nothing of it is pending, and what came of it is not written, as in `Journal`."""
        self._journal.forget(subscription)
        for claimed in self:
            claimed.pending = {one: None for one in claimed.pending if one.subscription != subscription}
            claimed.entries = [*without(claimed.entries, subscription)]
            self.close_if_done(claimed)

    def advance(self, claimed: Range, start: int) -> None:
        """Nothing below `start` is pending in a range: let it begin there."""
        if claimed not in self._open or start <= claimed.claim.start:
            return
        below = [entry for entry in claimed.entries if _offset(entry) < start]
        claimed.entries = [entry for entry in claimed.entries if _offset(entry) >= start]
        self._write(below, Advance(claimed.claim, start))
        claimed.claim = evolve(claimed.claim, start=start)

    def _write(self, entries: list[Entry], end: Advance | Complete) -> None:
        for first in range(0, len(entries) - TOGETHER, TOGETHER):
            self._journal.add_together(entries[first : first + TOGETHER])
        last = max(len(entries) - 1, 0) // TOGETHER * TOGETHER
        self._journal.add_together([*entries[last:], end])

    def close_if_done(self, claimed: Range) -> None:
        """Complete a range of which nothing is pending, unless one before it has to be completed first."""
        if not claimed.done or claimed not in self._open:
            return
        if not claimed.in_order:
            del self._open[claimed]
            self._write(claimed.entries, Complete(claimed.claim))
            return
        line = self._in_order[claimed.claim.reader]
        while line and line[0].done:
            first = line.popleft()
            del self._open[first]
            self._journal.add_together([*first.entries, Complete(first.claim)])
        if not line:
            del self._in_order[claimed.claim.reader]


def _offset(entry: Entry) -> int:
    match entry:
        case Wait(waiting):
            return waiting.offset
        case Bury(letter):
            return letter.offset
        case Settle(_, offset):
            return offset
        case _:
            raise TypeError(f"{entry!r} is not about a delivery")
