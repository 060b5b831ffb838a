"""A storage that is closed while something is asked for: it ends, and what was asked for has an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from benchmarks.nats import Place
from eventroute.errors import StorageClosed
from eventroute.storage.base import DEFAULT_BUS, Record
from eventroute.storage.nats import link
from eventroute.storage.nats.storage import NatsStorage
from eventroute.testing.storage.log import put

pytestmark = pytest.mark.anyio


async def read(storage: NatsStorage) -> list[Record]:
    return await storage.read(DEFAULT_BUS, 1, 2, limit=1, max_bytes=1)


CALLS: dict[str, Callable[[NatsStorage], Coroutine[Any, Any, Any]]] = {
    "look": lambda storage: storage.readers(DEFAULT_BUS),
    "task": lambda storage: storage.trim(DEFAULT_BUS, 2, limit=9, hard=True),
    "read": read,
    "change": lambda storage: put(storage, b"more"),
}


class Slow:
    """A server that is asked how far the stream has got, and answers when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        self.let = False
        ask = link.Link.last

        async def last(of: link.Link) -> int:
            self.asked += 1
            while not self.let:  # noqa: ASYNC110 - the test is in another loop
                await asyncio.sleep(0.001)
            return await ask(of)

        monkeypatch.setattr(link.Link, "last", last)


async def closed_in_time(storage: NatsStorage) -> bool:
    """Whether it closes within five seconds; where it does not, it is helped."""
    engine = storage._workers
    assert engine is not None
    with anyio.CancelScope() as patience:
        async with anyio.create_task_group() as tasks:

            async def help_on() -> None:
                await anyio.sleep(5)
                patience.cancel()
                engine._loop.call_soon_threadsafe(engine._bell.set)

            tasks.start_soon(help_on)
            await storage.aclose()
            tasks.cancel_scope.cancel()
    return not patience.cancel_called


@pytest.mark.parametrize("call", CALLS)
async def test_it_ends_also_where_nobody_waits_any_more_for_what_was_asked(
    nats: Place, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    storage = nats.storage()
    await storage.open()
    await put(storage, b"1")
    slow = Slow(monkeypatch)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(CALLS[call], storage)
        await anyio.sleep(0.05 if call in ("read", "change") else 0.0)
        while not slow.asked and call in ("look", "task"):  # noqa: ASYNC110 - another thread asks
            await anyio.sleep(0.001)
        tasks.cancel_scope.cancel()
    async with anyio.create_task_group() as tasks:

        async def let() -> None:
            await anyio.sleep(0.05)
            slow.let = True

        tasks.start_soon(let)
        assert await closed_in_time(storage)


@pytest.mark.parametrize("call", CALLS)
async def test_what_was_asked_for_before_is_answered(nats: Place, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    storage = nats.storage()
    await storage.open()
    await put(storage, b"1")
    slow = Slow(monkeypatch)
    answers: list[Any] = []
    async with anyio.create_task_group() as tasks:

        async def ask() -> None:
            answers.append(await CALLS[call](storage))

        async def close() -> None:
            assert await closed_in_time(storage)

        tasks.start_soon(ask)
        await anyio.lowlevel.checkpoint()
        tasks.start_soon(close)
        await anyio.sleep(0.05)
        slow.let = True
    assert len(answers) == 1
    with pytest.raises(StorageClosed):
        await CALLS[call](storage)
