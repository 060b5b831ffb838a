"""What tests of a router on virtual time share: events, a sink that does as it is told, and time that passes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from eventroute.clock import Clock
from eventroute.event import Event
from eventroute.push.policy import DeliveryPolicy
from eventroute.router import Router
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock


class Sink:
    """Remembers what it got, and when; does what it is told, then delivers."""

    def __init__(self, clock: Clock, *scripted: Exception | float | None) -> None:
        self.clock = clock
        self.script = list(scripted)
        self.attempts: list[tuple[str, float]] = []
        self.got: list[str] = []
        self.events: list[Event] = []

    async def __call__(self, event: Event) -> None:
        self.attempts.append((event.id, self.clock.monotonic()))
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        if step is not None:
            await self.clock.sleep(step)
        self.got.append(event.id)
        self.events.append(event)


class FakeProvider:
    """The part of a provider of `fake:` sinks that is the same for all that tests make up."""

    schemes: frozenset[str] = frozenset({"fake"})

    async def open(self) -> None:
        await checkpoint()

    async def aclose(self) -> None:
        await checkpoint()

    def check(self, address: str, policy: DeliveryPolicy) -> None:
        """Any address will do."""


def events(*ids: Any, type: str = "order", **more: Any) -> list[Event]:
    return [Event.create(type=type, source="/shop", id=str(one), data={"n": 1}, extensions=more) for one in ids]


def to(sink: Callable[[Event], Awaitable[object]], id: str = "s", **more: Any) -> Subscription:
    return Subscription(id=id, sink=sink, **more)


async def idle(router: Router, clock: VirtualClock) -> int:
    """Wait until it is idle, while time passes."""
    held: list[int] = []

    async def wait() -> None:
        held.append(await router.idle())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        for _ in range(10_000):
            await clock.advance(0.25)
            if held:
                break
        assert held, "it is never idle"
    return held[0]


async def settle(clock: VirtualClock, seconds: float = 0.2) -> None:
    await clock.advance(seconds)
