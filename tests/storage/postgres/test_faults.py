"""Connections that are lost, servers that are away, and answers that never came."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import anyio
import psycopg
import pytest
from attrs import evolve

from benchmarks.postgres import Place
from eventroute.errors import LeaseLost, StorageError
from eventroute.storage.base import DEFAULT_BUS, LIVE, Advance, Complete, Settle, Wait, Waiting
from eventroute.storage.postgres import server
from eventroute.storage.postgres.silence import Wire
from eventroute.storage.postgres.tables import PostgresTables
from eventroute.testing.storage.log import put, read_all
from tests.storage.postgres.proxy import SHUT_DOWN, Proxy, proxied

BUS = DEFAULT_BUS
pytestmark = pytest.mark.anyio


@pytest.fixture
def behind(postgres: Place) -> Iterator[tuple[Proxy, Place]]:
    with proxied(postgres) as both:
        yield both


@pytest.mark.parametrize("answered", [False, True])
async def test_an_append_whose_connection_is_cut_is_there_once(behind: tuple[Proxy, Place], answered: bool) -> None:
    proxy, place = behind
    async with place.storage(durable=False) as storage:
        await put(storage, b"before")
        proxy.cut_once(b"cut here", answered=answered)
        offsets = await storage.append(BUS, [b"cut here", b"2"], append_id="a")
        assert proxy.cuts == 1
        assert await storage.append(BUS, [b"cut here", b"2"], append_id="a") == offsets
        assert [record.event for record in await read_all(storage)] == [b"before", b"cut here", b"2"]


@pytest.mark.parametrize(
    ("answered", "last_words"), [(False, b""), (True, b""), (True, SHUT_DOWN)], ids=["before", "after", "shut down"]
)
async def test_a_change_whose_commit_is_cut_is_made_once(
    behind: tuple[Proxy, Place], answered: bool, last_words: bytes
) -> None:
    proxy, place = behind
    proxy.last_words = last_words
    async with place.storage(durable=False) as storage:
        session = await storage.open_session(60)
        assert await storage.claim(BUS, LIVE, session, limit=4) is None  # from now on the server knows the statement
        await put(storage, *[b"1"] * 10)
        await storage.put_subscription(BUS, "s", b"d", start="latest")
        proxy.cut_once(b"claim_next", answered=answered)
        claim = await storage.claim(BUS, LIVE, session, limit=4)
        assert proxy.cuts == 1
        assert claim is not None
        assert (claim.start, claim.end) == (1, 5)
        proxy.cut_once(b"COMMIT", answered=answered)
        await storage.write(BUS, session, [Complete(claim), Wait(Waiting("s", 2, 0.0), held=False)])
        assert proxy.cuts == 2
        assert [(reader.position, reader.claimed) for reader in await storage.readers(BUS)] == [(5, 5)]
        assert [row.count for row in await storage.waiting(BUS)] == [1]
        claim = await storage.claim(BUS, LIVE, session, limit=4)
        assert claim is not None
        await storage.write(BUS, session, [Advance(claim, 6)])  # as above
        claim = evolve(claim, start=6)
        proxy.cut_once(b"advance_claims", answered=answered)
        await storage.write(BUS, session, [Advance(claim, 7), Complete(evolve(claim, start=7))])
        await storage.write(BUS, session, [Complete(evolve(claim, start=7))])
        assert [(reader.position, reader.claimed) for reader in await storage.readers(BUS)] == [(9, 9)]
        proxy.cut_once(b"COMMIT", answered=answered)
        claim = await storage.claim(BUS, LIVE, session, limit=4, alone=True)
        assert claim is not None
        assert (claim.start, claim.end) == (9, 11)
        assert proxy.cuts == 4
        proxy.cut_once(b"COMMIT", answered=answered)
        assert (await storage.put_subscription(BUS, "s", b"e", start="latest")).revision == 2
        assert (await storage.subscription("s")).revision == 2


@pytest.mark.parametrize("key", [None, 7], ids=["any order", "in order"])
@pytest.mark.parametrize("answered", [False, True])
async def test_what_waits_is_taken_and_settled_once_where_the_connection_is_cut(
    behind: tuple[Proxy, Place], answered: bool, key: int | None
) -> None:
    proxy, place = behind
    async with place.storage(durable=False) as storage:
        session = await storage.open_session(60)
        await storage.put_subscription(BUS, "s", b"d", start="latest")
        rows = [Waiting("s", offset, 0.0, key=key) for offset in range(1, 6)]
        await storage.write(BUS, session, [Wait(row, held=False) for row in rows])
        take = partial(storage.claim_waiting, BUS, "s", session, now=1.0, limit=2)
        assert await take() == rows[:2]  # from now on the server knows the statement
        await storage.write(BUS, session, [Settle("s", 1)])
        proxy.cut_once(b"take_waiting", answered=answered)
        assert await take() == rows[2:4]
        proxy.cut_once(b"advance_claims", answered=answered)
        await storage.write(BUS, session, [Settle("s", 2), Settle("s", 3)])
        assert proxy.cuts == 2
        assert await take() == rows[4:]
        assert [(row.count, row.unheld) for row in await storage.waiting(BUS)] == [(2, 0)]


async def test_what_was_taken_by_a_call_that_was_told_to_have_failed_is_given_back(
    behind: tuple[Proxy, Place],
) -> None:
    """Else nobody would deliver it: the session lives on, and does not know that it holds it."""
    proxy, place = behind
    async with place.storage(durable=False, patience=0.05) as storage:
        session = await storage.open_session(60)
        await storage.put_subscription(BUS, "s", b"d", start="latest")
        rows = [Waiting("s", offset, 0.0, key=1) for offset in range(1, 4)]
        await storage.write(BUS, session, [Wait(row, held=False) for row in rows])
        take = partial(storage.claim_waiting, BUS, "s", session, now=1.0, limit=1)
        assert await take() == rows[:1]

        def cut_for_good(sent: bytes) -> bool:
            proxy.refuse = proxy.refuse or b"take_waiting" in sent
            return proxy.refuse

        proxy.after = cut_for_good
        with pytest.raises(StorageError):
            await take()
        proxy.after = lambda _sent: False
        proxy.refuse = False
        assert await take() == rows[1:2]


async def test_what_reads_is_read_again(behind: tuple[Proxy, Place]) -> None:
    proxy, place = behind
    async with place.storage(durable=False) as storage:
        await put(storage, b"1")
        for text in (b"UNBOUNDED", b"REPEATABLE READ"):
            proxy.cut_once(text, answered=False)
            assert [record.event for record in await storage.read(BUS, 0, 9, limit=9, max_bytes=9)] == [b"1"]
            assert (await storage.describe_bus(BUS)).events == 1
        assert proxy.cuts == 2


async def test_a_server_that_stays_away_is_an_error_that_passes(behind: tuple[Proxy, Place]) -> None:
    proxy, place = behind
    async with place.storage(durable=False, patience=0.05) as storage:
        session = await storage.open_session(60)
        await put(storage, b"1")
        proxy.refuse = True
        proxy.cut()
        for call in (
            lambda: put(storage, b"2"),
            lambda: storage.bounds(BUS),
            lambda: storage.claim(BUS, LIVE, session, limit=1),
        ):
            with pytest.raises(StorageError, match="cannot be reached, or the connection to it was lost"):
                await call()
        proxy.refuse = False
        await put(storage, b"3")
        assert [record.event for record in await read_all(storage)] == [b"1", b"3"]
        assert await storage.claim(BUS, LIVE, session, limit=9) is not None


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """While this holds anything, answers have to come within 0.2 s; on a machine that has much to do they may not, so
    else they may take as long as they take.
    """
    now: list[bool] = []
    look = Wire.look
    monkeypatch.setattr(server, "SILENCE", 0.2)
    monkeypatch.setattr(Wire, "look", lambda wire, limit: look(wire, limit) if now else None)
    return now


async def test_a_server_that_does_not_answer_is_an_error_that_passes(
    behind: tuple[Proxy, Place], impatient: list[bool]
) -> None:
    """It hangs, and its system still takes what comes: else all would wait for ever, and nobody could even close it."""
    proxy, place = behind
    async with place.storage(durable=False, patience=0.05) as storage:
        session = await storage.open_session(60)
        await put(storage, b"1", b"2")
        for call in (
            lambda: storage.append(BUS, [b"3"], append_id="a"),
            lambda: storage.bounds(BUS),
            lambda: storage.claim(BUS, LIVE, session, limit=1),
            lambda: storage.put_subscription(BUS, "s", b"d", start="latest"),
        ):
            await storage.extend_session(session)
            await storage.bounds(BUS)  # there is a connection, for whatever it is
            proxy.fall_silent()
            impatient.append(True)
            with anyio.fail_after(30), pytest.raises(StorageError, match=r"has not answered for 0\.2 s"):
                await call()
            impatient.clear()
            proxy.cut()  # the other connections, which are as silent
        assert await storage.append(BUS, [b"3"], append_id="a") == (3,)
        assert [record.event for record in await read_all(storage)] == [b"1", b"2", b"3"]
        claim = await storage.claim(BUS, LIVE, session, limit=9)
        assert claim is not None
        assert (claim.start, claim.end) == (1, 4)  # what was claimed and not told of is given back


async def test_who_watches_is_stirred_by_a_server_that_does_not_answer(
    behind: tuple[Proxy, Place], impatient: list[bool]
) -> None:
    proxy, place = behind
    async with place.storage(durable=False, patience=0.05) as storage:
        await storage.watch(BUS, end=9, version=99, timeout=0.1)  # there is a connection that listens
        proxy.fall_silent()
        impatient.append(True)
        with anyio.fail_after(30):
            await storage.watch(BUS, end=9, version=99, timeout=60)


async def test_a_connection_on_which_nobody_waits_may_be_silent(postgres: Place) -> None:
    async with postgres.storage(durable=False) as storage:
        await put(storage, b"1")
        await storage.open_session(60)
        await storage.bounds(BUS)
        threads = storage._running()
        workers = (threads.ledger, threads.log, threads.reader)
        before = [thread.pid for thread in workers]
        for thread in workers:
            thread.wire.look(0.0)
        await put(storage, b"2")
        await storage.open_session(60)
        await storage.bounds(BUS)
        assert [thread.pid for thread in workers] == before


@pytest.mark.parametrize(("alone", "text"), [(False, b"claim_next"), (True, b"COMMIT")])
async def test_a_claim_that_was_told_to_have_failed_is_given_back(
    behind: tuple[Proxy, Place], alone: bool, text: bytes
) -> None:
    """Else nobody would ever have it: the session lives on, and does not know that it holds it."""
    proxy, place = behind
    async with place.storage(durable=False, patience=0.05) as storage:
        session = await storage.open_session(60)
        assert (
            await storage.claim(BUS, LIVE, session, limit=4, alone=alone) is None
        )  # the server knows the statement now
        await put(storage, *[b"1"] * 10)

        def cut_for_good(sent: bytes) -> bool:
            proxy.refuse = proxy.refuse or text in sent
            return proxy.refuse

        proxy.after = cut_for_good
        with pytest.raises(StorageError):
            await storage.claim(BUS, LIVE, session, limit=4, alone=alone)
        proxy.after = lambda _sent: False
        proxy.refuse = False
        claim = await storage.claim(BUS, LIVE, session, limit=4, alone=alone)
        assert claim is not None
        assert (claim.start, claim.end) == (1, 5)


async def test_a_commit_in_which_the_server_failed_over_is_not_known_to_be_made(
    behind: tuple[Proxy, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number may be another's there. A claim is given back in any case."""
    proxy, place = behind
    begin = PostgresTables.begin

    def elsewhere(tables: PostgresTables, *arguments: Any, **more: Any) -> None:
        begin(tables, *arguments, **more)
        tables.transaction = "000000FF/" + tables.transaction.partition("/")[2]

    async with place.storage(durable=False) as storage:
        await put(storage, *[b"1"] * 10)
        session = await storage.open_session(60)
        with monkeypatch.context() as patch:
            patch.setattr(PostgresTables, "begin", elsewhere)
            proxy.cut_once(b"COMMIT", answered=True)
            with pytest.raises(StorageError, match="failed over in the middle of a commit"):
                await storage.claim(BUS, LIVE, session, limit=4, alone=True)
        await storage.extend_session(session)
        claim = await storage.claim(BUS, LIVE, session, limit=4)
        assert claim is not None
        assert (claim.start, claim.end) == (1, 5)


