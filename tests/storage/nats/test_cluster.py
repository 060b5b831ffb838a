"""Three servers that keep the streams together: one after the other leads, is killed, and comes back."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import anyio
import nats
import nats.errors
import pytest

from eventroute.errors import StorageError
from eventroute.storage.base import DEFAULT_BUS
from eventroute.storage.nats.storage import NatsStorage
from eventroute.testing.storage.log import read_all
from tests.storage.nats.private import PrivateCluster

pytestmark = pytest.mark.anyio

STREAM = f"EVENTROUTE_{PrivateCluster.NAME}"
WRITERS = 6
PATIENCE = 60.0


class Load:
    """Tasks that publish, each event behind the one before, through several processes' storages."""

    def __init__(self) -> None:
        self.accepted: dict[int, tuple[int, int]] = {}
        """Offset -> who wrote it, and that one's number."""
        self.enough = False

    async def publish(self, storage: NatsStorage, name: int) -> None:
        number = 0
        while not self.enough:
            event = b"%d %d" % (name, number)
            (offset,) = await storage.append(DEFAULT_BUS, [event], append_id=event.decode())
            assert offset not in self.accepted
            self.accepted[offset] = (name, number)
            number += 1

    async def goes_on(self, events: int = 40) -> None:
        """Wait until so many more are accepted."""
        goal = len(self.accepted) + events
        while len(self.accepted) < goal:  # noqa: ASYNC110 - servers are at work
            await anyio.sleep(0.005)


async def ask(cluster: PrivateCluster, subject: str) -> dict[str, Any]:
    """The answer of JetStream's API, through any server that lives."""

    async def main() -> dict[str, Any]:
        client = await nats.connect([server.place.address for server in cluster.servers.values()], connect_timeout=1)
        try:
            while True:
                with suppress(nats.errors.Error, TimeoutError):
                    answer: dict[str, Any] = json.loads(
                        (await client.request(f"$JS.API.{subject}.{STREAM}", b"", timeout=1)).data
                    )
                    if "error" not in answer:
                        return answer
        finally:
            await client.close()

    return await anyio.to_thread.run_sync(lambda: asyncio.run(main()))


async def leader(cluster: PrivateCluster) -> str:
    while not (name := (await ask(cluster, "STREAM.INFO"))["cluster"].get("leader")):  # noqa: ASYNC110 - servers vote
        await anyio.sleep(0.01)
    assert isinstance(name, str)
    return name


async def opened(cluster: PrivateCluster) -> NatsStorage:
    """Open one, once the servers have agreed who leads."""
    while True:
        storage = cluster.storage(PATIENCE)
        with suppress(StorageError):
            await storage.open()
            return storage
        await anyio.sleep(0.05)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # it is the servers that are tried
@pytest.mark.parametrize("writing", [1, 2])
async def test_nothing_is_lost_nor_doubled_where_the_leader_changes_or_is_killed(
    cluster: PrivateCluster, writing: int
) -> None:
    """Where one process writes, it is alone, and hears by answers alone what is stored."""
    load = Load()
    with anyio.fail_after(180):
        first = await opened(cluster)
        async with first, cluster.storage(PATIENCE) as second:
            await first.aclose()
            async with anyio.create_task_group() as tasks:
                for name in range(WRITERS):
                    tasks.start_soon(load.publish, (first, second)[name % writing], name)
                await load.goes_on()
                before = await leader(cluster)
                await ask(cluster, "STREAM.LEADER.STEPDOWN")
                await load.goes_on()
                for _ in range(2):
                    victim = cluster.servers[await leader(cluster)]
                    await anyio.to_thread.run_sync(victim.kill)
                    await load.goes_on()
                    await anyio.to_thread.run_sync(victim.start)
                    await load.goes_on()
                load.enough = True
            assert before in cluster.servers
            records = await read_all(second)
            assert await read_all(first) == records
        async with cluster.storage(PATIENCE) as third:
            assert await read_all(third) == records
    assert {record.offset: record.event for record in records} == {
        offset: b"%d %d" % event for offset, event in load.accepted.items()
    }
    for name in range(WRITERS):
        mine = [number for _, (who, number) in sorted(load.accepted.items()) if who == name]
        assert mine == [*range(len(mine))]
