"""The operator's page over a storage with 10,000 subscriptions and a million events: how long each page takes.

The floor is the same page over 10 subscriptions and 1,000 events. A page is asked for over ASGI, and never finds what
another one has read: between two the clock goes on by more than pages share what they read. Other sizes are set by
EVENTROUTE_PAGE_SUBSCRIPTIONS and EVENTROUTE_PAGE_EVENTS.

Beside the time that somebody waits, the median and the 99th percentile of 100 requests, stands that of the processors,
which does not grow where others work on the machine too.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from functools import cache, partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from urllib.parse import quote

import anyio
from attrs import frozen
from starlette.types import ASGIApp, Message

from benchmarks import rules
from benchmarks.harness import Comparison, Contender, Workload
from benchmarks.scratch import scratch
from benchmarks.workloads.match_load import define, document
from eventroute.clock import SystemClock
from eventroute.router import Router
from eventroute.storage.base import DEFAULT_BUS, Bury, Complete, DeadLetter, Entry, Trip, Wait, Waiting
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.storage.values import BreakerState
from eventroute.web.operator.app import operator_app

GOAL = 0.200
"""Seconds in which a page is to answer."""


@frozen
class Taken:
    """What one request took, in seconds."""

    waited: float
    processor: float
    """Of all processors."""


class _Watch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._waited, self._processor = perf_counter(), process_time()

    def taken(self) -> Taken:
        return Taken(perf_counter() - self._waited, process_time() - self._processor)


@frozen
class Size:
    """How much a storage holds."""

    subscriptions: int
    events: int


FEW = Size(10, 1_000)
TINY = Size(40, 2_000)
MANY = Size(
    int(os.environ.get("EVENTROUTE_PAGE_SUBSCRIPTIONS", "10000")),
    int(os.environ.get("EVENTROUTE_PAGE_EVENTS", "1000000")),
)
REQUESTS = 100
"""In one measurement; as many as a 99th percentile needs at the least."""

BATCH = 1_000
ROWS = 100
"""How many deliveries wait of each subscription of which any do, and how many dead letters each has that has any."""

ONE_IN = 50
"""So many subscriptions have one of which something waits and with dead letters; half as many are paused, and as many
have a sink that is down."""


class _Clock(SystemClock):
    """Goes on by itself, and by ten seconds whenever it is told to."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def time(self) -> float:
        """The system's, and what it is ahead."""
        return super().time() + self.ahead


@cache
def storage_file(size: Size) -> Path:
    """A storage of that size; made once a process."""
    path = scratch("operator-page") / f"{size.subscriptions}-{size.events}.db"
    anyio.run(fill, path, size)
    return path


async def fill(path: Path, size: Size) -> None:
    """Subscriptions with filters of ten shapes, events that each match two of them, and some of all that goes wrong."""
    async with SQLiteStorage(path, synchronous="NORMAL") as storage:
        definitions = define([document(number) for number in range(size.subscriptions)])
        for begin in range(0, size.subscriptions, BATCH):
            async with anyio.create_task_group() as tasks:  # they share commits
                for number in range(begin, min(begin + BATCH, size.subscriptions)):
                    put = partial(storage.put_subscription, start="latest")
                    tasks.start_soon(put, DEFAULT_BUS, _name(number), definitions[number])
        for begin in range(0, size.events, BATCH):
            batch = [rules.event(number, fresh=False).to_json() for number in range(begin, begin + BATCH)]
            await storage.append(DEFAULT_BUS, batch, append_id=f"{begin}", acknowledged=[f"{begin - BATCH}"])
        session = await storage.open_session(3_600.0)
        while (claim := await storage.claim(DEFAULT_BUS, "live", session, limit=size.events)) is not None:
            await storage.write(DEFAULT_BUS, session, [Complete(claim)])
        for number in range(0, size.subscriptions, ONE_IN):
            await storage.write(DEFAULT_BUS, session, _trouble(_name(number), size.events))
            if number % (2 * ONE_IN) == 0:
                await storage.pause_subscription(_name(number + 1), "moving house")
        await storage.close_session(session)


def _name(number: int) -> str:
    return f"subscription-{number}"


def _trouble(name: str, events: int) -> list[Entry]:
    now = time.time()
    raw = rules.event(events, fresh=False).to_json()
    error = "the answer was 400 Bad Request"
    return [
        *(Wait(Waiting(name, events - place, now + 60, 2, now, "http-503"), held=False) for place in range(ROWS)),
        *(Bury(DeadLetter(name, events - ROWS - place, now, "http-400", error, 1, raw)) for place in range(ROWS)),
        Trip(BreakerState(name, 1, opened=now, trips=1, probe=now + 60)),
    ]