async def test_sessions_of_the_server_that_are_ended_are_replaced(postgres: Place, shell: psycopg.Connection) -> None:
    own = "pid <> pg_backend_pid() AND application_name = %s"
    address = psycopg.conninfo.make_conninfo(postgres.address, application_name=postgres.schema)
    async with Place(address, postgres.schema).storage(durable=False) as storage:
        session = await storage.open_session(60)
        for number in range(1, 4):
            await put(storage, b"%d" % number)
            ended = shell.execute(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {own}", (postgres.schema,)
            ).fetchall()
            assert len(ended) >= 3
            await storage.extend_session(session)
            assert (await storage.bounds(BUS)).end == number + 1
        assert [record.event for record in await read_all(storage)] == [b"1", b"2", b"3"]


async def test_who_watches_goes_on_when_the_server_is_back(behind: tuple[Proxy, Place], postgres: Place) -> None:
    proxy, place = behind
    async with place.storage(durable=False) as storage, postgres.storage(durable=False) as other:
        await put(storage, b"1")
        proxy.cut()
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(put, other, b"2"))
                while (await storage.bounds(BUS)).end < 3:
                    await storage.watch(BUS, end=2, version=99, timeout=60)


async def test_a_process_that_stops_in_a_change_holds_nobody_up_for_long(
    postgres: Place, shell: psycopg.Connection
) -> None:
    async with postgres.storage(durable=False, patience=0.2) as storage:
        await put(storage, b"1")
        shell.execute("BEGIN")
        shell.execute("SET LOCAL idle_in_transaction_session_timeout = 100")
        shell.execute("SELECT 1 FROM bus FOR UPDATE")
        await storage.put_subscription(BUS, "s", b"d", start="latest")
    with pytest.raises(psycopg.Error, match="idle-in-transaction timeout"):
        shell.execute("SELECT 1")


