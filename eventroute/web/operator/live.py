"""Pages that stay up to date: the live part of a page, sent again whenever it has changed (server-sent events)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from eventroute.clock import Clock
from eventroute.errors import EventrouteError

__all__ = ["Live", "wants_stream"]

EVERY: Final = 2.0
"""How often it is looked for changes, in seconds."""

HEARTBEAT: Final = 14.0
"""After so many seconds without a change something is sent, so that nobody between takes the connection for dead."""

LONGEST: Final = 600.0
"""So long a stream lasts, in seconds; the browser then asks again, and may be refused."""

STREAMS: Final = 50
"""How many there may be at once, unless more are asked for."""


def wants_stream(request: Request) -> bool:
    """Whether a page is asked for as a stream of its live part."""
    return request.headers.get("accept", "").startswith("text/event-stream")


class Live:
    """The streams of one app."""

    def __init__(self, clock: Clock, most: int = STREAMS) -> None:
        self._clock = clock
        self._most = most
        self._open = 0

    def stream(self, render: Callable[[], Awaitable[str]]) -> Response:
        """A stream of what `render` gives. Raises HTTPException (503) where there are too many."""
        if self._open >= self._most:
            raise HTTPException(503, "too many pages are open", {"retry-after": "30"})
        self._open += 1
        return _Stream(self._sent(render), self._closed)

    def _closed(self) -> None:
        self._open -= 1

    async def _sent(self, render: Callable[[], Awaitable[str]]) -> AsyncIterator[bytes]:
        before, silent, began = "", 0.0, self._clock.monotonic()
        yield b"retry: 5000\n\n"
        while self._clock.monotonic() - began < LONGEST:
            try:
                text = await render()
            except EventrouteError:
                return  # the browser asks again, and is then told
            if text != before:
                before, silent = text, 0.0
                yield _event(text)
            elif silent >= HEARTBEAT:
                silent = 0.0
                yield b": still here\n\n"
            await self._clock.sleep(EVERY)
            silent += EVERY


class _Stream(StreamingResponse):
    """Tells when it is over, however it ended."""

    def __init__(self, content: AsyncIterator[bytes], closed: Callable[[], None]) -> None:
        super().__init__(content, media_type="text/event-stream", headers={"x-accel-buffering": "no"})
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._closed()


def _event(text: str) -> bytes:
    lines = text.replace("\r", "").split("\n")
    return "".join(f"data: {line}\n" for line in lines).encode("utf-8", "replace") + b"\n"
