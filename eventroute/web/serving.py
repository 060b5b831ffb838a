"""Pages in a process of their own: who may use them, and how they are served."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from eventroute.errors import InvalidConfiguration
from eventroute.gateway.authorize import Authorize, Basic, users
from eventroute.secrets import Secrets
from eventroute.serving.listening import address_of
from eventroute.web.access import is_loopback

__all__ = ["MAX_CONNECTIONS", "authorized", "serve_page"]

MAX_CONNECTIONS = 200
"""Connections at once; one more gets a 503."""


def authorized(host: str, user: str | None, password: str | None) -> Authorize | None:
    """Who may use a page that listens on a host; `password` is a reference to a secret. None: this machine alone.

    Raises InvalidConfiguration where nothing says who, and others than this machine could; SecretNotFound.
    """
    if user is not None and password is not None:
        if not user or ":" in user:
            raise InvalidConfiguration("a user name is not empty and has no colon (RFC 7617)", where="--user")
        return users([Basic(user, Secrets().get(password))])
    if user is not None or password is not None:
        raise InvalidConfiguration("a user name and a password go together", where="--user")
    if not is_loopback(host):
        raise InvalidConfiguration(
            f"{host!r} is more than this machine, and anybody could use it: give --user and --password", where="--host"
        )
    return None


async def serve_page(app: ASGIApp, listener: socket.socket, ready: Callable[[str], None], *, grace: int) -> None:
    """Serve an app until SIGTERM or SIGINT, which uvicorn passes on; `ready` is told the URL once it listens.

    What is under way then has `grace` seconds to end.
    """
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # anybody can send X-Forwarded-For
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=grace,
    )
    await _Server(config, ready).serve([listener])


class _Server(uvicorn.Server):
    """Tells where it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            self._ready(address_of(listener))
