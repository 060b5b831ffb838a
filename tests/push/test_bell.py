"""The bell: nobody who waits misses a ring."""

from __future__ import annotations

import anyio
import pytest
from anyio.lowlevel import checkpoint

from eventroute.push.bell import Bell

pytestmark = pytest.mark.anyio


async def test_a_ring_before_the_wait_is_kept_once() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    await bell.wait()
    with anyio.move_on_after(0.01) as scope:
        await bell.wait()
    assert scope.cancelled_caught


async def test_all_who_wait_are_woken() -> None:
    bell, woken = Bell(), []

    async def wait(name: str) -> None:
        await bell.wait()
        woken.append(name)

    async with anyio.create_task_group() as tasks:
        for name in "abc":
            tasks.start_soon(wait, name)
        await checkpoint()
        await checkpoint()
        bell.ring()
    assert sorted(woken) == ["a", "b", "c"]


async def test_a_ring_that_meets_a_cancellation_is_kept() -> None:
    bell = Bell()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bell.wait)
            await checkpoint()
            await checkpoint()
            scope.cancel()
            bell.ring()
    with anyio.fail_after(1):
        await bell.wait()
