"""From a filled log to an async function, settled: the router beside a bare loop that does the necessary parts."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import anyio
import msgspec

from benchmarks.harness import Comparison, Contender, Measure, Workload
from benchmarks.workloads.event import RAW
from eventroute.event import Event
from eventroute.push.policy import DeliveryPolicy
from eventroute.router import Router
from eventroute.storage.open import open_storage
from eventroute.subscription import Subscription

PAGE = 1_000
BATCH = 100
FILTERS = ({"exact": {"type": "com.github.star.created"}},)


class Bare(msgspec.Struct):
    """What a bare loop has to know of an event to match and hand it on."""

    type: str
    id: str


_decode = msgspec.json.Decoder(Bare).decode


class BareLog:
    """The least that keeps events durably and remembers how far they were pushed."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.execute("CREATE TABLE log (offset INTEGER PRIMARY KEY, event BLOB NOT NULL)")
        self.db.execute("CREATE TABLE progress (position INTEGER NOT NULL)")
        self.db.execute("INSERT INTO progress VALUES (0)")

    def append(self, events: list[bytes]) -> None:
        self.db.execute("BEGIN IMMEDIATE")
        self.db.executemany("INSERT INTO log (event) VALUES (?)", [(event,) for event in events])
        self.db.execute("COMMIT")

    async def drain(self, sinks: dict[str, Callable[[Bare], Awaitable[None]]]) -> None:
        position = 0
        while page := self.db.execute(
            "SELECT offset, event FROM log WHERE offset > ? ORDER BY offset LIMIT ?", (position, PAGE)
        ).fetchall():
            for _, raw in page:
                event = _decode(raw)
                sink = sinks.get(event.type)
                if sink is not None:
                    await sink(event)
            position = page[-1][0]
            self.db.execute("UPDATE progress SET position = ?", (position,))


def _timed(run: Callable[[Path, int], float]) -> Measure:
    def measure(size: int) -> float:
        with TemporaryDirectory() as folder:
            return run(Path(folder) / "events.db", size)

    return measure


def _bare_drain(path: Path, size: int) -> float:
    log = BareLog(path)
    for _ in range(0, size, PAGE):
        log.append([RAW] * min(PAGE, size))

    async def sink(_event: Bare) -> None:
        """Take it."""

    sinks: dict[str, Callable[[Bare], Awaitable[None]]] = {"com.github.star.created": sink}
    begin = perf_counter()
    anyio.run(log.drain, sinks)
    return perf_counter() - begin


def _bare_publish(path: Path, size: int) -> float:
    log = BareLog(path)

    async def sink(_event: Bare) -> None:
        """Take it."""

    sinks: dict[str, Callable[[Bare], Awaitable[None]]] = {"com.github.star.created": sink}
    begin = perf_counter()
    for _ in range(0, size, BATCH):
        log.append([RAW] * min(BATCH, size))
    anyio.run(log.drain, sinks)
    return perf_counter() - begin


def _router(backend: str, *, filled: bool) -> Callable[[Path, int], float]:
    event = Event.from_json(RAW)

    async def run(path: Path, size: int) -> float:
        storage = open_storage(f"sqlite:///{path}")
        taken = 0

        async def sink(_event: Event) -> None:
            nonlocal taken
            taken += 1

        async with storage:
            subscription = Subscription(
                id="s", sink=sink, filters=FILTERS, start="earliest", policy=DeliveryPolicy(concurrency=16)
            )
            if filled:
                async with Router(storage, push=False) as publisher:
                    for _ in range(0, size, PAGE):
                        await publisher.publish(*[event] * min(PAGE, size))
            begin = perf_counter()
            async with Router(storage) as router:
                await router.subscribe(subscription)
                if not filled:
                    for _ in range(0, size, BATCH):
                        await router.publish(*[event] * min(BATCH, size))
                await router.idle()
            end = perf_counter()
        assert taken == size, f"{taken} of {size} were delivered"  # noqa: S101 - a benchmark that loses is no benchmark
        return end - begin

    return lambda path, size: anyio.run(run, path, size, backend=backend)


def _contenders(*, filled: bool) -> tuple[Contender, ...]:
    return tuple(
        Contender(f"Router on {backend}", _timed(_router(backend, filled=filled))) for backend in ("asyncio", "trio")
    )


WORKLOAD = Workload(
    "push-inprocess",
    "From the log to an async function, settled, on SQLite (synchronous=FULL)",
    "event",
    (
        Comparison(
            "drain a filled log",
            Contender("bare loop", _timed(_bare_drain)),
            _contenders(filled=True),
            size=20_000,
            tiny=200,
        ),
        Comparison(
            f"publish by {BATCH} and drain",
            Contender("bare loop", _timed(_bare_publish)),
            _contenders(filled=False),
            size=20_000,
            tiny=200,
        ),
    ),
)
