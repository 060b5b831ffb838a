"""From a producer over `eventroute serve` (SQLite) to a receiver, by batches of 100: throughput, latency at a pace.

The broker is a process of its own; producer and receiver share another one. So two processors are busy, three where the
writing thread of the broker counts as one.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import aiohttp

from benchmarks.harness import Comparison, Contender, Measure, Workload
from benchmarks.workloads.event import RAW
from eventroute.binding import BATCH_TYPE
from eventroute.event import Event

BATCH = 100
POSTS = 4
"""Requests of the producer in flight at once."""

PACE = 25_000
"""Events a second, where latency is measured: half of what is to be reached."""

EVENT = Event.from_json(RAW)
HEADERS = {"Content-Type": BATCH_TYPE}
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
_identity = re.compile(rb'"id":"([0-9]+)"').findall


class Receiver(asyncio.Protocol):
    """Answers every POST, and tells the numbers of the events in it and when they came."""

    def __init__(self, took: Callable[[list[bytes], float], None]) -> None:
        self.took = took
        self.pending = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.pending += data
        while (end := self.pending.find(b"\r\n\r\n")) >= 0:
            _, _, length = bytes(self.pending[:end]).lower().partition(b"content-length:")
            size = end + 4 + int(length.partition(b"\r\n")[0])
            if len(self.pending) < size:
                return
            self.took(_identity(self.pending[end:size]), perf_counter())
            del self.pending[:size]
            self.transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


class Arrivals:
    """When each event was sent, and how long it took until it came for the first time."""

    def __init__(self, expected: int) -> None:
        self.sent: dict[int, float] = {}
        self.latencies: dict[int, float] = {}
        self.all = asyncio.Event()
        self._expected = expected

    def took(self, numbers: list[bytes], now: float) -> None:
        for number in map(int, numbers):
            self.latencies.setdefault(number, now - self.sent[number])
        if len(self.latencies) == self._expected:
            self.all.set()

    def batch(self, first: int) -> bytes:
        """A request's body: the events from that number on."""
        events = [EVENT.replace({"id": str(number)}).to_json() for number in range(first, first + BATCH)]
        return b"[%b]" % b",".join(events)


@asynccontextmanager
async def receiving(arrivals: Arrivals) -> AsyncIterator[str]:
    server = await asyncio.get_running_loop().create_server(lambda: Receiver(arrivals.took), "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@contextmanager
def broker(sink: str) -> Iterator[str]:
    """Where `eventroute serve` takes events for the sink."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "broker.toml"
        file.write_text(CONFIGURATION.format(sink=sink))
        command = [sys.executable, "-m", "eventroute", "serve", str(file)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own command
            line = process.stderr.readline() if process.stderr else ""
            yield f"{line.split()[-1]}/default"
            process.terminate()
            process.communicate()


@contextmanager
def nobody(sink: str) -> Iterator[str]:
    """Straight to the sink."""
    yield sink


Between = Callable[[str], Any]


async def throughput(between: Between, size: int) -> float:
    """Seconds until all have arrived."""
    arrivals = Arrivals(size)
    todo = iter([(first, arrivals.batch(first)) for first in range(0, size, BATCH)])

    async def post(session: aiohttp.ClientSession, url: str) -> None:
        for first, body in todo:
            arrivals.sent.update(dict.fromkeys(range(first, first + BATCH), perf_counter()))
            async with session.post(url, data=body, headers=HEADERS) as answer:
                answer.raise_for_status()

    async with receiving(arrivals) as sink, aiohttp.ClientSession() as session:
        with between(sink) as url:
            begin = perf_counter()
            await asyncio.gather(*[post(session, url) for _ in range(POSTS)])
            await arrivals.all.wait()
            return perf_counter() - begin


async def latency(between: Between, size: int) -> float:
    """The 99th percentile of the time from producer to receiver, times `size`: so it shows as that of one event."""
    arrivals = Arrivals(size)
    bodies = [arrivals.batch(first) for first in range(0, size, BATCH)]

    async def post(session: aiohttp.ClientSession, url: str, body: bytes) -> None:
        async with session.post(url, data=body, headers=HEADERS) as answer:
            answer.raise_for_status()

    async with receiving(arrivals) as sink, aiohttp.ClientSession() as session, asyncio.TaskGroup() as posts:
        with between(sink) as url:
            begin = perf_counter()
            for number, body in enumerate(bodies):
                await asyncio.sleep(max(0.0, begin + number * BATCH / PACE - perf_counter()))
                first = number * BATCH
                arrivals.sent.update(dict.fromkeys(range(first, first + BATCH), perf_counter()))
                posts.create_task(post(session, url, body))
            await arrivals.all.wait()
    return sorted(arrivals.latencies.values())[int(0.99 * (size - 1))] * size


def _measured(job: Callable[[Between, int], Coroutine[Any, Any, float]], between: Between) -> Measure:
    return lambda size: asyncio.run(job(between, size))


def _comparison(case: str, job: Callable[[Between, int], Coroutine[Any, Any, float]], *, size: int) -> Comparison:
    return Comparison(
        case,
        Contender("producer to receiver", _measured(job, nobody)),
        (Contender("over the broker", _measured(job, broker)),),
        size=size,
        tiny=2 * BATCH,
    )


WORKLOAD = Workload(
    "serve-batch",
    f"From a producer over eventroute serve (SQLite) to a receiver, by batches of {BATCH}",
    "event",
    (
        _comparison("throughput", throughput, size=40_000),
        _comparison(f"p99 of the latency at {PACE:,} events a second", latency, size=50_000),
    ),
)
