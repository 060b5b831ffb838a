"""Webhooks as GitHub posts them, with payloads in its documented shape; all names and numbers in them are invented."""

from __future__ import annotations

import hashlib
import hmac
import json
from importlib import resources
from typing import Self
from uuid import uuid4

import aiohttp
from attrs import Factory, frozen

__all__ = ["Webhook"]


@frozen
class Webhook:
    """One webhook. `event` is GitHub's name for what happened, `body` the payload as compact JSON."""

    event: str
    body: bytes
    delivery: str = Factory(lambda: str(uuid4()))

    @classmethod
    def sample(cls, event: str) -> Self:
        """The one that is shipped with the package: `star` (created) or `issues` (opened)."""
        text = resources.files("eventroute.demo").joinpath(f"{event}.json").read_text(encoding="utf-8")
        return cls(event, json.dumps(json.loads(text), separators=(",", ":")).encode())

    def headers(self, secret: str) -> dict[str, str]:
        """The headers that GitHub sends with it, for a webhook that was set up with a secret."""
        return {
            "Accept": "*/*",
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/0123abc",
            "X-GitHub-Delivery": self.delivery,
            "X-GitHub-Event": self.event,
            "X-GitHub-Hook-ID": "480213377",
            "X-GitHub-Hook-Installation-Target-ID": "804201377",
            "X-GitHub-Hook-Installation-Target-Type": "repository",
            "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), self.body, hashlib.sha256).hexdigest(),
        }

    async def post(self, url: str, secret: str) -> tuple[int, bytes]:
        """Post it; returns the status and the body of the answer. Raises OSError where there is none."""
        headers = self.headers(secret)
        try:
            async with aiohttp.ClientSession() as session, session.post(url, data=self.body, headers=headers) as answer:
                return answer.status, await answer.read()
        except aiohttp.ClientError as error:
            raise ConnectionError(f"no answer from {url}: {error}") from error
