"""Who sends for a subscription: one session at a time, and none that cannot."""

from __future__ import annotations

from typing import Any, cast

import pytest
from attrs import define, field

from eventroute.push.lane import Lane
from eventroute.push.worker.senders import Senders
from eventroute.storage.memory import MemoryStorage
from eventroute.testing.clock import VirtualClock

pytestmark = pytest.mark.anyio


@define(eq=False)
class Route:
    sink: object | None
    subscription: str = "s"

    @property
    def held(self) -> bool:
        return self.sink is None


@define(eq=False)
class FakeLane:
    """What `Senders` sees of a lane."""

    route: Route = field(factory=lambda: Route(object()))
    limited: bool = True
    sends: bool = False
    in_flight: int = 0
    emptied: list[bool] = field(factory=list)

    def begin_to_send(self, *, after_another: bool) -> None:
        self.sends = True
        self.emptied.append(after_another)


async def test_one_sends_until_it_cannot_and_then_another() -> None:
    clock = VirtualClock()
    async with MemoryStorage(clock) as storage:
        await storage.put_subscription("default", "s", b"d", start="latest")
        lanes, began = [FakeLane(), FakeLane()], list[Any]()
        senders = [Senders(storage, "default", await storage.open_session(5.0), clock, began.append) for _ in lanes]

        async def look() -> list[bool]:
            for each, lane in zip(senders, lanes, strict=True):
                await each.look([cast(Lane, lane)])
            return [lane.sends for lane in lanes]

        assert await look() == [True, False]
        assert await look() == [True, False]
        lanes[0].route.sink, lanes[0].in_flight = None, 1
        assert await look() == [True, False]
        lanes[0].in_flight = 0
        assert await look() == [False, True]
        lanes[0].route.sink = object()
        assert await look() == [False, True]
        assert (lanes[0].emptied, lanes[1].emptied) == ([False], [True])
        assert began == lanes


async def test_a_lane_without_limits_asks_nobody() -> None:
    clock = VirtualClock()
    async with MemoryStorage(clock) as storage:
        await storage.put_subscription("default", "s", b"d", start="latest")
        senders = Senders(storage, "default", await storage.open_session(5.0), clock, lambda lane: None)
        await senders.look([cast(Lane, FakeLane(limited=False)), cast(Lane, FakeLane(Route(None)))])
        assert await storage.senders("default") == {}
