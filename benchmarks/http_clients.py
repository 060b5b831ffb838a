"""HTTP clients side by side: a POST of 500 bytes to a 204 on loopback (docs/decisions/http-client.md).

    python -m benchmarks.http_clients [--seconds 1] [--runs 7]

The receiver is a bare `asyncio.Protocol` in a process of its own. Every figure comes from a fresh process, so that
clients share nothing and an abort at exit is seen; the clients take turns, in another order each round. Printed are
medians of requests a second at 1, 32 and 256 in flight with the ratio to the floor (asyncio streams, written by
hand), the processor time of a request at 32 (all threads), and how many processes ended badly. A client that is not
installed is skipped, aloud. Redirects, environment proxies and cookies are off where the client can do without.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import itertools
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

import anyio

BODY = b"x" * 500
HEADERS = {"content-type": "application/json", "ce-id": "1", "ce-type": "t", "ce-source": "/s", "ce-specversion": "1.0"}
LEVELS = (1, 32, 256)
SELF = [sys.executable, "-m", "benchmarks.http_clients"]

Post: TypeAlias = Callable[[], Awaitable[int]]
Client: TypeAlias = Callable[[str, int], AbstractAsyncContextManager[Post]]


DIFFERING = "differing"
"""No two answers that the receiver gives at this path are alike."""

_ASKED_TO_DIFFER = f"POST /{DIFFERING} ".encode()
_numbers = itertools.count()


class Receiver(asyncio.Protocol):
    """Answers, and parses no more than it must."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.pending = bytearray()

    def data_received(self, data: bytes) -> None:
        self.pending += data
        while (end := self.pending.find(b"\r\n\r\n")) >= 0:
            _, _, length = bytes(self.pending[:end]).lower().partition(b"content-length:")
            size = end + 4 + int(length.partition(b"\r\n")[0])
            if len(self.pending) < size:
                return
            differing = self.pending.startswith(_ASKED_TO_DIFFER)
            del self.pending[:size]
            more = b"X-Request-Id: %016x\r\n" % next(_numbers) if differing else b""
            self.transport.write(b"HTTP/1.1 204 No Content\r\n%b\r\n" % more)


async def receive() -> None:
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@asynccontextmanager
async def floor(url: str, in_flight: int) -> AsyncIterator[Post]:
    authority = url.split("/")[2]
    host, port = authority.split(":")
    headers = {"Host": authority, "Content-Length": str(len(BODY)), **HEADERS}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post() -> int:
        reader, writer = idle.pop() if idle else await asyncio.open_connection(host, int(port))
        writer.write(f"POST / HTTP/1.1\r\n{head}\r\n".encode() + BODY)
        answer = await reader.readuntil(b"\r\n\r\n")
        idle.append((reader, writer))
        return int(answer[9:12])

    yield post
    for _, writer in idle:
        writer.close()


@asynccontextmanager
async def aiohttp(url: str, in_flight: int) -> AsyncIterator[Post]:
    lib: Any = importlib.import_module("aiohttp")
    async with lib.ClientSession(
        connector=lib.TCPConnector(limit=in_flight), cookie_jar=lib.DummyCookieJar()
    ) as session:

        async def post() -> int:
            async with session.post(url, data=BODY, headers=HEADERS, allow_redirects=False) as answer:
                await answer.content.read(65_536)
                return int(answer.status)

        yield post


@asynccontextmanager
async def pyreqwest(url: str, in_flight: int) -> AsyncIterator[Post]:
    lib: Any = importlib.import_module("pyreqwest.client")
    async with lib.ClientBuilder().no_proxy().follow_redirects(False).build() as client:

        async def post() -> int:
            return int((await client.post(url).headers(HEADERS).body_bytes(BODY).build().send()).status)

        yield post


@asynccontextmanager
async def wreq(url: str, in_flight: int) -> AsyncIterator[Post]:
    lib: Any = importlib.import_module("wreq")
    client = lib.Client(no_proxy=True, redirect=lib.Policy.none())

    async def post() -> int:
        async with await client.post(url, headers=HEADERS, body=BODY) as answer:
            await answer.bytes()
            return int(answer.status.as_int())

    yield post


@asynccontextmanager
async def pyqwest(url: str, in_flight: int) -> AsyncIterator[Post]:
    lib: Any = importlib.import_module("pyqwest")
    settings = {"follow_redirects": False, "pool_max_idle_per_host": in_flight, "enable_otel": False}
    async with lib.HTTPTransport(**settings) as transport:
        client = lib.Client(transport)

        async def post() -> int:
            return int((await client.post(url, HEADERS, BODY)).status)

        yield post


def httpx_like(module: str) -> Client:
    @asynccontextmanager
    async def client(url: str, in_flight: int) -> AsyncIterator[Post]:
        lib: Any = importlib.import_module(module)
        limits = lib.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
        async with lib.AsyncClient(limits=limits, trust_env=False, timeout=60) as session:

            async def post() -> int:
                return int((await session.post(url, content=BODY, headers=HEADERS)).status_code)

            yield post

    return client


