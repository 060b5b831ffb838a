"""The shell: what every page stands on. Templates, addresses below any mount, who may see it, forms that are ours."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from eventroute.clock import Clock, SystemClock
from eventroute.errors import EventrouteError
from eventroute.gateway.authorize import Action, Authorize
from eventroute.gateway.limits import RequestLimits
from eventroute.gateway.problem import problem_of
from eventroute.web.access import permit
from eventroute.web.assets import load_assets
from eventroute.web.csrf import FIELD, HEADER, Tokens, check_origin
from eventroute.web.forms import Form, read_form
from eventroute.web.headers import guarded

__all__ = ["Shell", "Shows", "Takes"]

Shows = Callable[[Request], Awaitable[Response]]
"""Answers a GET: changes nothing."""

Takes = Callable[[Request, Form], Awaitable[Response]]
"""Answers a POST whose form was read and is from one of our own pages."""

HTMX: Final = {
    "allowEval": False,
    "allowScriptTags": False,
    "historyCacheSize": 0,
    "historyEnabled": False,
    "includeIndicatorStyles": False,
    "selfRequestsOnly": True,
    # What is refused is shown where the answer would have been.
    "responseHandling": [{"code": "204", "swap": False}, {"code": "...", "swap": True}],
}
"""How htmx is set: it evaluates nothing, and what it remembers is not kept in the browser."""

CHALLENGE: Final = 'Basic realm="eventroute", charset="UTF-8"'
"""Alone: a browser that finds a scheme before it which it does not know asks nobody."""


class Shell:
    """Makes the routes of an ASGI app, and the pages that they answer with.

    `authorize` is asked about each request before its body is read, with `action` and the bus that the path names, if
    any. Without it only this machine is served. `csrf_key` signs forms; give all processes of an app the same one.
    """

    def __init__(
        self,
        *,
        action: Action,
        authorize: Authorize | None = None,
        limits: RequestLimits | None = None,
        csrf_key: bytes | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.clock = SystemClock() if clock is None else clock
        self._action = action
        self._authorize = authorize
        self._limits = RequestLimits() if limits is None else limits
        self._tokens = Tokens() if csrf_key is None else Tokens(csrf_key)
        self._assets = load_assets()
        self._templates = Environment(
            loader=PackageLoader("eventroute.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._app = Starlette()

    def get(self, path: str, show: Shows, *, name: str | None = None) -> Route:
        """A route that shows something. `{bus}` in the path is what `authorize` is told."""

        async def answer(request: Request) -> Response:
            await self.permit(request, request.path_params.get("bus", ""))
            return await show(request)

        return Route(path, answer, name=name or _name(show), methods=["GET"])

    def post(self, path: str, take: Takes, *, name: str | None = None) -> Route:
        """A route that takes a form."""

        async def answer(request: Request) -> Response:
            await self.permit(request, request.path_params.get("bus", ""))
            check_origin(request)
            form = await read_form(request, self._limits, self.clock)
            self._tokens.check(request, request.headers.get(HEADER) or form.get(FIELD))
            return await take(request, form)

        return Route(path, answer, name=name or _name(take), methods=["POST"])

    def app(self, routes: Sequence[Route]) -> ASGIApp:
        """The ASGI app of these routes and of what their pages load."""
        handlers = dict.fromkeys((EventrouteError, HTTPException, ClientDisconnect), self._refuse)
        assets = Route("/static/{digest}/{name}", self._asset, name="asset", methods=["GET"])
        self._app = Starlette(routes=[*routes, assets], exception_handlers=handlers)
        return guarded(self._app)

    async def permit(self, request: Request, bus: str, action: Action | None = None) -> None:
        """Raises Unauthorized where the request may not do this, by default what the shell is for, with a bus."""
        await permit(self._authorize, request, bus, action or self._action)

    def url(self, request: Request, name: str, /, **parameters: object) -> str:
        """The address of a route, below where the app is mounted."""
        return str(request.scope.get("root_path", "")) + self._app.url_path_for(name, **parameters)

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """A template with its values, all of them text: what stands in them is shown and never obeyed.

        A template knows `url(route, ...)`, `asset(file)`, `csrf_token`, `csrf_field`, `htmx_config` too.
        """
        visit = self._tokens.visit(request)
        text = self._templates.get_template(template).render(
            values,
            url=partial(self.url, request),
            asset=partial(self._asset_url, request),
            csrf_token=self._tokens.token(request, visit),
            csrf_field=FIELD,
            csrf_headers=json.dumps({HEADER: self._tokens.token(request, visit)}),
            htmx_config=json.dumps(HTMX),
        )
        # Half of a surrogate pair, which an error may quote, cannot be said in UTF-8.
        response = HTMLResponse(text.encode("utf-8", "replace"), status)
        self._tokens.keep(request, response, visit, f"{request.scope.get('root_path', '')}/")
        return response

    async def _refuse(self, request: Request, error: Exception) -> Response:
        problem = problem_of(error, retry_after=self._limits.retry_after)
        template = "problem.html" if "hx-request" in request.headers else "refused.html"
        title = HTTPStatus(problem.status).phrase
        response = self.page(request, template, problem.status, title=title, problem=problem)
        response.headers.update(problem.headers)
        if problem.status == 401:
            response.headers["www-authenticate"] = CHALLENGE
        return response

    async def _asset(self, request: Request) -> Response:
        asset = self._assets.get(request.path_params["name"])
        if asset is None or asset.digest != request.path_params["digest"]:
            raise HTTPException(404, "there is no such file")
        return asset.response()

    def _asset_url(self, request: Request, name: str) -> str:
        return self.url(request, "asset", digest=self._assets[name].digest, name=name)


def _name(endpoint: Callable[..., object]) -> str:
    return str(getattr(endpoint, "__name__", "")).lstrip("_")
