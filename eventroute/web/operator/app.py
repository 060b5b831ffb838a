"""The operator's page as an ASGI app: mountable anywhere, over a router that is open."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from eventroute.clock import Clock, SystemClock
from eventroute.errors import Unauthorized, UnknownBus
from eventroute.gateway.authorize import Authorize
from eventroute.router import Router
from eventroute.web.operator.board import Board
from eventroute.web.operator.events import Events
from eventroute.web.operator.letters import Letters
from eventroute.web.operator.live import STREAMS, Live
from eventroute.web.operator.paging import paged
from eventroute.web.operator.rows import SORTS, STATES, listed, troubles, weight
from eventroute.web.operator.site import Site, number, text
from eventroute.web.operator.subscription import OneSubscription
from eventroute.web.shell import Shell

__all__ = ["operator_app"]

SHOWN: Final = 20
"""How many of those in trouble the first page shows, the worst."""


def operator_app(
    router: Router,
    *,
    authorize: Authorize | None = None,
    streams: int = STREAMS,
    csrf_key: bytes | None = None,
    clock: Clock | None = None,
) -> ASGIApp:
    """An ASGI app, to be mounted under any path, that serves while `router` is open; `push=False` does for a storage
    that others work on.

    `authorize` is asked about each request: with the action `look` for what is shown and `manage` for what changes
    something, and the bus, which is empty for the list of buses. Without it only this machine is served. `streams` is
    how many pages may be live at once (1 or more). `csrf_key` signs forms: processes that share the work need the same
    one.
    """
    clock = SystemClock() if clock is None else clock
    shell = Shell(action="look", authorize=authorize, csrf_key=csrf_key, clock=clock)
    site = Site(shell, router, Board(router, clock), Live(clock, streams))
    overview = _Overview(site)
    return shell.app(
        [
            shell.get("/", overview.buses, name="buses"),
            shell.get("/{bus}/", overview.bus, name="bus"),
            *OneSubscription(site).routes(),
            *Events(site).routes(),
            *Letters(site).routes(),
        ]
    )


class _Overview:
    """The buses, and the subscriptions of one."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def buses(self, request: Request) -> Response:
        async def values() -> Mapping[str, Any]:
            moments = []
            for name in await self._site.router.buses():
                try:
                    await self._site.shell.permit(request, name)
                    moments.append(await self._site.board.bus(name))
                except (Unauthorized, UnknownBus):  # not for these eyes, or deleted meanwhile
                    continue
            wrong = [(weight(found), name, moment) for moment in moments for name, found in moment.troubles.items()]
            worst = heapq.nlargest(SHOWN, wrong, key=itemgetter(0))
            rates = {moment.info.name: self._site.board.rates(moment.info.name) for moment in moments}
            return {
                "moments": moments,
                "wrong": [(moment.standing.brief(name), moment.troubles[name]) for _, name, moment in worst],
                "wrongs": len(wrong),
                "rates": rates,
            }

        return await self._site.show(request, "buses", values)

    async def bus(self, request: Request) -> Response:
        bus = str(request.path_params["bus"])
        sort, state = text(request, "sort"), text(request, "state")

        async def values() -> Mapping[str, Any]:
            moment = await self._site.board.bus(bus)
            fitting = listed(moment.standing, moment.troubles, query=text(request, "q"), state=state, sort=sort)
            page = paged(fitting, number(text(request, "page"), "page", 1) or 1)
            return {
                "bus": bus,
                "here": "subscriptions",
                "moment": moment,
                "listing": page,
                "rows": await moment.standing.stats(page.rows),
                "troubles": troubles,
                "lags": {name: self._site.board.lags(bus, name) for name in page.rows},
                "rates": self._site.board.rates(bus),
                "wrongs": len(moment.troubles),
                "sorts": SORTS,
                "states": STATES,
                "asked": {"q": text(request, "q"), "sort": sort or "trouble", "state": state},
            }

        return await self._site.show(request, "bus", values)
