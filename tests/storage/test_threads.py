from __future__ import annotations

from functools import partial

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
