"""The events of a bus: found, and each with its trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from eventroute.errors import InvalidFilter
from eventroute.filters.filter import Filter
from eventroute.timestamps import parse_timestamp
from eventroute.tracing.finding import Searched
from eventroute.tracing.trace import MEANT, STATES, Deliveries, State
from eventroute.web.operator.paging import paged
from eventroute.web.operator.shown import pretty
from eventroute.web.operator.site import Site, number, text

__all__ = ["Events"]

PAGE: Final = 50
SCAN: Final = 20_000
"""How many events are looked at for one page: more would keep who asks waiting."""

SCAN_FILTERED: Final = 10_000
"""How many where a filter is asked, which takes longer."""

DELAYED: Final = 10
FIELDS: Final = ("id", "type", "source", "subject")

WORST: Final[Sequence[State]] = (
    "dead-letter",
    "stuck",
    "waiting",
    "unreached",
    "in-hand",
    "forgotten",
    "settled",
    "not-matched",
)
"""In which order states are shown: what has come to nothing first."""

ANY: Final = "any"
WHICH: Final[Mapping[str, str]] = {"": "those it is for", ANY: "all", **{state: state for state in WORST}}
"""Which subscriptions the page of an event shows."""

LEVELS: Final[Mapping[str, str]] = {
    "unreached": "warn",
    "in-hand": "good",
    "waiting": "warn",
    "stuck": "bad",
    "dead-letter": "bad",
    "settled": "good",
    "not-matched": "",
    "forgotten": "",
}


class Events:
    """The list of events, and the page of one."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> Sequence[Route]:
        """Its routes."""
        shell = self._site.shell
        return [
            shell.get("/{bus}/events", self.find, name="events"),
            shell.get("/{bus}/events/{offset}", self.show, name="event"),
        ]

    async def find(self, request: Request) -> Response:
        """What was found, the newest first."""
        bus = str(request.path_params["bus"])
        offset = number(text(request, "offset"), "offset")
        if offset is not None:
            return RedirectResponse(self._site.shell.url(request, "event", bus=bus, offset=offset), 303)
        before = number(text(request, "before"), "before")
        asked = {name: text(request, name) for name in (*FIELDS, "since", "until", "filter")}

        async def values() -> Mapping[str, Any]:
            told: dict[str, Any] = {"bus": bus, "here": "events", "asked": asked, "found": None, "fault": ""}
            delayed = await self._site.router.timers(bus, limit=DELAYED)
            told |= {"delayed": delayed, "delays": await self._site.router.count_timers(bus) if delayed else 0}
            try:
                sought = _sought(asked)
            except InvalidFilter as error:
                return told | {"fault": str(error)}
            scan = SCAN_FILTERED if asked["filter"] else SCAN
            return told | {"found": await self._site.router.find(bus, before=before, limit=PAGE, scan=scan, **sought)}

        return await self._site.show(request, "events", values)

    async def show(self, request: Request) -> Response:
        """One event, and what became of it."""
        bus, offset = str(request.path_params["bus"]), number(str(request.path_params["offset"]), "offset", 0) or 0
        query, state = text(request, "q"), text(request, "state")
        state = state if state in WHICH else ""
        if query and not state:
            state = ANY  # who asks for one by name wants to know of it, whether it matches or not
        wanted = number(text(request, "page"), "page", 1) or 1

        async def values() -> Mapping[str, Any]:
            found = await self._site.router.trace(bus, offset=offset)
            if not found.events:
                raise HTTPException(404, f"the bus {bus!r} has no event at offset {offset}")
            (event,) = found.events
            page = paged(_worst_first(event.deliveries, query, state), wanted)
            counts = event.deliveries.counts()
            return {
                "bus": bus,
                "here": "events",
                "event": event,
                "page": page,
                "deliveries": [event.deliveries.of(name) for name in page.rows],
                "counts": [(each, counts[each]) for each in WORST if each in counts],
                "which": WHICH,
                "asked": {"q": query, "state": state},
                "text": None if event.event is None else pretty(event.event),
                "states": STATES,
                "levels": LEVELS,
            }

        return await self._site.show(request, "event", values)


def _worst_first(deliveries: Deliveries, query: str, state: str) -> list[str]:
    """The subscriptions that are asked for."""
    states = MEANT if not state else STATES if state == ANY else (state,)
    ranks = {each: rank for rank, each in enumerate(WORST)}
    chosen = deliveries.ids(states, containing=query)
    return sorted(chosen, key=lambda name: ranks[deliveries.states[name]])  # those of one state stay as they are


def _sought(asked: Mapping[str, str]) -> Searched:
    """Raises InvalidFilter, HTTPException."""
    sought: dict[str, Any] = {name: asked[name] for name in FIELDS if asked[name]}
    for name in ("since", "until"):
        if asked[name]:
            sought[name] = _time(asked[name], name)
    if asked["filter"]:
        sought["filters"] = (Filter.parse(asked["filter"]),)
    return sought  # type: ignore[return-value]


def _time(given: str, name: str) -> datetime:
    try:
        return parse_timestamp(given)
    except ValueError as error:
        raise HTTPException(400, f"{name}: {error}") from None
