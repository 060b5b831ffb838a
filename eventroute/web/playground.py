"""The playground: rules tried on an event in the browser, with nothing stored and nothing sent."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from eventroute.clock import Clock, SystemClock
from eventroute.filters.filter import DialectParser
from eventroute.gateway.authorize import Authorize
from eventroute.gateway.github_events import EVENTS
from eventroute.gateway.limits import RequestLimits
from eventroute.transform.command import Command
from eventroute.web.draft import DIALECTS, LANGUAGES, MODES, Draft, Own
from eventroute.web.forms import Form
from eventroute.web.outcome import Outcome, outcome_of
from eventroute.web.samples import SAMPLES
from eventroute.web.shell import Shell

__all__ = ["AT_ONCE", "MAX_BODY", "PATIENCE", "playground_app"]

MAX_BODY: Final = 2_097_152
"""Bytes of all editors together, as a browser sends them (2 MiB)."""

AT_ONCE: Final = 2
"""How many are tried at the same time, each in a thread; others wait."""

PATIENCE: Final = 10.0
"""Seconds that one waits for what comes of it."""


def playground_app(
    *,
    authorize: Authorize | None = None,
    dialects: Mapping[str, DialectParser] | None = None,
    commands: Mapping[str, Command] | None = None,
    csrf_key: bytes | None = None,
    clock: Clock | None = None,
) -> ASGIApp:
    """An ASGI app, to be mounted under any path.

    `authorize` is asked about each request, with the action `try` and no bus; without it only this machine is served.
    `dialects` and `commands` are the application's own. `csrf_key` signs forms: processes that share the work need the
    same one.
    """
    playground = _Playground(
        Shell(
            action="try",
            authorize=authorize,
            limits=RequestLimits(max_body=MAX_BODY),
            csrf_key=csrf_key,
            clock=clock,
        ),
        Own(dialects or {}, commands or {}),
        SystemClock() if clock is None else clock,
    )
    return playground.app()


class _Playground:
    def __init__(self, shell: Shell, own: Own, clock: Clock) -> None:
        self._shell = shell
        self._own = own
        self._clock = clock
        self._threads = anyio.CapacityLimiter(AT_ONCE)

    def app(self) -> ASGIApp:
        shell = self._shell
        return shell.app(
            [
                shell.get("/", self._page, name="page"),
                shell.post("/", self._attempt, name="attempt"),
                shell.get("/event", self._event, name="event"),
                shell.get("/rules", self._rules, name="rules"),
            ]
        )

    async def _page(self, request: Request) -> Response:
        return await self._whole(request, Draft.of_sample(SAMPLES["star"]))

    async def _attempt(self, request: Request, form: Form) -> Response:
        """The outcome alone, or for a browser without scripts the page with it."""
        draft = Draft.of_form(form)
        if "hx-request" not in request.headers:
            return await self._whole(request, draft)
        return self._show(request, "attempt.html", draft, outcome=await self._outcome(draft))

    async def _event(self, request: Request) -> Response:
        """The editor of the event with a sample in it."""
        return self._show(request, "event.html", _sample(request))

    async def _rules(self, request: Request) -> Response:
        """The editors of filter and transformer with the rules that go with a sample."""
        return self._show(request, "rules.html", _sample(request))

    async def _whole(self, request: Request, draft: Draft) -> Response:
        return self._show(request, "playground.html", draft, outcome=await self._outcome(draft))

    async def _outcome(self, draft: Draft) -> Outcome:
        work = partial(outcome_of, draft, self._own, self._clock.time())
        with self._clock.move_on_after(PATIENCE):
            return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._threads)
        raise HTTPException(503, f"it takes longer than {PATIENCE:g} seconds: try something smaller, or later")

    def _show(self, request: Request, template: str, draft: Draft, **values: Any) -> Response:
        return self._shell.page(
            request,
            template,
            draft=draft,
            sample=SAMPLES[draft.sample],
            samples=SAMPLES.values(),
            dialects=DIALECTS,
            modes=MODES,
            languages=LANGUAGES,
            github_events=EVENTS,
            max_body=MAX_BODY,
            **values,
        )


def _sample(request: Request) -> Draft:
    sample = SAMPLES.get(request.query_params.get("sample", ""))
    if sample is None:
        raise HTTPException(404, f"there is no such sample; there are {', '.join(SAMPLES)}")
    return Draft.of_sample(sample)
