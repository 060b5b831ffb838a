"""1 to 16 workers on one subscription whose sink takes 20 ms an event, one at a time a worker.

Each worker brings its own events: a measurement of n workers publishes n times as many, and its time counts as an nth.
So where the backlog is shared without loss, n workers take one nth of the time of one.
"""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache, partial
from pathlib import Path
from time import perf_counter, sleep
from typing import Literal

import anyio
from attrs import frozen

from benchmarks import nats, postgres
from benchmarks.harness import Comparison, Contender, Unavailable, Workload
from benchmarks.workers import Process, Settings
from eventroute.event import Event
from eventroute.router import Router
from eventroute.storage.open import open_storage

WORKERS = (1, 2, 4, 8, 16)
PROCESSES = 4
"""The most processes; they share the workers evenly."""
KEYS = 160
PATIENCE = 120.0


@frozen
class Case:
    """How the events come to the workers."""

    name: str
    start: Literal["latest", "earliest"] = "latest"
    """`earliest`: the events are in the log before the subscription is made."""
    order_by: str | None = None


CASES = (
    Case("published at once"),
    Case("behind by a backlog", start="earliest"),
    Case("in order by key", order_by="subject"),
)


@contextmanager
def _sqlite(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder / 'events.db'}"


@contextmanager
def _postgres(_folder: Path) -> Iterator[str]:
    with postgres.place(_address(postgres.ADDRESS)) as made:
        yield made.url


@contextmanager
def _nats(_folder: Path) -> Iterator[str]:
    with nats.place(_address(nats.ADDRESS)) as made:
        yield made.url


def _address(variable: str) -> str:
    address = os.environ.get(variable)
    if not address:
        raise Unavailable(f"needs a server, named by {variable}")
    return address


STORAGES: Mapping[str, Callable[[Path], AbstractContextManager[str]]] = {
    "SQLite": _sqlite,
    "PostgreSQL": _postgres,
    "NATS": _nats,
}
"""By name, what makes a new storage for a while and gives its URL; a folder is there for it. May raise Unavailable."""


def events(count: int) -> list[Event]:
    """So many, in turn of each key."""
    return [
        Event.create(type="t", source="/scale-out", id=str(number), subject=f"k{number % KEYS}")
        for number in range(count)
    ]


async def publish(url: str, count: int) -> None:
    """All in one batch."""
    async with Router(open_storage(url), push=False) as router:
        await router.publish(*events(count))


def measure(storage: str, case: Case, workers: int, size: int) -> float:
    """The seconds for `size` events a worker, by the number of workers."""
    with tempfile.TemporaryDirectory(dir=".") as name, STORAGES[storage](Path(name)) as url:
        count, file = size * workers, Path(name) / "received"
        number = min(workers, PROCESSES)
        settings = Settings(
            url, str(file), routers=workers // number, subscriptions={"s": case.order_by}, start=case.start
        )
        if case.start == "earliest":
            anyio.run(publish, url, count)
        everybody = _pool()[:number]
        for process in everybody:  # the first makes the tables
            process.begin(settings)
            process.hear("ready")
        try:
            return _run(case, url, file, count, everybody) / workers
        finally:
            for process in everybody:
                process.stop()


@cache
def _pool() -> list[Process]:
    """The processes, which are started once and killed when this one ends."""
    pool = [Process() for _ in range(PROCESSES)]
    for process in pool:
        atexit.register(process.kill)
    return pool


def _run(case: Case, url: str, file: Path, count: int, everybody: list[Process]) -> float:
    begin = perf_counter()
    for process in everybody:
        process.go()
    for process in everybody:
        process.hear("works")
    if case.start == "latest":
        begin = perf_counter()
        anyio.run(publish, url, count)
    _wait(file, count)
    return perf_counter() - begin


def _wait(file: Path, count: int) -> None:
    until = perf_counter() + PATIENCE
    there = 0
    with file.open("ab+") as received:
        received.seek(0)
        while there < count:
            there += received.read().count(b"\n")
            if perf_counter() > until:
                raise TimeoutError(f"{there} of {count} events came within {PATIENCE} s")
            sleep(0.005)


WORKLOAD = Workload(
    name="scale-out",
    doc="workers that share a subscription with a sink of 20 ms, on SQLite, and on the servers that are named",
    unit="event",
    comparisons=tuple(
        Comparison(
            case=f"{storage}, {case.name}",
            floor=Contender("1 worker", partial(measure, storage, case, 1)),
            subjects=tuple(Contender(f"{many} workers", partial(measure, storage, case, many)) for many in WORKERS[1:]),
            size=100,
            tiny=2,
        )
        for storage in STORAGES
        for case in CASES
    ),
)
