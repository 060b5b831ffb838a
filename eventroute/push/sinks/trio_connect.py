"""Connections on trio to addresses that the policy allows, in the clear and over TLS."""

from __future__ import annotations

import math
import socket
import ssl
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

import trio
from attrs import define, field

from eventroute.push.policy.addresses import AddressPolicy, ForbiddenAddress, Lookup, Target, resolve
from eventroute.push.sinks.client import NoAnswer

__all__ = ["Channel", "Connector"]

NEXT_ADDRESS_AFTER = 0.25
"""After so many seconds without a connection the next address is tried beside the first (RFC 8305, section 5)."""

_RECORD_TYPES = range(20, 25)
_RECORD_HEAD = 5
_LONGEST_RECORD = 2**14 + 2_048  # TLS 1.2, and less in 1.3
_READ = 65_536

Address: TypeAlias = IPv4Address | IPv6Address
_Connected: TypeAlias = tuple[trio.SocketStream, socket.socket]


@define(eq=False)
class _Records(trio.abc.Stream):
    """Hands TLS one record at a time: what came after the record that ends an answer stays to be seen."""

    transport: trio.SocketStream
    held: bytearray = field(factory=bytearray)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        held = self.held
        while len(held) < (size := _record_size(held)):
            data = await self.transport.receive_some(_READ)
            if not data:
                size = len(held)
                break
            held += data
        record = bytes(held[:size])
        del held[:size]
        return record

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.transport.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.transport.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self.transport.aclose()


def _record_size(held: bytearray) -> int:
    """How long the first record is, its head included; what is no TLS goes as it came, for TLS to refuse it."""
    if not held:
        return 1
    if held[0] not in _RECORD_TYPES:
        return len(held)
    if len(held) < _RECORD_HEAD:
        return _RECORD_HEAD
    size = int.from_bytes(held[3:_RECORD_HEAD], "big")
    return len(held) if size > _LONGEST_RECORD else _RECORD_HEAD + size


@define(eq=False)
class Channel:
    """One connection to a server. What it raises where the other end has gone is trio.BrokenResourceError."""

    stream: trio.SocketStream
    raw: socket.socket
    """The socket below, which does not block: a request that it takes at once costs no pass of the event loop."""
    tls: trio.SSLStream[_Records] | None = None

    async def send(self, data: bytes) -> None:
        """Send all of it. Yields to the event loop only where it has to wait."""
        if self.tls is not None:
            await self.tls.send_all(data)
            return
        try:
            sent = self.raw.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise trio.BrokenResourceError from error
        if sent < len(data):
            await self.stream.send_all(memoryview(data)[sent:])

    async def receive(self, size: int) -> bytes:
        """Wait for what comes next, at most so many bytes; none is the end."""
        if self.tls is not None:
            return bytes(await self.tls.receive_some(size))
        raw = self.raw
        while True:
            if raw.fileno() < 0:  # closed while something was being sent
                raise trio.ClosedResourceError
            await trio.lowlevel.wait_readable(raw)
            try:
                return raw.recv(size)
            except BlockingIOError:
                continue
            except OSError as error:
                raise trio.BrokenResourceError from error

    @property
    def unread(self) -> bool:
        """Whether something came in that nobody has read, the end of the connection too."""
        tls = self.tls
        if tls is not None and (tls.transport_stream.held or tls.pending()):
            return True
        return self.stream.socket.is_readable()

    def close(self) -> None:
        """Close it at once; whoever waits on it gets trio.ClosedResourceError."""
        self.stream.socket.close()


@define(eq=False)
class Connector:
    """Connects to nothing but what the policy allows."""

    addresses: AddressPolicy
    lookup: Lookup

    async def connect(self, target: Target, tls: ssl.SSLContext | None) -> Channel:
        """A new connection. Raises ForbiddenAddress, and NoAnswer for `dns-error`, `tls-error`, `connection-error`."""
        allowed = await self._allowed(target)
        try:
            stream, raw = await self._any(target, allowed)
        except ForbiddenAddress:
            raise
        except OSError as error:
            raise NoAnswer("connection-error", f"cannot connect to {target.host}:{target.port}: {error}") from error
        if tls is None:
            return Channel(stream, raw)
        try:
            return Channel(stream, raw, await _secured(stream, tls, target.host))
        except BaseException:
            stream.socket.close()
            raise

    async def _allowed(self, target: Target) -> Sequence[Address]:
        if target.address is not None:
            return [target.address]
        try:
            return await resolve(self.addresses, target.host, target.port, self.lookup)
        except ForbiddenAddress:
            raise
        except OSError as error:
            raise NoAnswer("dns-error", f"cannot look up {target.host}: {error}") from error

    async def _any(self, target: Target, addresses: Sequence[Address]) -> _Connected:
        """The first connection that comes about. Raises OSError where none does."""
        if len(addresses) == 1:
            return await self._one(target, addresses[0])
        won: list[_Connected] = []
        failures: list[OSError] = []

        async def attempt(address: Address, failed: trio.Event) -> None:
            try:
                won.append(await self._one(target, address))
                nursery.cancel_scope.cancel()
            except OSError as error:
                failures.append(error)
                failed.set()

        try:
            async with trio.open_nursery() as nursery:
                for address in addresses:
                    failed = trio.Event()
                    nursery.start_soon(attempt, address, failed)
                    with trio.move_on_after(NEXT_ADDRESS_AFTER if address is not addresses[-1] else math.inf):
                        await failed.wait()
        except BaseException:
            for stream, _ in won:
                stream.socket.close()
            raise
        for stream, _ in won[1:]:
            stream.socket.close()
        if not won:
            raise failures[0]
        return won[0]

    async def _one(self, target: Target, address: Address) -> _Connected:
        self.addresses.check(target.host, address)  # the last check, on the very address that is connected to
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        raw = socket.socket(family, socket.SOCK_STREAM)
        connecting = trio.socket.from_stdlib_socket(raw)
        try:
            await connecting.connect((str(address), target.port))
        except BaseException:
            connecting.close()
            raise
        return trio.SocketStream(connecting), raw


async def _secured(stream: trio.SocketStream, context: ssl.SSLContext, host: str) -> trio.SSLStream[_Records]:
    name = host.removesuffix(".")  # a certificate never has the dot of a name that is complete
    secured = trio.SSLStream(_Records(stream), context, server_hostname=name, https_compatible=True)
    try:
        await secured.do_handshake()
    except trio.BrokenResourceError as error:
        cause = error.__cause__ or error
        reason = "tls-error" if isinstance(cause, ssl.SSLError) else "connection-error"
        raise NoAnswer(reason, str(cause) or type(cause).__name__) from error
    return secured
