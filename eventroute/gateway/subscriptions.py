"""The CloudEvents Subscriptions API over HTTP: subscriptions made, read, changed and removed while a router runs.

Follows the CloudEvents Subscriptions API 0.1 (section 3.2.5) and its OpenAPI document. Beyond it: `bus`, `start` and
`transformer` in a subscription, its `status`, pages of a list, pausing, resuming and replays.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from inspect import isawaitable
from typing import Any, Final, Protocol
from uuid import uuid4

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from eventroute.clock import Clock, SystemClock
from eventroute.documents import replay_document, subscription_document
from eventroute.errors import (
    EventrouteError,
    InvalidSubscription,
    StorageConflict,
    UnknownBus,
    UnknownSubscription,
)
from eventroute.gateway.authorize import Authorize, request_facts
from eventroute.gateway.body import read_body
from eventroute.gateway.limits import RequestLimits
from eventroute.gateway.openapi import document
from eventroute.gateway.problem import problem_of
from eventroute.jsontext import check_json, decode_json, encode_json
from eventroute.storage.base import DEFAULT_BUS, Reader, StoredSubscription
from eventroute.subscription import Subscription, read_part

__all__ = ["Manages", "SubscriptionsApi"]

MAX_PAGE: Final = 1_000
"""The most subscriptions of one answer, and how many there are where none are asked for."""


class Manages(Protocol):
    """What the API asks of a router. It need not push."""

    async def buses(self) -> tuple[str, ...]:
        """The names of the buses."""
        ...

    async def subscribe(self, subscription: Subscription) -> StoredSubscription:
        """Create or update. Raises InvalidSubscription, StorageConflict, OffsetTrimmed."""
        ...

    async def subscription(self, subscription: str) -> StoredSubscription:
        """One of them. Raises UnknownSubscription."""
        ...

    async def subscriptions(self, bus: str | None = None) -> list[StoredSubscription]:
        """All of a bus. Raises UnknownBus."""
        ...

    async def unsubscribe(self, subscription: str) -> None:
        """Remove. Raises UnknownSubscription."""
        ...

    async def pause(self, subscription: str, reason: str = ...) -> None:
        """Pause. Raises UnknownSubscription."""
        ...

    async def resume(self, subscription: str) -> None:
        """Resume. Raises UnknownSubscription."""
        ...

    async def replay(
        self, subscription: str, *, start: str | int | datetime = ..., end: int | datetime | None = ...
    ) -> Reader:
        """Deliver a part of the log again. Raises UnknownSubscription, OffsetTrimmed, StorageConflict."""
        ...

    async def replays(self, subscription: str) -> list[Reader]:
        """Those under way. Raises UnknownSubscription."""
        ...

    async def cancel_replay(self, replay: Reader) -> bool:
        """End one; False: it has ended. Raises UnknownSubscription."""
        ...


class SubscriptionsApi:
    """An ASGI app over an open router; it can be mounted in another app, under any prefix.

    `GET` and `POST /subscriptions`, `GET`, `PUT` and `DELETE /subscriptions/{id}`, `POST /subscriptions/{id}/pause` and
    `/resume`, `GET` and `POST /subscriptions/{id}/replays`, `DELETE /subscriptions/{id}/replays/{name}`, `GET
    /openapi.json`. Each request is about one bus, which its query names (`?bus=orders`) and which is
    `default` unless it does; a subscription of another bus is not found. What was answered 2xx holds for every event
    that is published from then on.

    `authorize` is the hook of the gateway, asked with the bus, before a body is read and before it is told what there
    is; without it everybody may do everything. `buses` are the only ones that are served (None: all of the router's),
    `schemes` the only sinks that may be subscribed: nobody outside can hand in a function.
    """

    def __init__(
        self,
        router: Manages,
        *,
        authorize: Authorize | None = None,
        buses: Collection[str] | None = None,
        schemes: Collection[str] = ("https", "http"),
        limits: RequestLimits | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._router = router
        self._authorize = authorize
        self._buses = None if buses is None else frozenset(buses)
        self._schemes = tuple(schemes)
        self._limits = RequestLimits() if limits is None else limits
        self._clock = SystemClock() if clock is None else clock
        self._app = Starlette(
            routes=[
                Route("/openapi.json", self._describe, methods=["GET"]),
                Route("/subscriptions", self._collection, methods=["GET", "POST", "OPTIONS"]),
                Route("/subscriptions/{id}", self._one, methods=["GET", "PUT", "DELETE", "OPTIONS"]),
                Route("/subscriptions/{id}/pause", self._pause, methods=["POST"]),
                Route("/subscriptions/{id}/resume", self._resume, methods=["POST"]),
                Route("/subscriptions/{id}/replays", self._replays, methods=["GET", "POST"]),
                Route("/subscriptions/{id}/replays/{name}", self._cancel_replay, methods=["DELETE"]),
            ],
            exception_handlers={
                EventrouteError: self._refuse,
                HTTPException: self._refuse,
                ClientDisconnect: self._refuse,
            },
        )
        self._app.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        await self._app(scope, receive, send)

    # -- the collection --------------------------------------------------------------------------------------------

    async def _collection(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return _features("GET, POST, OPTIONS")
        bus = await self._admit(request)
        return await (self._list(bus, request) if request.method in ("GET", "HEAD") else self._create(bus, request))

    async def _list(self, bus: str, request: Request) -> Response:
        limit, after = _page(request)
        found = sorted(await self._router.subscriptions(bus), key=_id)
        page = [stored for stored in found if stored.id > after][:limit]
        answer = _json(200, [subscription_document(stored) for stored in page])
        if page and page[-1].id != found[-1].id:
            url = request.url.include_query_params(after=page[-1].id, limit=limit)
            answer.headers["link"] = f'<{url}>; rel="next"'
        return answer

    async def _create(self, bus: str, request: Request) -> Response:
        """The manager gives the id; one that is proposed is ignored (section 3.2.1)."""
        subscription = await self._proposed(bus, str(uuid4()), request)
        stored = await self._router.subscribe(subscription)
        return self._created(stored, request)

    def _created(self, stored: StoredSubscription, request: Request) -> Response:
        answer = _json(201, subscription_document(stored))
        path = request.url.path if request.method == "PUT" else f"{request.url.path}/{stored.id}"
        answer.headers["location"] = str(request.url.replace(path=path, query=f"bus={stored.bus}"))
        return answer

    # -- one of them -----------------------------------------------------------------------------------------------

    async def _one(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return _features("GET, PUT, DELETE, OPTIONS")
        bus = await self._admit(request)
        name = str(request.path_params["id"])
        if request.method == "PUT":
            return await self._put(bus, name, request)
        stored = await self._stored(bus, name)
        if request.method == "DELETE":
            await self._router.unsubscribe(name)
        return _json(200, subscription_document(stored))

    async def _put(self, bus: str, name: str, request: Request) -> Response:
        """Update, or create under a name that the client chose (section 3.2.5.4 lets it be both)."""
        subscription = await self._proposed(bus, name, request)
        try:
            await self._stored(bus, name)
        except UnknownSubscription:
            return self._created(await self._router.subscribe(subscription), request)
        return _json(200, subscription_document(await self._router.subscribe(subscription)))

    async def _pause(self, request: Request) -> Response:
        bus = await self._admit(request)
        stored = await self._stored(bus, str(request.path_params["id"]))
        asked = _object(await read_body(request, self._limits, self._clock) or b"{}")
        reason = asked.pop("reason", "paused")
        if asked or not isinstance(reason, str) or not 0 < len(reason) <= 200:
            raise InvalidSubscription('write {"reason": "..."} with 1 to 200 characters, or nothing', where="reason")
        await self._router.pause(stored.id, reason)
        return _json(200, subscription_document(await self._stored(bus, stored.id)))

    async def _resume(self, request: Request) -> Response:
        bus = await self._admit(request)
        stored = await self._stored(bus, str(request.path_params["id"]))
        await self._router.resume(stored.id)
        return _json(200, subscription_document(await self._stored(bus, stored.id)))

    async def _replays(self, request: Request) -> Response:
        bus = await self._admit(request)
        stored = await self._stored(bus, str(request.path_params["id"]))
        if request.method != "POST":
            return _json(200, [replay_document(one) for one in await self._router.replays(stored.id)])
        asked = _object(await read_body(request, self._limits, self._clock) or b"{}")
        start, end = read_part(asked)
        try:
            begun = await self._router.replay(stored.id, start=start, end=end)
        except StorageConflict as error:
            raise HTTPException(409, str(error)) from None
        return _json(201, replay_document(begun))

    async def _cancel_replay(self, request: Request) -> Response:
        bus = await self._admit(request)
        stored = await self._stored(bus, str(request.path_params["id"]))
        for replay in await self._router.replays(stored.id):
            if replay.name == request.path_params["name"] and await self._router.cancel_replay(replay):
                return _json(200, replay_document(replay))
        raise HTTPException(404, "there is no such replay, or it has ended")

    async def _stored(self, bus: str, name: str) -> StoredSubscription:
        stored = await self._router.subscription(name)
        if stored.bus != bus:  # as if it were not there: who may see one bus learns nothing of another
            raise UnknownSubscription(name)
        return stored

    # -- requests --------------------------------------------------------------------------------------------------

    async def _admit(self, request: Request) -> str:
        """The bus that the request is about, once it is clear that it may be."""
        bus = request.query_params.get("bus", DEFAULT_BUS)
        await self._check_access(bus, request)
        if (self._buses is not None and bus not in self._buses) or bus not in await self._router.buses():
            raise UnknownBus(bus)
        return bus

    async def _check_access(self, bus: str, request: Request) -> None:
        if self._authorize is not None:
            answer = self._authorize(request_facts(bus, request, action="manage"))
            if isawaitable(answer):
                await answer

    async def _proposed(self, bus: str, name: str, request: Request) -> Subscription:
        proposed = _object(await read_body(request, self._limits, self._clock))
        proposed.pop("status", None)  # what was read may be sent back
        given = proposed.get("id")
        if given is not None and request.method == "PUT" and given != name:
            raise InvalidSubscription(f"the path says {name!r}, and an id cannot be changed", where="id")
        if proposed.get("bus", bus) != bus:
            raise InvalidSubscription(f"the request is about the bus {bus!r}: name it as ?bus=", where="bus")
        subscription = Subscription.from_dict({**proposed, "id": name, "bus": bus})
        scheme = subscription.address.partition(":")[0].lower()
        if scheme not in self._schemes:
            raise InvalidSubscription(f"a sink is one of {', '.join(self._schemes)} here", where="sink")
        reply = subscription.policy.reply
        if reply is not None and reply.bus != bus:
            await self._check_access(reply.bus, request)
            if self._buses is not None and reply.bus not in self._buses:
                raise InvalidSubscription(f"there is no bus {reply.bus!r} here", where="config.reply.bus")
        return subscription

    async def _describe(self, request: Request) -> Response:
        # Where the API itself is reached: `base_url` is that of the app around it.
        here = request.url.path.removesuffix("/openapi.json")
        return _json(200, document(str(request.url.replace(path=here, query=""))))

    async def _refuse(self, _request: Request, error: Exception) -> Response:
        return problem_of(error, retry_after=self._limits.retry_after).response()


def _id(stored: StoredSubscription) -> str:
    return stored.id


def _page(request: Request) -> tuple[int, str]:
    text = request.query_params.get("limit", str(MAX_PAGE))
    limit = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if not 1 <= limit <= MAX_PAGE:
        raise HTTPException(400, f"limit is a whole number from 1 to {MAX_PAGE}")
    return limit, request.query_params.get("after", "")


def _object(body: bytes) -> dict[str, Any]:
    try:
        check_json(body)  # first: how deep decoding goes is not the same in every Python
        value = decode_json(body)
    except ValueError as error:
        raise InvalidSubscription(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidSubscription("the body is one JSON object")
    return value


def _features(methods: str) -> Response:
    return Response(status_code=200, headers={"allow": methods})


def _json(status: int, value: Mapping[str, Any] | list[Any]) -> Response:
    return Response(encode_json(value), status, media_type="application/json")
