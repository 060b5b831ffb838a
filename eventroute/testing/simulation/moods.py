"""The moods of simulated sinks: what comes of an attempt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
from anyio.lowlevel import checkpoint

from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.testing.simulation.world import World

__all__ = ["MOODS"]


async def _fine(world: World) -> Outcome:
    draw = world.luck.random()
    if draw >= 0.5:
        await anyio.sleep(world.luck.random() * 0.02)
    elif draw >= 0.1:  # else it never waits, and the next attempt begins before anybody else has a turn
        await checkpoint()
    return Delivered()


async def _slow(world: World) -> Outcome:
    await anyio.sleep(world.luck.random() * 0.4)
    return Delivered()


async def _flaky(world: World) -> Outcome:
    await anyio.sleep(world.luck.random() * 0.05)
    return Delivered() if world.luck.random() < 0.5 else RetryLater("http-500", "flaky")


async def _down(world: World) -> Outcome:
    await checkpoint()
    return RetryLater("no-connection", "down")


async def _hang(world: World) -> Outcome:
    await anyio.sleep(world.luck.choice([0.3, 2.0, 1e6]))
    return Delivered()


async def _liar(world: World) -> Outcome:
    await anyio.sleep(world.luck.random() * 0.05)
    return RetryLater("http-502", "it has the event, and says it has not")


async def _late_liar(world: World) -> Outcome:
    await anyio.sleep_forever()
    return Delivered()


async def _retry_after(world: World) -> Outcome:
    await checkpoint()
    return RetryLater("http-425", "later", after=round(world.luck.random() * 10.0 * world.stretch, 3))


async def _hold(world: World) -> Outcome:
    await anyio.sleep(world.luck.random() * 0.05)
    return RetryLater("http-429", "busy", after=round(world.luck.random() * 10.0 * world.stretch, 3), hold_lane=True)


async def _reject(world: World) -> Outcome:
    await checkpoint()
    return Rejected("rejected", "refused") if world.luck.random() < 0.4 else Delivered()


async def _fault(world: World) -> Outcome:
    await checkpoint()
    if world.luck.random() < 0.5:
        raise ZeroDivisionError("a sink with a fault")
    return Delivered()


async def _gone(world: World) -> Outcome:
    await anyio.sleep(world.luck.random() ** 2)  # its subscription may have left it by then
    return Rejected("gone", "410", pause="gone") if world.luck.random() < 0.2 else Delivered()


MOODS: dict[str, Callable[[World], Awaitable[Outcome]]] = {
    "fine": _fine,
    "slow": _slow,
    "flaky": _flaky,
    "down": _down,
    "hang": _hang,
    "liar": _liar,
    "late-liar": _late_liar,
    "retry-after": _retry_after,
    "hold": _hold,
    "reject": _reject,
    "fault": _fault,
    "gone": _gone,
}
"""What sinks do, by the name of the mood."""
