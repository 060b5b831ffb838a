"""Opening a storage whose server is not there yet."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import psycopg
import pytest

from benchmarks.harness import Unavailable
from benchmarks.postgres import Place
from benchmarks.server import PrivateServer, private_server
from eventroute.errors import StorageError
from eventroute.storage.base import DEFAULT_BUS
from eventroute.storage.open import open_storage
from eventroute.storage.postgres.storage import PostgresStorage
from eventroute.testing.storage.log import put
from tests.storage.postgres.proxy import Proxy, proxied

pytestmark = pytest.mark.anyio


@pytest.fixture
def behind(postgres: Place) -> Iterator[tuple[Proxy, Place]]:
    with proxied(postgres) as both:
        yield both


@pytest.mark.parametrize("times", [1, 2, 5])  # of one that turns away only the first, the next question is answered
async def test_a_server_that_starts_is_waited_for(behind: tuple[Proxy, Place], times: int) -> None:
    proxy, place = behind
    proxy.starting = times
    async with place.storage(durable=False) as storage:
        assert await put(storage, b"1") == (1,)
    assert proxy.turned_away == times


async def test_a_server_that_goes_on_starting_is_an_error(behind: tuple[Proxy, Place]) -> None:
    proxy, place = behind
    proxy.starting = 1_000_000
    with anyio.fail_after(10), pytest.raises(StorageError, match="the database system is starting up"):
        await place.storage(patience=0.05).open()
    assert proxy.turned_away > 2


async def test_several_hosts_are_waited_for_where_one_of_them_starts(behind: tuple[Proxy, Place]) -> None:
    proxy, place = behind
    proxy.starting = 4
    parts: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(place.address)
    parts |= {"host": f"127.0.0.1,{parts['host']}", "port": f"1,{parts['port']}"}
    async with Place(psycopg.conninfo.make_conninfo(**parts), place.schema).storage(durable=False) as storage:
        assert await put(storage, b"1") == (1,)


async def test_who_does_not_wait_any_longer_for_a_server_that_starts_is_let_go(behind: tuple[Proxy, Place]) -> None:
    proxy, place = behind
    proxy.starting = 1_000_000
    with anyio.fail_after(10), anyio.move_on_after(0.05) as scope:
        await place.storage(patience=3_600).open()
    assert scope.cancelled_caught


@pytest.mark.parametrize("address", ["host=127.0.0.1 port=xx", "host=127.0.0.1,localhost port=1,xx", "port=99999999"])
async def test_an_address_that_cannot_be_one_is_an_error_that_says_so(address: str) -> None:
    with anyio.fail_after(10), pytest.raises(StorageError, match="the server cannot be reached"):
        await PostgresStorage(address).open()


@pytest.fixture
def private() -> Iterator[PrivateServer]:
    folder = Path(tempfile.mkdtemp())
    try:
        with private_server(folder) as server:
            yield server
    except Unavailable as error:
        pytest.skip(str(error))
    finally:
        shutil.rmtree(folder)


async def test_a_server_that_recovers_is_waited_for(private: PrivateServer) -> None:
    """As a standby that lets nobody read: it is there, and takes no connections until it becomes the primary."""
    async with open_storage(private.url) as storage:
        await put(storage, b"1")
    await anyio.to_thread.run_sync(private.stop, "immediate")
    data = Path(private.data)
    settings = (data / "postgresql.conf").open("a", encoding="utf-8")
    with settings:
        settings.write("hot_standby = off\n")
    (data / "standby.signal").touch()
    await anyio.to_thread.run_sync(private.start)

    async def promote() -> None:
        with pytest.raises(StorageError, match="the database system is not accepting connections"):
            await open_storage(f"{private.url}&patience=0.05").open()
        await anyio.to_thread.run_sync(private.promote)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(promote)
        async with open_storage(f"{private.url}&patience=60") as storage:
            assert (await storage.bounds(DEFAULT_BUS)).end == 2
