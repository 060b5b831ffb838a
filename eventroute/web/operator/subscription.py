"""One subscription: how it fares, what it is, what waits; to pause, resume, replay and remove it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eventroute.documents import subscription_document
from eventroute.errors import UnknownSubscription
from eventroute.storage.base import STUCK
from eventroute.timestamps import parse_timestamp
from eventroute.web.forms import Form
from eventroute.web.operator.rows import troubles
from eventroute.web.operator.shown import pretty
from eventroute.web.operator.site import Site

__all__ = ["OneSubscription"]

ROWS: Final = 20
"""How many of the deliveries that wait are shown."""


class OneSubscription:
    """The page of one subscription, and what is done there."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> Sequence[Route]:
        """Its routes."""
        shell, path = self._site.shell, "/{bus}/subscriptions/{subscription:path}"
        return [
            shell.post(f"{path}/-/pause", self.pause),
            shell.post(f"{path}/-/resume", self.resume),
            shell.post(f"{path}/-/replay", self.replay),
            shell.post(f"{path}/-/cancel", self.cancel),
            shell.get(f"{path}/-/delete", self.ask_delete),
            shell.post(f"{path}/-/delete", self.delete),
            shell.get(path, self.show, name="subscription"),
        ]

    async def show(self, request: Request) -> Response:
        """The page."""
        bus, name = _names(request)

        async def values() -> Mapping[str, Any]:
            stored = await self._site.subscription(bus, name)
            found = await (await self._site.board.bus(bus)).standing.stats([name])
            if not found:  # made less than two seconds ago
                self._site.board.forget(bus)
                found = await (await self._site.board.bus(bus)).standing.stats([name])
            if not found:
                raise UnknownSubscription(name)
            (stats,) = found
            counts = await self._site.router.count_deadletters(bus)
            document = subscription_document(stored)
            return {
                "bus": bus,
                "here": "subscriptions",
                "stored": stored,
                "stats": stats,
                "troubles": troubles(stats),
                "lag": self._site.board.lags(bus, name),
                "definition": pretty(document),
                "sink": document.get("sink", ""),
                "waiting": await self._site.router.waiting_rows(name, limit=ROWS),
                "stuck": STUCK,
                "replays": await self._site.router.replays(name),
                "letters": {reason: count for (of, reason), count in sorted(counts.items()) if of == name},
            }

        return await self._site.show(request, "subscription", values)

    async def pause(self, request: Request, form: Form) -> Response:
        """Pause it."""
        _, name = await self._allowed(request)
        await self._site.router.pause(name, form.get("reason").strip()[:200] or "by an operator")
        return self._done(request, "paused")

    async def resume(self, request: Request, form: Form) -> Response:
        """Let it go on."""
        _, name = await self._allowed(request)
        await self._site.router.resume(name)
        return self._done(request, "resumed")

    async def replay(self, request: Request, form: Form) -> Response:
        """Deliver a part of the log again."""
        _, name = await self._allowed(request)
        start, end = _place(form.get("start"), "start"), _place(form.get("end"), "end")
        if end == "earliest":
            raise HTTPException(400, "end is an offset or a time, or empty")
        begun = await self._site.router.replay(
            name, start="earliest" if start is None else start, end=end if not isinstance(end, str) else None
        )
        return self._done(request, f"replaying offsets {begun.replayed_from} to {begun.until}, the last not included")

    async def cancel(self, request: Request, form: Form) -> Response:
        """End a replay."""
        _, name = await self._allowed(request)
        for replay in await self._site.router.replays(name):
            if replay.name == form.get("replay"):
                await self._site.router.cancel_replay(replay)
                return self._done(request, "the replay was cancelled")
        return self._done(request, "that replay has ended")

    async def ask_delete(self, request: Request) -> Response:
        """Ask first."""
        bus, name = _names(request)

        async def values() -> Mapping[str, Any]:
            await self._site.subscription(bus, name)
            waiting = {one.subscription: one.count for one in await self._site.router.storage.waiting(bus)}
            return {"bus": bus, "here": "subscriptions", "name": name, "waiting": waiting.get(name, 0)}

        return await self._site.show(request, "delete", values)

    async def delete(self, request: Request, form: Form) -> Response:
        """Remove it."""
        bus, name = await self._allowed(request)
        await self._site.router.unsubscribe(name)
        return self._site.back(request, "bus", f"removed: {name}", bus=bus)

    async def _allowed(self, request: Request) -> tuple[str, str]:
        bus, name = _names(request)
        await self._site.may(request, bus)
        await self._site.subscription(bus, name)
        return bus, name

    def _done(self, request: Request, done: str) -> Response:
        bus, name = _names(request)
        return self._site.back(request, "subscription", done, bus=bus, subscription=name)


def _names(request: Request) -> tuple[str, str]:
    return str(request.path_params["bus"]), str(request.path_params["subscription"])


def _place(given: str, name: str) -> str | int | datetime | None:
    given = given.strip()
    if given in ("", "earliest"):
        return given or None
    if given.isascii() and given.isdigit() and len(given) < 19:
        return int(given)
    try:
        return parse_timestamp(given)
    except ValueError:
        raise HTTPException(400, f"{name} is an offset or an RFC 3339 time") from None
