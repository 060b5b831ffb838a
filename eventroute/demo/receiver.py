"""The receiver that plays Slack: an ASGI app that remembers what is posted to it."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from eventroute.clock import Clock

__all__ = ["Message", "Receiver"]


@frozen
class Message:
    """What was posted, and when it was there whole (wall clock seconds)."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    time: float


class Receiver:
    """An ASGI app that answers `ok` to everything."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._messages: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        body = await request.body()
        self._messages.append(Message(request.url.path, dict(request.headers), body, self._clock.time()))
        await PlainTextResponse("ok")(scope, receive, send)

    def take(self) -> tuple[Message, ...]:
        """What has arrived since the last call, in order."""
        messages, self._messages = self._messages, []
        return tuple(messages)
