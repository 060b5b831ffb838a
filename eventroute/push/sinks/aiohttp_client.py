"""The HTTP client on asyncio: aiohttp's connections and parser, held to checked addresses.

Why aiohttp, and why not by its `ClientSession`: docs/decisions/http-client.md.
"""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, NoReturn

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from attrs import frozen
from yarl import URL

from eventroute.push.policy.addresses import ForbiddenAddress, Lookup, resolve
from eventroute.push.sinks.aiohttp_parser import AnswerParser, is_interim
from eventroute.push.sinks.client import (
    ENDPOINTS,
    TALKERS,
    Answer,
    HttpSettings,
    NoAnswer,
    Request,
    patience,
    written,
)

__all__ = ["AiohttpClient"]


@lru_cache(maxsize=1_024)
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(connect=seconds)


@frozen(eq=False)
class _Endpoint:
    """What a URL and a TLS context stand for; made once."""

    key: aiohttp.ClientRequest
    """Tells the connector where to connect to; it is never sent."""
    target: str
    """The rest of the request line, and the Host header."""

    @classmethod
    def of(cls, url: str, tls: ssl.SSLContext | None, loop: asyncio.AbstractEventLoop) -> _Endpoint:
        parsed = URL(url, encoded=True)  # as it was written
        key = aiohttp.ClientRequest("POST", parsed, loop=loop, ssl=tls or True)
        return cls(key, f" {parsed.raw_path_qs} HTTP/1.1\r\nHost: {parsed.host_port_subcomponent}")


class _CheckedResolver(AbstractResolver):
    """Hands out only what the policy allows. aiohttp asks it for names, not for addresses that stand in a URL."""

    def __init__(self, settings: HttpSettings, lookup: Lookup) -> None:
        self._settings = settings
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in await resolve(self._settings.addresses, host, port, self._lookup)
        ]

    async def close(self) -> None:
        """Nothing to close."""


