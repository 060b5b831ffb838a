from __future__ import annotations

from functools import partial

import anyio
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import Reject
from eventroute.event import Event
from eventroute.push.policy import DeliveryPolicy
from eventroute.router import Router
from eventroute.stats import LAGGING_AFTER
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock

STEPS = st.lists(st.tuples(st.sampled_from(["publish", "pause", "claim"]), st.sampled_from([0, 30, 60])), max_size=8)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@given(steps=STEPS)
def test_what_is_told_without_a_look_into_the_log_is_what_the_log_says(
    backend: str, steps: list[tuple[str, int]]
) -> None:
    anyio.run(partial(_stand, steps), backend=backend)


async def _stand(steps: list[tuple[str, int]]) -> None:
    clock = VirtualClock()
    storage = MemoryStorage(clock)
    names = [f"s{number}" for number in range(3)]
    async with Router(storage, push=False, clock=clock) as router:
        for name in names:
            await router.subscribe(Subscription(id=name, sink="https://example.com/"))
        session = await storage.open_session(1e9)
        for number, (what, wait) in enumerate(steps):
            await clock.advance(wait)
            match what:
                case "publish":
                    await router.publish(Event.create(type="t", source="/s", id=f"{number}"))
                case "pause":
                    await router.pause(names[number % 3])
                case "claim":
                    await storage.claim("default", "live", session, limit=1)
        standing = await router.standing()
        stats = await router.stats()
        assert [one.subscription for one in stats] == names == list(standing.names)
        for one in stats:
            brief = standing.brief(one.subscription)
            assert evolve(brief, behind_seconds=one.behind_seconds) == one
            assert standing.lags(one.subscription) == (one.behind_seconds >= LAGGING_AFTER)
            assert (brief.behind_seconds > 0) == standing.lags(one.subscription)
        assert await standing.stats(["s2", "nobody", "s0"]) == [stats[2], stats[0]]


@pytest.mark.anyio
async def test_an_attempt_that_looks_sees_what_came_of_those_before_it_and_what_is_behind_it() -> None:
    seen: list[tuple[int, int, int]] = []

    async with Router(MemoryStorage()) as router:

        async def look(_event: Event) -> None:
            (one,) = await router.stats()
            seen.append((one.delivered, one.in_flight, one.queued))

        await router.subscribe(Subscription(id="s", sink=look, policy=DeliveryPolicy(concurrency=1)))
        await router.publish(*(Event.create(type="t", source="/s", id=f"{number}") for number in range(8)))
        await router.idle()
    assert seen == [(number, 1, 7 - number) for number in range(8)]


@pytest.mark.anyio
async def test_some_of_many_are_told_without_a_look_at_the_places_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = VirtualClock()
    storage = MemoryStorage(clock)
    async with Router(storage, push=False, clock=clock) as router:
        for number in range(9):  # each with a reader of its own, at another place
            await router.subscribe(Subscription(id=f"s{number}", sink="https://example.com/"))
            await router.pause(f"s{number}")
            await router.publish(Event.create(type="t", source="/s"))
        standing = await router.standing()
        read: list[int] = []
        look = storage.read

        async def counted(bus: str, start: int, end: int, *, limit: int, max_bytes: int) -> object:
            read.append(start)
            return await look(bus, start, end, limit=limit, max_bytes=max_bytes)

        monkeypatch.setattr(storage, "read", counted)
        (one,) = await standing.stats(["s4"])
        assert (one.position, read) == (5, [5])


@pytest.mark.anyio
async def test_how_many_events_a_second_were_delivered_lately() -> None:
    clock, failing = VirtualClock(), True

    async def sink(_event: Event) -> None:
        if failing:
            raise Reject("no")

    async with Router(MemoryStorage(clock), clock=clock) as router:
        await router.subscribe(Subscription(id="s", sink=sink))

        async def rate() -> float:
            for _ in range(10):
                await router.publish(*(Event.create(type="t", source="/s") for _ in range(5)))
                await clock.advance(1)
            (one,) = await router.stats()
            return one.rate

        assert await rate() == 0  # nothing is delivered
        failing = False
        assert await rate() > 0
        assert 4 < await rate() <= 5.5
        await clock.advance(20)
        (one,) = await router.stats()
        assert (one.rate, one.delivered) == (0, 100)
