"""Reading a request's body within bounds."""

from __future__ import annotations

from contextlib import aclosing

from starlette.exceptions import HTTPException
from starlette.requests import Request

from eventroute.clock import Clock
from eventroute.gateway.limits import RequestLimits

__all__ = ["read_body"]


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
        async with aclosing(request.stream()) as chunks:
            async for chunk in chunks:
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
