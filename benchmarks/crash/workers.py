"""Workers are killed under load, one after another, and their server is restarted: nothing is lost, order is kept."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Literal, Protocol

import anyio
import anyio.to_thread
from attrs import Factory, define, frozen

from benchmarks import nats_server, server
from benchmarks.workers import Forks, Received, Settings, lost_leases, received
from eventroute.errors import StorageError
from eventroute.event import Event
from eventroute.router import Router
from eventroute.storage.open import open_storage

SUBSCRIPTIONS: Mapping[str, str | None] = {"ordered": "subject", "free": None}
STORAGES = ("sqlite", "postgresql", "nats")
WORKERS = 6
KEYS = 50
BATCH = 10
EVERY = 0.05
"""So often a batch is published, in seconds."""

LEASE = 5.0
ATTEMPT = 0.01
"""How long an attempt takes, in seconds."""

PROGRESS = 0.1
"""How often a worker writes down how far it is, at the latest, in seconds ..."""

MOST = 1_000
"""... or after how many events."""

PATIENCE = 60.0
"""After so many seconds without anything new, what has not come is lost."""


class Restartable(Protocol):
    """A server of our own."""

    def start(self) -> None:
        """Start it, and wait until it takes connections."""

    def stop(self, mode: Literal["fast", "immediate"]) -> None:
        """Stop it; `immediate` is a crash."""


@frozen
class Sent:
    """What was published."""

    key: str
    place: int
    """Among those of its key."""
    accepted: bool
    """False: the answer was an error, and nobody knows."""


@define
class Told:
    """What happened."""

    sent: dict[str, Sent] = Factory(dict)
    killed: dict[str, float] = Factory(dict)
    """By worker, when it was gone."""
    outages: list[tuple[float, float]] = Factory(list)
    """From when to when the server was away."""
    lost: dict[str, list[float]] = Factory(dict)
    """By worker, when it learned that its lease was lost."""


@frozen
class Judged:
    """What the receivers' books say."""

    faults: list[str]
    deliveries: int
    duplicates: int
    late: float
    """The longest that a worker had to write down what was sent twice, in seconds, and was not able to."""
    most: int
    """The most duplicates that one kill made, of one subscription."""

    def __str__(self) -> str:
        return (
            f"{self.deliveries} deliveries, {self.duplicates} of them duplicates, at most {self.most} a kill and "
            f"subscription, sent at most {self.late * 1000:.0f} ms before it; {len(self.faults)} faults"
        )


def judge(told: Told, books: Iterable[Received], *, slack: float) -> Judged:
    """Hold what was got against what was sent. A duplicate is no fault where the worker that had it before was killed
    within `PROGRESS`, an attempt and the `slack` of a machine that has much to do, or lost its server or its lease.
    """
    by: dict[str, list[Received]] = {name: [] for name in SUBSCRIPTIONS}
    for one in books:
        by[one.subscription].append(one)
    faults: list[str] = []
    again: list[str] = []
    late, repeats = [0.0], Counter[tuple[str, str]]()
    for subscription, got in by.items():
        faults += _missing(told, subscription, got)
        before: dict[str, Received] = {}
        for one in got:
            earlier = before.get(one.id)
            before[one.id] = one
            if earlier is None or _excused(told, earlier, one):
                continue
            killed = told.killed.get(earlier.worker.partition(".")[0])
            repeats[subscription, earlier.worker] += 1
            if killed is None or killed > one.time:
                again.append(f"{subscription}: {one.id} came twice, and {earlier.worker}, which had it, was alive")
                continue
            late.append(killed - earlier.time)
            if late[-1] > PROGRESS + ATTEMPT + slack:
                again.append(f"{subscription}: {one.id} came twice, and was sent {late[-1]:.3f} s before the kill")
    faults += _out_of_order(told, by["ordered"])
    again += [f"{who}: {count} duplicates of one kill" for who, count in repeats.items() if count > MOST]
    deliveries = sum(map(len, by.values()))
    distinct = sum(len({one.id for one in got}) for got in by.values())
    return Judged([*faults, *again], deliveries, deliveries - distinct, max(late), max(repeats.values(), default=0))


def _missing(told: Told, subscription: str, got: Sequence[Received]) -> list[str]:
    ids = {one.id for one in got}
    lost = [id_ for id_, sent in told.sent.items() if sent.accepted and id_ not in ids]
    invented = [one.id for one in got if one.id not in told.sent or told.sent[one.id].key != one.key]
    wrong = [f"{id_} is lost" for id_ in lost] + [f"{id_} is invented" for id_ in invented]
    return [f"{subscription}: {what}" for what in wrong]


def _excused(told: Told, earlier: Received, later: Received) -> bool:
    """Whether the server was away while the earlier attempt's outcome was to be written, or the worker's lease to be
    extended; or that lease was lost, since the machine had too much to do.
    """
    lost = told.lost.get(earlier.worker.partition(".")[0], ())
    return any(begin - LEASE <= later.time and earlier.time <= end + LEASE for begin, end in told.outages) or any(
        earlier.time <= time <= earlier.time + 2 * LEASE for time in lost
    )


