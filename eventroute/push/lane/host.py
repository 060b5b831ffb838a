"""The host of lanes: what the worker that they belong to gives them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from attrs import define, field

from eventroute.clock import Clock
from eventroute.push.deadlines import Deadlines
from eventroute.push.delivery import Delivery
from eventroute.push.lane.crew import Crew
from eventroute.push.lane.pace import Pace
from eventroute.push.outcome import Outcome
from eventroute.push.route import Route

__all__ = ["Host", "Load"]

L = TypeVar("L")
"""What a lane is."""


@define
class Load:
    """What all lanes of a worker have in memory together."""

    queued: int = 0


@define(eq=False)
class Host(Generic[L]):
    """One for all lanes of a worker: there are very many, and each is to have little of its own."""

    clock: Clock
    crew: Crew
    deadlines: Deadlines
    settle: Callable[[L, Sequence[Delivery], Outcome, Route], None]
    """Called with each attempt's outcome, what it is the outcome of, one delivery or several of a batch, and the route
    by which it was made.
    """
    blocked: Callable[[L], bool]
    """Whether nothing is to begin now, whatever a lane has."""
    singly: bool = False
    """Whether each attempt is to be told by itself; else what was delivered while nobody else had a turn is told
    together.
    """
    load: Load = field(factory=Load)
    paces: dict[str, Pace] = field(factory=dict)
