"""From a filled log to an HTTP receiver, one event a request, settled: the router beside its client's own bare loop.

On asyncio the client is aiohttp. On trio it is h11 over trio's sockets; httpcore2 stands beside it. Each loop does what
whoever sends different events by that client has to do: it hands over the headers of each one, gives it a time within
which the answer has to come, and reads that to its end. What an event's headers are is not worked out there.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import aiohttp
import anyio
import h11
import trio

from benchmarks.harness import Comparison, Contender, Measure, Unavailable, Workload
from benchmarks.http_clients import DIFFERING
from benchmarks.receiver import a_core_each, receiver_url
from benchmarks.workloads.event import RAW
from eventroute.binding import encode_binary
from eventroute.event import Event
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.addresses import AddressPolicy
from eventroute.push.sinks.client import HttpSettings
from eventroute.router import Router
from eventroute.storage.open import open_storage
from eventroute.subscription import Subscription

EVENT = Event.from_json(RAW)
HTTP = HttpSettings(addresses=AddressPolicy(networks=["127.0.0.1/32"]))
PAGE = 1_000

WITHIN = DeliveryPolicy().timeout
"""Seconds for one request; the loops have the router's."""

ADDED = (("User-Agent", "eventroute"), ("Accept", "*/*"), ("Accept-Encoding", "identity"))
"""What the router adds to an event's headers, and aiohttp's session in its own words."""


Post: TypeAlias = Callable[[], Awaitable[object]]
Client: TypeAlias = Callable[[int], AbstractAsyncContextManager[Sequence[Post]]]
"""For so many in flight, what each of them calls to post one event."""


@asynccontextmanager
async def _aiohttp(in_flight: int) -> AsyncIterator[Sequence[Post]]:
    url = receiver_url()
    headers, body = encode_binary(EVENT)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=WITHIN),
    ) as session:

        async def post() -> None:
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                await answer.content.read(65_536)

        yield [post] * in_flight


@asynccontextmanager
async def _h11(in_flight: int, path: str = "") -> AsyncIterator[Sequence[Post]]:
    """A connection of its own for each, which is the least that h11 on trio's sockets can cost."""
    where = urlsplit(receiver_url() + path)
    headers, body = encode_binary(EVENT)

    def on(stream: trio.SocketStream) -> Post:
        parser = h11.Connection(h11.CLIENT)

        async def post() -> None:
            own = [("Host", where.netloc), ("Content-Length", str(len(body)))]
            asked = h11.Request(method="POST", target=where.path, headers=[*own, *headers, *ADDED])
            events = (asked, h11.Data(data=body), h11.EndOfMessage())
            with trio.fail_after(WITHIN):
                await stream.send_all(b"".join(parser.send(event) or b"" for event in events))
                while (event := parser.next_event()) is not h11.PAUSED and not isinstance(event, h11.EndOfMessage):
                    if event is h11.NEED_DATA:
                        parser.receive_data(bytes(await stream.receive_some(65_536)))
            parser.start_next_cycle()

        return post

    streams = [await trio.open_tcp_stream(where.hostname or "", where.port or 80) for _ in range(in_flight)]
    yield [on(stream) for stream in streams]
    for stream in streams:
        await stream.aclose()


@asynccontextmanager
async def _httpcore2(in_flight: int) -> AsyncIterator[Sequence[Post]]:
    """What a pool costs grows with its connections, so there is one for 8 of them."""
    try:
        lib: Any = importlib.import_module("httpcore2")
    except ModuleNotFoundError:
        raise Unavailable("httpcore2 is not installed") from None
    url = receiver_url()
    headers, body = encode_binary(EVENT)
    asked = {
        "headers": [*headers, *ADDED],
        "content": body,
        "extensions": {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), WITHIN)},
    }
    async with AsyncExitStack() as stack:
        pools = [await stack.enter_async_context(lib.AsyncConnectionPool()) for _ in range(-(-in_flight // 8))]
        yield [partial(pools[place // 8].request, "POST", url, **asked) for place in range(in_flight)]


def _measure(run: Callable[[int], Awaitable[float]], backend: str) -> Measure:
    def measure(size: int) -> float:
        with a_core_each():
            return anyio.run(run, size, backend=backend)

    return measure


def _bare(client: Client, in_flight: int, backend: str) -> Measure:
    async def run(size: int) -> float:
        todo = iter(range(size))

        async def work(post: Post) -> None:
            for _ in todo:
                await post()

        async with client(in_flight) as posts:
            begin = perf_counter()
            async with anyio.create_task_group() as tasks:
                for post in posts:
                    tasks.start_soon(work, post)
            return perf_counter() - begin

    return _measure(run, backend)


def _router(in_flight: int, backend: str, path: str = "") -> Measure:
    async def run(size: int) -> float:
        with TemporaryDirectory() as folder:
            storage = open_storage(f"sqlite:///{Path(folder) / 'events.db'}")
            async with storage:
                async with Router(storage, push=False) as publisher:
                    for start in range(0, size, PAGE):
                        await publisher.publish(*[EVENT] * min(PAGE, size - start))
                policy = DeliveryPolicy(concurrency=in_flight)
                subscription = Subscription(id="s", sink=receiver_url() + path, start="earliest", policy=policy)
                begin = perf_counter()
                async with Router(storage, http=HTTP) as router:
                    await router.subscribe(subscription)
                    await router.idle()
                    taken = perf_counter() - begin
                    assert not await router.deadletters()  # noqa: S101 - a benchmark that loses is no benchmark
                return taken

    return _measure(run, backend)


def _on_asyncio(in_flight: int) -> Comparison:
    return Comparison(
        f"{in_flight} in flight",
        Contender("aiohttp, bare loop", _bare(_aiohttp, in_flight, "asyncio")),
        (Contender("Router", _router(in_flight, "asyncio")),),
        size=12_000,
        tiny=100,
    )


def _on_trio(in_flight: int) -> Comparison:
    return Comparison(
        f"{in_flight} in flight, trio",
        Contender("h11, bare loop", _bare(_h11, in_flight, "trio")),
        (
            Contender("httpcore2, bare loop", _bare(_httpcore2, in_flight, "trio")),
            Contender("Router on trio", _router(in_flight, "trio")),
        ),
        size=6_000,
        tiny=100,
    )


_DIFFERING = Comparison(
    "32 in flight, trio, no two answers alike",
    Contender("h11, bare loop", _bare(partial(_h11, path=DIFFERING), 32, "trio")),
    (Contender("Router on trio", _router(32, "trio", DIFFERING)),),
    size=6_000,
    tiny=100,
)
"""Where the client can know no answer again."""

WORKLOAD = Workload(
    "push-http",
    "From the log to an HTTP receiver in another process, one event a request, settled",
    "event",
    (*(on(in_flight) for on in (_on_asyncio, _on_trio) for in_flight in (1, 32, 256)), _DIFFERING),
)
