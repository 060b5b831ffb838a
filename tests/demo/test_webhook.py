"""The sample webhooks: in the shape that GitHub documents, signed as GitHub signs."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from eventroute.demo.webhook import Webhook
from eventroute.gateway.github import event_of, is_signed
from eventroute.secrets import Secret

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """What posts is aiohttp."""
    return "asyncio"


def shape(value: Any) -> Any:
    """The keys of nested objects."""
    return {key: shape(member) for key, member in value.items()} if isinstance(value, dict) else None


def lacking(real: Any, sample: Any) -> list[str]:
    """The keys that a real payload has and the sample has not."""
    if not isinstance(real, dict) or not isinstance(sample, dict):
        return []
    missing = [key for key in real if key not in sample]
    return missing + [
        f"{key}.{name}" for key in real.keys() & sample.keys() for name in lacking(real[key], sample[key])
    ]


@pytest.mark.parametrize(("event", "real"), [("star", "star/created"), ("issues", "issues/assigned")])
def test_a_sample_has_all_that_a_real_payload_has(event: str, real: str, shared: Path) -> None:
    captured = json.loads((shared / "data" / "github" / f"{real}.json").read_text(encoding="utf-8"))
    sample = json.loads(Webhook.sample(event).body)
    absent = set(lacking(shape(captured), shape(sample)))
    assert absent <= {"assignee", "organization", "installation", "issue.draft"}, "what only this action or owner has"


@pytest.mark.parametrize("event", ["star", "issues"])
def test_a_sample_is_compact_and_signed(event: str) -> None:
    webhook = Webhook.sample(event)
    assert webhook.body == json.dumps(json.loads(webhook.body), separators=(",", ":")).encode()
    headers = webhook.headers("secret")
    assert headers["X-Hub-Signature-256"] == f"sha256={hmac.new(b'secret', webhook.body, hashlib.sha256).hexdigest()}"
    assert is_signed(headers["X-Hub-Signature-256"], webhook.body, [Secret("secret")])
    assert not is_signed(headers["X-Hub-Signature-256"], webhook.body, [Secret("another")])


def test_a_sample_becomes_the_event_that_the_demo_is_about() -> None:
    webhook = Webhook.sample("star")
    headers = [(name.encode(), value.encode()) for name, value in webhook.headers("secret").items()]
    event = event_of(headers, webhook.body, now=0.0)
    assert (event.type, event.id, event.time) == ("com.github.star.created", webhook.delivery, "2026-11-23T09:30:00Z")
    assert event.data_bytes == webhook.body


async def test_nobody_at_the_url_is_an_os_error() -> None:
    with pytest.raises(OSError, match="no answer from http"):
        await Webhook.sample("star").post("http://127.0.0.1:1/default/github", "secret")
