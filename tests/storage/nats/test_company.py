"""Who is alone does not follow the stream, and notices at once when it is alone no longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.nats import Place
from benchmarks.nats_server import PrivateServer
from eventroute.errors import StorageError
from eventroute.storage.base import DEFAULT_BUS, LIVE
from eventroute.storage.nats import follower, link
from eventroute.storage.nats.company import Company
from eventroute.storage.nats.server_time import ServerTime
from eventroute.storage.nats.storage import NatsStorage
from eventroute.testing.storage.log import put, read_all
from tests.storage.nats.private import SERVER
from tests.storage.postgres.proxy import Proxy

BUS = DEFAULT_BUS


@given(st.lists(st.booleans(), max_size=200))
def test_nobody_is_alone_right_behind_a_message_of_another(history: list[bool]) -> None:
    assert Company().alone
    company = Company()
    company.meet()
    since = 0
    for own in history:
        since = since + 1 if own else 0
        before = company.alone
        if not own:
            company.meet()
        told = company.hear(own=own)
        assert told is (company.alone and not before)
        assert not company.alone or since >= 8
    assert company.alone or since < 2_048


def test_who_was_wrong_waits_longer() -> None:
    company = Company()
    company.meet()
    waits = []
    for _ in range(6):
        waits.append(1)
        while not company.hear(own=True):
            waits[-1] += 1
        company.meet()
    assert waits == [8, 32, 128, 512, 2_048, 2_048]


def test_who_rested_was_not_wrong() -> None:
    company = Company()
    for _ in range(9):
        company.rest()
        company.meet()
        assert not company.alone
    assert [company.hear(own=True) for _ in range(2)] == [False, True]


def test_who_would_not_learn_of_others_is_never_alone() -> None:
    company = Company()
    company.stay()
    assert not any(company.hear(own=True) for _ in range(9))
    company.meet()
    assert not company.alone


def link_of(storage: NatsStorage) -> link.Link:
    assert storage._workers is not None
    made = storage._workers._link
    assert made is not None
    return made


def state_of(storage: NatsStorage) -> bytes:
    assert storage._workers is not None
    machine = storage._workers._machine
    assert machine is not None
    return machine.dump()


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[link.Stored]:
    """What comes of the streams that are followed."""
    heard: list[link.Stored] = []
    stored = link.Stored

    def hear(*what: Any) -> link.Stored:
        heard.append(stored(*what))
        return heard[-1]

    monkeypatch.setattr(link, "Stored", hear)
    return heard


@pytest.mark.anyio
async def test_nothing_comes_back_to_who_is_alone_and_all_comes_to_who_is_not(
    nats: Place, heard: list[link.Stored]
) -> None:
    async with nats.storage() as storage:
        for number in range(20):
            await put(storage, b"%d" % number)
        assert link_of(storage).alone
        assert heard == []
        async with nats.storage() as other:
            for number in range(20):
                await put(other, b"other %d" % number)
                assert (await storage.bounds(BUS)).end == number + 22
            assert not link_of(storage).alone
            await put(storage, b"last")
            records = await read_all(storage)
            events = [b"%d" % n for n in range(20)] + [b"other %d" % n for n in range(20)] + [b"last"]
            assert [record.event for record in records] == events
            assert await read_all(other) == records


@pytest.mark.anyio
async def test_who_is_alone_again_follows_no_longer(nats: Place, heard: list[link.Stored]) -> None:
    async with nats.storage() as storage, nats.storage() as other:
        await put(other, b"x")
        assert (await storage.bounds(BUS)).end == 2
        with anyio.fail_after(20):
            while not link_of(storage).alone:
                await put(storage, b"y")
        await other.bounds(BUS)  # all has come
        del heard[:]
        await put(storage, b"last")
        assert all(one.body for one in heard)  # what the other one hears
        assert len(heard) <= 1


@pytest.mark.anyio
@pytest.mark.parametrize("told", [True, False])
async def test_who_is_alone_is_woken_by_another_also_where_its_message_gets_lost_on_the_way(
    nats: Place, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    async def deaf(_link: link.Link, _meet: Callable[[], None]) -> bool:
        return True

    monkeypatch.setattr(follower, "_CHECK", 60 if told else 0.1)
    if not told:
        monkeypatch.setattr(link.Link, "watch_others", deaf)
    async with nats.storage() as storage, nats.storage() as other:
        await put(storage, b"1")
        assert link_of(storage).alone
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(put, other, b"2"))
                await storage.watch(BUS, end=2, version=99, timeout=60)
        assert (await storage.bounds(BUS)).end == 3


@pytest.mark.anyio
async def test_who_sends_nothing_for_a_while_follows_until_it_does_again(
    nats: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "_CHECK", 0.01)
    monkeypatch.setattr(follower, "_REST", 0.02)
    async with nats.storage() as storage:
        await put(storage, b"1")
        with anyio.fail_after(10):
            while link_of(storage).alone:  # noqa: ASYNC110 - another thread looks at the time
                await anyio.sleep(0.01)
        monkeypatch.undo()
        with anyio.fail_after(10):
            while not link_of(storage).alone:
                await put(storage, b"2")
        assert (await read_all(storage))[-1].event == b"2"


@pytest.mark.anyio
async def test_an_answer_shows_that_others_have_written(nats: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is alone, as far as it knows."""

    async def deaf(_link: link.Link, _meet: Callable[[], None]) -> bool:
        return True

    monkeypatch.setattr(follower, "_CHECK", 60)
    monkeypatch.setattr(link.Link, "watch_others", deaf)
    async with nats.storage() as storage, nats.storage() as other:
        offsets = [await put(one, b"x") for _ in range(5) for one in (storage, other)]
        assert offsets == [(number,) for number in range(1, 11)]
        assert await read_all(storage) == await read_all(other)


