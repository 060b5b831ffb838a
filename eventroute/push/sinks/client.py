"""What HTTP sinks ask of an HTTP client, so that another client can take the place of the default one."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import attrs
from attrs import field, frozen

from eventroute.errors import EventrouteError, InvalidConfiguration
from eventroute.push.policy.addresses import AddressPolicy
from eventroute.secrets import Secrets

__all__ = ["Answer", "HttpClient", "HttpSettings", "NoAnswer", "Request", "patience", "written"]

BODY_WITHIN = 1.0
"""How long the body of an answer is waited for, in seconds, once its status has told the outcome."""

TALKERS = 8
"""How many connections are passed over on which a server says something unasked, before the attempt fails."""

ENDPOINTS = 10_000
"""Of how many URLs a client keeps what it made of them; what was not used for longest is made anew."""

_DEFAULTS = (
    ("user-agent", "User-Agent: eventroute"),
    ("accept", "Accept: */*"),
    ("accept-encoding", "Accept-Encoding: identity"),
)
_control = re.compile("[\x00-\x08\x0a-\x1f\x7f]").search


def _positive(_instance: object, attribute: attrs.Attribute[Any], value: float) -> None:
    if not value > 0:
        raise InvalidConfiguration(f"{value!r} is not above 0", where=f"http.{attribute.name}")


@frozen(kw_only=True)
class HttpSettings:
    """What holds for all HTTP sinks of a router. Raises InvalidConfiguration naming the setting."""

    addresses: AddressPolicy = field(factory=AddressPolicy)
    """Where events may be pushed to."""

    tls: ssl.SSLContext | Callable[[], ssl.SSLContext] | None = field(default=None, repr=False)
    """How servers are verified over https, or a function that says so: a context of its own is made for each client
    certificate. None: by the certificate authorities that the system trusts.
    """

    secrets: Secrets = field(factory=Secrets)
    """Where the secrets of credentials, certificates and signatures are looked up."""

    connections: int = field(default=1_024, validator=_positive)
    """Connections to one host and port at once; beyond them an attempt waits for one, and its time runs."""

    idle_timeout: float = field(default=15.0, validator=_positive)
    """Seconds for which a connection is kept for the next event."""

    answer_limit: int = field(default=65_536, validator=_positive)
    """Bytes of an answer's body that are read; after them the connection is closed."""


@frozen
class Request:
    """One HTTP request. A `content-type` is in lower case; `timeout` bounds all of it, in seconds."""

    method: str
    url: str
    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)
    timeout: float
    tls: ssl.SSLContext | None = None
    """What holds for this request instead of the settings."""
    whole: bool = False
    """Whether the body of the answer matters: then it is waited for until the timeout."""


@frozen
class Answer:
    """One HTTP answer; header names are looked up in any case. The body may be cut at the limit, or by a failure."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool = True
    """Whether this is all of the body."""


class NoAnswer(EventrouteError):
    """A request that got no answer. `reason`: `timeout`, `dns-error`, `tls-error`, `connection-error`, `bad-answer`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class HttpClient(Protocol):
    """Sends requests over a pool of connections. It follows no redirect and uses no proxy."""

    async def send(self, request: Request) -> Answer:
        """Send one request.

        Each new connection goes to an address that the policy allows. Raises ForbiddenAddress where there is none,
        NoAnswer where nothing comes back that is HTTP. May be cancelled; the pool stays usable.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


def written(request: Request, target: str) -> bytes:
    """The request as it goes over the wire; `target` is the rest of the request line, and the Host header.

    Raises ValueError where a header would break out of its line.
    """
    names = {name.lower() for name, _ in request.headers}
    lines = [f"{name}: {value}" for name, value in request.headers]
    lines += [line for name, line in _DEFAULTS if name not in names]
    if _control("".join(lines)):
        raise ValueError("a header holds a control character")
    head = "\r\n".join([request.method + target, *lines, f"Content-Length: {len(request.body)}", "\r\n"])
    return head.encode() + request.body


def patience(request: Request, left: float) -> float:
    """For how many seconds the body of an answer is waited for, where so many are left to the request."""
    return left if request.whole else min(BODY_WITHIN, request.timeout / 4, left)
