"""Who may publish and manage: the hook that is asked about each request, and one of bearer tokens and passwords."""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from attrs import field, frozen
from starlette.requests import Request

from eventroute.errors import Unauthorized
from eventroute.secrets import Secret

__all__ = ["AccessRequest", "Authorize", "Basic", "Bearer", "Credential", "credentials", "request_facts"]


def _read_only(headers: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(headers))


@frozen(kw_only=True)
class AccessRequest:
    """What is known of a request before its body is read."""

    bus: str
    action: Literal["publish", "manage"] = "publish"
    """Whether it is about events, or about the bus's subscriptions."""
    method: str
    headers: Mapping[str, str] = field(converter=_read_only, repr=False)
    """By name in lower case; several of one name are joined by a comma."""
    client: str | None
    """The address of the other end of the connection, where the server tells it."""


Authorize = Callable[[AccessRequest], Awaitable[None] | None]
"""Raises Unauthorized where the request may not do this on its bus. A plain function must not block."""


@frozen
class Bearer:
    """A bearer token (RFC 6750, section 2.1)."""

    token: Secret

    def matches(self, scheme: str, given: str) -> bool:
        """Whether these are the contents of an Authorization header."""
        return scheme == "bearer" and self.token.matches(given)


@frozen
class Basic:
    """A user name and password (RFC 7617, in UTF-8)."""

    user: str
    password: Secret

    def matches(self, scheme: str, given: str) -> bool:
        """Whether these are the contents of an Authorization header."""
        if scheme != "basic":
            return False
        try:
            user, colon, password = b64decode(given, validate=True).partition(b":")
        except ValueError:
            return False
        right_user = hmac.compare_digest(self.user.encode("utf-8"), user)
        return self.password.matches(password) and right_user and bool(colon)


Credential = Bearer | Basic


def credentials(
    publishers: Mapping[str, Sequence[Credential]],
    *,
    open_buses: Collection[str] = (),
    managers: Mapping[str, Sequence[Credential]] | None = None,
) -> Authorize:
    """A hook that lets a request publish if it has one of its bus's credentials, and manage likewise.

    Anybody may publish to `open_buses`; nobody may do what nothing here allows. Who may publish may not manage.
    """
    allowed = {
        "publish": {bus: tuple(known) for bus, known in publishers.items()},
        "manage": {bus: tuple(known) for bus, known in (managers or {}).items()},
    }
    everybody = frozenset(open_buses)

    def authorize(request: AccessRequest) -> None:
        if request.action == "publish" and request.bus in everybody:
            return
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        # Each is compared, so that the time taken does not tell which one is right.
        known = allowed[request.action].get(request.bus, ())
        right = [each.matches(scheme.lower(), given.strip(" ")) for each in known]
        if not any(right):
            what = "publishing to" if request.action == "publish" else "managing"
            raise Unauthorized(f"{what} {request.bus!r} needs one of its credentials")

    return authorize


def request_facts(bus: str, request: Request, *, action: Literal["publish", "manage"] = "publish") -> AccessRequest:
    """What a hook is told of a request of HTTP."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    client = None if request.client is None else request.client.host
    return AccessRequest(bus=bus, action=action, method=request.method, headers=headers, client=client)