def _out_of_order(told: Told, got: Sequence[Received]) -> list[str]:
    """The first deliveries of a key come in the order in which its events were published."""
    furthest: dict[str, int] = {}
    seen: set[str] = set()
    faults = []
    for one in got:
        if one.id in seen or one.id not in told.sent:
            continue
        seen.add(one.id)
        place = told.sent[one.id].place
        if place < furthest.get(one.key, -1):
            faults.append(f"of {one.key}, {one.id} came after a later one")
        furthest[one.key] = max(place, furthest.get(one.key, -1))
    return faults


class Run:
    """Publishes, kills and restarts until the time is over."""

    def __init__(self, url: str, folder: Path, seed: int, server: Restartable | None) -> None:
        self.told = Told()
        self.file = folder / "received"
        self._url = url
        self._lot = random.Random(seed)
        self._server = server
        self._forks = Forks()
        self._alive: dict[str, int] = {}
        self._over = False
        self._places = Counter[str]()

    def _start(self) -> None:
        name = f"w{len(self.told.killed) + len(self._alive)}"
        settings = Settings(
            self._url,
            str(self.file),
            seconds=ATTEMPT,
            concurrency=4,
            subscriptions=dict(SUBSCRIPTIONS),
            lease=LEASE,
            name=name,
        )
        self._alive[name] = self._forks.start(settings)

    def _kill(self, name: str) -> None:
        self.told.killed[name] = self._forks.kill(self._alive.pop(name))

    async def run(self, seconds: float, every: float, restarts: int) -> None:
        """Do it all, and wait until everything has come."""
        try:
            async with Router(open_storage(self._url), push=False) as router:
                for _ in range(WORKERS):
                    self._start()
                await self._wait_for_subscriptions(router)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._publish, router)
                    for number in range(restarts):
                        tasks.start_soon(self._restart, seconds * (number + 1) / (restarts + 1), number)
                    begin = monotonic()
                    while monotonic() < begin + seconds:
                        await anyio.sleep(every)
                        self._kill(self._lot.choice(sorted(self._alive)))
                        self._start()
                    self._over = True
            await self._settle()
        finally:
            for name in list(self._alive):
                self._kill(name)
            self._forks.close()

    async def _wait_for_subscriptions(self, router: Router) -> None:
        with anyio.fail_after(PATIENCE):
            while len(await router.subscriptions()) < len(SUBSCRIPTIONS):  # noqa: ASYNC110 - made by other processes
                await anyio.sleep(0.05)

    async def _publish(self, router: Router) -> None:
        number = 0
        while not self._over:
            events = []
            for _ in range(BATCH):
                key = f"k{self._lot.randrange(KEYS)}"
                events.append(Event.create(type="t", source="/crash", id=str(number), subject=key))
                number += 1
            accepted = True
            try:
                await router.publish(*events)
            except StorageError:
                accepted = False
            for event in events:
                key = event.subject or ""
                self.told.sent[event.id] = Sent(key, self._places[key], accepted)
                self._places[key] += 1
            await anyio.sleep(EVERY)

    async def _restart(self, after: float, number: int) -> None:
        if self._server is None:
            return
        await anyio.sleep(after)
        begin = monotonic()
        await anyio.to_thread.run_sync(self._server.stop, "fast" if number % 2 else "immediate")
        await anyio.to_thread.run_sync(self._server.start)
        self.told.outages.append((begin, monotonic()))

    async def _settle(self) -> None:
        """Until all that was accepted has come to each, or nothing new comes any more."""
        wanted = {id_ for id_, sent in self.told.sent.items() if sent.accepted}
        until, there = monotonic() + PATIENCE, 0
        while monotonic() < until:
            got: dict[str, set[str]] = {name: set() for name in SUBSCRIPTIONS}
            for one in received(self.file):
                got[one.subscription].add(one.id)
            if all(wanted <= ids for ids in got.values()):
                return
            if sum(map(len, got.values())) > there:
                until, there = monotonic() + PATIENCE, sum(map(len, got.values()))
            await anyio.sleep(0.5)


@contextmanager
def place(storage: str) -> Iterator[tuple[str, Path, Restartable | None]]:
    """A new storage: its address, a folder, and the server where it has one. Raises Unavailable."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if storage == "sqlite":
            yield f"sqlite:///{folder / 'events.db'}", folder, None
            return
        folder.chmod(0o755)
        (folder / "server").mkdir()
        private = nats_server.private_server if storage == "nats" else server.private_server
        with private(folder / "server") as own:
            yield own.url, folder, own


def kill_workers(
    storage: str, *, seconds: float, every: float = 1.0, restarts: int = 0, seed: int = 1, slack: float = 1.0
) -> tuple[Told, Judged]:
    """Kill a worker `every` so many seconds, restart the server so many times, and judge. Raises Unavailable."""
    with place(storage) as (url, folder, own):
        run = Run(url, folder, seed, own)
        anyio.run(partial(run.run, seconds, every, restarts))
        run.told.lost = lost_leases(run.file)
        return run.told, judge(run.told, received(run.file), slack=slack)
