"""Where the events of a bus are in the stream: what of the log is in memory."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

__all__ = ["IndexImage", "LogIndex", "Run"]

_LOOSE = 4_096
"""How many entries that are gone may stand before those that are there."""


class Run(NamedTuple):
    """Where events are that follow each other, and came in one message."""

    offset: int
    """Of the first."""
    time: int
    """When they were appended, in microseconds."""
    sequence: int
    """Of the message that holds them."""
    numbers: Sequence[int]
    """Which of the message's events they are, ascending."""
    sizes: Sequence[int]
    """Theirs, in bytes."""

    def first(self, count: int) -> Run:
        """As many as that."""
        return self._replace(numbers=self.numbers[:count], sizes=self.sizes[:count])


class IndexImage(NamedTuple):
    """An index as a snapshot keeps it."""

    first: int
    sizes: bytes
    begins: bytes
    sequences: bytes
    times: bytes
    picked: dict[int, bytes]
    parts: dict[int, tuple[int, ...]]


class LogIndex:
    """4 bytes an event and 24 bytes a message, of which each holds the events of one append or of several."""

    def __init__(self, first: int) -> None:
        self.first = first
        self._sizes = array("I")
        self._gone = 0
        """How many of `_sizes` are of events that are gone."""
        self._begins = array("Q")
        self._sequences = array("Q")
        self._times = array("Q")
        self._head = 0
        """The first message that is not gone."""
        self._picked: dict[int, array[int]] = {}
        """By the first offset of an entry, which of its message's events it has, where not each from the first."""
        self._parts: dict[int, tuple[int, ...]] = {}
        """By the sequence of the last, the messages that an append was parted into."""

    @property
    def end(self) -> int:
        """Beyond the last."""
        return self.first + len(self._sizes) - self._gone

    @property
    def oldest(self) -> int | None:
        """The first message that is needed."""
        if self._head >= len(self._sequences):
            return None
        return min([self._sequences[self._head], *(min(parts) for parts in self._parts.values())])

    def add(
        self, sequence: int, time: int, sizes: Sequence[int], numbers: Sequence[int], parts: tuple[int, ...]
    ) -> None:
        """Events of a message from the end of the log on; `numbers` says which of the message's they are."""
        if not sizes:
            return
        end = self.end
        known = self._head < len(self._sequences) and self._sequences[-1] == sequence
        if not (known and self._times[-1] == time):
            self._begins.append(end)
            self._sequences.append(sequence)
            self._times.append(time)
            if parts:
                self._parts[sequence] = parts
        begin = self._begins[-1]
        there = end - begin
        picked = self._picked.get(begin)
        if picked is None and [*numbers] != [*range(there, there + len(numbers))]:
            picked = self._picked[begin] = array("I", range(there))
        if picked is not None:
            picked.extend(numbers)
        self._sizes.extend(sizes)

    def runs(self, start: int, end: int) -> Iterator[Run]:
        """Where those of the offsets from `start` on, before `end`, are; each has one event at least."""
        start, end = max(start, self.first), min(end, self.end)
        at = bisect_right(self._begins, start, lo=self._head) - 1
        loose = self._gone - self.first
        while start < end:
            last = min(end, self._begins[at + 1] if at + 1 < len(self._begins) else self.end)
            begin = self._begins[at]
            picked = self._picked.get(begin, range(last - begin))
            sizes = self._sizes[start + loose : last + loose]
            yield Run(start, self._times[at], self._sequences[at], picked[start - begin : last - begin], sizes)
            start, at = last, at + 1

    def parts(self, sequence: int) -> tuple[int, ...]:
        """The messages that an append was parted into."""
        return self._parts.get(sequence, ())

    def size_below(self, before: int) -> int:
        """The bytes of all below."""
        return sum(self._sizes[self._gone : self._gone + max(before - self.first, 0)])

    def offset_at(self, time: int) -> int:
        """The first that was appended at that time or later."""
        at = bisect_left(self._times, max(time, 0), lo=self._head)
        return max(self._begins[at], self.first) if at < len(self._begins) else self.end

    def drop(self, before: int) -> None:
        """Forget all below."""
        self._gone += before - self.first
        self.first = before
        while self._head < len(self._begins):
            last = self._begins[self._head + 1] if self._head + 1 < len(self._begins) else self.end
            if last > before:
                break
            self._picked.pop(self._begins[self._head], None)
            sequence = self._sequences[self._head]
            self._head += 1
            if self._head == len(self._sequences) or self._sequences[self._head] != sequence:
                self._parts.pop(sequence, None)
        if self._gone > _LOOSE and 2 * self._gone > len(self._sizes):
            del self._sizes[: self._gone]
            self._gone = 0
        if self._head > _LOOSE and 2 * self._head > len(self._begins):
            for row in (self._begins, self._sequences, self._times):
                del row[: self._head]
            self._head = 0

    def image(self) -> IndexImage:
        """What a snapshot keeps."""
        return IndexImage(
            self.first,
            _written(self._sizes[self._gone :]),
            _written(self._begins[self._head :]),
            _written(self._sequences[self._head :]),
            _written(self._times[self._head :]),
            {begin: _written(picked) for begin, picked in self._picked.items()},
            self._parts,
        )

    @classmethod
    def restored(cls, image: IndexImage) -> LogIndex:
        """From what a snapshot has kept."""
        index = cls(image.first)
        index._sizes = _read("I", image.sizes)
        index._begins = _read("Q", image.begins)
        index._sequences = _read("Q", image.sequences)
        index._times = _read("Q", image.times)
        index._picked = {begin: _read("I", picked) for begin, picked in image.picked.items()}
        index._parts = dict(image.parts)
        return index


def _written(row: array[int]) -> bytes:
    """A row in the order of bytes that all hosts agree on."""
    if sys.byteorder == "big":
        row = row[:]
        row.byteswap()
    return row.tobytes()


def _read(kind: Literal["I", "Q"], written: bytes) -> array[int]:
    row: array[int] = array(kind, written)
    if sys.byteorder == "big":
        row.byteswap()
    return row