async def test_a_lock_that_is_held_too_long_is_an_error(postgres: Place, shell: psycopg.Connection) -> None:
    async with postgres.storage(durable=False, patience=0.05) as storage:
        with shell.transaction():
            shell.execute("SELECT 1 FROM bus FOR UPDATE")
            with pytest.raises(StorageError, match="another process has held a lock for too long"):
                await storage.put_subscription(BUS, "s", b"d", start="latest")
            shell.execute("SELECT 1 FROM log FOR UPDATE")
            with pytest.raises(StorageError, match="another process has held a lock for too long"):
                await put(storage, b"1")
        await storage.put_subscription(BUS, "s", b"d", start="latest")
        assert await read_all(storage) == []


async def test_a_call_that_a_lock_kept_from_doing_anything_keeps_nobody_from_anything(
    postgres: Place, shell: psycopg.Connection
) -> None:
    async with postgres.storage(durable=False, patience=0.05) as storage:
        session = await storage.open_session(60)
        await storage.put_subscription(BUS, "s", b"d", start="latest")
        with shell.transaction():
            shell.execute("SELECT 1 FROM bus FOR UPDATE")
            for call in (
                partial(storage.claim_waiting, BUS, "s", session, now=1.0, limit=1),
                partial(storage.claim, BUS, LIVE, session, limit=1),
                partial(storage.write, BUS, session, [Settle("s", 1)]),
            ):
                with pytest.raises(StorageError, match="another process has held a lock for too long"):
                    await call()
                await storage.extend_session(session)


