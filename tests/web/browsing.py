"""A visitor who calls an ASGI app as a browser would: with the cookies and the token that the last page gave."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import unescape
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote, urlencode

from attrs import Factory, define
from starlette.types import ASGIApp, Message

from eventroute.web.csrf import HEADER
from tests.gateway.asgi import Answer

_TOKEN = re.compile(r'hx-headers="([^"]*)"')


@define
class Visitor:
    app: ASGIApp
    client: str | None = "127.0.0.1"
    host: str = "localhost:8000"
    scheme: str = "http"
    token: str = ""
    last: Answer | None = None
    _cookies: dict[str, str] = Factory(dict)

    async def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        answer = await self.send("GET", path, headers or {})
        found = _TOKEN.search(answer.body.decode("utf-8", "replace"))
        if found is not None:
            self.token = unescape(found[1]).partition(f'"{HEADER}": "')[2].partition('"')[0]
        return answer

    async def post(
        self, path: str, form: Mapping[str, str | Sequence[str]], *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """As htmx sends it."""
        own = {
            "content-type": "application/x-www-form-urlencoded",
            "hx-request": "true",
            HEADER: self.token,
        }
        return await self.send("POST", path, own | dict(headers or {}), urlencode(form, doseq=True).encode())

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        given = {"host": self.host, "cookie": cookies, **headers}
        path, _, query = path.partition("?")
        messages: list[Message] = []
        received = 0

        async def receive() -> Message:
            nonlocal received
            received += 1
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            messages.append(message)

        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": self.scheme,
            "path": path,
            "raw_path": quote(path).encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items() if value],
            "client": None if self.client is None else (self.client, 50_000),
            "server": ("127.0.0.1", 8000),
        }
        try:
            await self.app(scope, receive, send)
        finally:
            if messages:
                self.last = self._answer(messages, received)
        assert self.last is not None
        return self.last

    def _answer(self, messages: list[Message], received: int) -> Answer:
        start, *rest = messages
        headers = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
        for name, value in SimpleCookie(headers.get("set-cookie", "")).items():
            self._cookies[name] = value.value
        return Answer(start["status"], headers, b"".join(message["body"] for message in rest), received)