async def _get(app: ASGIApp, path: str) -> Taken:
    """What it took until the whole page had been sent."""
    path, _, query = path.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": quote(path).encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 80),
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    watch = _Watch()
    await app(scope, receive, send)
    taken = watch.taken()
    if sent[0]["status"] != 200:
        raise RuntimeError(f"{path} answered {sent[0]['status']}")
    return taken


Act = Callable[[Router, ASGIApp, Size, int], Awaitable[Taken]]
"""One request, of a number."""


def _page(path: str) -> Act:
    """A page; `{}` in its path stands for an offset, each time another one."""

    async def act(_router: Router, app: ASGIApp, size: Size, number: int) -> Taken:
        return await _get(app, path.format(1 + (number * 7_919) % (size.events - 1)))

    return act


async def _trace(router: Router, _app: ASGIApp, size: Size, number: int) -> Taken:
    """As a program asks: how it stands with each subscription, and why with those that it is for."""
    watch = _Watch()
    (event,) = (await router.trace(offset=1 + (number * 7_919) % (size.events - 1))).events
    told = [event.deliveries.of(name) for name in event.deliveries.ids()]
    taken = watch.taken()
    if len(event.deliveries) != size.subscriptions or any(one.explanation is None for one in told):
        raise RuntimeError("a trace that does not tell of each subscription")
    return taken


async def _after_a_change(router: Router, app: ASGIApp, size: Size, number: int) -> Taken:
    """A subscription has just been changed: what is told has to show it."""
    name = _name(number % size.subscriptions)
    await router.pause(name, f"for the {number}th time")
    return await _get(app, f"/default/events/{1 + number % (size.events - 1)}?q={name}")


ACTS: Mapping[str, Act] = {
    "buses": _page("/"),
    "subscriptions": _page("/default/"),
    "subscriptions by lag": _page("/default/?sort=behind&q=9"),
    "one subscription": _page("/default/subscriptions/subscription-0"),
    "events": _page("/default/events"),
    "events, an id that is not there": _page("/default/events?id=nobody"),
    "one event": _page("/default/events/{}"),
    "one event, who does not match": _page("/default/events/{}?state=not-matched"),
    "one event, after a change": _after_a_change,
    "dead letters": _page("/default/deadletters"),
    "router.trace": _trace,
}


async def _asked(act: Act, size: Size, requests: int) -> list[Taken]:
    clock = _Clock()
    async with Router(SQLiteStorage(storage_file(size)), push=False, clock=clock) as router:
        app = operator_app(router, clock=clock)
        await act(router, app, size, 0)  # reads all subscriptions once
        taken = []
        for number in range(1, requests + 1):
            clock.ahead += 10.0
            taken.append(await act(router, app, size, number))
        return taken


Told = Callable[[list[Taken]], float]
TOLD: Mapping[str, Told] = {
    "median": lambda taken: statistics.median(one.waited for one in taken),
    "p99": lambda taken: sorted(one.waited for one in taken)[math.ceil(0.99 * len(taken)) - 1],
    "processors": lambda taken: statistics.median(one.processor for one in taken),
}
"""What is told of the same requests."""


class _Rounds:
    """The requests of each round, which are made for what is told first, and kept for the rest."""

    def __init__(self, act: Act, size: Size | None) -> None:
        self._act = act
        self._size = size
        self._kept: defaultdict[tuple[str, int], deque[list[Taken]]] = defaultdict(deque)

    def measure(self, told: str, requests: int) -> float:
        """What is told of one request, times their number: so it shows as that of one."""
        kept = self._kept[told, requests]
        if not kept:
            size = self._size or (MANY if requests == REQUESTS else TINY)
            storage_file(size)
            taken = anyio.run(_asked, self._act, size, requests)
            for one in TOLD:
                self._kept[one, requests].append(taken)
        return TOLD[told](kept.popleft()) * requests


def _comparisons(name: str, act: Act) -> list[Comparison]:
    few, many = _Rounds(act, FEW), _Rounds(act, None)
    return [
        Comparison(
            f"{name}, {told}",
            Contender(f"{FEW.subscriptions} subscriptions", partial(few.measure, told)),
            (Contender(f"{MANY.subscriptions:,} subscriptions", partial(many.measure, told)),),
            size=REQUESTS,
            tiny=2,
            goal=GOAL,
        )
        for told in TOLD
    ]


WORKLOAD = Workload(
    name="operator-page",
    doc=f"the operator's page over {MANY.subscriptions:,} subscriptions and {MANY.events:,} events (fills 700 MB)",
    unit="page",
    comparisons=tuple(comparison for name, act in ACTS.items() for comparison in _comparisons(name, act)),
)