def httpcore2(pool_size: int) -> Client:
    """A pool's cost grows with its connections: spread them over pools of at most `pool_size`."""

    @asynccontextmanager
    async def client(url: str, in_flight: int) -> AsyncIterator[Post]:
        lib: Any = importlib.import_module("httpcore2")
        size = min(in_flight, pool_size)
        headers = {"host": url.split("/")[2], "content-length": str(len(BODY)), **HEADERS}
        async with AsyncExitStack() as stack:
            pools = [
                await stack.enter_async_context(lib.AsyncConnectionPool(max_connections=size))
                for _ in range(-(-in_flight // size))
            ]

            async def post() -> int:
                pools.append(pools.pop(0))
                return int((await pools[0].request("POST", url, headers=headers, content=BODY)).status)

            yield post

    return client


CLIENTS: dict[str, Client] = {
    "floor": floor,
    "aiohttp": aiohttp,
    "pyreqwest": pyreqwest,
    "wreq": wreq,
    "pyqwest": pyqwest,
    "httpcore2": httpcore2(1_000),
    "httpcore2 in pools of 8": httpcore2(8),
    "httpx2": httpx_like("httpx2"),
    "httpx": httpx_like("httpx"),
}
LOOPS = {"asyncio": tuple(CLIENTS), "uvloop": ("floor", "aiohttp"), "trio": tuple(CLIENTS)[4:8]}
CASES = tuple((name, loop) for loop, names in LOOPS.items() for name in names)


async def measure(name: str, url: str, in_flight: int, seconds: float) -> tuple[float, float]:
    """Requests a second, and processor microseconds (all threads) a request."""
    done = 0

    async def worker(post: Post, until: float) -> None:
        nonlocal done
        while time.perf_counter() < until:
            if (status := await post()) != 204:
                raise RuntimeError(f"{name} answered {status}")
            done += 1

    async def load(post: Post, for_seconds: float) -> None:
        until = time.perf_counter() + for_seconds
        async with anyio.create_task_group() as group:
            for _ in range(in_flight):
                group.start_soon(worker, post, until)

    async with CLIENTS[name](url, in_flight) as post:
        await load(post, seconds / 4)
        done, started, used = 0, time.perf_counter(), time.process_time()
        await load(post, seconds)
        return done / (time.perf_counter() - started), (time.process_time() - used) / done * 1e6


def one(name: str, loop: str, url: str, in_flight: int, seconds: float) -> None:
    backend, options = ("asyncio", {"use_uvloop": True}) if loop == "uvloop" else (loop, {})
    print(json.dumps(anyio.run(measure, name, url, in_flight, seconds, backend=backend, backend_options=options)))


def installed(name: str, loop: str) -> bool:
    needed = {loop} if name == "floor" else {loop, name.split(maxsplit=1)[0]}
    missing = sorted(module for module in needed if importlib.util.find_spec(module) is None)
    if missing:
        print(f"skipped {name} on {loop}: {', '.join(missing)} is not installed", file=sys.stderr)
    return not missing


def compare(url: str, runs: int, seconds: float) -> None:
    cases = [case for case in CASES if installed(*case)]
    results: dict[tuple[str, str, int], list[tuple[float, float]]] = {}
    bad = dict.fromkeys(cases, 0)
    turns = [
        (*case, in_flight) for _ in range(runs) for in_flight in LEVELS for case in random.sample(cases, len(cases))
    ]
    for name, loop, in_flight in turns:
        command = [*SELF, "--one", name, loop, url, str(in_flight), "--seconds", str(seconds)]
        process = subprocess.run(  # noqa: S603 - its own command line
            command, capture_output=True, text=True, timeout=60 + 4 * seconds, check=False
        )
        if process.returncode:
            bad[name, loop] += 1
            print(f"{name} on {loop}: exit {process.returncode} {process.stderr[-300:]}", file=sys.stderr)
        if process.stdout:
            results.setdefault((name, loop, in_flight), []).append(json.loads(process.stdout))
    print("| client | loop | 1 | 32 | 256 | CPU us at 32 | bad exits |\n|---|---|---|---|---|---|---|")
    for name, loop in cases:
        rates, bases = (
            [statistics.median(rate for rate, _ in results[(*case, level)]) for level in LEVELS]
            for case in ((name, loop), cases[0])
        )
        cells = [f"{rate:,.0f} ({rate / base:.2f})" for rate, base in zip(rates, bases, strict=True)]
        cpu = statistics.median(used for _, used in results[name, loop, 32])
        print(f"| {name} | {loop} | {' | '.join(cells)} | {cpu:.0f} | {bad[name, loop]} of {runs * len(LEVELS)} |")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http_clients")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one measurement")
    parser.add_argument("--runs", type=int, default=7, help="rounds; medians are printed")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--receiver", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.receiver:
        asyncio.run(receive())
    elif options.one:
        name, loop, url, in_flight = options.one
        one(name, loop, url, int(in_flight), options.seconds)
    else:
        command = [*SELF, "--receiver"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiver:  # noqa: S603 - as above
            try:
                port = receiver.stdout.readline().strip() if receiver.stdout else ""
                compare(f"http://127.0.0.1:{port}/", options.runs, options.seconds)
            finally:
                receiver.terminate()


if __name__ == "__main__":
    main()
