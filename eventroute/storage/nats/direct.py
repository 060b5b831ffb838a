"""nats-py's client, with a shorter way for what comes and goes most.

Its own way takes a task and a queue for each subscription and another for what is written: three turns of the loop a
message, which cost more than all else that is done with it. Connecting, authorization, TLS and requests are its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.aio.transport import WebSocketTransport
from nats.errors import ConnectionClosedError, Error, MaxPayloadError

__all__ = ["DirectClient", "Take"]

Take = Callable[[bytes, bytes, bytes, bytes | None], None]
"""Gets subject, reply, body and headers of a message, as they came."""

_JOINED = 65_536
"""Up to this size a message is written in one piece with what goes before it."""

_FLUSH = 5
"""Seconds that a server may take to answer that it has read all."""


class DirectClient(Client):
    """Only of use in its loop."""

    def __init__(self, *, encrypted: bool = False) -> None:
        """`encrypted`: nothing is to be said to a server that does not encrypt."""
        super().__init__()
        self._encrypted = encrypted
        self._takers: dict[int, Take] = {}
        self._draining: asyncio.Task[None] | None = None

    @property
    def has_jetstream(self) -> bool:
        """Whether the server that it is connected to says that it keeps streams."""
        return bool(self._server_info.get("jetstream"))

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        """What the server says first, before it is told who we are. The client encrypts where the server asks for it,
        and else it does not, whatever it was told.
        """
        if self._encrypted and initial_connection and not info.get("tls_required"):
            raise Error("the server does not encrypt, and tls=true asks for it")
        await super()._process_info(info, initial_connection)

    async def take(self, subject: str, take: Take) -> Subscription:
        """Subscribe, and have each message handed over as it is read. The server knows of it when this returns.

        Raises nats.errors.Error, also where the connection is lost meanwhile.
        """
        subscription = await self.subscribe(subject)
        self._takers[subscription._id] = take  # noqa: SLF001
        self._write_pending()  # else the question of `flush` would overtake it
        await self.flush(_FLUSH)
        return subscription

    def _write_pending(self) -> None:
        """Without the client's task for it: who waits for that waits for ever where the connection goes meanwhile."""
        if self._transport is not None and self._pending:
            self._transport.writelines(self._pending[:])
            self._pending = []
            self._pending_data_size = 0

    async def leave(self, subscription: Subscription) -> None:
        """Take no more of what was subscribed."""
        await subscription.unsubscribe()
        self._takers.pop(subscription._id, None)  # noqa: SLF001

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        """Called by the parser."""
        take = self._takers.get(sid)
        if take is None:
            await super()._process_msg(sid, subject, reply, data, headers)  # type: ignore[arg-type]
        else:
            take(subject, reply, data, headers)

    def write(self, subject: str, body: bytes, reply: str, headers: bytes = b"") -> None:
        """Publish without waiting: whoever calls bounds what is on its way. `headers`: as they stand in the message.

        Raises nats.errors.Error.
        """
        if not self.is_connected or self._transport is None:
            raise ConnectionClosedError
        size = len(headers) + len(body)
        if size > self._max_payload:
            raise MaxPayloadError
        if headers:
            line = f"HPUB {subject} {reply} {len(headers)} {size}\r\n".encode() + headers
        else:
            line = f"PUB {subject} {reply} {size}\r\n".encode()
        if len(body) <= _JOINED:
            self._transport.write(b"".join((line, body, b"\r\n")))
        else:
            for piece in (line, body, b"\r\n"):
                self._transport.write(piece)
        if isinstance(self._transport, WebSocketTransport) and (self._draining is None or self._draining.done()):
            self._draining = asyncio.get_running_loop().create_task(_drain(self._transport))


async def _drain(transport: WebSocketTransport) -> None:
    """Send what was written, which only a socket does by itself."""
    with suppress(OSError):  # that the connection is lost is told by what reads from it
        await transport.drain()  # type: ignore[no-untyped-call]
