"""The gateway: an ASGI app that takes events over HTTP and answers once they are durable."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from inspect import isawaitable
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from eventroute.clock import Clock, SystemClock
from eventroute.errors import EventrouteError, StorageError, UnknownBus
from eventroute.event import Event
from eventroute.gateway import github
from eventroute.gateway.authorize import Authorize, request_facts
from eventroute.gateway.body import read_body
from eventroute.gateway.limits import RequestLimits
from eventroute.gateway.problem import Problem, problem_of
from eventroute.secrets import Secret

__all__ = ["Gateway", "Publishes"]

READY_WITHIN = 5.0
"""How many seconds the storage has to answer for the gateway to count as ready."""

_log = logging.getLogger("eventroute")
_is_origin = re.compile(r"[A-Za-z0-9.*_:-]{1,255}").fullmatch


class Publishes(Protocol):
    """What a gateway asks of a router."""

    async def publish(self, *events: Event, bus: str = ...) -> Sequence[int | None]:
        """Store events, all or none; durable on return. Raises UnknownBus, InvalidEvent, StorageError."""
        ...

    async def buses(self) -> tuple[str, ...]:
        """The names of the buses. Raises StorageError."""
        ...


class Gateway:
    """An ASGI app over an open router; it can be mounted in another app, under any prefix.

    `POST /{bus}` takes CloudEvents in binary, structured and batched mode, `POST /{bus}/github` GitHub webhooks for the
    buses in `github`, which maps a bus to the webhook's secret, or several while one is replaced by the next.
    `GET /-/health` tells that the process answers, `GET /-/ready` that the storage does. 202 means that everything is
    durable; anything else that nothing was stored, except that after 503 and a lost connection it is not known.

    `authorize` is asked before a body is read, but not about GitHub webhooks, whose signature decides. Without it
    anybody may publish. `buses` are the only ones that are served (None: all of the router's). `webhook_origins` are
    the senders that are granted the handshake of the CloudEvents webhook specification (section 4), `*` for any.
    """

    def __init__(
        self,
        router: Publishes,
        *,
        authorize: Authorize | None = None,
        buses: Collection[str] | None = None,
        github: Mapping[str, Secret | Sequence[Secret]] | None = None,
        limits: RequestLimits | None = None,
        webhook_origins: Collection[str] = ("*",),
        clock: Clock | None = None,
    ) -> None:
        self._router = router
        self._authorize = authorize
        self._buses = None if buses is None else frozenset(buses)
        self._github = {
            bus: (secrets,) if isinstance(secrets, Secret) else tuple(secrets)
            for bus, secrets in (github or {}).items()
        }
        self._limits = RequestLimits() if limits is None else limits
        self._origins = frozenset(webhook_origins)
        self._clock = SystemClock() if clock is None else clock
        self._app = Starlette(
            routes=[
                Route("/-/health", self._health, methods=["GET"]),
                Route("/-/ready", self._ready, methods=["GET"]),
                Route("/{bus}", self._take, methods=["POST", "OPTIONS"]),
                Route("/{bus}/github", self._take_github, methods=["POST"]),
            ],
            exception_handlers={
                EventrouteError: self._refuse,
                HTTPException: self._refuse,
                ClientDisconnect: self._refuse,
            },
        )
        self._app.router.redirect_slashes = False  # a sender of events must not be redirected (webhook, 2.2)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        await self._app(scope, receive, send)

    async def _take(self, request: Request) -> Response:
        bus = self._bus(request)
        if request.method == "OPTIONS":
            return await self._handshake(bus, request)
        if self._authorize is not None:
            answer = self._authorize(request_facts(bus, request))
            if isawaitable(answer):
                await answer
        body = await read_body(request, self._limits, self._clock)
        events = Event.from_http(request.headers.raw, body)
        if len(events) > self._limits.max_events:
            raise HTTPException(413, f"a batch has at most {self._limits.max_events:,} events here")
        if not events:
            await self._check_bus(bus)
        return await self._store(bus, *events)

    async def _take_github(self, request: Request) -> Response:
        bus = self._bus(request)
        secrets = self._github.get(bus)
        if secrets is None:
            raise HTTPException(404, "no GitHub webhook is set up here")
        body = await read_body(request, self._limits, self._clock)
        if not github.is_signed(request.headers.get(github.SIGNATURE), body, secrets):
            raise HTTPException(401, f"{github.SIGNATURE} is missing or wrong", {"www-authenticate": github.SIGNATURE})
        return await self._store(bus, github.event_of(request.headers.raw, body, now=self._clock.time()))

    async def _store(self, bus: str, *events: Event) -> Response:
        offsets = await self._router.publish(*events, bus=bus)
        return _json(202, {"offsets": list(offsets)})

    async def _handshake(self, bus: str, request: Request) -> Response:
        """Consent is in the headers alone; it is never given by calling the sender's URL back."""
        await self._check_bus(bus)
        headers = {"allow": "OPTIONS, POST"}
        origin = request.headers.get("webhook-request-origin")
        if origin is not None and _is_origin(origin) and not self._origins.isdisjoint((origin, "*")):
            headers |= {"webhook-allowed-origin": origin, "webhook-allowed-rate": "*"}
        return Response(status_code=200, headers=headers)

    async def _health(self, request: Request) -> Response:
        return _json(200, {"status": "ok"})

    async def _ready(self, request: Request) -> Response:
        with self._clock.move_on_after(READY_WITHIN) as scope:
            await self._router.buses()
        if scope.cancelled_caught:
            return Problem(503, "the storage does not answer").response()
        return _json(200, {"status": "ok"})

    def _bus(self, request: Request) -> str:
        bus = str(request.path_params["bus"])
        if self._buses is not None and bus not in self._buses:
            raise UnknownBus(bus)
        return bus

    async def _check_bus(self, bus: str) -> None:
        if bus not in await self._router.buses():
            raise UnknownBus(bus)

    async def _refuse(self, request: Request, error: Exception) -> Response:
        if isinstance(error, StorageError):
            _log.warning("gateway: %r: %s", request.scope["path"], error)
        return problem_of(error, retry_after=self._limits.retry_after).response()


def _json(status: int, document: Mapping[str, object]) -> Response:
    return Response(json.dumps(document), status, media_type="application/json")
