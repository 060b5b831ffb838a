"""Requests that change something come from our own pages: a signed token, and what the browser says of their origin."""

from __future__ import annotations

import hmac
import re
import secrets
from hashlib import sha256
from typing import Final

from attrs import field, frozen
from starlette.requests import Request
from starlette.responses import Response

from eventroute.errors import Unauthorized

__all__ = ["COOKIE", "FIELD", "HEADER", "Tokens", "check_origin"]

COOKIE: Final = "eventroute-visit"
"""Holds a random text, which says nothing about anybody."""

FIELD: Final = "csrf"
"""The field of a form that holds the token."""

HEADER: Final = "x-csrf-token"
"""The header that holds the token where a script sends the request."""

_is_visit = re.compile(r"[A-Za-z0-9_-]{32}").fullmatch


@frozen
class Tokens:
    """Tokens that are signed and not kept: one goes with one visit and one Authorization header.

    `key` signs them. With one of its own, drawn at random, a process takes no token of another one, nor of its
    predecessor: a page that was open has to be loaded again.
    """

    key: bytes = field(factory=lambda: secrets.token_bytes(32), repr=False)

    def visit(self, request: Request) -> str:
        """The visit that a request belongs to, or a new one."""
        given = request.cookies.get(COOKIE, "")
        return given if _is_visit(given) else secrets.token_urlsafe(24)

    def token(self, request: Request, visit: str) -> str:
        """What a form of this visit has to send back."""
        said = f"{visit}\n{request.headers.get('authorization', '')}"
        return hmac.new(self.key, said.encode("utf-8", "surrogatepass"), sha256).hexdigest()

    def keep(self, request: Request, response: Response, visit: str, path: str) -> None:
        """Have the browser send the visit with each request below a path, and with none that another site begins."""
        if request.cookies.get(COOKIE) == visit:
            return
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, visit, path=path, httponly=True, samesite="strict", secure=secure)

    def check(self, request: Request, given: str) -> None:
        """Raises Unauthorized where the token is not that of the request's visit."""
        right = self.token(request, request.cookies.get(COOKIE, ""))
        if COOKIE not in request.cookies or not hmac.compare_digest(right.encode(), given.encode("utf-8", "replace")):
            raise Unauthorized("the page is too old, or not ours: load it again", forbidden=True)


def check_origin(request: Request) -> None:
    """Raises Unauthorized where a browser says that another site has begun the request.

    Browsers say so in Sec-Fetch-Site; older ones have Origin only, whose scheme a proxy may have changed on the way.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        ours = site == "same-origin"
    else:
        ours = origin is None or origin.partition("://")[2] == request.headers.get("host", "")
    if not ours:
        raise Unauthorized("another site has sent this", forbidden=True)
