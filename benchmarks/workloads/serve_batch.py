"""From a producer over `eventroute serve` (SQLite) to a receiver, by batches of 100: throughput, latency at a pace.

The broker has a core of its own where the system can see to that (Linux, two cores or more). Producer and receiver
are one process on the others: what is sent was made before, so both together take a twentieth of what the broker takes;
the first contender tells how fast they are without it. Where others are at work on the same cores, the processor time
of the broker alone tells more than the clock.

Each measurement begins with a broker that has taken some thousand events: what a process does for the first time is
another measure.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import clock_gettime, perf_counter, process_time
from typing import Any

from benchmarks.bare_http import Producer, request, serving
from benchmarks.harness import Comparison, Contender, Measure, Unavailable, Workload
from benchmarks.workloads.event import RAW
from eventroute.binding import BATCH_TYPE
from eventroute.event import Event

BATCH = 100
POSTS = 4
"""Requests of the producer in flight at once, where it sends as much as it can."""

RATE = 50_000
"""Events a second that are to be reached."""

PACE = RATE // 2
"""Events a second, where latency is measured."""

WARM_UP = 25_000
"""Events that go before those that count."""

P99 = 0.05
"""The seconds within which 99 of 100 events are to arrive at that pace."""

TEMPLATE = Event.from_json(RAW).replace({"id": "%d"}).to_json()
CONFIGURATION = """\
storage = "sqlite:///events.db"
[gateway]
port = 0
[http]
networks = ["127.0.0.0/8"]
[[subscriptions]]
id = "s"
sink = "{sink}"
config = {{ mode = "batch", batch = {{ events = 100 }} }}
"""
Processor = Callable[[], float]
_identity = re.compile(rb'"id":"([0-9]+)"').findall


class Arrivals:
    """How long each event took from the moment when it was due until it came for the first time."""

    def __init__(self) -> None:
        self.latencies: dict[int, float] = {}
        self._due: list[float] = []
        self._wanted = 0
        self._there = asyncio.Event()

    def leave(self, due: float) -> None:
        """The next batch is due."""
        self._due.append(due)

    def took(self, body: bytes, now: float) -> None:
        """A request has come to the receiver."""
        for number in map(int, _identity(body)):
            self.latencies.setdefault(number, now - self._due[number // BATCH])
        if len(self.latencies) >= self._wanted:
            self._there.set()

    async def until(self, count: int) -> None:
        """Wait until so many events have come."""
        self._wanted = count
        if len(self.latencies) < count:
            self._there.clear()
            await self._there.wait()


def requests(url: str, size: int) -> list[bytes]:
    """What the producer sends: batches of events that are numbered."""
    return [
        request(url, BATCH_TYPE, b"[%b]" % b",".join([TEMPLATE % number for number in range(first, first + BATCH)]))
        for first in range(0, size, BATCH)
    ]


@cache
def cores() -> tuple[Collection[int], Collection[int]]:
    """Where the broker runs, and where producer and receiver: nothing where all have to share. Says so, once."""
    here = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
    alone = len(here) > 1
    where = "the broker has one of its own" if alone else "the broker shares with producer and receiver"
    print(f"serve-batch: of {len(here) or os.cpu_count()} cores {where}", file=sys.stderr)
    return (here[-1:], here[:-1]) if alone else ((), ())


@contextmanager
def running_on(some: Collection[int]) -> Iterator[None]:
    """This process, and those that it starts, on some of the cores."""
    if sys.platform != "linux" or not some:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, some)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def broker(sink: str, core: Collection[int]) -> Iterator[tuple[str, Processor]]:
    """Where `eventroute serve` takes events for the sink, and what tells the processor time of its process."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "broker.toml"
        file.write_text(CONFIGURATION.format(sink=sink))
        command = [sys.executable, "-m", "eventroute", "serve", str(file)]
        with running_on(core):
            process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own command
        with process:
            line = process.stderr.readline() if process.stderr else ""
            yield f"{line.split()[-1]}/default", partial(_processor_time, process.pid)
            process.terminate()
            process.communicate()


