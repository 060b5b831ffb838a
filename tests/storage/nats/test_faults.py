"""Connections that are lost, servers that are killed, are away or full, and answers that never came."""

from __future__ import annotations

import asyncio
import json
import time
from functools import partial

import anyio
import nats as nats_py
import pytest
from attrs import evolve

from benchmarks.nats import Place
from benchmarks.nats_server import PrivateServer
from eventroute.errors import StorageError, StorageFull, UnknownBus
from eventroute.storage.base import DEFAULT_BUS, LIVE, BusSettings, Complete, Wait, Waiting
from eventroute.storage.nats import board, engine, link
from eventroute.storage.nats.keeper import Keeper
from eventroute.storage.nats.server import Server
from eventroute.storage.nats.storage import NatsStorage
from eventroute.testing.storage.log import put, read_all
from tests.storage.postgres.proxy import Proxy

BUS = DEFAULT_BUS
pytestmark = pytest.mark.anyio


async def fill(storage: NatsStorage) -> None:
    for _ in range(100):
        await put(storage, b"x" * 100_000)


def have_patience(storage: NatsStorage, seconds: float) -> None:
    """Have it wait so long from now on: to open one that waits for next to nothing takes a machine that is quick."""
    assert storage._workers is not None
    storage._workers._server = evolve(storage._workers._server, patience=seconds)


async def purge(place: Place, stream: str, before: int) -> None:
    """What somebody does who knows no better."""

    async def main() -> None:
        client = await nats_py.connect(place.address)
        await client.request(f"$JS.API.STREAM.PURGE.{stream}", b'{"seq":%d}' % before)
        await client.close()

    await anyio.to_thread.run_sync(lambda: asyncio.run(main()))


@pytest.mark.parametrize("answered", [False, True])
async def test_an_append_whose_connection_is_cut_is_there_once(behind: tuple[Proxy, Place], answered: bool) -> None:
    proxy, place = behind
    async with place.storage() as storage:
        await put(storage, b"before")
        proxy.cut_once(b"cut here", answered=answered)
        offsets = await storage.append(BUS, [b"cut here", b"2"], append_id="a")
        assert proxy.cuts == 1
        assert await storage.append(BUS, [b"cut here", b"2"], append_id="a") == offsets
        assert [record.event for record in await read_all(storage)] == [b"before", b"cut here", b"2"]


@pytest.mark.parametrize("answered", [False, True])
async def test_a_change_that_is_cut_is_made_once(behind: tuple[Proxy, Place], answered: bool) -> None:
    proxy, place = behind
    async with place.storage() as storage:
        await put(storage, *[b"1"] * 10)
        await storage.put_subscription(BUS, "s", b"d", start="latest")
        session = await storage.open_session(60)
        proxy.cut_once(LIVE.encode(), answered=answered)
        claim = await storage.claim(BUS, LIVE, session, limit=4)
        assert claim is not None
        assert (claim.start, claim.end) == (1, 5)
        proxy.cut_once(b"waiting", answered=answered)
        await storage.write(BUS, session, [Complete(claim), Wait(Waiting("s", 2, 0.0), held=False)])
        assert proxy.cuts == 2
        assert [(reader.position, reader.claimed) for reader in await storage.readers(BUS)] == [(5, 5)]
        assert [row.count for row in await storage.waiting(BUS)] == [1]


async def test_a_server_that_stays_away_is_an_error_that_passes(behind: tuple[Proxy, Place]) -> None:
    proxy, place = behind
    async with place.storage(patience=60) as storage:
        session = await storage.open_session(60)
        await put(storage, b"1")
        have_patience(storage, 0.4)
        proxy.refuse = True
        proxy.cut()
        for call in (
            lambda: storage.append(BUS, [b"2"], append_id="a"),
            lambda: storage.bounds(BUS),
            lambda: storage.claim(BUS, LIVE, session, limit=1),
        ):
            with pytest.raises(StorageError, match="cannot be reached, or the connection to it was lost"):
                await call()
        have_patience(storage, 60)
        proxy.refuse = False
        with anyio.fail_after(60):
            while True:
                try:
                    await storage.append(BUS, [b"2"], append_id="a")
                except StorageError:
                    continue
                break
        await put(storage, b"3")
        assert [record.event for record in await read_all(storage)] == [b"1", b"2", b"3"]
        claim = await storage.claim(BUS, LIVE, session, limit=9)
        assert claim is not None
        assert (claim.start, claim.end) == (1, 4)


