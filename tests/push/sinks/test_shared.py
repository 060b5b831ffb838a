"""What many attempts share: got by one at a time, kept while it is good, bounded in number."""

from __future__ import annotations

import anyio
import pytest
from anyio.lowlevel import checkpoint

from eventroute.push.sinks import shared
from eventroute.push.sinks.shared import Family, NotReady, Shared
from eventroute.testing.clock import VirtualClock

pytestmark = pytest.mark.anyio


async def test_it_is_got_once_by_many_and_again_when_it_is_no_longer_good() -> None:
    clock, got = VirtualClock(), []

    async def fetch(before: str | None) -> tuple[str, float]:
        got.append(before)
        await checkpoint()
        return f"value-{len(got)}", 10.0

    one: Shared[str] = Shared(clock, fetch)
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(one.get)
    assert (got, one.last) == ([None], "value-1")
    await clock.advance(10)
    assert await one.get() == "value-2"
    assert got == [None, "value-1"]


async def test_who_asks_for_a_newer_one_gets_that_of_another() -> None:
    clock, count = VirtualClock(), 0

    async def fetch(_before: object) -> tuple[object, float]:
        nonlocal count
        count += 1
        await checkpoint()
        return object(), 10.0

    one: Shared[object] = Shared(clock, fetch)
    used = await one.get()
    newer = [await one.renew(used) for _ in range(3)]
    assert newer[0] is newer[1] is newer[2] is not used
    assert count == 2


async def test_a_cancelled_fetch_leaves_it_to_the_next() -> None:
    started = 0

    async def fetch(_before: str | None) -> tuple[str, float]:
        nonlocal started
        started += 1
        if started == 1:
            await anyio.sleep_forever()
        return "value", 10.0

    one: Shared[str] = Shared(VirtualClock(), fetch)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one.get)
        while not started:
            await checkpoint()
        tasks.cancel_scope.cancel()
    assert await one.get() == "value"


async def test_a_failure_is_the_answer_for_a_second() -> None:
    clock, tries = VirtualClock(), 0

    async def fetch(_before: str | None) -> tuple[str, float]:
        nonlocal tries
        tries += 1
        await checkpoint()
        raise NotReady("busy", f"try {tries}")

    one: Shared[str] = Shared(clock, fetch)
    for _ in range(3):
        with pytest.raises(NotReady, match="try 1"):
            await one.get()
    await clock.advance(1)
    with pytest.raises(NotReady, match="try 2"):
        await one.get()


async def test_a_family_is_bounded_and_keeps_what_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "MEMBERS", 2)
    clock = VirtualClock()

    def make(key: str) -> Shared[str]:
        async def fetch(_before: str | None) -> tuple[str, float]:
            await checkpoint()
            return key, 10.0

        return Shared(clock, fetch)

    family: Family[str, str] = Family(make)
    a, b = family.of("a"), family.of("b")
    assert family.of("a") is a
    family.of("c")
    assert family.of("a") is a
    assert family.of("b") is not b
    assert await family.of("a").get() == "a"
