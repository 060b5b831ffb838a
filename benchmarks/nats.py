"""Streams of its own on a NATS server, for measurements and tests, which are deleted afterwards."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.to_thread
import nats
from attrs import frozen

from eventroute.clock import Clock
from eventroute.storage.nats.server import Server
from eventroute.storage.nats.storage import NatsStorage

__all__ = ["ADDRESS", "Place", "place"]

ADDRESS = "EVENTROUTE_TEST_NATS"
"""The environment variable that names the server."""


@frozen
class Place:
    """Streams of a server."""

    address: str
    name: str

    @property
    def url(self) -> str:
        """Its address for `open_storage`."""
        return f"{self.address}/{self.name}"

    def server(self, **more: Any) -> Server:
        """How they are reached."""
        return Server(addresses=(self.address,), name=self.name, **more)

    def storage(self, clock: Clock | None = None, **more: Any) -> NatsStorage:
        """A storage there that is not open."""
        return NatsStorage(self.server(**more), clock=clock)

    def empty(self) -> None:
        """Delete the streams, also where an event loop runs already."""
        with ThreadPoolExecutor(1) as other:
            other.submit(lambda: asyncio.run(self._empty())).result()

    async def empty_async(self) -> None:
        """The same, on asyncio or trio."""
        await anyio.to_thread.run_sync(self.empty)

    async def _empty(self) -> None:
        client = await nats.connect(self.address)
        for stream in (self.server().stream, self.server().snapshots):
            await client.request(f"$JS.API.STREAM.DELETE.{stream}", b"", timeout=10)
        await client.close()


@contextmanager
def place(address: str) -> Iterator[Place]:
    """Streams that nobody else has; they are made by the first storage that is opened there."""
    made = Place(address, f"test-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        yield made
    finally:
        made.empty()
