"""What is told to whom when a connection is made."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import anyio
import anyio.abc
import pytest

from benchmarks.nats_server import PrivateServer
from eventroute.errors import StorageError
from eventroute.storage.nats import credentials
from eventroute.storage.open import open_storage
from tests.storage.nats.private import SERVER

pytestmark = pytest.mark.anyio

_JWT = "-----BEGIN NATS USER JWT-----\nabc\n------END NATS USER JWT------\n"
_SEED = "-----BEGIN USER NKEY SEED-----\nSU\n------END USER NKEY SEED------\n"


async def test_a_server_that_does_not_encrypt_is_told_nothing_where_that_is_asked_for() -> None:
    """Whoever stands between may say that the server does not."""
    heard: list[bytes] = []
    left = anyio.Event()

    async def serve(client: anyio.abc.SocketStream) -> None:
        async with client:
            await client.send(
                b'INFO {"version":"2.9.10","max_payload":1048576,"jetstream":true,"tls_required":false}\r\n'
            )
            heard.extend([data async for data in client])
        left.set()

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        with anyio.fail_after(30), pytest.raises(StorageError, match="does not encrypt, and tls=true asks for it"):
            await open_storage(f"nats://user:secret@127.0.0.1:{port}/test?tls=true").open()
        with anyio.fail_after(30):
            await left.wait()
        tasks.cancel_scope.cancel()
    assert heard == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        ("", "is no file of credentials: it has no user JWT, or no seed"),
        (_SEED, "is no file of credentials: it has no user JWT, or no seed"),
        (_JWT, "is no file of credentials: it has no user JWT, or no seed"),
    ],
)
async def test_a_file_that_has_no_credentials_is_told_of(tmp_path: Path, content: str | None, message: str) -> None:
    """The client looks for them for ever, or its fault ends the thread."""
    file = tmp_path / "user.creds"
    if content is not None:
        file.write_text(content, encoding="ascii")
    with anyio.fail_after(30), pytest.raises(StorageError, match=message):
        await open_storage(f"nats://127.0.0.1:1/test?credentials={file}").open()


@pytest.mark.skipif(SERVER is None, reason="needs the program nats-server")
async def test_a_seed_that_is_none_is_told_of(tmp_path: Path) -> None:
    file = tmp_path / "user.creds"
    file.write_text(_JWT + _SEED, encoding="ascii")
    settings = tmp_path / "settings"
    key = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
    settings.write_text(f"authorization {{ users = [ {{ nkey: {key} }} ] }}\n", encoding="ascii")
    server = PrivateServer(tmp_path / "streams", "-c", str(settings))
    server.start()
    try:
        with anyio.fail_after(30), pytest.raises(StorageError, match="is no file of credentials"):
            await open_storage(f"{server.place.address}/test?credentials={file}").open()
    finally:
        server.kill()


async def test_without_what_signs_it_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "user.creds"
    file.write_text(_JWT + _SEED, encoding="ascii")
    monkeypatch.setattr(credentials, "find_spec", lambda name: None if name == "nkeys" else find_spec(name))
    with anyio.fail_after(30), pytest.raises(StorageError, match="need the package nkeys: pip install"):
        await open_storage(f"nats://127.0.0.1:1/test?credentials={file}").open()
