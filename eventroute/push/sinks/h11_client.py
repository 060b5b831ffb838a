"""The HTTP client on trio: trio's sockets and TLS, h11's parser, held to checked addresses.

Why these two, and no client made of them: docs/decisions/http-client.md.
"""

from __future__ import annotations

import math
import ssl
from functools import lru_cache
from typing import TypeAlias

import h11
import trio
from attrs import define, field, frozen

from eventroute.push.policy.addresses import Lookup, Target
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
from eventroute.push.sinks.h11_connection import Connection, Familiar
from eventroute.push.sinks.trio_connect import Connector

__all__ = ["H11Client"]

SHOWN = 400
"""How many characters of the parser's words are told; they quote what came."""

_PORTS = {"http": 80, "https": 443}

_Place: TypeAlias = tuple[str, str, int, ssl.SSLContext | None]


@frozen(eq=False)
class _Endpoint:
    """What a URL and a TLS context stand for; made once."""

    where: Target
    place: _Place
    """Whose connections serve it."""
    target: str
    """The rest of the request line, and the Host header."""

    @classmethod
    def of(cls, url: str, tls: ssl.SSLContext | None) -> _Endpoint:
        where = Target.parse(url)
        rest = url.partition("://")[2]
        start = min((at for at in map(rest.find, "/?") if at >= 0), default=len(rest))
        path = rest[start:]  # as it was written
        host = f"[{where.host}]" if ":" in where.host else where.host.removesuffix(".")
        port = "" if where.port == _PORTS.get(where.scheme) else f":{where.port}"
        return cls(
            where,
            (where.scheme, where.host, where.port, tls),
            f" {path if path.startswith('/') else f'/{path}'} HTTP/1.1\r\nHost: {host}{port}",
        )


@define(eq=False)
class _Pool:
    """The connections to one place."""

    free: trio.Semaphore
    idle: list[Connection] = field(factory=list)
    """The one that was used last is at the end."""
    users: int = 0


