from __future__ import annotations

import asyncio
import gc
import os
import threading
from contextlib import closing
from functools import partial
from pathlib import Path

import anyio
import pytest

from eventroute.storage.threads import Waiter, current_loop, new_waiter, wake


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_waking_who_waited_in_a_loop_that_ended_is_no_error(backend: str) -> None:
    waiters: list[Waiter] = []

    async def leave() -> None:
        waiters.append(new_waiter())

    anyio.run(leave, backend=backend)
    wake(waiters)
    assert len(waiters) == 1


@pytest.mark.anyio
async def test_waking_twice_is_waking_once() -> None:
    waiter = new_waiter()
    wake([waiter, waiter], here=current_loop())
    with anyio.fail_after(5):
        await waiter.wait()


@pytest.mark.anyio
async def test_loops_are_told_apart() -> None:
    here = current_loop()
    assert current_loop() is here

    async def elsewhere() -> object:
        return current_loop()

    for backend in ("asyncio", "trio"):
        assert await anyio.to_thread.run_sync(partial(anyio.run, elsewhere, backend=backend)) is not here


async def woken_from_a_thread() -> None:
    waiters = [new_waiter() for _ in range(3)]
    await anyio.to_thread.run_sync(wake, waiters[:2])
    await anyio.to_thread.run_sync(wake, waiters[1:])
    with anyio.fail_after(5):
        for waiter in waiters:
            await waiter.wait()


class NoReaders(asyncio.SelectorEventLoop):
    """A loop that watches no descriptors, as that of Windows does not."""

    def add_reader(self, *_: object) -> None:
        raise NotImplementedError


def test_a_loop_without_descriptors_is_woken_too() -> None:
    with closing(NoReaders()) as loop:
        loop.run_until_complete(asyncio.wait_for(woken_on_demand(), 5))


def test_a_system_without_event_descriptors_wakes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "eventfd", raising=False)
    anyio.run(woken_from_a_thread)


async def woken_on_demand() -> None:
    waiter = new_waiter()
    thread = threading.Thread(target=wake, args=([waiter],))
    thread.start()
    await waiter.wait()
    thread.join()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not tell which descriptors are open")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_loop_that_is_gone_leaves_no_descriptor_open(backend: str) -> None:
    def opened() -> int:
        anyio.run(woken_from_a_thread, backend=backend)
        gc.collect()
        return len([*Path("/proc/self/fd").iterdir()])

    before = opened()
    assert all(opened() <= before for _ in range(5))  # fewer: what earlier tests left is gone by now


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not tell which descriptors are open")
@pytest.mark.parametrize("threads", [False, True])
def test_loops_that_take_turns_open_no_more_descriptors(threads: bool) -> None:
    with closing(asyncio.new_event_loop()) as one, closing(asyncio.new_event_loop()) as other:

        def opened() -> int:
            for loop in (one, other):
                if threads:
                    thread = threading.Thread(target=loop.run_until_complete, args=(woken_on_demand(),))
                    thread.start()
                    thread.join()
                else:
                    loop.run_until_complete(woken_on_demand())
            gc.collect()
            return len([*Path("/proc/self/fd").iterdir()])

        before = opened()
        assert all(opened() <= before for _ in range(5))


@pytest.mark.anyio
async def test_a_thread_that_wakes_wakes_each_loop_at_its_own_bell() -> None:
    waiter = new_waiter()

    async def elsewhere() -> None:
        other = new_waiter()
        wake([waiter, other])
        with anyio.fail_after(5):
            await other.wait()

    await anyio.to_thread.run_sync(partial(anyio.run, elsewhere, backend="asyncio"))
    with anyio.fail_after(5):
        await waiter.wait()
