"""The HTTP client on asyncio: aiohttp, held to checked addresses (docs/decisions/http-client.md)."""

from __future__ import annotations

import asyncio
import socket
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, NoReturn

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from eventroute.push.addresses import ForbiddenAddress, Lookup, resolve
from eventroute.push.sinks.client import Answer, HttpSettings, NoAnswer, Request

__all__ = ["AiohttpClient"]

_HEADERS = {"User-Agent": "eventroute", "Accept-Encoding": "identity"}
BODY_WITHIN = 1.0
"""How long the body of an answer is waited for, in seconds, once its status has told the outcome."""

_UNTYPED = ("Content-Type",)


@lru_cache(maxsize=1_024)
def _url(text: str) -> URL:
    return URL(text, encoded=True)  # as it was written; a URL keeps what it computed of itself


@lru_cache(maxsize=1_024)
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds)


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


class AiohttpClient:
    """One aiohttp session. Make it on the running event loop."""

    def __init__(self, settings: HttpSettings, lookup: Lookup) -> None:
        self._settings = settings
        tls = settings.tls() if callable(settings.tls) else settings.tls
        connector = aiohttp.TCPConnector(
            resolver=_CheckedResolver(settings, lookup),
            socket_factory=self._checked_socket,
            ttl_dns_cache=0,  # each new connection asks again, and those that ask at once share the answer
            ssl=tls or True,
            limit=0,
            limit_per_host=settings.connections,
            keepalive_timeout=settings.idle_timeout,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            auto_decompress=False,
            trust_env=False,
        )

    def _checked_socket(self, address_info: tuple[Any, ...]) -> socket.socket:
        """The last check, on the very address that the socket is about to connect to."""
        family, kind, protocol, _, address = address_info
        self._settings.addresses.check(address[0], ip_address(address[0]))
        return socket.socket(family, kind, protocol)

    async def send(self, request: Request) -> Answer:
        """Send one request; see HttpClient."""
        # aiohttp would make a type up, and the receiver would take it for the event's.
        typed = any(name == "content-type" for name, _ in request.headers)
        try:
            async with self._session.request(
                request.method,
                _url(request.url),
                headers=request.headers,
                skip_auto_headers=None if typed else _UNTYPED,
                data=request.body,
                allow_redirects=False,
                timeout=_timeout(request.timeout),
                ssl=request.tls or True,
            ) as answer:
                patience = request.timeout if request.whole else min(BODY_WITHIN, request.timeout / 4)
                body = await self._read(answer.content, patience)
                return Answer(answer.status, answer.headers, body, answer.content.at_eof())
        except (aiohttp.ClientError, TimeoutError) as error:
            _explain(error, request.timeout)

    async def _read(self, content: aiohttp.StreamReader, patience: float) -> bytes:
        """At most `answer_limit` bytes, within so many seconds.

        The status has decided already, so a body that breaks off or does not come changes nothing.
        """
        left = self._settings.answer_limit
        if content.is_eof() and content.exception() is None:  # it is here already, as most are: nothing to wait for
            return content.read_nowait(left)
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(patience):
                while left and (part := await content.read(left)):
                    parts.append(part)
                    left -= len(part)
        except (aiohttp.ClientError, TimeoutError):
            pass
        return b"".join(parts)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()


def _explain(error: aiohttp.ClientError | TimeoutError, timeout: float) -> NoReturn:
    text = str(error) or type(error).__name__
    if isinstance(error, aiohttp.ClientResponseError):
        text = error.message  # the whole of it tells the URL, which may hold a secret
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
