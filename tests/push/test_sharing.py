"""Several routers on one storage share what one slow subscription has before it, and are told of nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest

from eventroute.push.policy import DeliveryPolicy
from eventroute.router import Router
from eventroute.storage.memory import MemoryStorage
from eventroute.testing.clock import VirtualClock
from tests.pushing import Sink, events, idle, to

pytestmark = pytest.mark.anyio

SECONDS = 0.02
EVENTS = 600


class Slow(Sink):
    """Takes its time for each event."""

    async def __call__(self, event: object) -> None:
        await self.clock.sleep(SECONDS)
        await super().__call__(event)  # type: ignore[arg-type]


async def serve(routers: int, start: str, policy: DeliveryPolicy) -> tuple[float, Sequence[Sink]]:
    """How long it takes so many routers to deliver the events, and who got what."""
    clock = VirtualClock()
    storage = MemoryStorage(clock)
    sinks = [Slow(clock) for _ in range(routers)]
    async with storage, AsyncExitStack() as stack:
        async with Router(storage, push=False, clock=clock) as publisher:
            await publisher.publish(*events(*(range(EVENTS) if start == "earliest" else ())))
        opened = [await stack.enter_async_context(Router(storage, clock=clock)) for _ in range(routers)]
        for router, sink in zip(opened, sinks, strict=True):
            await router.subscribe(to(sink, start=start, policy=policy))
        if start == "latest":
            await opened[0].publish(*events(*range(EVENTS)))
        assert await idle(opened[0], clock) == 0
        return max(when for sink in sinks for _, when in sink.attempts), sinks


@pytest.mark.parametrize("start", ["latest", "earliest"])
@pytest.mark.parametrize("routers", [2, 3])
async def test_work_is_shared(routers: int, start: str) -> None:
    taken, sinks = await serve(routers, start, DeliveryPolicy(concurrency=1))
    got = [one for sink in sinks for one in sink.got]
    assert sorted(map(int, got)) == list(range(EVENTS))
    best = EVENTS * SECONDS / routers
    assert taken < best + 2.5  # a second until it is shared, one until others look, and then the rest of a second
    assert min(len(sink.got) for sink in sinks) > EVENTS / routers / 2


async def test_one_alone_does_it_all_without_a_pause() -> None:
    taken, (sink,) = await serve(1, "latest", DeliveryPolicy(concurrency=1))
    assert list(map(int, sink.got)) == list(range(EVENTS))
    assert taken < EVENTS * SECONDS * 1.01 + 0.2
