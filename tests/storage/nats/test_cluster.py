"""Three servers that keep the streams together: one after the other leads, is killed, and comes back."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import nats
import nats.errors
import pytest

from benchmarks.nats_server import PrivateServer
from eventroute.errors import StorageError
from eventroute.storage.base import DEFAULT_BUS
from eventroute.storage.nats import link
from eventroute.storage.nats.server import Server
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


async def last_message(cluster: PrivateCluster) -> int:
    """Its number in the stream, which never falls: not by a purge either."""
    return int((await ask(cluster, "STREAM.INFO"))["state"]["last_seq"])


async def leader(cluster: PrivateCluster) -> str:
    while not (name := (await ask(cluster, "STREAM.INFO"))["cluster"].get("leader")):  # noqa: ASYNC110 - servers vote
        await anyio.sleep(0.01)
    assert isinstance(name, str)
    return name


async def test_a_storage_that_is_opened_while_servers_come_up_waits_for_them(
    gathering: PrivateCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "_QUESTION", (0.5,))
    alone, *others = gathering.servers.values()
    alone.start()
    storage = gathering.storage(0.5)
    with anyio.fail_after(60):
        with pytest.raises(StorageError, match=r"no leader|does not answer|unavailable"):
            await storage.open()
        waiting = gathering.storage(PATIENCE)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waiting.open)
            while waiting._workers is None or not waiting._workers._trouble:  # noqa: ASYNC110 - a thread is at work
                await anyio.sleep(0.01)
            for other in others:
                await anyio.to_thread.run_sync(other.start)
        await waiting.append(DEFAULT_BUS, [b"1"], append_id="a")
        await waiting.aclose()


async def test_who_opens_while_servers_do_not_serve_may_leave_it(
    gathering: PrivateCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And need not wait until patience ends."""
    monkeypatch.setattr(link, "_QUESTION", (0.5,))
    next(iter(gathering.servers.values())).start()
    storage = gathering.storage(3_000)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(storage.open)
            while storage._workers is None or not storage._workers._trouble:  # noqa: ASYNC110 - a thread is at work
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
    assert storage._workers is None


async def test_a_server_without_jetstream_is_told_at_once(tmp_path: Path) -> None:
    server = PrivateServer(tmp_path, jetstream=False)
    server.start()
    try:
        with anyio.fail_after(60), pytest.raises(StorageError, match="JetStream is not enabled on this server"):
            await NatsStorage(Server(addresses=(server.place.address,), patience=3_000)).open()
    finally:
        server.kill()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # it is the servers that are tried
@pytest.mark.parametrize("writing", [1, 2])
async def test_nothing_is_lost_nor_doubled_where_the_leader_changes_or_is_killed(
    cluster: PrivateCluster, writing: int
) -> None:
    """Where one process writes, it is alone, and hears by answers alone what is stored."""
    load = Load()
    with anyio.fail_after(180):
        async with cluster.storage(PATIENCE) as first, cluster.storage(PATIENCE) as second:
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
            stored = await last_message(cluster)
        async with cluster.storage(PATIENCE) as third:
            found = await read_all(third)
        if (left := await last_message(cluster)) < stored:  # which nothing but the servers can make it
            pytest.skip(f"the servers have lost what they had stored: the last message was {stored}, and is {left}")
        assert found == records
    assert {record.offset: record.event for record in records} == {
        offset: b"%d %d" % event for offset, event in load.accepted.items()
    }
    for name in range(WRITERS):
        mine = [number for _, (who, number) in sorted(load.accepted.items()) if who == name]
        assert mine == [*range(len(mine))]
