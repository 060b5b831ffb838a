"""HTTP on asyncio that does no more than it must: messages that were made before, connections that are kept.

What measures must cost little beside what is measured, above all where they share a processor.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

__all__ = ["Producer", "request", "serving"]

Took = Callable[[bytes, float], None]
"""Is told a body, and when it was there."""


class _Messages(asyncio.Protocol):
    """Takes messages apart that tell their length, or have no body."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        pending = self._pending
        pending += data
        while (end := pending.find(b"\r\n\r\n")) >= 0:
            head = bytes(pending[:end])
            _, _, length = head.lower().partition(b"content-length:")
            size = end + 4 + int(length.partition(b"\r\n")[0] or 0)
            if len(pending) < size:
                return
            body = bytes(pending[end + 4 : size])
            del pending[:size]
            self.came(head, body)

    def came(self, head: bytes, body: bytes) -> None:
        """A message is there."""
        raise NotImplementedError


class _Server(_Messages):
    """Answers everything, and tells it."""

    def __init__(self, took: Took) -> None:
        super().__init__()
        self._took = took

    def came(self, head: bytes, body: bytes) -> None:
        now = perf_counter()
        self.transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        self._took(body, now)


@asynccontextmanager
async def serving(took: Took) -> AsyncIterator[str]:
    """The URL of a server that answers 204 to everything."""
    server = await asyncio.get_running_loop().create_server(lambda: _Server(took), "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


def request(url: str, content_type: str, body: bytes) -> bytes:
    """A POST as it goes over the wire."""
    authority, path = _parts(url)
    head = f"Host: {authority}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def _parts(url: str) -> tuple[str, str]:
    authority, _, path = url.removeprefix("http://").partition("/")
    return authority, f"/{path}"


class _Client(_Messages):
    """One connection, on which one request at a time is under way."""

    def __init__(self, idle: deque[_Client]) -> None:
        super().__init__()
        self._idle = idle
        self._answered: asyncio.Future[bytes] | None = None

    def send(self, message: bytes) -> asyncio.Future[bytes]:
        self._answered = asyncio.get_running_loop().create_future()
        self.transport.write(message)
        return self._answered

    def came(self, head: bytes, body: bytes) -> None:
        answered, self._answered = self._answered, None
        if answered is None:
            raise RuntimeError(f"an answer that nobody asked for: {head!r}")
        self._idle.append(self)
        if head[9:10] == b"2":
            answered.set_result(body)
        else:
            answered.set_exception(RuntimeError(f"{head.decode()}\n{body.decode()}"))

    def connection_lost(self, error: Exception | None) -> None:
        if self._answered is not None:
            self._answered.set_exception(error or ConnectionResetError())


class Producer:
    """Sends requests to one place; each goes at once, over a new connection where all others wait for answers."""

    def __init__(self, url: str) -> None:
        host, _, port = _parts(url)[0].partition(":")
        self._address = host, int(port)
        self._idle: deque[_Client] = deque()
        self._all: list[_Client] = []

    async def post(self, message: bytes) -> None:
        """Send a request and wait for its answer. Raises RuntimeError where that is not of 2xx."""
        if not self._idle:
            make = asyncio.get_running_loop().create_connection
            _, client = await make(lambda: _Client(self._idle), *self._address)
            self._all.append(client)
        else:
            client = self._idle.pop()
        await client.send(message)

    def close(self) -> None:
        """Close all connections."""
        for client in self._all:
            client.transport.close()
