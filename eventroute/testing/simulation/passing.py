"""What a reader leaves behind: nothing may be forgotten."""

from __future__ import annotations

from attrs import define

from eventroute.storage.base import Reader
from eventroute.testing.simulation.model import Timeline
from eventroute.testing.simulation.world import World

__all__ = ["Passing", "judge_passing"]


@define(eq=False)
class Passing:
    """A reader before a write that moves it."""

    reader: Reader
    served: list[tuple[Timeline, int, float]]
    """Whom it serves, from where to where."""


def judge_passing(world: World, bus: str, passing: Passing) -> None:
    """A reader has moved: each delivery that it leaves behind is acknowledged, written down, or a dead letter."""
    before, replays = passing.reader, passing.reader.replayed_from is not None
    after = world.tables.reader(bus, before.name)
    end = before.until if after is None else after.position
    for timeline, start, stop in passing.served:
        last = before.position if end is None else end
        for offset in range(max(before.position, start), int(min(last, stop))):
            fate, where = timeline.fate(offset), (before.name, timeline.id, timeline.number, offset)
            kept = fate.letter is not None or fate.purged or world.row(timeline.id, offset) is not None
            since = fate.again.get(before.name, 0)
            kept = kept or any(ack.seq > since for ack in fate.acks)
            world.require(replays or fate.claimed, "%s passed %s/%d offset %d, and never claimed it", *where)
            world.require(
                kept or not (since if replays else fate.expected),
                "%s has passed %s/%d offset %d, which is neither settled nor written down",
                *where,
            )
