"""A bare HTTP server on loopback that answers as it is told, and HTTP sinks that may push to it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from eventroute.event import Event
from eventroute.push.addresses import AddressPolicy, Lookup
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.reply import Append
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
        self.changed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self.closed += 1
            self.changed.set()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append((head[0], headers, body))
        self.changed.set()
        now = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        hang, close = now.endswith(self.HANG), now.endswith(self.CLOSE)
        writer.write(now.removesuffix(self.HANG).removesuffix(self.CLOSE))
        await writer.drain()
        if hang:
            await reader.read()  # until the client goes
        return not (hang or close)

    async def until(self, condition: Callable[[], bool]) -> None:
        with anyio.fail_after(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def receiver(
    *answers: bytes, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    receiving = Receiver(*answers)
    server = await asyncio.start_server(receiving.serve, host, 0, ssl=tls)
    receiving.port = server.sockets[0].getsockname()[1]
    try:
        yield receiving
    finally:
        server.close()
        await receiving.until(lambda: receiving.closed == receiving.connections)
        await server.wait_closed()


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
