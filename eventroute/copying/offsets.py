"""Where the offsets of a log are in its copy: both have the same events in the same order, at offsets of their own."""

from __future__ import annotations

from bisect import bisect_right

from attrs import define, field

from eventroute.storage.base import Bounds

__all__ = ["Offsets"]


@define
class _Run:
    """Events without a gap between them, in either log."""

    source: int
    target: int
    count: int


@define
class Offsets:
    """The offset in the copy of one in the source. It takes as much room as the two logs have gaps.

    Offsets that lie before the log, of events that it has no longer, and those beyond its end keep their distance to
    it: so no two become one, and all stay in order. In a gap, it is that of the next event.
    """

    source: Bounds
    target: Bounds
    _runs: list[_Run] = field(factory=list)

    def add(self, source: int, target: int) -> None:
        """Where the next event of both logs is."""
        last = self._runs[-1] if self._runs else None
        if last is not None and source - last.source == target - last.target == last.count:
            last.count += 1
        else:
            self._runs.append(_Run(source, target, 1))

    def __call__(self, offset: int) -> int:
        """Where it is."""
        if offset < self.source.first:
            return self.target.first - self.source.first + offset
        if offset >= self.source.end:
            return self.target.end - self.source.end + offset
        place = bisect_right(self._runs, offset, key=_source_of)
        run = self._runs[place - 1] if place else None
        if run is not None and offset < run.source + run.count:
            return run.target + offset - run.source
        return self._runs[place].target if place < len(self._runs) else self.target.end


def _source_of(run: _Run) -> int:
    return run.source
