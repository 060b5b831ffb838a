"""Where dead letters have gone in a simulation: each is in the ledger until its target has it, and on a bus once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from attrs import define, field

from eventroute.deadletters import letter_event
from eventroute.event import Event
from eventroute.storage.base import DeadLetter, Forwarded, PutOff
from eventroute.testing.simulation.model import Model

__all__ = ["LETTERS", "SINK", "Judge", "Letters"]

LETTERS = "letters"
"""The bus that takes dead letters, and has no subscriptions."""

SINK = "-letters"
"""The name of the sink that takes dead letters; no subscription has it."""


class Judge(Protocol):
    """What is asked of the world."""

    model: Model

    @property
    def tables(self) -> Any: ...

    def now(self) -> float: ...

    def fault(self, kind: str) -> None: ...

    def require(self, holds: bool, what: str, *details: object) -> None: ...


@define(eq=False)
class Letters:
    """What was given up, by what tells one from another, and what has arrived."""

    known: dict[tuple[str, str, str], str] = field(factory=dict)
    """By subscription, event and time: the reason."""
    on_bus: dict[tuple[str, str, str], int] = field(factory=dict)
    """Each with its offset there."""
    at_sink: set[tuple[str, str, str]] = field(factory=set)

    def buried(self, letter: DeadLetter) -> None:
        """One has come to the ledger."""
        self.known[_key(letter_event(letter))] = letter.reason

    def came_to_bus(self, world: Judge, offsets: Sequence[int], events: Sequence[bytes]) -> None:
        """Some were appended to the bus, or an append was made again."""
        for offset, raw in zip(offsets, events, strict=True):
            event = Event.from_log(raw)
            key = self._came(world, event)
            once = self.on_bus.setdefault(key, offset) == offset
            world.require(once, "the dead letter %s is on the bus twice", key)
            world.require(event.attributes.get("eventroutehops") == 1, "the dead letter %s counts no hop", key)

    def came_to_sink(self, world: Judge, event: Event) -> None:
        """The sink has taken one; it may get one again."""
        self.at_sink.add(self._came(world, event))

    def _came(self, world: Judge, event: Event) -> tuple[str, str, str]:
        key = _key(event)
        reason = event.attributes.get("deadletterreason")
        world.require(self.known.get(key) == reason, "a dead letter came that is not one: %s", key)
        world.fault("letter forwarded")
        return key

    def left(self, world: Judge, bus: str, entry: Forwarded | PutOff) -> None:
        """The ledger does not keep one any more, or not to hand it over."""
        letter = entry.letter
        timeline = world.model.alive.get(letter.subscription)
        key = _key(letter_event(letter))
        if isinstance(entry, Forwarded):
            world.require(
                key in self.on_bus or key in self.at_sink, "the dead letter %s is gone, and nobody has it", key
            )
        elif entry.forward is None and timeline is not None and timeline.bus == bus:
            targets = [definition.policy.dead_letter for definition in timeline.since(world.now() - 60.0)]
            world.require(None in targets, "the dead letter %s goes nowhere any more, and is to", key)
        if timeline is not None and timeline.bus == bus:
            there = world.tables.dead_letter(bus, letter.subscription, letter.offset) is not None
            timeline.fate(letter.offset).forwarded = not there


def _key(event: Event) -> tuple[str, str, str]:
    return str(event.attributes["deadlettersub"]), event.id, str(event.attributes["deadlettertime"])
