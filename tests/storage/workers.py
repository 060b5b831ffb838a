"""Processes of routers on one storage, which are killed while they work, and their server with them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import anyio.to_thread

from eventroute.event import Event
from eventroute.router import Router
from eventroute.storage.base import DEFAULT_BUS, Storage

__all__ = ["Worker", "check_that_others_take_over", "working"]

# Delivers until it is told to end; writes down what it delivers, one line each.
_WORKER = """
import os, sys, anyio, eventroute

async def main():
    url, path = sys.argv[1:3]
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def sink(event):
        await anyio.sleep(0.002)
        os.write(out, f"{event.id}\\n".encode())

    storage = eventroute.open_storage(url)
    async with eventroute.Router(storage, lease=1.0) as router:
        await router.subscribe(eventroute.Subscription(id="s", bus="default", start="earliest", sink=sink))
        print("ready", flush=True)
        await anyio.to_thread.run_sync(sys.stdin.readline)

anyio.run(main, backend=sys.argv[3])
"""
_EVENTS = 600
_BACKENDS = ("asyncio", "trio", "asyncio")
"""Of the workers, of which the last is not killed."""


class Worker:
    """A process that works."""

    def __init__(self, url: str, path: Path, backend: str, first: str = "") -> None:
        """`first`: what it does before."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", first + _WORKER, url, str(path), backend],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        with suppress(BrokenPipeError), self.process:  # which closes its pipes
            self.process.kill()

    def end(self) -> int:
        self.process.communicate("end\n", timeout=60)
        return self.process.returncode


@contextmanager
def working(url: str, path: Path, first: str = "") -> Iterator[list[Worker]]:
    """A worker for each backend, all of them ready. They write to one file."""
    workers: list[Worker] = []
    try:
        workers.extend(Worker(url, path, backend, first) for backend in _BACKENDS)
        for worker in workers:
            worker.ready()
        yield workers
    finally:
        for worker in workers:
            worker.kill()


def check_that_others_take_over(
    workers: Sequence[Worker], path: Path, make_storage: Callable[[], Storage], strike: Callable[[], object]
) -> None:
    """Publish, and kill one worker after another but the last; what befalls the server with each is `strike`. All that
    was published is delivered nevertheless.
    """

    async def work() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_publish, make_storage())
            for number, victim in enumerate(workers[:-1], 1):
                while len(_delivered(path)) < _EVENTS * number // 4:  # noqa: ASYNC110 - other processes work
                    await anyio.sleep(0.01)
                victim.kill()
                await anyio.to_thread.run_sync(strike)
        with anyio.fail_after(60):
            await _until_settled(make_storage())

    anyio.run(work)
    assert workers[-1].end() == 0
    assert sorted({*_delivered(path)}) == [*range(_EVENTS)]


def _delivered(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


async def _publish(storage: Storage) -> None:
    async with Router(storage, push=False) as router:
        for begin in range(0, _EVENTS, 20):
            await router.publish(
                *[Event.create(type="t", source="/s", id=str(number)) for number in range(begin, begin + 20)]
            )


async def _until_settled(storage: Storage) -> None:
    """What a killed worker delivered and did not write down is delivered again, once its lease has ended."""
    async with storage:
        end = (await storage.bounds(DEFAULT_BUS)).end
        while {reader.position for reader in await storage.readers(DEFAULT_BUS)} != {end}:  # noqa: ASYNC110 - others work
            await anyio.sleep(0.02)
        assert end == _EVENTS + 1
        assert await storage.waiting(DEFAULT_BUS) == ()
