"""Behind PgBouncer, where it is installed, in transaction mode.

`EVENTROUTE_TEST_POOLER=1` says that it is, and that these tests must run.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import psycopg
import pytest

from benchmarks.postgres import Place
from eventroute.errors import StorageError
from eventroute.storage.base import DEFAULT_BUS, LIVE, Complete
from eventroute.testing.storage.log import put, read_all

WANTED = "EVENTROUTE_TEST_POOLER"
BUS = DEFAULT_BUS
SESSIONS = 3
CONFIGURATION = """
[databases]
* = {server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
server_round_robin = 1
unix_socket_dir =
ignore_startup_parameters = options
"""


@pytest.fixture
def pooler(postgres: Place) -> Iterator[Place]:
    """The place behind a pooler that has fewer sessions of the server than there are connections, and gives each
    transaction the one that rests longest.
    """
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        if WANTED in os.environ:
            pytest.fail(f"{WANTED} is set, and there is no pgbouncer on the path")
        pytest.skip(f"needs pgbouncer on the path ({WANTED}=1 requires it)")
    parts = urlsplit(postgres.address)
    with socket.create_server(("127.0.0.1", 0)) as free:
        own = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pgbouncer.ini")
        server = f"host={parts.hostname} port={parts.port or 5432} user={parts.username}"
        server += f" password={parts.password}" if parts.password else ""
        path.write_text(CONFIGURATION.format(server=server, own=own, sessions=SESSIONS))
        Path(folder).chmod(0o755)
        as_user = ["-u", "nobody"] if os.geteuid() == 0 else []
        with subprocess.Popen([program, *as_user, path], stderr=subprocess.DEVNULL) as process:
            try:
                _wait_for(own)
                yield Place(parts._replace(netloc=f"{parts.username}@127.0.0.1:{own}").geturl(), postgres.schema)
            finally:
                process.terminate()


def _wait_for(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            return
    pytest.fail("pgbouncer does not start")


@pytest.mark.anyio
async def test_two_share_the_work_and_see_what_the_other_wrote(pooler: Place) -> None:
    async with pooler.storage(pooled=True) as one, pooler.storage(pooled=True) as two:
        session = await two.open_session(60)
        for number in range(5):
            with anyio.fail_after(5):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(partial(two.watch, BUS, end=1 + 2 * number, version=0, timeout=60))
                    await put(one, b"1", b"2")
            claim = await two.claim(BUS, LIVE, session, limit=10)
            assert claim is not None
            await two.write(BUS, session, [Complete(claim)])
            assert (await one.describe_bus(BUS)).events == len(await read_all(two)) == 2 * number + 2
        assert [(reader.position, reader.claimed) for reader in await one.readers(BUS)] == [(11, 11)]


@pytest.mark.anyio
async def test_who_does_not_say_so_is_told(pooler: Place) -> None:
    async with pooler.storage(pooled=True):
        pass
    _fill(pooler)
    with pytest.raises(StorageError, match="say pooled=true"):
        await _use_two(pooler)


def _fill(place: Place) -> None:
    """Let the pooler have all its sessions of the server."""
    with ExitStack() as together:
        for _ in range(SESSIONS):
            together.enter_context(psycopg.connect(place.address)).execute("SELECT 1")


async def _use_two(place: Place) -> None:
    async with place.storage() as one, place.storage() as two:
        for _ in range(20):
            for storage in (one, two):
                await storage.bounds(BUS)
                await put(storage, b"1")
