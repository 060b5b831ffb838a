"""Everything that the demo starts: a broker with its gateway, a receiver, and subscriptions between them."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from attrs import frozen

from eventroute.clock import Clock, SystemClock
from eventroute.demo.receiver import Message, Receiver
from eventroute.demo.serving import serving
from eventroute.demo.webhook import Webhook
from eventroute.gateway.app import Gateway
from eventroute.push.policy.addresses import AddressPolicy
from eventroute.push.sinks.client import HttpSettings
from eventroute.router import Router
from eventroute.secrets import Secret
from eventroute.storage.base import DeadLetter, Record
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.subscription import Subscription

__all__ = ["PATIENCE", "STARRED", "Scene", "Stage", "set_up", "subscriptions"]

PATIENCE: Final = 10.0
"""How many seconds the demo waits for a delivery that should take milliseconds."""

STARRED: Final = (
    b'{"slackMsg":  "GitHub user<mona-lisa> just stared your repo<weather-bot>. Current number of stars: 80."}'
)
"""The message that `stars-to-slack` makes of the sample webhook `star`, byte for byte."""


def subscriptions(slack: str) -> tuple[Subscription, ...]:
    """Who wants what: stars as a message, releases as they are, issues of another repository."""
    return (
        Subscription(
            id="stars-to-slack",
            filters=[{"exact": {"type": "com.github.star.created"}}],
            transformer={
                "define": {
                    "star_count": "$.data.repository.stargazers_count",
                    "repo": "$.data.repository.name",
                    "sender": "$.data.sender.login",
                },
                "template": (
                    '{"slackMsg":  "GitHub user<${sender}> just stared your repo<${repo}>. '
                    'Current number of stars: ${star_count}."}'
                ),
            },
            sink=f"{slack}/stars-to-slack",
        ),
        Subscription(
            id="releases",
            types=["com.github.release.published"],
            sink=f"{slack}/releases",
        ),
        Subscription(
            id="website-issues",
            filters=[
                {"prefix": {"type": "com.github.issues."}},
                {"exact": {"data.repository.full_name": "octocat/website"}},
            ],
            sink=f"{slack}/website-issues",
        ),
    )


@frozen
class Scene:
    """What became of one webhook. Times are of the wall clock, which the log has too."""

    webhook: Webhook
    posted: float
    status: int
    answer: str
    answered: float
    record: Record | None
    """The event in the log; None where the webhook was refused."""
    messages: tuple[Message, ...]
    faults: tuple[str, ...]
    """What should not be so; empty where all went as it should."""


@frozen
class Stage:
    """The demo's parts, started and connected."""

    router: Router
    receiver: Receiver
    clock: Clock
    subscriptions: tuple[Subscription, ...]
    gateway_url: str
    slack_url: str
    secret: str

    async def play(self, webhook: Webhook, expected: Mapping[str, bytes]) -> Scene:
        """Post a webhook and wait until it has been dealt with; `expected` maps subscriptions to what they should get.

        Raises OSError where the gateway is not there, StorageError.
        """
        posted = self.clock.time()
        status, answer = await webhook.post(f"{self.gateway_url}/default/github", self.secret)
        answered = self.clock.time()
        with self.clock.move_on_after(PATIENCE) as waiting:
            await self.router.idle()
        messages = self.receiver.take()
        record = await self._record(answer) if status == 202 else None
        faults = [] if record else ["the webhook was refused"]
        if waiting.cancelled_caught:
            faults.append(f"not everything was delivered within {PATIENCE:g} s")
        faults += mismatches(expected, messages, await self.router.deadletters())
        return Scene(
            webhook=webhook,
            posted=posted,
            status=status,
            answer=answer.decode("utf-8", "replace"),
            answered=answered,
            record=record,
            messages=messages,
            faults=tuple(faults),
        )

    async def _record(self, answer: bytes) -> Record:
        [offset] = json.loads(answer)["offsets"]
        [record] = await self.router.storage.read("default", offset, offset + 1, limit=1, max_bytes=1_048_576)
        return record


def mismatches(expected: Mapping[str, bytes], messages: Sequence[Message], letters: Sequence[DeadLetter]) -> list[str]:
    """In what deliveries differ from what was expected."""
    got = [(message.path.removeprefix("/"), message.body) for message in messages]
    faults = [f"{name} did not get {body!r}" for name, body in expected.items() if (name, body) not in got]
    unexpected = list(got)
    for pair in expected.items():
        if pair in unexpected:
            unexpected.remove(pair)
    faults += [f"{name} got {body!r}, which was not for it" for name, body in unexpected]
    return faults + [f"{letter.subscription}: {letter.reason}: {letter.error}" for letter in letters]


@asynccontextmanager
async def set_up(file: Path) -> AsyncIterator[Stage]:
    """Start everything, with the log in `file`; no network is needed beyond loopback.

    Raises OSError where there is no loopback, StorageError where the file cannot be made.
    """
    clock = SystemClock()
    receiver = Receiver(clock)
    secret = secrets.token_hex(16)
    loopback = HttpSettings(addresses=AddressPolicy(networks=["127.0.0.0/8"]))
    async with serving(receiver) as slack, Router(SQLiteStorage(file), http=loopback) as router:
        wanted = subscriptions(slack)
        for subscription in wanted:
            await router.subscribe(subscription)
        gateway = Gateway(router, github={"default": Secret(secret)})
        async with serving(gateway) as url:
            yield Stage(
                router=router,
                receiver=receiver,
                clock=clock,
                subscriptions=wanted,
                gateway_url=url,
                slack_url=slack,
                secret=secret,
            )
