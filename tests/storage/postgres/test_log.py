"""What only a server with many clients can get wrong about the log."""

from __future__ import annotations

import threading

import anyio
import anyio.to_thread
import psycopg
import pytest

from benchmarks.postgres import Place
from eventroute.errors import DamagedEvent
from eventroute.storage.base import DEFAULT_BUS, BusSettings
from eventroute.testing.storage.log import put, read_all

BUS = DEFAULT_BUS


@pytest.mark.parametrize("settings", [BusSettings(), BusSettings(dedup=60.0)], ids=["plain", "dedup"])
def test_no_offset_is_read_before_a_smaller_one(postgres: Place, settings: BusSettings) -> None:
    """The reader follows at the heels of others that append by either way."""

    async def begin() -> None:
        async with postgres.storage(durable=False) as storage:
            await storage.update_bus(BUS, settings)

    async def publish(name: int) -> None:
        async with postgres.storage(durable=False) as storage:
            for number in range(40):
                events = [b"%d.%d.%d" % (name, number, part) for part in range(1 + number % 3)]
                await storage.append(BUS, events, append_id=f"{name}.{number}", identities=events)

    async def follow() -> list[bytes]:
        async with postgres.storage(durable=False) as storage:
            events: list[bytes] = []
            while len(events) < 3 * 79:
                page = await storage.read(BUS, len(events) + 1, 1 << 40, limit=50, max_bytes=1_000)
                assert [record.offset for record in page] == list(range(len(events) + 1, len(events) + 1 + len(page)))
                events += [record.event for record in page]
            return events

    anyio.run(begin)
    threads = [threading.Thread(target=anyio.run, args=(publish, name)) for name in range(3)]
    for thread in threads:
        thread.start()
    events = anyio.run(follow, backend="trio")
    for thread in threads:
        thread.join()
    assert len(set(events)) == len(events)
    for name in range(3):
        own = [event for event in events if event.startswith(b"%d." % name)]
        assert own == [b"%d.%d.%d" % (name, number, part) for number in range(40) for part in range(1 + number % 3)]


@pytest.mark.anyio
async def test_rows_that_are_missing_are_told(postgres: Place, shell: psycopg.Connection) -> None:
    async with postgres.storage(durable=False) as storage:
        await put(storage, b"1", b"2", b"3", b"4")
        shell.execute('DELETE FROM event WHERE "offset" = 3')
        assert [record.event for record in await storage.read(BUS, 1, 9, limit=9, max_bytes=99)] == [b"1", b"2"]
        with pytest.raises(DamagedEvent, match="the event 3 of the bus 'default' is damaged: it is missing"):
            await storage.read(BUS, 3, 9, limit=9, max_bytes=99)
        assert [record.event for record in await storage.read(BUS, 4, 9, limit=9, max_bytes=99)] == [b"4"]


@pytest.mark.anyio
async def test_text_that_the_server_cannot_hold_is_mended(postgres: Place) -> None:
    async with postgres.storage(durable=False) as storage:
        await storage.put_subscription(BUS, "s", b"\x00", start="latest")
        await storage.pause_subscription("s", "no\x00thing \ud800")
        assert (await storage.subscription("s")).paused == "no\ufffdthing ?"


@pytest.mark.anyio
async def test_a_person_can_read_the_tables(postgres: Place, shell: psycopg.Connection) -> None:
    async with postgres.storage(durable=False) as storage:
        await put(storage, b'{"id":"1"}')
        assert len(await read_all(storage)) == 1
    rows = shell.execute("SELECT bus, \"offset\", event::json ->> 'id' FROM events").fetchall()
    assert rows == [("default", 1, "1")]


@pytest.mark.anyio
async def test_who_watches_is_told_and_need_not_look(postgres: Place) -> None:
    async with (
        postgres.storage(durable=False, poll_interval=3_600) as one,
        postgres.storage(durable=False) as two,
        anyio.create_task_group() as tasks,
    ):
        ended = anyio.Event()

        async def watch() -> None:
            await one.watch(BUS, end=1, version=0, timeout=60)
            ended.set()

        tasks.start_soon(watch)
        with anyio.fail_after(5):
            while not ended.is_set():  # the first may be told before anybody listens
                await put(two, b"1")
                with anyio.move_on_after(0.1):
                    await ended.wait()


@pytest.mark.anyio
@pytest.mark.parametrize("pooled", [False, True])
async def test_who_listens_is_told_of_each_bus_that_got_further(
    postgres: Place, shell: psycopg.Connection, pooled: bool
) -> None:
    shell.execute(f"LISTEN {postgres.schema}")
    async with postgres.storage(durable=False, pooled=pooled) as storage:
        await storage.create_bus("b")
        for bus in (BUS, "b"):
            await storage.append(bus, [b"1"], append_id=bus)
        told = {""}
        while not told >= {BUS, "b"}:
            heard = await anyio.to_thread.run_sync(lambda: [*shell.notifies(timeout=10, stop_after=1)])
            assert heard
            told |= {each.payload for each in heard}
