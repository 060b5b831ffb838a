"""Events that an application publishes in a transaction of its own."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from benchmarks.postgres import Place
from eventroute.errors import InvalidEvent, StorageError, UnknownBus
from eventroute.event import Event
from eventroute.router import Router
from eventroute.storage.base import DEFAULT_BUS, BusSettings, Storage
from eventroute.storage.postgres.storage import PostgresStorage
from eventroute.subscription import Subscription
from eventroute.testing.storage.log import put, read_all

BUS = DEFAULT_BUS
pytestmark = pytest.mark.anyio


def event(number: object, **more: Any) -> Event:
    return Event.create(type="t", source="/s", id=str(number), **more)


async def move(storage: Storage, bus: str = BUS) -> list[str]:
    """Do what a router that pushes does, and say which events are in the log."""
    while await storage.next_timer(bus) == 0.0:
        assert (await storage.fire_timers(bus, now=1.0, limit=2)).count > 0
    return [Event.from_json(record.event).id for record in await read_all(storage, bus)]


async def test_events_exist_if_the_transaction_commits(postgres: Place) -> None:
    async with postgres.storage(durable=False) as storage:
        with psycopg.connect(postgres.address) as connection:
            storage.publish_in(connection, event(1), event(2), event(3))
            assert await move(storage) == []
            connection.commit()
            storage.publish_in(connection, event(4))
            connection.rollback()
            with connection.transaction():
                storage.publish_in(connection, event(5))
                with connection.transaction(force_rollback=True):
                    storage.publish_in(connection, event(6))
                storage.publish_in(connection, event(7))
        assert await storage.next_timer(BUS) == 0.0
        assert await move(storage) == ["1", "2", "3", "5", "7"]
        assert await storage.next_timer(BUS) is None
        assert await move(storage) == ["1", "2", "3", "5", "7"]


async def test_they_come_in_the_order_of_commits(postgres: Place, shell: psycopg.Connection) -> None:
    async with postgres.storage(durable=False) as storage:
        with (
            psycopg.connect(postgres.address) as first,
            psycopg.connect(postgres.address) as second,
            psycopg.connect(postgres.address) as never,
        ):
            storage.publish_in(never, event("never"))
            storage.publish_in(first, event("a"), event("b"))
            storage.publish_in(second, event("c"))
            second.commit()
            storage.publish_in(first, event("d"))
            first.commit()
            storage.publish_in(second, event("e"))
            second.commit()
            assert await move(storage) == ["c", "a", "b", "d", "e"]
        assert await move(storage) == ["c", "a", "b", "d", "e", "never"]
        assert shell.execute("SELECT count(*) FROM committed").fetchall() == [(0,)]


async def test_an_asynchronous_connection_is_awaited(postgres: Place, anyio_backend: str) -> None:
    if anyio_backend == "trio":
        pytest.skip("psycopg's asynchronous connections need asyncio")
    async with postgres.storage(durable=False) as storage:
        async with await psycopg.AsyncConnection.connect(postgres.address, row_factory=dict_row) as connection:
            await storage.publish_in(connection, event(1))
            with pytest.raises(UnknownBus):
                await storage.publish_in(connection, event(1), bus="no")
        assert await move(storage) == ["1"]


async def test_what_cannot_be_published_is_refused(postgres: Place) -> None:
    async with postgres.storage(durable=False) as storage:
        with psycopg.connect(postgres.address, row_factory=dict_row) as connection:
            with pytest.raises(UnknownBus):
                storage.publish_in(connection, event(1), bus="no")
            with pytest.raises(InvalidEvent, match="the bound is"):
                storage.publish_in(connection, event(1, data="x" * 2_000_000))
            with pytest.raises(StorageError, match="takes a connection of psycopg 3, not a object"):
                storage.publish_in(object(), event(1))  # type: ignore[call-overload]
            connection.commit()
        assert await move(storage) == []


async def test_what_a_bus_demands_holds_for_them_too(postgres: Place) -> None:
    async with postgres.storage(durable=False) as storage:
        await storage.create_bus("once", BusSettings(dedup=60.0))
        with psycopg.connect(postgres.address) as connection:
            storage.publish_in(
                connection,
                event(1),
                event(1),
                event(2, extensions={"deliverafter": "2999-01-01T00:00:00Z"}),
                bus="once",
            )
            storage.publish_in(connection, event(3))
        assert await move(storage, "once") == ["1"]
        assert await storage.count_timers("once") == 1
        await storage.delete_bus("once")
        assert await move(storage) == ["3"]


async def test_large_ones_are_moved_in_steps(postgres: Place) -> None:
    async with postgres.storage(durable=False) as storage:
        await put(storage, event(0).to_json())
        with psycopg.connect(postgres.address) as connection:
            storage.publish_in(connection, *[event(number, data="x" * 600_000) for number in range(1, 6)])
        assert (await storage.fire_timers(BUS, now=1.0, limit=100)).count == 2
        assert await move(storage) == ["0", "1", "2", "3", "4", "5"]


async def test_a_router_delivers_them(postgres: Place) -> None:
    got: list[str] = []

    async def sink(one: Event) -> None:
        got.append(one.id)

    storage: PostgresStorage = postgres.storage(durable=False)
    async with Router(storage) as router:
        await router.subscribe(Subscription(id="s", bus=BUS, sink=sink))
        with psycopg.connect(postgres.address) as connection:
            storage.publish_in(connection, event(1))
        end = (await storage.bounds(BUS)).end
        await storage.watch(BUS, end=end, version=1 << 40, timeout=5)
        await router.idle()
    assert got == ["1"]