async def test_a_lease_that_another_has_missed_does_not_come_back(postgres: Place) -> None:
    async with postgres.storage(durable=False) as one, postgres.storage(durable=False) as two:
        session = await one.open_session(0.001)
        while True:
            await two.open_session(60)
            try:
                await one.extend_session(session)
            except LeaseLost:
                break


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"port": 1}, "cannot be reached"),
        ({"dbname": "no such database"}, "does not exist"),
        ({"user": "nobody here"}, "nobody here"),
    ],
)
async def test_a_server_that_cannot_be_opened_says_why(postgres: Place, change: dict[str, Any], message: str) -> None:
    address = psycopg.conninfo.make_conninfo(postgres.address, password="secret", **change)
    with anyio.fail_after(5), pytest.raises(StorageError, match=message) as caught:
        await Place(address, postgres.schema).storage().open()
    assert "secret" not in str(caught.value)


async def test_a_schema_of_another_program_is_refused(postgres: Place, shell: psycopg.Connection) -> None:
    shell.execute(f"CREATE SCHEMA {postgres.schema}_other CREATE TABLE bus (id int)")
    try:
        with pytest.raises(StorageError, match="holds tables of another program: choose another schema"):
            await Place(postgres.address, f"{postgres.schema}_other").storage().open()
    finally:
        shell.execute(f"DROP SCHEMA {postgres.schema}_other CASCADE")


async def test_a_newer_schema_is_refused(postgres: Place, shell: psycopg.Connection) -> None:
    async with postgres.storage():
        pass
    shell.execute("UPDATE about SET version = version + 1")
    try:
        with pytest.raises(StorageError, match="upgrade eventroute"):
            await postgres.storage().open()
    finally:
        shell.execute("UPDATE about SET version = version - 1")


async def test_many_that_open_a_new_schema_at_once_make_it_once(postgres: Place) -> None:
    other = Place(postgres.address, f"{postgres.schema}_new")
    errors: list[Exception] = []

    async def opened() -> None:
        async with other.storage():
            pass

    def run() -> None:
        try:
            anyio.run(opened)
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            await anyio.to_thread.run_sync(thread.join)
    finally:
        with postgres.connect() as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {other.schema} CASCADE")
    assert errors == []
