"""The short way past nats-py's queues."""

from __future__ import annotations

import asyncio
from pathlib import Path

import nats.errors as nats_errors
import pytest

from benchmarks.nats import Place
from benchmarks.nats_server import PrivateServer, free_ports
from eventroute.storage.nats import link
from eventroute.storage.nats.direct import DirectClient
from tests.storage.nats.private import SERVER

Message = tuple[bytes, bytes, bytes, bytes | None]


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 900_000])
@pytest.mark.parametrize("headers", [b"", b"NATS/1.0\r\nName: value\r\n\r\n"])
def test_what_is_written_is_taken_as_it_was(nats: Place, size: int, headers: bytes) -> None:
    async def main() -> None:
        client = DirectClient()
        await client.connect(nats.address, allow_reconnect=False)
        taken: asyncio.Queue[Message] = asyncio.Queue()
        subject = client.new_inbox()
        await client.take(subject, lambda *message: taken.put_nowait(message))
        client.write(subject, b"x" * size, "", headers)
        client.write(subject, b"second", "somewhere")
        async with asyncio.timeout(10):
            assert await taken.get() == (subject.encode(), b"", b"x" * size, headers or None)
            assert await taken.get() == (subject.encode(), b"somewhere", b"second", None)
        await client.close()

    asyncio.run(main())


def test_the_server_knows_what_is_subscribed_to_when_the_call_returns(nats: Place) -> None:
    """Also where the client has much to write before."""

    async def main() -> None:
        client, other = DirectClient(), DirectClient()
        await client.connect(nats.address, allow_reconnect=False)
        await other.connect(nats.address, allow_reconnect=False)
        for _ in range(20):
            taken: asyncio.Queue[Message] = asyncio.Queue()
            subject = client.new_inbox()
            await client.publish(f"{subject}.before", b"x" * 500_000)
            subscription = await client.take(subject, lambda *message, taken=taken: taken.put_nowait(message))
            other.write(subject, b"1", "")
            async with asyncio.timeout(10):
                await taken.get()
            await client.leave(subscription)
            other.write(subject, b"2", "")
            await other.flush()
            await client.flush()
            assert taken.empty()
        await client.close()
        await other.close()

    asyncio.run(main())


def test_who_subscribes_as_the_connection_is_lost_does_not_wait_for_ever(nats: Place) -> None:
    """The client's task for what is to be written ends then, and has not taken what it was asked for last."""

    async def main() -> None:
        client = DirectClient()
        await client.connect(nats.address, allow_reconnect=False)
        await client.flush()  # and waits at its queue again
        kept, asked = client._flush_queue, asyncio.Queue[asyncio.Future[object]]()
        client._flush_queue = asked  # which nobody reads
        taking = asyncio.create_task(client.take("subject", lambda *_message: None))
        done, _ = await asyncio.wait({taking}, timeout=4)  # a timeout would cancel it, which the client swallows
        assert done == {taking}
        assert asked.qsize()
        client._flush_queue = kept
        await client.close()

    asyncio.run(main())


@pytest.mark.skipif(SERVER is None, reason="needs the program nats-server")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the client, about how it calls aiohttp
@pytest.mark.parametrize("size", [1, 900_000])
def test_what_is_written_to_a_web_socket_goes_out_at_once(tmp_path: Path, size: int) -> None:
    """Nothing else is sent meanwhile."""
    (port,) = free_ports(1)
    settings = tmp_path / "settings"
    settings.write_text(f'websocket {{ listen: "127.0.0.1:{port}", no_tls: true }}')
    server = PrivateServer(tmp_path, "-c", str(settings))

    async def main() -> None:
        client = DirectClient()
        await client.connect(f"ws://127.0.0.1:{port}", allow_reconnect=False)
        taken: asyncio.Queue[Message] = asyncio.Queue()
        subject = client.new_inbox()
        await client.take(subject, lambda *message: taken.put_nowait(message))
        for number in range(3):
            for _ in range(number):
                client.write(subject, bytes([number]) * size, "")
            async with asyncio.timeout(5):
                for _ in range(number):
                    assert await taken.get() == (subject.encode(), b"", bytes([number]) * size, None)
        await client.close()

    server.start()
    try:
        asyncio.run(main())
    finally:
        server.kill()


def test_what_cannot_be_written_is_refused(nats: Place) -> None:
    async def main() -> None:
        client = DirectClient()
        with pytest.raises(nats_errors.ConnectionClosedError):
            client.write("s", b"", "")
        await client.connect(nats.address, allow_reconnect=False)
        with pytest.raises(nats_errors.MaxPayloadError):
            client.write("s", b"x" * client.max_payload, "", b"NATS/1.0\r\n\r\n")
        await client.close()
        with pytest.raises(nats_errors.ConnectionClosedError):
            client.write("s", b"", "")

    asyncio.run(main())


@pytest.mark.parametrize(("subject", "times"), [("STREAM.INFO.s", 3), ("STREAM.CREATE.s", 1), ("STREAM.PURGE.s", 1)])
def test_a_question_is_asked_again_and_an_order_is_not(
    nats: Place, monkeypatch: pytest.MonkeyPatch, subject: str, times: int
) -> None:
    """One order behind the other, before the first is carried out, fails by that."""
    asked: list[str] = []

    async def never(_client: DirectClient, subject: str, *_: object, **__: object) -> None:
        asked.append(subject)
        raise nats_errors.TimeoutError

    async def main() -> None:
        connection = link.Link(nats.server())
        monkeypatch.setattr(DirectClient, "request", never)
        with pytest.raises(link.Unreachable):
            await connection.ask(subject)

    asyncio.run(main())
    assert asked == [f"$JS.API.{subject}"] * times
