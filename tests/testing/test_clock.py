"""Clocks: the virtual one moves only when told, the system's one by itself."""

from __future__ import annotations

import asyncio

import anyio
import anyio.lowlevel
import pytest

from eventroute.clock import SystemClock
from eventroute.testing.clock import VirtualClock, _is_quiet

pytestmark = pytest.mark.anyio


async def test_sleepers_wake_in_order_at_their_own_times() -> None:
    clock = VirtualClock()
    woken: list[tuple[float, float]] = []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock.monotonic()))

    async with anyio.create_task_group() as tasks:
        for seconds in (3, 1, 2, 0):
            tasks.start_soon(sleep, seconds)
        await clock.advance(2.5)
        assert woken == [(0, 0), (1, 1), (2, 2)]
        await clock.advance(0.5)
    assert woken[-1] == (3, 3)


async def test_one_that_sleeps_again_wakes_again_on_the_way() -> None:
    clock = VirtualClock()
    ticks = []

    async def tick() -> None:
        for _ in range(5):
            await clock.sleep(1)
            ticks.append(clock.monotonic())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        await clock.advance(100)
    assert ticks == [1, 2, 3, 4, 5]


async def test_a_scope_is_cancelled_at_its_time_and_not_when_it_ended_before() -> None:
    clock = VirtualClock()
    caught = []

    async def work(seconds: float) -> None:
        with clock.move_on_after(2) as scope:
            await clock.sleep(seconds)
        caught.append(scope.cancelled_caught)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work, 1)
        tasks.start_soon(work, 5)
        await clock.advance(10)
    assert caught == [False, True]


async def test_the_wall_clock_can_jump_and_nothing_falls_due_by_it() -> None:
    clock = VirtualClock(start=1_000)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep, 10)
        clock.jump(500)
        await clock.advance(5)
        assert (clock.time(), clock.monotonic()) == (1_505, 5)
        clock.jump(-1_000)
        await clock.advance(5)
    assert (clock.time(), clock.monotonic()) == (510, 10)


async def test_the_systems_clock_goes_on() -> None:
    clock = SystemClock()
    wall, elapsed = clock.time(), clock.monotonic()
    await clock.sleep(-1)
    await clock.sleep(0.001)
    assert clock.time() > wall
    assert clock.monotonic() >= elapsed + 0.001
    with clock.move_on_after(0.001) as scope:
        await anyio.sleep_forever()
    assert scope.cancelled_caught


def test_a_loop_that_does_not_show_what_is_to_run_next_is_asked_for_its_tasks() -> None:
    async def main() -> list[float]:
        clock = VirtualClock()
        loop = object()
        woken: list[float] = []

        async def sleep(seconds: float) -> None:
            await clock.sleep(seconds)
            woken.append(clock.monotonic())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sleep, 1)
            looks = [_is_quiet(loop)]  # type: ignore[arg-type]
            await anyio.lowlevel.checkpoint()
            looks.append(_is_quiet(loop))  # type: ignore[arg-type]
            assert looks == [False, True]
            await clock.advance(2)
        return woken

    assert asyncio.run(main()) == [1.0]
