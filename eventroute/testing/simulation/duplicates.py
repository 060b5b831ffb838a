"""What a bus that tells duplicates has to do: within its window an event is stored once, outside of it again."""

from __future__ import annotations

from typing import Protocol

from attrs import define, field

from eventroute.event import Event
from eventroute.testing.simulation.clock import SimulatedClock
from eventroute.testing.simulation.model import Model

__all__ = ["Duplicates"]

ROUNDING = 0.000_01
"""Closer to the end of its window than this, an event may be told either way, in seconds."""


class Judge(Protocol):
    """What is asked of the world."""

    model: Model
    clock: SimulatedClock

    def fault(self, kind: str) -> None: ...

    def require(self, holds: bool, what: str, *details: object) -> None: ...


@define(eq=False)
class _Seen:
    offset: int
    time: float
    """When it was stored (wall clock of the storage)."""
    place: int
    """How many had been stored by then."""


@define(eq=False)
class Duplicates:
    """The events that were stored, as a bus with these settings has to remember them."""

    window: float
    limit: int
    _stored: int = 0
    _seen: dict[str, _Seen] = field(factory=dict)
    """By id, of the last that was stored."""
    _appends: dict[str, tuple[int, ...]] = field(factory=dict)
    """What each append has returned."""

    def told(
        self, world: Judge, append_id: str, offsets: tuple[int, ...], raws: list[bytes]
    ) -> tuple[tuple[int, ...], list[bytes]]:
        """Judge what an append has returned; the offsets and events of those that had to be stored."""
        before = self._appends.get(append_id)
        if before is not None:
            world.require(before == offsets, "an append is repeated, and is at %s and not at %s", offsets, before)
            return (), []
        self._appends[append_id] = offsets
        fresh = [self._told(world, offset, Event.from_log(raw).id) for offset, raw in zip(offsets, raws, strict=True)]
        places = [place for place, is_new in enumerate(fresh) if is_new]
        return tuple(offsets[place] for place in places), [raws[place] for place in places]

    def _told(self, world: Judge, offset: int, name: str) -> bool:
        """Whether an event was stored, and not told to be another one; as it had to be."""
        now, seen = world.clock.time(), self._seen.get(name)
        stored = ("default", offset) not in world.model.facts and not any(
            one.offset == offset for one in self._seen.values()
        )
        if seen is not None:
            age = now - seen.time
            remembered = seen.place > self._stored - self.limit
            if remembered and age < self.window - ROUNDING:
                world.require(
                    offset == seen.offset, "%s came %g s ago to offset %d, and is stored again", name, age, seen.offset
                )
                world.fault("duplicate told")
            elif not remembered or age > self.window + ROUNDING:
                world.require(stored, "%s came %g s ago, and what comes now is told to be that", name, age)
                world.fault("duplicate too late")
        else:
            world.require(stored, "%s never came before, and is told to be at %d", name, offset)
        if stored:
            self._stored += 1
            self._seen[name] = _Seen(offset, now, self._stored)
        return stored
