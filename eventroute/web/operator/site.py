"""What all pages of the operator share: the shell, the router, what is shown to many at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from attrs import frozen
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from eventroute.errors import UnknownSubscription
from eventroute.router import Router
from eventroute.storage.base import StoredSubscription
from eventroute.web.operator import shown
from eventroute.web.operator.board import Board
from eventroute.web.operator.live import Live, wants_stream
from eventroute.web.shell import Shell

__all__ = ["Site", "number", "text"]

MAX_TEXT = 1_000
"""How many characters of a field of a search count."""

Values = Callable[[], Awaitable[Mapping[str, Any]]]


@frozen
class Site:
    """The shell, the router, the board, the streams."""

    shell: Shell
    router: Router
    board: Board
    live: Live

    async def show(self, request: Request, name: str, values: Values) -> Response:
        """The page `operator/NAME.html`, whose live part is `operator/NAME_live.html`, or a stream of that."""
        if wants_stream(request):

            async def render() -> str:
                page = await self._page(request, f"operator/{name}_live.html", values)
                return bytes(page.body).decode()

            await render()  # what cannot be shown is refused before the stream begins
            return self.live.stream(render)
        return await self._page(request, f"operator/{name}.html", values)

    async def _page(self, request: Request, template: str, values: Values) -> Response:
        given = {"bus": None, "here": "", "done": text(request, "done"), **await values()}
        return self.shell.page(request, template, shown=shown, now=self.board.clock.time(), **given)

    async def may(self, request: Request, bus: str) -> None:
        """Raises Unauthorized where the request may not change anything of a bus."""
        await self.shell.permit(request, bus, "manage")

    def back(self, request: Request, name: str, done: str, /, **parameters: object) -> Response:
        """To a page once something was done, which says so."""
        self.board.forget(str(parameters.get("bus", "")))
        return RedirectResponse(f"{self.shell.url(request, name, **parameters)}?{urlencode({'done': done})}", 303)

    async def subscription(self, bus: str, name: str) -> StoredSubscription:
        """One of this bus: whoever may see one bus may not see another's. Raises UnknownSubscription."""
        stored = await self.router.subscription(name)
        if stored.bus != bus:
            raise UnknownSubscription(name)
        return stored


def text(request: Request, name: str) -> str:
    """A field of the query."""
    return request.query_params.get(name, "").strip()[:MAX_TEXT]


def number(given: str, name: str, default: int | None = None) -> int | None:
    """A whole number from 0, or the default where nothing is given. Raises HTTPException."""
    given = given.strip()
    if not given:
        return default
    if not given.isascii() or not given.isdigit() or len(given) > 18:
        raise HTTPException(400, f"{name} is a whole number")
    return int(given)
