"""Who may publish and manage: the hook that is asked about each request, and one of bearer tokens and passwords."""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal

from attrs import field, frozen
from starlette.requests import Request

from eventroute.errors import Unauthorized
from eventroute.secrets import Secret

__all__ = [
    "AccessRequest",
    "Action",
    "Authorize",
    "Basic",
    "Bearer",
    "Credential",
    "credentials",
    "request_facts",
    "users",
]


Action = Literal["publish", "manage", "look", "try"]
"""Publish events; manage a bus: its subscriptions and dead letters; look at what it holds, or with no bus at which
buses there are; try filters and transformers, which is about no bus.
"""


def _read_only(headers: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(headers))


@frozen(kw_only=True)
class AccessRequest:
    """What is known of a request before its body is read."""

    bus: str
    """Empty where it is about none."""
    action: Action = "publish"
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

_NEEDS: Final[Mapping[Action, str]] = {
    "publish": "publishing to {!r} needs one of its credentials",
    "manage": "managing {!r} needs one of its credentials",
    "look": "looking at {!r} needs one of its managers' credentials",
    "try": "this needs one of the credentials that publishers and managers have",
}


def credentials(
    publishers: Mapping[str, Sequence[Credential]],
    *,
    open_buses: Collection[str] = (),
    managers: Mapping[str, Sequence[Credential]] | None = None,
) -> Authorize:
    """A hook that lets a request publish if it has one of its bus's credentials, and manage likewise.

    Anybody may publish to `open_buses`; nobody may do what nothing here allows. Who may publish may not manage. Who has
    any of the credentials may try.
    """
    managed = managers or {}
    allowed: dict[Action, dict[str, tuple[Credential, ...]]] = {
        "publish": {bus: tuple(known) for bus, known in publishers.items()},
        "manage": {bus: tuple(known) for bus, known in managed.items()},
        "look": {
            **{bus: tuple(known) for bus, known in managed.items()},
            "": tuple(each for known in managed.values() for each in known),
        },
        "try": {"": tuple(each for known in (*publishers.values(), *managed.values()) for each in known)},
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
            raise Unauthorized(_NEEDS[request.action].format(request.bus))

    return authorize


def users(known: Sequence[Credential]) -> Authorize:
    """A hook that lets a request do whatever the app offers if it has one of these credentials."""
    everyone = tuple(known)

    def authorize(request: AccessRequest) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        right = [each.matches(scheme.lower(), given.strip(" ")) for each in everyone]
        if not any(right):
            raise Unauthorized("this needs the credentials of one of its users")

    return authorize


def request_facts(bus: str, request: Request, *, action: Action = "publish") -> AccessRequest:
    """What a hook is told of a request of HTTP."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    client = None if request.client is None else request.client.host
    return AccessRequest(bus=bus, action=action, method=request.method, headers=headers, client=client)
