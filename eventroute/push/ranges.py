"""The claimed ranges that are open in a worker, and how each is completed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from eventroute.push.bell import Bell
from eventroute.push.delivery import Delivery, Range
from eventroute.push.journal import Journal
from eventroute.storage.base import Complete, Entry

__all__ = ["Ranges"]


class Ranges:
    """A range is completed once nothing of it is pending.

    Those of a reader that is worked on alone are completed one behind the other, and what came of them is written with
    that: so what waits in the ledger for a key is always older than what is not written down, and all of a range that
    is done again after a crash is done again from where it was.
    """

    def __init__(self, journal: Journal) -> None:
        self.opened = Bell()
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

    def note(self, delivery: Delivery, entry: Entry) -> None:
        """Have an entry about a delivery written: with the end of its range, where that is in order."""
        claimed = delivery.noted if delivery.range is None else delivery.range
        if claimed is not None and claimed.in_order and claimed in self._open:
            claimed.entries.append(entry)
            delivery.noted = claimed
        else:
            self._journal.add(entry)

    def release(self, delivery: Delivery) -> None:
        """A delivery is settled or written down: its range does not wait for it any more."""
        claimed = delivery.range
        if claimed is not None:
            delivery.range = None
            claimed.pending.pop(delivery, None)
            self.close_if_done(claimed)

    def close_if_done(self, claimed: Range) -> None:
        """Complete a range of which nothing is pending, unless one before it has to be completed first."""
        if not claimed.done or claimed not in self._open:
            return
        if not claimed.in_order:
            del self._open[claimed]
            self._journal.add(Complete(claimed.claim))
            return
        line = self._in_order[claimed.claim.reader]
        while line and line[0].done:
            first = line.popleft()
            del self._open[first]
            self._journal.add_together([*first.entries, Complete(first.claim)])
        if not line:
            del self._in_order[claimed.claim.reader]