class H11Client:
    """Connections on trio, and a pool of them for each place. Use it within one `trio.run`."""

    def __init__(self, settings: HttpSettings, lookup: Lookup) -> None:
        self._settings = settings
        self._tls = settings.tls() if callable(settings.tls) else settings.tls
        self._connector = Connector(settings.addresses, lookup)
        self._endpoint = lru_cache(maxsize=ENDPOINTS)(_Endpoint.of)
        self._pools: dict[_Place, _Pool] = {}
        self._connections: set[Connection] = set()
        self._familiar = Familiar()
        self._tending = False
        self._next = math.inf
        """When the next connection is to be closed, at the latest."""
        self._alarm = trio.CancelScope()
        self._closed = False

    async def send(self, request: Request) -> Answer:
        """Send one request; see HttpClient."""
        endpoint = self._endpoint(request.url, request.tls)
        message = written(request, endpoint.target)
        deadline = trio.current_time() + request.timeout
        pool = self._enter(endpoint.place)
        try:
            connection = self._at_hand(pool)
            if connection is None:
                with trio.move_on_at(deadline):
                    connection = await self._connect(endpoint, pool)
                if connection is None:
                    raise _timeout(request)
            return await self._exchange(connection, request, message, deadline, pool)
        finally:
            self._leave(endpoint.place, pool)

    async def _exchange(
        self, connection: Connection, request: Request, message: bytes, deadline: float, pool: _Pool
    ) -> Answer:
        def answered() -> None:
            now = trio.current_time()
            self._close_at(connection, now + patience(request, max(deadline - now, 0.0)))

        self._close_at(connection, deadline)  # a cancel scope for each request would cost more
        try:
            return await connection.exchange(request, message, self._settings.answer_limit, answered)
        except h11.RemoteProtocolError as error:
            raise NoAnswer("bad-answer", str(error)[:SHOWN]) from error
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            if connection.late:
                raise _timeout(request) from error
            cause = error.__cause__ or error
            raise NoAnswer("connection-error", str(cause) or type(cause).__name__) from error
        finally:
            pool.free.release()
            self._let_go(connection, pool)

    def _enter(self, place: _Place) -> _Pool:
        pool = self._pools.get(place)
        if pool is None:
            pool = self._pools[place] = _Pool(trio.Semaphore(self._settings.connections))
        pool.users += 1
        return pool

    def _leave(self, place: _Place, pool: _Pool) -> None:
        pool.users -= 1
        self._forget(place, pool)

    def _forget(self, place: _Place, pool: _Pool) -> None:
        if not (pool.users or pool.idle) and self._pools.get(place) is pool:
            del self._pools[place]

    def _at_hand(self, pool: _Pool) -> Connection | None:
        """A connection that is there, on which nothing has come in, and a place for it; or neither."""
        if not pool.idle:
            return None
        try:
            pool.free.acquire_nowait()
        except trio.WouldBlock:
            return None
        connection = self._idle(pool)
        if connection is None:
            pool.free.release()
        return connection

    def _idle(self, pool: _Pool) -> Connection | None:
        while pool.idle and not self._closed:
            connection = pool.idle.pop()
            if connection.until > trio.current_time() and not connection.channel.unread:
                return connection
            self._drop(connection)
        return None

    async def _connect(self, endpoint: _Endpoint, pool: _Pool) -> Connection:
        """Wait for a place, and for a connection on which nothing has come in: what a server says unasked must not
        pass for an answer.
        """
        await pool.free.acquire()
        try:
            return self._idle(pool) or await self._new(endpoint)
        except BaseException:
            pool.free.release()
            raise

    async def _new(self, endpoint: _Endpoint) -> Connection:
        for _ in range(TALKERS):
            if self._closed:
                raise NoAnswer("connection-error", "the client is closed")
            tls = None if endpoint.where.scheme == "http" else endpoint.place[3] or self._system_tls()
            connection = Connection(await self._connector.connect(endpoint.where, tls), self._familiar)
            self._connections.add(connection)
            # Over TLS what has come in are tickets for another session, as likely as not.
            if tls is not None or not connection.channel.unread:
                return connection
            self._drop(connection)
        raise NoAnswer("bad-answer", "the server answers before it is asked")

    def _system_tls(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    def _let_go(self, connection: Connection, pool: _Pool) -> None:
        """Keep the connection for another request, unless this one did not come to its end."""
        if self._closed or not connection.renew():
            self._drop(connection)
            return
        self._close_at(connection, trio.current_time() + self._settings.idle_timeout)
        pool.idle.append(connection)

    def _close_at(self, connection: Connection, until: float) -> None:
        """Have it closed at that time, unless it is given another before."""
        connection.until = until
        if until >= self._next:
            return
        self._next = self._alarm.deadline = until
        if not self._tending:
            self._tending = True
            trio.lowlevel.spawn_system_task(self._tend)

    def _drop(self, connection: Connection) -> None:
        self._connections.discard(connection)
        connection.channel.close()

    async def _tend(self) -> None:
        """Close each connection when its time is over, while there are any."""
        while self._connections:
            self._next = min(connection.until for connection in self._connections)
            with trio.CancelScope(deadline=self._next) as self._alarm:
                await trio.sleep_forever()
            self._close_late(trio.current_time())
        self._tending, self._next = False, math.inf

    def _close_late(self, now: float) -> None:
        for connection in [one for one in self._connections if one.until <= now]:
            connection.late = True
            self._drop(connection)
        for place, pool in list(self._pools.items()):
            pool.idle = [connection for connection in pool.idle if not connection.late]
            self._forget(place, pool)

    async def aclose(self) -> None:
        """Close all connections."""
        self._closed = True
        for connection in list(self._connections):
            self._drop(connection)
        self._pools.clear()
        self._alarm.cancel()


def _timeout(request: Request) -> NoAnswer:
    return NoAnswer("timeout", f"no answer within {request.timeout:g} s")
