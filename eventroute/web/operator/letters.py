"""The dead letters of a bus: by reason, one by one, and to redrive or purge them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eventroute.deadletters import Which
from eventroute.web.forms import Form
from eventroute.web.operator.site import Site, number, text

__all__ = ["Letters"]

PAGE: Final = 50
ACTS: Final = ("redrive", "purge")


class Letters:
    """The list of dead letters, and what is done about them."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> Sequence[Route]:
        """Its routes."""
        shell = self._site.shell
        return [
            shell.get("/{bus}/deadletters", self.show, name="letters"),
            shell.get("/{bus}/deadletters/{act}", self.ask, name="ask"),
            shell.post("/{bus}/deadletters/{act}", self.act, name="act"),
        ]

    async def show(self, request: Request) -> Response:
        """By reason, and a page of them."""
        bus = str(request.path_params["bus"])
        which = _which(text(request, "subscription"), text(request, "reason"), "")
        after = number(text(request, "after_offset"), "after_offset")
        begin = None if after is None else (text(request, "after_subscription"), after)

        async def values() -> Mapping[str, Any]:
            counts = await self._site.router.count_deadletters(bus)
            page = await self._site.router.deadletters(bus, after=begin, limit=PAGE + 1, **which)
            return {
                "bus": bus,
                "here": "deadletters",
                "counts": sorted(counts.items(), key=lambda each: -each[1])[:200],
                "total": sum(counts.values()),
                "meant": _count(counts, which),
                "letters": page[:PAGE],
                "more": len(page) > PAGE,
                "which": which,
            }

        return await self._site.show(request, "letters", values)

    async def ask(self, request: Request) -> Response:
        """Ask first, with how many it is about now."""
        bus, act = _act(request)
        which = _which(text(request, "subscription"), text(request, "reason"), text(request, "offset"))

        async def values() -> Mapping[str, Any]:
            return {
                "bus": bus,
                "here": "deadletters",
                "act": act,
                "which": which,
                "count": await self._meant(bus, which),
            }

        return await self._site.show(request, "ask", values)

    async def act(self, request: Request, form: Form) -> Response:
        """Redrive or purge them."""
        bus, act = _act(request)
        await self._site.may(request, bus)
        which = _which(form.get("subscription"), form.get("reason"), form.get("offset"))
        if act == "redrive":
            done = f"redriven: {await self._site.router.redrive(bus, **which)}"
        else:
            done = f"purged: {await self._site.router.purge(bus, **which)}"
        return self._site.back(request, "letters", done, bus=bus)

    async def _meant(self, bus: str, which: Which) -> int:
        if "offset" in which:
            return len(await self._site.router.deadletters(bus, limit=1_000, **which))
        return _count(await self._site.router.count_deadletters(bus), which)


def _count(counts: Mapping[tuple[str, str], int], which: Which) -> int:
    return sum(
        count
        for (subscription, reason), count in counts.items()
        if which.get("subscription", subscription) == subscription and which.get("reason", reason) == reason
    )


def _which(subscription: str, reason: str, offset: str) -> Which:
    given = {"subscription": subscription or None, "reason": reason or None, "offset": number(offset, "offset")}
    return {name: value for name, value in given.items() if value is not None}  # type: ignore[return-value]


def _act(request: Request) -> tuple[str, str]:
    act = str(request.path_params["act"])
    if act not in ACTS:
        raise HTTPException(404, "there is no such page")
    return str(request.path_params["bus"]), act