async def test_a_claim_that_was_told_to_have_failed_is_given_back(behind: tuple[Proxy, Place]) -> None:
    """Else nobody would ever have it: the session lives on, and does not know that it holds it."""
    proxy, place = behind
    async with place.storage(patience=60) as storage:
        await put(storage, *[b"1"] * 10)
        session = await storage.open_session(60)
        have_patience(storage, 0.4)

        def cut_for_good(sent: bytes) -> bool:
            proxy.refuse = proxy.refuse or LIVE.encode() in sent
            return proxy.refuse

        proxy.after = cut_for_good
        with pytest.raises(StorageError):
            await storage.claim(BUS, LIVE, session, limit=4)
        have_patience(storage, 60)
        proxy.after = lambda _sent: False
        proxy.refuse = False
        with anyio.fail_after(60):
            while True:
                try:
                    claim = await storage.claim(BUS, LIVE, session, limit=4)
                except StorageError:
                    continue
                break
        assert claim is not None
        assert (claim.start, claim.end) == (1, 5)


async def test_who_watches_is_woken_by_what_another_process_writes(nats: Place) -> None:
    async with nats.storage() as storage, nats.storage() as other:
        await put(storage, b"1")
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(put, other, b"2"))
                while (await storage.bounds(BUS)).end < 3:
                    await storage.watch(BUS, end=2, version=99, timeout=60)


async def test_what_a_killed_server_has_acknowledged_is_there_once(private: PrivateServer) -> None:
    """Also while snapshots are taken and the stream is purged. Calls wait until the server is back."""
    accepted: dict[int, bytes] = {}

    async def publish(storage: NatsStorage, name: int) -> None:
        for number in range(150):
            event = b"%d-%d" % (name, number)
            (offset,) = await storage.append(BUS, [event], append_id=event.decode())
            assert offset not in accepted
            accepted[offset] = event

    async with private.place.storage(patience=60) as storage, private.place.storage(patience=60) as other:
        async with anyio.create_task_group() as tasks:
            for name in range(8):
                tasks.start_soon(publish, storage if name % 2 else other, name)
            for kill in range(1, 4):
                while len(accepted) < 250 * kill:  # noqa: ASYNC110 - a server is to be killed in the middle
                    await anyio.sleep(0.005)
                await anyio.to_thread.run_sync(private.kill)
                await anyio.to_thread.run_sync(private.start)
        records = await read_all(other)
        assert {record.offset: record.event for record in records} == accepted
        assert len(records) == 8 * 150
    async with private.place.storage() as storage:
        assert await read_all(storage) == records