class _Deadlines:
    """Ends the requests whose time is over. One timer serves all of them: one for each made a request 4 % dearer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ends: dict[ResponseHandler, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = math.inf
        """When it goes off; what was to end then may have come to its end before."""

    def set(self, protocol: ResponseHandler, end: float) -> None:
        """Have the wait for an answer raise TimeoutError at that time of the loop, unless it is cleared before."""
        self._ends[protocol] = end
        if end < self._next:
            self._wait_for(end)

    def clear(self, protocol: ResponseHandler) -> None:
        """The wait is over."""
        self._ends.pop(protocol, None)

    def close(self) -> None:
        """Watch no longer."""
        self._ends.clear()
        self._wait_for(math.inf)

    def _wait_for(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = moment
        self._timer = None if moment == math.inf else self._loop.call_at(moment, self._end)

    def _end(self) -> None:
        now = self._loop.time()
        for protocol in [protocol for protocol, end in self._ends.items() if end <= now]:
            del self._ends[protocol]
            protocol.set_exception(TimeoutError())
        self._wait_for(min(self._ends.values(), default=math.inf))


class AiohttpClient:
    """One aiohttp connector. Make it on the running event loop."""

    def __init__(self, settings: HttpSettings, lookup: Lookup) -> None:
        self._settings = settings
        tls = settings.tls() if callable(settings.tls) else settings.tls
        self._loop = asyncio.get_running_loop()
        self._deadlines = _Deadlines(self._loop)
        self._connector = aiohttp.TCPConnector(
            resolver=_CheckedResolver(settings, lookup),
            socket_factory=self._checked_socket,
            ttl_dns_cache=0,  # each new connection asks again, and those that ask at once share the answer
            ssl=tls or True,
            limit=0,
            limit_per_host=settings.connections,
            keepalive_timeout=settings.idle_timeout,
        )
        self._endpoint = lru_cache(maxsize=ENDPOINTS)(_Endpoint.of)

    def _checked_socket(self, address_info: tuple[Any, ...]) -> socket.socket:
        """The last check, on the very address that the socket is about to connect to."""
        family, kind, protocol, _, address = address_info
        self._settings.addresses.check(address[0], ip_address(address[0]))
        return socket.socket(family, kind, protocol)

    async def send(self, request: Request) -> Answer:
        """Send one request; see HttpClient."""
        endpoint = self._endpoint(request.url, request.tls, self._loop)
        message = written(request, endpoint.target)
        deadline = self._loop.time() + request.timeout
        try:
            connection, protocol = await self._connect(endpoint, request.timeout, deadline)
            try:
                answer = await self._exchange(protocol, message, request, deadline)
            except BaseException:
                connection.close()
                raise
        except (aiohttp.ClientError, HttpProcessingError, TimeoutError) as error:
            _explain(error, request.timeout)
        _let_go(connection, protocol)
        return answer

    async def _connect(self, endpoint: _Endpoint, left: float, deadline: float) -> tuple[Connection, ResponseHandler]:
        """A connection on which nothing has come in: what a server says unasked must not pass for an answer."""
        for _ in range(TALKERS):
            connection = await self._connector.connect(endpoint.key, [], _timeout(left))
            protocol = connection.protocol
            if protocol is not None and not protocol.should_close:
                return connection, protocol
            connection.close()
            left = deadline - self._loop.time()
            if left <= 0:
                raise TimeoutError
        raise NoAnswer("bad-answer", "the server answers before it is asked")

    async def _exchange(self, protocol: ResponseHandler, message: bytes, request: Request, deadline: float) -> Answer:
        parser = AnswerParser(protocol)
        transport = protocol.transport
        if transport is None:
            raise aiohttp.ServerDisconnectedError
        transport.write(message)
        self._deadlines.set(protocol, deadline)
        try:
            answer, content = await protocol.read()
            while is_interim(answer.code):
                answer, content = await protocol.read()
        finally:
            self._deadlines.clear(protocol)
        if content.is_eof() and content.exception() is None:  # it is here already, as most are
            body = content.read_nowait(self._settings.answer_limit)
        else:
            left = max(deadline - self._loop.time(), 0.0)
            body = await self._read(content, patience(request, left))
        return Answer(answer.code, answer.headers, body, content.at_eof() and not parser.cut)

    async def _read(self, content: aiohttp.StreamReader, within: float) -> bytes:
        """At most `answer_limit` bytes, within so many seconds.

        The status has decided already, so a body that breaks off or does not come changes nothing.
        """
        left = self._settings.answer_limit
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(within):
                while left and (part := await content.read(left)):
                    parts.append(part)
                    left -= len(part)
        except (aiohttp.ClientError, TimeoutError):
            pass
        return b"".join(parts)

    async def aclose(self) -> None:
        """Close all connections."""
        self._deadlines.close()
        await self._connector.close()


def _let_go(connection: Connection, protocol: ResponseHandler) -> None:
    """Keep the connection for another request, unless this one did not come to its end."""
    transport = protocol.transport
    if transport is None or transport.get_write_buffer_size():  # an answer that came before all was sent
        connection.close()
    else:
        connection.release()  # which closes it where something of the answer is still to come


def _explain(error: aiohttp.ClientError | HttpProcessingError | TimeoutError, timeout: float) -> NoReturn:
    text = error.message if isinstance(error, HttpProcessingError) else str(error) or type(error).__name__
    match error:
        case TimeoutError():
            raise NoAnswer("timeout", f"no answer within {timeout:g} s") from error
        case aiohttp.ClientConnectorError(os_error=ForbiddenAddress() as forbidden):
            raise forbidden
        case aiohttp.ClientConnectorDNSError():
            raise NoAnswer("dns-error", text) from error
        case aiohttp.ClientSSLError():
            raise NoAnswer("tls-error", text) from error
        case aiohttp.ClientConnectionError():
            raise NoAnswer("connection-error", text) from error
        case _:
            raise NoAnswer("bad-answer", text) from error
