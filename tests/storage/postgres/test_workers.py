"""Routers in several processes on one storage, and processes that are killed while they work."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import psycopg
import pytest

from benchmarks.postgres import Place
from eventroute.event import Event
from eventroute.router import Router
from eventroute.storage.base import DEFAULT_BUS

# Delivers until it is told to end; writes down what it delivers, one line each.
WORKER = """
import os, sys, anyio, eventroute

async def main():
    address, schema, path, backend = sys.argv[1:5]
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def sink(event):
        await anyio.sleep(0.002)
        os.write(out, f"{event.id}\\n".encode())

    storage = eventroute.open_storage(f"{address}&schema={schema}")
    async with eventroute.Router(storage, lease=1.0) as router:
        await router.subscribe(eventroute.Subscription(id="s", bus="default", start="earliest", sink=sink))
        print("ready", flush=True)
        await anyio.to_thread.run_sync(sys.stdin.readline)

anyio.run(main, backend=sys.argv[4])
"""

EVENTS = 600


class Worker:
    """A process that works."""

    def __init__(self, place: Place, path: Path, backend: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, place.address, place.schema, str(path), backend],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        with self.process:  # which closes its pipes
            self.process.kill()

    def end(self) -> int:
        self.process.communicate("end\n", timeout=30)
        return self.process.returncode


@pytest.fixture
def workers() -> Iterator[list[Worker]]:
    started: list[Worker] = []
    yield started
    for worker in started:
        worker.kill()


def delivered(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


async def publish(place: Place) -> None:
    async with Router(place.storage(), push=False) as router:
        for begin in range(0, EVENTS, 20):
            await router.publish(
                *[Event.create(type="t", source="/s", id=str(number)) for number in range(begin, begin + 20)]
            )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system that can kill -9")
def test_what_killed_workers_held_is_delivered_by_others(
    postgres: Place, shell: psycopg.Connection, workers: list[Worker], tmp_path: Path
) -> None:
    path = tmp_path / "delivered"
    place = Place(f"{postgres.address}?application_name={postgres.schema}", postgres.schema)
    anyio.run(open_once, place)
    workers += [Worker(place, path, backend) for backend in ("asyncio", "trio", "asyncio")]
    for worker in workers:
        worker.ready()

    async def work() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(publish, place)
            for victim in (0, 1):
                while len(delivered(path)) < EVENTS * (victim + 1) // 4:  # noqa: ASYNC110 - other processes work
                    await anyio.sleep(0.01)
                workers[victim].kill()
                shell.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
                    (postgres.schema,),
                )
        with anyio.fail_after(60):
            await until_settled(place)

    anyio.run(work)
    assert workers[2].end() == 0
    assert sorted(set(delivered(path))) == list(range(EVENTS))


async def open_once(place: Place) -> None:
    async with place.storage():
        pass


async def until_settled(place: Place) -> None:
    """What a killed worker delivered and did not write down is delivered again, once its lease has ended."""
    async with place.storage() as storage:
        end = (await storage.bounds(DEFAULT_BUS)).end
        while {reader.position for reader in await storage.readers(DEFAULT_BUS)} != {end}:  # noqa: ASYNC110 - others work
            await anyio.sleep(0.02)
        assert end == EVENTS + 1
        assert await storage.waiting(DEFAULT_BUS) == ()