@contextmanager
def nobody(sink: str, _core: Collection[int]) -> Iterator[tuple[str, Processor]]:
    """Straight to the sink, and the processor time of producer and receiver."""
    yield sink, process_time


def _processor_time(process: int) -> float:
    """The seconds that all threads of a process have worked so far, at the kernel included."""
    if sys.platform != "linux":
        raise Unavailable("the processor time of another process is not told here")
    return clock_gettime((~process << 3) | 2)  # as clock_getcpuclockid (3) has it


Between = Callable[[str, Collection[int]], AbstractContextManager[tuple[str, Processor]]]
Job = Callable[[Between, int], Coroutine[Any, Any, float]]


async def throughput(between: Between, size: int) -> float:
    """Seconds until all have arrived."""
    return (await _send_all(between, size))[0]


async def work(between: Between, size: int) -> float:
    """Seconds of processor time until all have arrived."""
    return (await _send_all(between, size))[1]


async def _send_all(between: Between, size: int) -> tuple[float, float]:
    arrivals, warm = Arrivals(), _warm_up(size)

    async def post(producer: Producer, todo: Iterator[bytes]) -> None:
        for message in todo:
            arrivals.leave(perf_counter())
            await producer.post(message)

    async def post_all(producer: Producer, messages: Sequence[bytes]) -> None:
        todo = iter(messages)
        await asyncio.gather(*[post(producer, todo) for _ in range(POSTS)])

    async with _way(between, arrivals, warm + size) as (producer, messages, processor):
        await post_all(producer, messages[: warm // BATCH])
        await arrivals.until(warm)
        begin, worked = perf_counter(), processor()
        await post_all(producer, messages[warm // BATCH :])
        await arrivals.until(warm + size)
        return perf_counter() - begin, processor() - worked


async def latency(between: Between, size: int) -> float:
    """The 99th percentile of the time from producer to receiver, times `size`: so it shows as that of one event.

    An event's time starts when it was due, by a plan that waits for nobody: what one delay holds up counts for all that
    was due meanwhile, however late it was sent.
    """
    arrivals, warm = Arrivals(), _warm_up(size)
    async with _way(between, arrivals, warm + size) as (producer, messages, _), asyncio.TaskGroup() as posts:
        begin = perf_counter()
        for number, message in enumerate(messages):
            due = begin + number * BATCH / PACE
            await asyncio.sleep(max(0.0, due - perf_counter()))
            arrivals.leave(due)
            posts.create_task(producer.post(message))
        await arrivals.until(warm + size)
    counted = sorted(taken for number, taken in arrivals.latencies.items() if number >= warm)
    return counted[int(0.99 * (size - 1))] * size


@asynccontextmanager
async def _way(
    between: Between, arrivals: Arrivals, size: int
) -> AsyncIterator[tuple[Producer, Sequence[bytes], Processor]]:
    """A producer, what it is to send, and what tells the processor time of what is between it and the receiver."""
    broker_on, others_on = cores()
    with running_on(others_on):
        async with serving(arrivals.took) as sink:
            with between(sink, broker_on) as (url, processor):
                producer = Producer(url)
                try:
                    yield producer, requests(url, size), processor
                finally:
                    producer.close()


def _warm_up(size: int) -> int:
    return min(WARM_UP, size)


def _measured(job: Job, between: Between) -> Measure:
    return lambda size: asyncio.run(job(between, size))


def _comparison(case: str, job: Job, *, size: int, goal: float | None = None) -> Comparison:
    return Comparison(
        case,
        Contender("producer to receiver", _measured(job, nobody)),
        (Contender("over the broker", _measured(job, broker)),),
        size=size,
        tiny=2 * BATCH,
        goal=goal,
    )


WORKLOAD = Workload(
    "serve-batch",
    f"From a producer over eventroute serve (SQLite) to a receiver, by batches of {BATCH}",
    "event",
    (
        _comparison("throughput", throughput, size=100_000, goal=1 / RATE),
        _comparison("processor time", work, size=100_000),
        _comparison(f"p99 of the latency at {PACE:,} events a second", latency, size=100_000, goal=P99),
    ),
)
