"""What it takes that a sink is down while 10 million events come: `python -m benchmarks.outage` (takes 6 GB of disk and
minutes; another number of events may be given).

A router publishes them to a dead sink and to one that lives, on SQLite, and tells the memory of its process on the
way. Then the sink is back, and gets what it has missed; beside that stands another subscription that reads the same log
from its beginning, and was never down.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from time import perf_counter

import anyio
from attrs import define

from benchmarks.scratch import scratch
from benchmarks.workloads.event import RAW
from eventroute.errors import Retry
from eventroute.event import Event
from eventroute.router import Router
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.subscription import Subscription

EVENTS = 10_000_000
BATCH = 1_000
AHEAD = 50_000
"""How many events may be published that the live sink has yet to get: it is the dead one that is to have a backlog."""


@define
class Counting:
    """A sink that counts, once it is up."""

    up: bool = True
    taken: int = 0
    wanted: int = 0
    enough: anyio.Event | None = None

    async def __call__(self, _event: Event) -> None:
        if not self.up:
            raise Retry("down")
        self.taken += 1
        if self.enough is not None and self.taken >= self.wanted:
            self.enough.set()

    async def wait_for(self, count: int) -> None:
        """Until it has so many."""
        self.wanted = count
        self.enough = anyio.Event()
        if self.taken < count:
            await self.enough.wait()


def memory() -> float:
    """Of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def milestones(events: int) -> Iterator[int]:
    """After how many events the memory is told: each tenfold one, from a hundred thousand on."""
    step = 100_000
    while step < events:
        yield step
        step *= 10
    yield events


async def outage(path: Path, events: int, tell: Callable[[str], None] = print) -> None:
    """Run it, and tell what is seen."""
    event, live, dead, new = Event.from_json(RAW), Counting(), Counting(up=False), Counting()
    async with Router(SQLiteStorage(path)) as router:
        await router.subscribe(Subscription(id="live", sink=live))
        await router.subscribe(Subscription(id="dead", sink=dead))
        published = 0
        for milestone in milestones(events):
            while published < milestone:
                await router.publish(*[event] * min(BATCH, milestone - published))
                published += min(BATCH, milestone - published)
                await live.wait_for(published - AHEAD)
            await live.wait_for(published)
            (stats,) = await (await router.standing()).stats(["dead"])
            tell(f"{published:12,} events: {memory():6.1f} MB, {stats.waiting:,} wait, {stats.behind:,} in the log")

        dead.up = True
        await router.subscribe(Subscription(id="dead", sink=dead))
        tell(f"back: {await _rate(dead, events):,.0f} events a second, {memory():.1f} MB")
        await router.subscribe(Subscription(id="new", sink=new, start="earliest"))
        tell(f"one that was never down: {await _rate(new, events):,.0f} events a second")
        await router.idle()
        if not live.taken == dead.taken == new.taken == events:
            raise RuntimeError(f"{events} were published, and {live.taken}, {dead.taken}, {new.taken} delivered")


async def _rate(sink: Counting, events: int) -> float:
    """How many it gets a second, from its first one on: when a sink is back is found out by a probe."""
    await sink.wait_for(1)
    begin, had = perf_counter(), sink.taken
    await sink.wait_for(events)
    return (events - had) / (perf_counter() - begin)


def main(arguments: list[str]) -> int:
    """Run it with so many events."""
    work: Callable[[Path, int], Awaitable[None]] = outage
    anyio.run(work, scratch("outage") / "events.db", int(arguments[0]) if arguments else EVENTS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
