"""Who may publish: the hook that is asked about each request, and one made of bearer tokens and passwords."""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from types import MappingProxyType

from attrs import field, frozen

from eventroute.errors import Unauthorized
from eventroute.secrets import Secret

__all__ = ["Authorize", "Basic", "Bearer", "Credential", "PublishRequest", "credentials"]


def _read_only(headers: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(headers))


@frozen(kw_only=True)
class PublishRequest:
    """What is known of a request to publish before its body is read."""

    bus: str
    method: str
    headers: Mapping[str, str] = field(converter=_read_only, repr=False)
    """By name in lower case; several of one name are joined by a comma."""
    client: str | None
    """The address of the other end of the connection, where the server tells it."""


Authorize = Callable[[PublishRequest], Awaitable[None] | None]
"""Raises Unauthorized where the request may not publish to its bus. A plain function must not block."""


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


def credentials(allowed: Mapping[str, Sequence[Credential]], *, open_buses: Collection[str] = ()) -> Authorize:
    """A hook that lets a request publish if it has one of its bus's credentials.

    Anybody may publish to `open_buses`, nobody to a bus that is in neither.
    """
    by_bus = {bus: tuple(known) for bus, known in allowed.items()}
    everybody = frozenset(open_buses)

    def authorize(request: PublishRequest) -> None:
        if request.bus in everybody:
            return
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        # Each is compared, so that the time taken does not tell which one is right.
        right = [known.matches(scheme.lower(), given.strip(" ")) for known in by_bus.get(request.bus, ())]
        if not any(right):
            raise Unauthorized(f"publishing to {request.bus!r} needs one of its credentials")

    return authorize
