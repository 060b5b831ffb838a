"""A broker in a process of its own: storage, router and gateway as a configuration says, until a signal ends it."""

from __future__ import annotations

import gc
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from typing import Final

import anyio
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from eventroute.errors import InvalidConfiguration
from eventroute.gateway.app import Gateway
from eventroute.gateway.subscriptions import SubscriptionsApi
from eventroute.hooks import Hook
from eventroute.push.sinks.http import HttpSinks
from eventroute.router import Router
from eventroute.serving.config import Access, Configuration
from eventroute.serving.listening import address_of, bound_socket
from eventroute.storage.base import Storage
from eventroute.storage.open import open_storage
from eventroute.telemetry import OpenTelemetry
from eventroute.tracing.history import AttemptHistory

__all__ = ["NOT_IN_FILE", "run", "seldom_collecting", "set_up"]

NOT_IN_FILE: Final = "not-in-file"
"""Why a subscription is paused that the file no longer has."""

REQUEST_GRACE: Final = 30.0
"""Seconds that requests in flight have to end, where the configuration has no `grace`."""

API_PATH: Final = "/-/api"
"""Where the Subscriptions API is, if a bus has managers."""

PLAYGROUND_PATH: Final = "/-/playground"
"""Where the playground is, if the configuration has one."""

OPERATOR_PATH: Final = "/-/operator"
"""Where the operator's page is, if the configuration has one."""

COLLECTED_AFTER: Final = 10_000
"""How many objects come to be, beyond those that go, until garbage is looked for among them; Python's own 700 and 2,000
are for programs that make less.
"""

Say = Callable[[str], None]


def run(configuration: Configuration, access: Access, *, ready: Say, say: Say, uvloop: bool = False) -> bool:
    """Serve until SIGTERM or SIGINT; a second signal ends the process at once with exit code 1.

    `ready` is told the URL once it listens, `say` how it stops. `uvloop`: on that event loop, which costs less a
    request. Returns whether the stop was clean: False where deliveries were cut off, which may then be repeated.
    Raises InvalidConfiguration where it cannot listen or what it needs is not installed, StorageError where the storage
    cannot be opened.
    """
    needs = (
        (uvloop, "uvloop", "uvloop"),
        (configuration.telemetry, "opentelemetry", "otel"),
        (bool(configuration.playground or configuration.operator), "jinja2", "web"),
    )
    for wanted, package, extra in needs:
        if wanted and find_spec(package) is None:
            raise InvalidConfiguration(f"it is not installed: pip install 'eventroute[{extra}]'", where=package)
    with bound_socket(configuration.gateway.host, configuration.gateway.port, "gateway") as listener:
        serve = partial(_serve, configuration, access, listener, ready, say)
        return anyio.run(serve, backend="asyncio", backend_options={"use_uvloop": uvloop})


async def _serve(configuration: Configuration, access: Access, listener: socket.socket, ready: Say, say: Say) -> bool:
    storage = open_storage(configuration.storage)
    hooks: list[Hook] = [OpenTelemetry()] if configuration.telemetry else []
    if configuration.operator is not None:
        hooks.append(AttemptHistory())  # its page tells of attempts
    router = Router(storage, http=configuration.http, grace=configuration.grace, hooks=hooks)
    gateway = Gateway(
        router,
        authorize=access.authorize,
        buses=configuration.buses,
        github=access.github,
        limits=configuration.gateway.limits,
        webhook_origins=configuration.gateway.webhook_origins,
    )
    server = _Server(_settings(_app(router, gateway, configuration, access), configuration), listener, ready, say)
    with _signals(server):
        async with storage:
            await set_up(storage, configuration)
            async with router:
                with seldom_collecting():
                    await server.serve(sockets=[listener])
    say("stopped" if router.clean else "stopped: deliveries in flight were cut off and may be repeated")
    return router.clean


def _app(router: Router, gateway: Gateway, configuration: Configuration, access: Access) -> ASGIApp:
    """The gateway, and beside it the API where there are buses to manage, and the pages that are wanted."""
    routes = []
    if configuration.managed:
        api = SubscriptionsApi(
            router, authorize=access.authorize, buses=configuration.managed, limits=configuration.gateway.limits
        )
        routes.append(Mount(API_PATH, api))
    if configuration.playground is not None:
        from eventroute.web.playground import playground_app  # noqa: PLC0415  # needs an extra

        routes.append(Mount(PLAYGROUND_PATH, playground_app(authorize=access.playground)))
    if configuration.operator is not None:
        from eventroute.web.operator.app import operator_app  # noqa: PLC0415  # needs an extra

        routes.append(Mount(OPERATOR_PATH, operator_app(router, authorize=access.operator)))
    return Starlette(routes=[*routes, Mount("", gateway)]) if routes else gateway


async def set_up(storage: Storage, configuration: Configuration) -> None:
    """Bring an open storage's buses and subscriptions in line with the file, before anything is delivered.

    A subscription that the file does not have is paused, never removed, and resumed when it is back; only those whose
    sink is a function, which no file can have, are left to whoever holds the function, and those of a bus that has
    managers to these.
    Raises InvalidConfiguration where HTTP cannot be sent, StorageConflict where a subscription is on another bus.
    """
    sinks = HttpSinks(settings=configuration.http)
    await sinks.open()
    await sinks.aclose()
    async with Router(storage, push=False, http=configuration.http) as router:
        for name, bus in configuration.buses.items():
            await router.create_bus(name)
            if bus.settings is not None:
                await storage.update_bus(name, bus.settings)
        wanted = {subscription.id: subscription for subscription in configuration.subscriptions}
        for stored in await router.subscriptions():
            from_file = not msgspec.json.decode(stored.definition)["sink"].startswith(("callable:", "pull:"))
            from_file &= stored.bus not in configuration.managed
            if from_file and stored.id not in wanted and stored.paused is None:
                await router.pause(stored.id, NOT_IN_FILE)
        for subscription in wanted.values():
            if (await router.subscribe(subscription)).paused == NOT_IN_FILE:
                await router.resume(subscription.id)


def _settings(app: ASGIApp, configuration: Configuration) -> uvicorn.Config:
    grace = REQUEST_GRACE if configuration.grace is None else configuration.grace
    return uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # anybody can send X-Forwarded-For
        limit_concurrency=configuration.gateway.max_connections,
        timeout_graceful_shutdown=max(1, round(grace)),
    )


class _Server(uvicorn.Server):
    """Tells when it listens and when it stops, and leaves signals to the broker."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket, ready: Say, say: Say) -> None:
        super().__init__(config)
        self._listener = listener
        self._ready = ready
        self._say = say

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready(address_of(self._listener))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:  # first of all, so that nobody new comes once it has been said
            server.close()
        self._say("stopping: what is in flight ends first; a second signal stops at once")
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: uvicorn would raise the signals again once it has stopped, and the exit code would tell of them."""
        yield


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Look for garbage less often, and never among what the start has made: events leave no cycles behind, and a full
    collection that goes through every module holds up all deliveries.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextmanager
def _signals(server: uvicorn.Server) -> Iterator[None]:
    """The first signal ends `server` in an orderly way, the next one ends the process."""

    def obey(_number: int, _frame: object) -> None:
        # Only what is safe between any two instructions: nothing that takes a lock, or may be in the middle of itself.
        if server.should_exit:
            with suppress(OSError):  # nobody reads it
                os.write(2, b"stopped at once: what was in flight may be delivered again\n")
            os._exit(1)
        server.should_exit = True

    before = {number: signal.signal(number, obey) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
