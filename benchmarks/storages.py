"""What a storage does where it is measured, whatever its engine: appends, and work on what was appended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from itertools import count
from time import perf_counter

import anyio
from attrs import frozen

from benchmarks.harness import Comparison, Contender
from eventroute.storage.base import DEFAULT_BUS, LIVE, Complete, Storage

__all__ = ["EVENT", "TASKS", "WARM_UP", "Ours", "by_size", "together"]

EVENT = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":"' + b"x" * 435 + b'"}'
TASKS = 1_000
WARM_UP = 10
"""So many batches come first, and are not counted."""

_BACKENDS: Mapping[str, str] = {"asyncio": "eventroute", "trio": "eventroute, trio"}
"""What a contender is called, by the event loop that it runs on."""

_names = count()


async def publish(storage: Storage, batches: int, batch: int) -> None:
    """What a router does: each append acknowledges the one before."""
    name, before = next(_names), list[str]()
    for number in range(batches):
        append_id = f"{name}-{number}"
        await storage.append(DEFAULT_BUS, [EVENT] * batch, append_id=append_id, acknowledged=before)
        before = [append_id]


@frozen
class Ours:
    """eventroute as a contender, on storages that are made for each measurement."""

    opened: Callable[[], AbstractAsyncContextManager[Storage]]
    """An empty storage. May raise Unavailable."""

    def append(
        self, batch: int, *, backends: tuple[str, ...] = ("asyncio",), warm_up: int = WARM_UP
    ) -> tuple[Contender, ...]:
        """One task appends batch after batch."""
        return _contenders(partial(self._append, batch, warm_up), backends)

    def append_together(self) -> tuple[Contender, ...]:
        """`TASKS` tasks append event after event."""
        return _contenders(self._append_together, tuple(_BACKENDS))

    def drain(
        self, batch: int, *, filled_by: int | None = None, backends: tuple[str, ...] = ("asyncio",)
    ) -> tuple[Contender, ...]:
        """One worker claims batch after batch, reads each, and writes down that it is done. `filled_by`: the size of
        the batches in which the events were appended before, where it is another.
        """
        return _contenders(partial(self._drain, batch, filled_by or batch), backends)

    async def _append(self, batch: int, warm_up: int, events: int) -> float:
        async with self.opened() as storage:
            await publish(storage, warm_up, batch)
            begin = perf_counter()
            await publish(storage, events // batch, batch)
            return perf_counter() - begin

    async def _append_together(self, events: int) -> float:
        async with self.opened() as storage:
            begin = perf_counter()
            async with anyio.create_task_group() as tasks:
                for _ in range(TASKS):
                    tasks.start_soon(publish, storage, max(1, events // TASKS), 1)
            return perf_counter() - begin

    async def _drain(self, batch: int, filled_by: int, events: int) -> float:
        async with self.opened() as storage:
            await publish(storage, -(-(WARM_UP * batch + events) // filled_by), filled_by)
            session = await storage.open_session(60)
            begin = 0.0
            for number in range(-WARM_UP, events // batch):
                begin = perf_counter() if number == 0 else begin
                claim = await storage.claim(DEFAULT_BUS, LIVE, session, limit=batch)
                assert claim is not None  # noqa: S101 - else it measured something else
                records = await storage.read(DEFAULT_BUS, claim.start, claim.end, limit=batch, max_bytes=1 << 30)
                assert len(records) == batch  # noqa: S101 - the same
                await storage.write(DEFAULT_BUS, session, [Complete(claim)])
            return perf_counter() - begin


def _contenders(work: Callable[[int], Awaitable[float]], backends: tuple[str, ...]) -> tuple[Contender, ...]:
    return tuple(Contender(_BACKENDS[backend], partial(_run, work, backend)) for backend in backends)


def _run(work: Callable[[int], Awaitable[float]], backend: str, events: int) -> float:
    return anyio.run(work, events, backend=backend)


def by_size(
    case: str, sizes: Mapping[int, int], contenders: Callable[[int], tuple[Contender, ...]]
) -> tuple[Comparison, ...]:
    """A comparison for each size of the batch, with how many events are measured; the first contender is the floor."""
    return tuple(_comparison(f"{case}{batch}", batch, size, contenders(batch)) for batch, size in sizes.items())


def _comparison(case: str, batch: int, size: int, contenders: tuple[Contender, ...]) -> Comparison:
    floor, *subjects = contenders
    return Comparison(case=case, floor=floor, subjects=tuple(subjects), size=size, tiny=2 * batch)


def together(floor: Contender, subjects: tuple[Contender, ...], *, case: str, size: int) -> Comparison:
    """The comparison for many tasks at once."""
    return Comparison(case=case, floor=floor, subjects=subjects, size=size, tiny=TASKS)
