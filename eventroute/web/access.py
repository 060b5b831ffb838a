"""Who may see a page: whoever the application's hook lets in; without a hook, this machine alone."""

from __future__ import annotations

from inspect import isawaitable
from ipaddress import ip_address

from starlette.requests import Request

from eventroute.errors import Unauthorized
from eventroute.gateway.authorize import Action, Authorize, request_facts

__all__ = ["is_loopback", "permit"]

_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


async def permit(authorize: Authorize | None, request: Request, bus: str, action: Action) -> None:
    """Raises Unauthorized where the request may not do this."""
    if authorize is None:
        _check_local(request)
        return
    answer = authorize(request_facts(bus, request, action=action))
    if isawaitable(answer):
        await answer


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own, that nobody else can reach."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        name = host.lower().removesuffix(".")
        return name == "localhost" or name.endswith(".localhost")


def _check_local(request: Request) -> None:
    """The name asked for counts as well as the address: a page elsewhere may have its own name lead here.

    What a proxy passes on comes from its address, so what a proxy adds is refused.
    """
    client = None if request.client is None else request.client.host
    host = request.headers.get("host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    proxied = any(header in request.headers for header in _FORWARDED)
    if client is None or proxied or not is_loopback(client) or not is_loopback(name):
        raise Unauthorized(
            "without `authorize` this page is for this machine alone, by its own name (localhost): give it one",
            forbidden=True,
        )
