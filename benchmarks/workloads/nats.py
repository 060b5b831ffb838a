"""Durable appends to NATS JetStream and work on what was appended, beside the bare client with the same batch."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from time import perf_counter

import nats
from nats.js import JetStreamContext

from benchmarks.harness import Contender, Measure, Unavailable, Workload
from benchmarks.nats import ADDRESS, Place, place
from benchmarks.storages import EVENT, TASKS, WARM_UP, Ours, by_size, together
from eventroute.storage.base import Storage


@contextmanager
def server() -> Iterator[Place]:
    address = os.environ.get(ADDRESS)
    if not address:
        raise Unavailable(f"needs a server: {ADDRESS}=nats://host:4222")
    with place(address) as made:
        yield made


@asynccontextmanager
async def bare() -> AsyncIterator[tuple[JetStreamContext, str]]:
    """The least that does it: a stream in files, and a durable consumer."""
    address = os.environ.get(ADDRESS)
    if not address:
        raise Unavailable(f"needs a server: {ADDRESS}=nats://host:4222")
    client = await nats.connect(address)
    name = f"bare-{secrets.token_hex(4)}"
    stream = client.jetstream(timeout=30)
    await stream.add_stream(name=name, subjects=[name])
    try:
        yield stream, name
    finally:
        await stream.delete_stream(name)
        await client.close()


async def fill(stream: JetStreamContext, name: str, events: int, batch: int) -> None:
    """Each batch is one message, which makes it all or nothing."""
    for _ in range(0, events, batch):
        await stream.publish(name, b"\n".join([EVENT] * batch))


def _bare_append(batch: int) -> Measure:
    async def measure(events: int) -> float:
        async with bare() as (stream, name):
            await fill(stream, name, WARM_UP * batch, batch)
            begin = perf_counter()
            await fill(stream, name, events, batch)
            return perf_counter() - begin

    return lambda events: asyncio.run(measure(events))


async def _bare_together(events: int) -> float:
    async with bare() as (stream, name):
        begin = perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(TASKS):
                tasks.create_task(fill(stream, name, max(1, events // TASKS), 1))
        return perf_counter() - begin


def _bare_drain(batch: int) -> Measure:
    """Pull a message with a batch, and acknowledge it so that the server has written that down."""

    async def measure(events: int) -> float:
        async with bare() as (stream, name):
            await fill(stream, name, WARM_UP * batch + events, batch)
            consumer = await stream.pull_subscribe(name, durable="worker")
            begin = 0.0
            for number in range(-WARM_UP, events // batch):
                begin = perf_counter() if number == 0 else begin
                (message,) = await consumer.fetch(1)
                assert len(message.data.split(b"\n")) == batch  # noqa: S101 - else it measured something else
                await message.ack_sync()
            return perf_counter() - begin

    return lambda events: asyncio.run(measure(events))


@asynccontextmanager
async def opened() -> AsyncIterator[Storage]:
    with server() as made:
        async with made.storage() as storage:
            yield storage


OURS = Ours(opened)
_SIZES = {1: 300, 10: 3_000, 100: 20_000, 1_000: 40_000}

WORKLOAD = Workload(
    name="nats",
    doc="durable appends to NATS JetStream, and work on them, 500-byte events",
    unit="event",
    comparisons=(
        *by_size("append by ", _SIZES, lambda batch: (Contender("nats-py", _bare_append(batch)), *OURS.append(batch))),
        together(
            Contender("nats-py", lambda events: asyncio.run(_bare_together(events))),
            OURS.append_together(),
            case=f"append, {TASKS} tasks",
            size=10 * TASKS,
        ),
        *by_size(
            "drain by ",
            {batch: size for batch, size in _SIZES.items() if batch > 1},
            lambda batch: (Contender("nats-py", _bare_drain(batch)), *OURS.drain(batch)),
        ),
    ),
)
