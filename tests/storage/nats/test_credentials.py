"""Signing in by a file of credentials, to a real server that knows an operator's accounts."""

from __future__ import annotations

import logging
import os
import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from attrs import frozen

from benchmarks.nats import ADDRESS
from benchmarks.nats_server import PrivateServer
from eventroute.errors import StorageError
from eventroute.storage.base import DEFAULT_BUS, Storage
from eventroute.storage.open import open_storage
from eventroute.testing.storage.log import read_all
from tests.storage.nats.authority import Authority, credentials
from tests.storage.nats.private import SERVER

pytestmark = pytest.mark.anyio


@frozen
class House:
    """A server that lets in whom its authority has let in, and the file by which a storage signs in to it."""

    authority: Authority
    server: PrivateServer
    file: Path

    def storage(self, patience: float = 10) -> Storage:
        return open_storage(f"{self.server.url}?credentials={self.file}&patience={patience}")

    def write(self, jwt: str, seed: str | None = None) -> None:
        self.file.write_text(credentials(jwt, seed or self.authority.seed()), encoding="ascii")

    @property
    def refused(self) -> str:
        """What errors say."""
        return re.escape(f"the server refuses the credentials {self.file}")

    def is_secret(self, text: str) -> bool:
        """Whether nothing of the file is in a text, be it only a part of a line."""
        lines = re.findall(r"^[\w.-]{50,}$", self.file.read_text(encoding="ascii"), re.MULTILINE)
        assert len(lines) == 2
        return not any(part in text for line in lines for part in (line[:20], line[-20:]))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    if SERVER is None and ADDRESS not in os.environ:
        pytest.skip("needs the program nats-server")
    authority = Authority(tmp_path)
    server = PrivateServer(tmp_path / "streams", "-c", str(authority.settings))
    server.start()
    yield House(authority, server, tmp_path / "user.creds")
    server.kill()


async def test_who_is_let_in_appends_and_reads(house: House) -> None:
    house.write(house.authority.let_in(lasts=3_600))
    with anyio.fail_after(30):
        async with house.storage() as storage:
            assert await storage.append(DEFAULT_BUS, [b"1"], append_id="a") == (1,)
        async with house.storage() as storage:
            assert [record.event for record in await read_all(storage)] == [b"1"]


@pytest.mark.parametrize(
    "make",
    [
        lambda authority: (authority.stranger(), authority.seed()),
        lambda authority: (authority.let_in(lasts=-60, issued=-120), authority.seed()),
        lambda authority: (authority.let_in(), authority.other_seed()),
        lambda authority: (authority.let_in()[:-4], authority.seed()),
    ],
    ids=["of another account", "expired", "the seed of another", "cut"],
)
async def test_who_is_not_let_in_is_told_which_file_was_refused_and_nothing_of_it(
    house: House, make: Callable[[Authority], tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    house.write(*make(house.authority))
    with anyio.fail_after(30), pytest.raises(StorageError, match=house.refused) as caught:
        await house.storage().open()
    assert house.is_secret("".join(traceback.format_exception(caught.value)) + caplog.text)


async def test_who_is_revoked_is_refused_until_there_is_another_file(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    house.write(house.authority.let_in(issued=-60))
    with anyio.fail_after(60):
        async with house.storage(0.5) as storage:
            await storage.append(DEFAULT_BUS, [b"1"], append_id="a")
            await anyio.to_thread.run_sync(house.server.kill)
            house.authority.revoke()
            await anyio.to_thread.run_sync(house.server.start)
            told = ""
            while not re.search(house.refused, told):  # first it is told that the server was away
                with pytest.raises(StorageError) as caught:
                    await storage.append(DEFAULT_BUS, [b"2"], append_id="b")
                told = str(caught.value)
            assert house.is_secret(told + caplog.text)
            house.write(house.authority.let_in(issued=60))
            while True:
                try:
                    await storage.append(DEFAULT_BUS, [b"2"], append_id="b")
                except StorageError:
                    continue  # it is tried again once a second
                break
            assert [record.event for record in await read_all(storage)] == [b"1", b"2"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # it is the server that is waited for
async def test_what_expires_while_it_is_in_use_is_told(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.write(house.authority.let_in(lasts=2))
    with anyio.fail_after(30):
        async with house.storage(0.5):
            while not caplog.messages:  # noqa: ASYNC110 - a thread is at work
                await anyio.sleep(0.01)
    assert re.search(f"lost: {house.refused}.*expired", caplog.messages[0], re.IGNORECASE)
    assert house.is_secret(caplog.text)
