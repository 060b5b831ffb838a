"""A client that calls an ASGI app as a server would, and lets a test play every trick that a server never would."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from attrs import field, frozen
from starlette.types import ASGIApp, Message

Headers = Iterable[tuple[bytes | str, bytes | str]]


@frozen
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    received: int = field(default=0)
    """How many messages the app asked for."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Stuck(Exception):
    """The app wants more of the body than there is."""


def _raw(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1")


async def call(
    app: ASGIApp,
    method: str,
    path: str,
    headers: Headers = (),
    body: bytes | Sequence[bytes] = b"",
    *,
    disconnect: bool = False,
    root_path: str = "",
) -> Answer:
    """One request; a body given in parts arrives so, and `disconnect` closes the connection after the last part."""
    parts = [body] if isinstance(body, bytes) else list(body)
    messages: list[Message] = [
        {"type": "http.request", "body": part, "more_body": disconnect or place < len(parts) - 1}
        for place, part in enumerate(parts)
    ]
    if disconnect:
        messages.append({"type": "http.disconnect"})
    sent: list[Message] = []
    received = 0

    async def receive() -> Message:
        nonlocal received
        if received == len(messages):
            raise Stuck
        received += 1
        return messages[received - 1]

    async def send(message: Message) -> None:
        sent.append(message)

    path, _, query = path.partition("?")
    await app(
        {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": root_path + path,
            "raw_path": (root_path + path).encode("latin-1", "replace"),
            "root_path": root_path,
            "query_string": query.encode(),
            "headers": [(_raw(name).lower(), _raw(value)) for name, value in headers],
            "client": ("192.0.2.7", 50_000),
            "server": ("testserver", 80),
        },
        receive,
        send,
    )
    start, *rest = sent
    return Answer(
        start["status"],
        {name.decode(): value.decode("latin-1") for name, value in start["headers"]},
        b"".join(message["body"] for message in rest),
        received,
    )
