"""What a reader leaves behind, or the log: nothing may be forgotten."""

from __future__ import annotations

from attrs import define

from eventroute.storage.base import Reader, Trimmed
from eventroute.testing.simulation.model import Timeline
from eventroute.testing.simulation.world import World

__all__ = ["Passing", "judge_passing", "judge_takeover", "judge_trim", "served"]


@define(eq=False)
class Passing:
    """A reader before a write that moves it."""

    reader: Reader
    served: list[tuple[Timeline, int, float]]
    """Whom it serves, from where to where."""


def served(world: World, bus: str, reader: str) -> list[tuple[Timeline, int, float]]:
    """Whom a reader serves, from where to where."""
    return [
        (timeline, span.start, float("inf") if span.until is None else span.until)
        for timeline in world.model.alive.values()
        if timeline.bus == bus
        for span in world.tables.spans(timeline.id)
        if span.reader == reader
    ]


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
                kept or not (since if replays else fate.matched),
                "%s has passed %s/%d offset %d, which is neither settled nor written down",
                *where,
            )


def judge_takeover(world: World, timeline: Timeline, offset: int) -> None:
    """It is matched again, and so there may be nothing of it in the ledger: that would be done twice. But for what a
    replay has left there meanwhile.
    """
    fate, where = timeline.fate(offset), (timeline.id, timeline.number, offset)
    fate.taken = world.seq
    clean = world.row(timeline.id, offset) is None and fate.letter is None
    world.require(clean or bool(fate.again), "%s/%d: offset %d is taken over, and there is a row of it", *where)


def judge_trim(world: World, bus: str, first: int, trimmed: Trimmed) -> None:
    """Events are gone: each of them that concerned a subscription has come to its end, or waits with its event."""
    gone = range(first, world.tables.bounds(bus).first)
    world.require(
        len(gone) == trimmed.events, "trim says that %d events are gone, and %d are", trimmed.events, len(gone)
    )
    if gone:
        world.fault("trimmed")
        world.note("log", "trimmed %s: [%d, %d)", bus, gone.start, gone.stop)
    for timeline in world.model.alive.values():
        if timeline.bus == bus:
            _judge_gone(world, timeline, gone)


def _judge_gone(world: World, timeline: Timeline, gone: range) -> None:
    for offset in range(max(gone.start, timeline.first), gone.stop):
        fate, row = timeline.fate(offset), world.row(timeline.id, offset)
        kept = fate.letter is not None or fate.purged or any(ack.seq > fate.redriven for ack in fate.acks)
        kept = kept or (row is not None and row[0].event is not None)
        where = (timeline.id, timeline.number, offset)
        world.require(fate.claimed, "%s/%d: offset %d was trimmed, and was never claimed", *where)
        world.require(
            kept or not fate.expected, "%s/%d: offset %d was trimmed, and is neither settled nor kept", *where
        )
