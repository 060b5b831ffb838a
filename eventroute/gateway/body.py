"""Reading a request's body within bounds."""

from __future__ import annotations

from typing import Any

import attrs
from attrs import field, frozen
from starlette.exceptions import HTTPException
from starlette.requests import Request

from eventroute.clock import Clock
from eventroute.errors import InvalidConfiguration

__all__ = ["RequestLimits", "read_body"]


def _within(least: float, most: float) -> Any:
    def check(_instance: object, attribute: attrs.Attribute[Any], value: float) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise InvalidConfiguration(
                f"{value!r} is not a number from {least:,} to {most:,}", where=f"limits.{attribute.name}"
            )

    return check


@frozen(kw_only=True)
class RequestLimits:
    """The bounds on one request. Raises InvalidConfiguration naming the one that is out of range."""

    max_body: int = field(default=1_048_576, validator=_within(1, 1_073_741_824))
    """Bytes of a body (1 to 1 GiB); GitHub sends up to 25 MiB. A body is held in memory whole."""

    max_events: int = field(default=1_000, validator=_within(1, 100_000))
    """Events in one batch (1 to 100,000): they are stored in one change."""

    body_timeout: float = field(default=30.0, validator=_within(0.1, 3_600))
    """Seconds in which a body must have arrived (0.1 to 3,600)."""

    retry_after: int = field(default=5, validator=_within(1, 86_400))
    """Seconds after which a sender is told to come back when nothing can be stored now (1 to 86,400)."""


async def read_body(request: Request, limits: RequestLimits, clock: Clock) -> bytes:
    """The body of a request, all of it; stops to read at the bound, whatever its Content-Length says.

    Raises HTTPException: 400 for a body that is cut short, 408, 413, 415 for a compressed one; ClientDisconnect.
    """
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise HTTPException(415, "a compressed body is not taken: send it without Content-Encoding")
    declared = _declared_length(request)
    if declared is not None and declared > limits.max_body:
        raise _too_large(limits.max_body)
    body = bytearray()
    with clock.move_on_after(limits.body_timeout) as scope:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limits.max_body:
                raise _too_large(limits.max_body)
    if scope.cancelled_caught:
        raise HTTPException(408, f"the body did not arrive within {limits.body_timeout:g} seconds")
    if declared is not None and len(body) < declared:
        raise HTTPException(400, f"the body is cut short: Content-Length is {declared}, it has {len(body)} bytes")
    return bytes(body)


def _declared_length(request: Request) -> int | None:
    text = request.headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise HTTPException(400, "Content-Length is not a number")
    return int(text[:20]) if len(text) > 20 else int(text)


def _too_large(bound: int) -> HTTPException:
    return HTTPException(413, f"a body has at most {bound:,} bytes here")