async def test_a_connection_that_is_lost_with_something_unsent_leaves_no_task(
    nats: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's `close` then ends in the middle."""

    async def fails() -> None:
        raise ConnectionResetError

    async def main() -> None:
        before = asyncio.all_tasks()
        connection = link.Link(nats.server())
        await connection.connect()
        await connection.listen(lambda _tag, _answer: None)
        monkeypatch.setattr(connection._client._transport, "drain", fails)
        connection._client._pending_data_size = 1
        await connection.close()
        await asyncio.sleep(0.01)
        assert asyncio.all_tasks() == before

    await anyio.to_thread.run_sync(lambda: asyncio.run(main()))


async def test_a_stream_that_has_lost_what_it_acknowledged_is_told(nats: Place) -> None:
    async with nats.storage() as storage:
        for number in range(10):
            await put(storage, b"%d" % number)
    await purge(nats, nats.server().stream, 5)
    with pytest.raises(StorageError, match="has lost its beginning, and there is no snapshot"):
        await nats.storage().open()


async def test_a_stream_that_goes_while_it_is_used_is_told(nats: Place) -> None:
    async with nats.storage(patience=60) as storage:
        await put(storage, b"1")
        have_patience(storage, 1)
        await nats.empty_async()
        with pytest.raises(StorageError):
            await put(storage, b"2")


@pytest.mark.parametrize("sizes", [[700_000] * 5, [3_000_000], [10] * 5 + [2_500_000] + [10] * 5])
async def test_a_batch_may_be_larger_than_a_message(
    nats: Place, monkeypatch: pytest.MonkeyPatch, sizes: list[int]
) -> None:
    events = [bytes([number]) * size for number, size in enumerate(sizes)]
    async with nats.storage() as storage:
        await put(storage, b"first")
        offsets = await put(storage, *events)
        monkeypatch.setattr(Keeper, "EVERY", 1)
        await put(storage, b"last")
        records = await storage.read(BUS, offsets[0], offsets[-1] + 1, limit=99, max_bytes=1 << 30)
        assert [record.event for record in records] == events
    async with nats.storage() as storage:
        records = await storage.read(BUS, 1, 99, limit=99, max_bytes=1 << 30)
        assert [record.event for record in records] == [b"first", *events, b"last"]


async def test_a_full_stream_takes_no_events_until_some_are_trimmed(nats: Place) -> None:
    async with nats.storage(max_bytes=2 << 20) as storage:
        await storage.update_bus(BUS, BusSettings())
        with pytest.raises(StorageFull, match="max_bytes"):
            await fill(storage)
        while (trimmed := await storage.trim(BUS, 1 << 40, limit=1_000)).events:
            assert trimmed.first
        with anyio.fail_after(20):
            while True:
                try:
                    await put(storage, b"again")
                except StorageFull:
                    await anyio.sleep(0.05)
                    continue
                break
        assert [record.event for record in await read_all(storage)] == [b"again"]


async def test_what_the_server_has_no_room_for_is_refused_with_its_reason(
    nats: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the process has not seen it come: an account has bounds of its own."""
    monkeypatch.setattr(engine, "_FULL", 9.0)
    async with nats.storage(max_bytes=1 << 20) as storage:
        with pytest.raises(StorageFull, match="the server has no room left"), anyio.fail_after(5):
            await fill(storage)
        stored = len(await read_all(storage))
        assert 0 < stored < 11
        with pytest.raises(StorageFull):
            await put(storage, b"x" * 500_000)
        await put(storage, b"small")
        assert len(await read_all(storage)) == stored + 1


async def test_a_stream_of_another_configuration_is_refused(nats: Place) -> None:
    async with nats.storage():
        pass
    with pytest.raises(StorageError, match=r"storage is 'file' and must be 'memory'.* `nats stream edit`"):
        await nats.storage(storage="memory").open()


async def test_an_old_server_is_refused(nats: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "OLDEST_SERVER", (99, 0))
    with pytest.raises(StorageError, match=r"the server has version .*2\..* or later is needed"):
        await nats.storage().open()


async def test_a_server_that_cannot_be_opened_says_why() -> None:
    server = Server(addresses=("nats://user:secret@127.0.0.1:1",))
    assert "secret" not in repr(server)
    with (
        anyio.fail_after(10),
        pytest.raises(StorageError, match=r"127\.0\.0\.1:1/eventroute: the server cannot") as caught,
    ):
        await NatsStorage(server).open()
    assert "secret" not in str(caught.value)


async def test_what_does_not_come_is_sent_again(nats: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers everything but has forgotten a message."""
    monkeypatch.setattr(engine, "SEND_AGAIN", 0.05)
    monkeypatch.setattr(board, "SEND_AGAIN", 0.05)
    publish = link.Link.publish
    lost: list[bytes] = []

    def leaky(self: link.Link, subject: str, body: bytes, tag: bytes, *, answer: bool) -> None:
        if b"forgotten" in body and not lost:
            lost.append(body)
            return
        publish(self, subject, body, tag, answer=answer)

    monkeypatch.setattr(link.Link, "publish", leaky)
    async with nats.storage() as storage:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(put, storage, b"forgotten")
            await anyio.lowlevel.checkpoint()
            await put(storage, b"2")
        assert len(lost) == 1
        assert sorted(record.event for record in await read_all(storage)) == [b"2", b"forgotten"]


async def test_where_the_way_is_long_no_message_is_stored_twice(behind: tuple[Proxy, Place], nats: Place) -> None:
    """Also by who follows the stream, and is not told of each message at once that it is stored."""
    proxy, place = behind

    def hold_up(_sent: bytes) -> bool:
        time.sleep(2 * board.ASK_AFTER)
        return False

    async with place.storage(patience=60) as far, nats.storage() as near:
        await put(near, b"near")
        assert (await far.bounds(BUS)).end == 2
        before = await last_message(nats)
        proxy.after = hold_up
        await put(far, b"1")  # that it takes so long shows by this one
        for number in range(3):
            await put(far, b"%d" % number)
        proxy.after = lambda _sent: False
        assert await last_message(nats) <= before + 5
        assert [record.event for record in await read_all(far)] == [b"near", b"1", b"0", b"1", b"2"]


async def test_a_process_that_lags_goes_on_from_the_snapshot_of_another(
    behind: tuple[Proxy, Place], nats: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has missed is purged by the time it is back."""
    proxy, place = behind
    async with place.storage(patience=30) as late, nats.storage() as other:
        await put(late, b"1")
        proxy.refuse = True
        proxy.cut()
        monkeypatch.setattr(Keeper, "EVERY", 1)
        for number in range(20):
            await other.create_bus(f"b{number}")
        await other.trim(BUS, 2, limit=9)
        with anyio.fail_after(10):
            while await first_message(nats) < 20:
                await other.create_bus("another")
                await anyio.sleep(0.02)
        proxy.refuse = False
        assert len(await late.buses()) >= 21
        assert await put(late, b"2") == (2,)
        assert [record.event for record in await read_all(other)] == [b"2"]


async def test_who_reads_while_a_process_lags_is_answered_by_the_snapshot_of_another(
    behind: tuple[Proxy, Place], nats: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message that the answer waits for never comes, nor any behind it; nor does its end wait for that."""
    proxy, place = behind
    late, deaf, answers = place.storage(patience=30), False, []
    hear = engine.Engine._hear

    def hear_nothing(self: engine.Engine, stored: link.Stored) -> None:
        if not (deaf and self is late._workers):
            hear(self, stored)

    async def read() -> None:
        answers.append(await late.buses())

    monkeypatch.setattr(engine.Engine, "_hear", hear_nothing)
    async with nats.storage() as other, late:
        await put(late, b"1")
        works = late._workers
        assert works is not None
        deaf = True
        await other.create_bus("unheard")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            while not works._behind:  # noqa: ASYNC110 - another thread asks
                await anyio.sleep(0.001)
            proxy.refuse = True
            proxy.cut()
            monkeypatch.setattr(Keeper, "EVERY", 1)
            await other.trim(BUS, 2, limit=9)
            with anyio.fail_after(10):
                while await first_message(nats) < 10:
                    await other.create_bus(f"b{len(await other.buses())}")
                    await anyio.sleep(0.02)
                deaf = proxy.refuse = False
                while not answers:  # noqa: ASYNC110 - another thread answers
                    await anyio.sleep(0.001)
        assert "unheard" in answers[0]
        assert not works._behind


async def test_an_append_that_a_snapshot_of_another_has_is_there_once_and_its_offsets_are_told(
    behind: tuple[Proxy, Place], nats: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came of it is in no message that is still there. Of other changes nobody can tell what came of them."""
    proxy, place = behind
    late, deaf, told = place.storage(patience=30), False, []
    hear = engine.Engine._hear

    def hear_nothing(self: engine.Engine, stored: link.Stored) -> None:
        if not (deaf and self is late._workers):
            hear(self, stored)

    async def append() -> None:
        told.append(await put(late, b"2"))

    async def change() -> None:
        with pytest.raises(StorageError, match="it is not known what came of a change"):
            await late.create_bus("new")

    monkeypatch.setattr(engine.Engine, "_hear", hear_nothing)
    async with nats.storage() as other, late:
        works = late._workers
        assert works is not None
        assert works._link is not None
        await put(other, b"1")
        with anyio.fail_after(20):
            while works._link.alone or works._state.sequence < await last_message(nats):  # noqa: ASYNC110 - the same
                await anyio.sleep(0.001)
            deaf = True
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(append)
                while (await other.bounds(BUS)).end < 3:  # noqa: ASYNC110 - another storage hears of it
                    await anyio.sleep(0.001)
                tasks.start_soon(change)
                while "new" not in await other.buses():  # noqa: ASYNC110 - another storage hears of it
                    await anyio.sleep(0.001)
                proxy.refuse = True
                proxy.cut()
                monkeypatch.setattr(Keeper, "EVERY", 1)
                await other.trim(BUS, 2, limit=9)
                while await first_message(nats) < 3:
                    await other.create_bus("another")
                    await anyio.sleep(0.02)
                deaf = proxy.refuse = False
        assert told == [(2,)]
        assert [record.event for record in await read_all(late)] == [b"2"]


async def test_who_watches_while_a_process_lags_is_woken_by_the_snapshot_of_another(
    behind: tuple[Proxy, Place], nats: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also who watches a bus that has gone meanwhile."""
    proxy, place = behind
    async with nats.storage() as other, place.storage(patience=30) as late:
        await late.create_bus("going")
        await late.create_bus("growing")
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                for bus in ("going", "growing"):
                    tasks.start_soon(partial(late.watch, bus, end=1, version=0, timeout=1e6))
                while len(late._watchers.buses()) < 2:  # noqa: ASYNC110 - tasks begin
                    await anyio.sleep(0.001)
                proxy.refuse = True
                proxy.cut()
                monkeypatch.setattr(Keeper, "EVERY", 1)
                await other.delete_bus("going")
                await put(other, b"1", bus="growing")
                while await first_message(nats) < 4:
                    await other.create_bus("another")
                    await anyio.sleep(0.02)
                proxy.refuse = False
        with pytest.raises(UnknownBus):
            await late.watch("going", end=1, version=0, timeout=1e6)


async def test_who_watches_is_woken_where_the_server_leaves_a_message_out(
    nats: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a purge takes all of a subject, server 2.9 lets every consumer begin behind the last message, though others
    of the stream are still to be sent.
    """
    pull, late, held = link.Link._pull, nats.storage(patience=30), False

    def hold(self: link.Link) -> None:
        if not (held and late._workers is not None and self is late._workers._link):
            pull(self)

    monkeypatch.setattr(link.Link, "_pull", hold)
    monkeypatch.setattr(link, "_HEARTBEAT", 0.5)
    async with nats.storage() as other, late:
        works = late._workers
        assert works is not None
        assert works._link is not None
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(late.watch, BUS, end=1, version=0, timeout=1e6))
                held = True
                await put(other, b"1")
                while works._link.alone:  # noqa: ASYNC110 - another thread hears of it
                    await anyio.sleep(0.001)
                monkeypatch.setattr(Keeper, "EVERY", 1)
                await put(other, b"2")
                while await first_message(nats) < 2:  # noqa: ASYNC110 - another process purges
                    await anyio.sleep(0.02)
                held = False
                works._loop.call_soon_threadsafe(pull, works._link)


async def test_who_watches_is_woken_where_the_state_is_lost(nats: Place) -> None:
    """What is known of the log's end does not hold for the stream that takes the place of one that is gone."""
    async with nats.storage(patience=30) as storage:
        await put(storage, b"1", b"2")
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(storage.watch, BUS, end=3, version=0, timeout=1e6))
                while not storage._watchers.buses():  # noqa: ASYNC110 - a task begins
                    await anyio.sleep(0.001)
                await nats.empty_async()


async def test_a_storage_ends_where_what_was_read_has_been_given_up(
    nats: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear = engine.Engine._hear
    late, deaf = nats.storage(patience=60), False
    works: engine.Engine | None = None

    def hear_nothing(self: engine.Engine, stored: link.Stored) -> None:
        if not (deaf and self is works):
            hear(self, stored)

    monkeypatch.setattr(engine.Engine, "_hear", hear_nothing)
    async with nats.storage() as other:
        await late.open()
        works, deaf = late._workers, True
        have_patience(late, 0.2)
        await other.create_bus("unheard")
        with anyio.fail_after(5), pytest.raises(StorageError, match="nothing has come back"):
            await late.buses()
        with anyio.move_on_after(5) as patience:
            async with anyio.create_task_group() as tasks:

                async def help_on() -> None:
                    nonlocal deaf
                    await anyio.sleep(4)
                    deaf = False
                    patience.cancel()

                tasks.start_soon(help_on)
                await late.aclose()
                tasks.cancel_scope.cancel()
        assert not patience.cancel_called


async def first_message(place: Place) -> int:
    """The first message that the stream has."""
    return await in_stream(place, "first_seq")


async def last_message(place: Place) -> int:
    """The number of the last one."""
    return await in_stream(place, "last_seq")


async def in_stream(place: Place, what: str) -> int:
    """What the server says of the stream."""
    found: list[int] = []

    async def main() -> None:
        client = await nats_py.connect(place.address)
        answer = await client.request(f"$JS.API.STREAM.INFO.{place.server().stream}")
        found.append(json.loads(answer.data)["state"][what])
        await client.close()

    await anyio.to_thread.run_sync(lambda: asyncio.run(main()))
    return found[0]
