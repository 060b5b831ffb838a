"""A bare HTTP server on loopback that answers as it is told, and HTTP sinks that may push to it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.tls import TLSStream

from eventroute.event import Event
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.addresses import AddressPolicy, Lookup
from eventroute.push.policy.reply import Append
from eventroute.push.sinks.client import HttpSettings
from eventroute.push.sinks.http import HttpSinks
from eventroute.testing.clock import VirtualClock

CERTIFICATE = Path(__file__).with_name("certificate.pem")  # for sink.test, signed by itself; its key guards nothing
EVENT = Event.create(id="1", type="t", source="/s", data={"n": 1})
OK = b"HTTP/1.1 204 No Content\r\n\r\n"
LOOPBACK = HttpSettings(addresses=AddressPolicy(networks=["127.0.0.0/8"]))
POLICY = DeliveryPolicy(timeout=20)
HASTY = DeliveryPolicy(timeout=0.03)


def answer(status: int, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Receiver:
    """A bare HTTP server: answers the next request with the next of `answers`, and with the last one from then on.

    An answer that ends in HANG leaves the client waiting for the rest, one that ends in CLOSE goes away.
    """

    HANG = b"<hang>"
    CLOSE = b"<close>"

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers) or [OK]
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0
        self.closed = 0
        self.port = 0
        self.changed = anyio.Event()

    async def serve(self, stream: ByteStream) -> None:
        self.connections += 1
        try:
            reader = BufferedByteReceiveStream(stream)
            while await self.exchange(reader, stream):
                pass
        except (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError):
            pass
        finally:
            self.closed += 1
            self.changed.set()
            await anyio.aclose_forcefully(stream)

    async def exchange(self, reader: BufferedByteReceiveStream, stream: ByteStream) -> bool:
        head = (await reader.receive_until(b"\r\n\r\n", 1_000_000)).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        body = await reader.receive_exactly(int(headers.get("content-length", 0)))
        self.requests.append((head[0], headers, body))
        self.changed.set()
        now = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        hang, close = now.endswith(self.HANG), now.endswith(self.CLOSE)
        await stream.send(now.removesuffix(self.HANG).removesuffix(self.CLOSE))
        while hang:  # until the client goes
            await reader.receive()
        return not close

    async def until(self, condition: Callable[[], bool]) -> None:
        with anyio.fail_after(10):
            while not condition():
                self.changed = anyio.Event()
                await self.changed.wait()


@asynccontextmanager
async def serving(
    serve: Callable[[ByteStream], Awaitable[None]], port: int = 0, *, host: str = "127.0.0.1"
) -> AsyncIterator[int]:
    """Serve connections on a port of this machine until all of them are over; its number. OSError: there is none."""
    listener = await anyio.create_tcp_listener(local_host=host, local_port=port)
    async with anyio.create_task_group() as connections, listener, anyio.create_task_group() as accepting:
        accepting.start_soon(listener.serve, serve, connections)
        try:
            yield listener.extra(SocketAttribute.local_port)
        finally:
            accepting.cancel_scope.cancel()


@asynccontextmanager
async def receiver(
    *answers: bytes, tls: ssl.SSLContext | None = None, receiving: Receiver | None = None
) -> AsyncIterator[Receiver]:
    receiving = receiving or Receiver(*answers)

    async def serve(stream: ByteStream) -> None:
        if tls is not None:
            try:
                stream = await TLSStream.wrap(stream, ssl_context=tls, standard_compatible=False)
            except (ssl.SSLError, anyio.BrokenResourceError, anyio.EndOfStream):
                await anyio.aclose_forcefully(stream)
                return
        await receiving.serve(stream)

    with anyio.fail_after(60):
        async with serving(serve) as receiving.port:
            yield receiving


def answering(*found: str) -> Lookup:
    """A name's addresses: each lookup takes the next one, and the last one from then on."""
    left = list(found)

    async def lookup(host: str, port: int) -> Sequence[str]:
        return [left.pop(0) if len(left) > 1 else left[0]]

    return lookup


HOME = answering("127.0.0.1")


@asynccontextmanager
async def sinks(
    settings: HttpSettings = LOOPBACK, lookup: Lookup = HOME, append: Append | None = None
) -> AsyncIterator[HttpSinks]:
    provider = HttpSinks(settings=settings, lookup=lookup, clock=VirtualClock(), append=append)
    await provider.open()
    try:
        yield provider
    finally:
        await provider.aclose()