@pytest.mark.anyio
async def test_all_are_of_one_mind_whoever_is_alone(nats: Place) -> None:
    """The time of what was sent alone is that which its sender told, also where others hear of it."""
    random = Random(1)
    async with nats.storage() as storage, nats.storage() as other:
        both = (storage, other)
        sessions = [await one.open_session(60) for one in both]
        for _ in range(30):
            which = random.randrange(2)
            for _ in range(random.choice([1, 2, 40])):
                await put(both[which], b"x" * random.choice([1, 100]))
            await both[which].claim(BUS, LIVE, sessions[which], limit=5)
        times = [record.time for record in await read_all(storage)]
        assert times == sorted(times)
        assert abs(times[-1] - time.time()) < 5
        await other.bounds(BUS)
        assert state_of(storage) == state_of(other)
        async with nats.storage() as third:
            assert state_of(third) == state_of(storage)


@pytest.mark.anyio
async def test_the_time_is_not_that_of_messages_from_before_the_process_began(
    nats: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what it dates would be as old, and its leases end at once when it learns better."""
    stored, hour = link.Stored, 3_600 * 1_000_000_000

    def an_hour_ago(sequence: int, stamp: int, *more: Any) -> link.Stored:
        return stored(sequence, stamp - hour, *more)

    with monkeypatch.context() as patch:
        patch.setattr(ServerTime, "now", lambda _self: time.time_ns() - hour)
        async with nats.storage() as storage:
            await put(storage, b"1")
    monkeypatch.setattr(link, "Stored", an_hour_ago)
    async with nats.storage() as storage:
        with anyio.fail_after(20):
            while not link_of(storage).alone:
                await put(storage, b"2")
        await put(storage, b"3")
        assert abs((await read_all(storage))[-1].time - time.time()) < 60


@pytest.mark.anyio
async def test_the_connection_of_who_is_alone_may_be_lost(behind: tuple[Proxy, Place]) -> None:
    proxy, place = behind
    async with place.storage() as storage:
        count = 0
        for _ in range(3):
            with anyio.fail_after(20):
                while not count or not link_of(storage).alone:
                    await put(storage, b"x")
                    count += 1
            proxy.cut()
            await put(storage, b"x")
            count += 1
        assert len(await read_all(storage)) == count


@pytest.mark.anyio
async def test_who_learns_of_its_being_alone_as_the_connection_is_lost_sends_again_what_was_lost(
    behind: tuple[Proxy, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last messages may come when the connection is being given up already."""
    proxy, place = behind
    async with place.storage() as storage:
        await put(storage, b"1")
        engine = storage._workers
        assert engine is not None
        close = link.Link.close

        async def hear_and_close(one: link.Link) -> None:
            while not engine._company.alone:
                engine._company.hear(own=True)
            await close(one)

        monkeypatch.setattr(link.Link, "close", hear_and_close)
        proxy.cut_once(b"lost on the way", answered=False)
        with anyio.fail_after(5):
            await put(storage, b"lost on the way")
        assert proxy.cuts == 1


@pytest.mark.anyio
@pytest.mark.parametrize("events", [0, 1, 40])
@pytest.mark.parametrize("meets", [True, False])
async def test_a_stream_that_is_another_one_by_now_is_told_to_who_is_alone(
    nats: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, events: int, meets: bool
) -> None:
    """Also where it hears of others before it sends something itself, and follows them."""
    monkeypatch.setattr(follower, "_CHECK", 60)
    async with nats.storage(patience=60) as storage:
        for _ in range(20):
            await put(storage, b"1")
        if not meets:
            monkeypatch.setattr(follower.Follower, "_meet", lambda _self: None)
        await nats.empty_async()
        async with nats.storage(patience=60) as other:
            for _ in range(events):
                await put(other, b"other")
            with anyio.fail_after(30), suppress(StorageError):  # who asks when it is known already is not told
                await put(storage, b"2")
        assert "the stream has lost message 21" in caplog.text


@pytest.mark.anyio
@pytest.mark.skipif(SERVER is None, reason="needs the program nats-server")
async def test_who_may_not_hear_others_is_never_alone(tmp_path: Path) -> None:
    settings = tmp_path / "settings"
    settings.write_text(
        'authorization { users: [ { user: u, password: p, permissions: { subscribe: ["_INBOX.>"] } }, '
        "{ user: a, password: p } ] }"
    )
    server = PrivateServer(tmp_path, "-c", str(settings))
    server.start()
    try:
        async with Place(f"nats://u:p@127.0.0.1:{server.port}", "test").storage() as storage:
            for number in range(20):
                assert await put(storage, b"x") == (number + 1,)
                assert not link_of(storage).alone
            async with Place(f"nats://a:p@127.0.0.1:{server.port}", "test").storage() as other:
                await put(other, b"y")
                assert (await storage.bounds(BUS)).end == 22
    finally:
        server.kill()


@pytest.mark.anyio
@pytest.mark.parametrize("sizes", [[10], [700_000, 700_000], [2_500_000]])
async def test_what_is_sent_twice_by_who_is_alone_counts_once(
    nats: Place, monkeypatch: pytest.MonkeyPatch, sizes: list[int]
) -> None:
    """The second is not known any more when it comes."""
    publish = link.Link.publish

    def twice(self: link.Link, subject: str, body: bytes, tag: bytes, *, answer: bool) -> None:
        publish(self, subject, body, tag, answer=answer)
        publish(self, subject, body, tag, answer=answer)

    async with nats.storage() as storage:
        for _ in range(20):
            await put(storage, b"before")
        monkeypatch.setattr(link.Link, "publish", twice)
        await put(storage, *[b"x" * size for size in sizes])
        await put(storage, b"last")
        records = await read_all(storage)
        assert [len(record.event) for record in records[20:]] == [*sizes, 4]
    async with nats.storage() as storage:
        assert await read_all(storage) == records
