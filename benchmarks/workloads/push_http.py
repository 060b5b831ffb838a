"""From a filled log to an HTTP receiver, one event a request, settled: the router beside its client's own bare loop."""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import aiohttp
import anyio

from benchmarks.harness import Comparison, Contender, Measure, Workload
from benchmarks.receiver import receiver_url
from benchmarks.workloads.event import RAW
from eventroute.binding import encode_binary
from eventroute.event import Event
from eventroute.push.addresses import AddressPolicy
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.sinks.client import HttpSettings
from eventroute.router import Router
from eventroute.storage.open import open_storage
from eventroute.subscription import Subscription

EVENT = Event.from_json(RAW)
HTTP = HttpSettings(addresses=AddressPolicy(networks=["127.0.0.1/32"]))
PAGE = 1_000


def _bare(in_flight: int) -> Measure:
    async def run(size: int) -> float:
        url = receiver_url()
        headers, body = encode_binary(EVENT)
        todo = iter(range(size))
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
        ) as session:

            async def work() -> None:
                for _ in todo:
                    async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                        await answer.content.read(65_536)

            begin = perf_counter()
            async with anyio.create_task_group() as tasks:
                for _ in repeat(None, in_flight):
                    tasks.start_soon(work)
            return perf_counter() - begin

    return lambda size: anyio.run(run, size)


def _router(in_flight: int) -> Measure:
    async def run(size: int) -> float:
        with TemporaryDirectory() as folder:
            storage = open_storage(f"sqlite:///{Path(folder) / 'events.db'}")
            async with storage:
                async with Router(storage, push=False) as publisher:
                    for start in range(0, size, PAGE):
                        await publisher.publish(*[EVENT] * min(PAGE, size - start))
                subscription = Subscription(
                    id="s", sink=receiver_url(), start="earliest", policy=DeliveryPolicy(concurrency=in_flight)
                )
                begin = perf_counter()
                async with Router(storage, http=HTTP) as router:
                    await router.subscribe(subscription)
                    await router.idle()
                    taken = perf_counter() - begin
                    assert not await router.deadletters()  # noqa: S101 - a benchmark that loses is no benchmark
                return taken

    return lambda size: anyio.run(run, size)


def _comparison(in_flight: int, contenders: Callable[[int], Measure]) -> Comparison:
    return Comparison(
        f"{in_flight} in flight",
        Contender("aiohttp, bare loop", _bare(in_flight)),
        (Contender("Router", contenders(in_flight)),),
        size=12_000,
        tiny=100,
    )


WORKLOAD = Workload(
    "push-http",
    "From the log to an HTTP receiver in another process, one event a request, settled",
    "event",
    tuple(_comparison(in_flight, _router) for in_flight in (1, 32, 256)),
)
