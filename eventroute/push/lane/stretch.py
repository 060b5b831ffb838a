"""A stretch: attempts that a hand makes, one behind another, of which others see nothing until it waits."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from attrs import define, field

from eventroute.push.deadlines import Watched
from eventroute.push.delivery import Delivery
from eventroute.push.route import Route

__all__ = ["Hand", "Noticing", "Work"]

T = TypeVar("T")


class Work(Protocol):
    """What a hand does: attempts of one lane."""

    async def work(self, hand: Hand) -> None:
        """Do it, until it is done or the hand has to leave its scope."""
        ...

    def wait(self, hand: Hand) -> None:
        """The hand makes attempts of it, and begins to wait."""
        ...

    def cut_off(self, hand: Hand) -> None:
        """The hand has left its scope, since an attempt had outlasted its deadline."""
        ...


@define(eq=False)
class Hand:
    """One of a crew: a task, and what it knows of its attempts. Where it has not waited, nothing around it can have
    changed.
    """

    watched: Watched
    """Its scope, which all that it does shares, until an attempt in it is cut off."""
    work: Work | None = None
    """What it does."""
    done: int = 0
    """How much of it has been done."""
    delivered: list[Delivery] = field(factory=list)
    """What has been, and that nobody has been told of: it is done before anybody can look."""
    todo: list[Delivery] = field(factory=list)
    """What it has taken to begin next, the first one last; only while nobody else has a turn."""
    at_once: int = 1
    """How many it takes next: the more, the longer nothing has waited."""
    current: Delivery | None = None
    """What the attempt under way is of."""
    route: Route | None = None
    """How the attempts of the stretch are made; None before the first one."""
    began: float = 0.0
    """When the last attempt began (the clock's monotonic time)."""
    under_way: bool = False
    """Whether there is a stretch that has not ended."""
    alone: bool = False
    """Whether nobody else has had a turn since it was looked whether, and how, to go on."""

    def wait(self) -> None:
        """It begins to wait."""
        if self.alone and self.work is not None:
            self.alone = False
            self.work.wait(self)


class Noticing(Generator[Any, Any, T], Generic[T]):
    """Awaits a coroutine, and calls `waits` each time it begins to wait, before anybody else gets a turn."""

    __slots__ = ("_coroutine", "_waits")

    def __init__(self, coroutine: Coroutine[Any, Any, T], waits: Callable[[], None]) -> None:
        self._coroutine = coroutine
        self._waits = waits

    def __await__(self) -> Generator[Any, Any, T]:
        """See `Awaitable`."""
        return self

    def __next__(self) -> Any:
        """Go on."""
        return self.send(None)

    def send(self, value: Any) -> Any:
        """Go on with what the event loop answers."""
        wanted = self._coroutine.send(value)
        self._waits()
        return wanted

    def throw(self, kind: Any, value: Any = None, _traceback: TracebackType | None = None) -> Any:
        """Go on with an exception."""
        wanted = self._coroutine.throw(kind if value is None else value)
        self._waits()
        return wanted

    def close(self) -> None:
        """Give it up."""
        self._coroutine.close()
