"""Events that come back in answers: published once for each delivery, with one more hop."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest
from anyio.lowlevel import checkpoint
from attrs import evolve

from eventroute.errors import StorageFull
from eventroute.event import Event
from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.addresses import AddressPolicy
from eventroute.push.policy.backoff import Backoff
from eventroute.push.policy.reply import HOPS, Append, Reply
from eventroute.push.sinks.base import Message
from eventroute.push.sinks.client import HttpSettings
from eventroute.router import Router
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from tests.push.sinks.receiver import EVENT, LOOPBACK, OK, Receiver, answer, receiver, sinks

pytestmark = pytest.mark.anyio
POLICY = DeliveryPolicy(timeout=20, reply=Reply(bus="answers"), max_hops=3)
REPLY = Event.create(id="r1", type="answer", source="/sink", data={"ok": True})
STRUCTURED = answer(200, "Content-Type: application/cloudevents+json", body=REPLY.to_json())
BINARY = answer(
    200,
    "ce-specversion: 1.0",
    "ce-id: r1",
    "ce-type: answer",
    "ce-source: /sink",
    "Content-Type: application/json",
    body=b'{"ok": true}',
)
BATCH = answer(200, "Content-Type: application/cloudevents-batch+json", body=b"[%b,%b]" % ((REPLY.to_json(),) * 2))


class Appended:
    """Remembers what is appended; fails as it is told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls: list[tuple[str, list[Event], str]] = []

    async def __call__(self, bus: str, events: Sequence[Event], append_id: str) -> None:
        await checkpoint()
        self.calls.append((bus, list(events), append_id))
        if self.error is not None:
            raise self.error


async def push(
    said: bytes, append: Append | None, *, policy: DeliveryPolicy = POLICY, event: Event = EVENT, limit: int = 65_536
) -> Outcome:
    async with receiver(said) as receiving, sinks(evolve(LOOPBACK, answer_limit=limit), append=append) as provider:
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", policy)
        return await sink.send_messages([Message(event, event, "s/1")])


@pytest.mark.parametrize(
    ("said", "count"), [(STRUCTURED, 1), (BINARY, 1), (BATCH, 2)], ids=["structured", "binary", "batch"]
)
async def test_an_event_in_an_answer_is_published(said: bytes, count: int) -> None:
    appended = Appended()
    assert await push(said, appended) == Delivered()
    [(bus, events, _)] = appended.calls
    assert bus == "answers"
    assert events == [REPLY.replace({HOPS: 1})] * count


async def test_a_repeat_of_a_delivery_has_the_same_append_id() -> None:
    appended = Appended()
    for _ in range(2):
        assert await push(STRUCTURED, appended) == Delivered()
    assert appended.calls[0] == appended.calls[1]


@pytest.mark.parametrize(
    "said",
    [
        OK,
        answer(200, "Content-Type: text/plain", body=b"fine"),
        answer(200, "Content-Type: application/json", body=b"{}"),
        answer(200, "Content-Type: application/cloudevents-batch+json", body=b"[]"),
    ],
    ids=["nothing", "text", "json", "empty"],
)
async def test_an_answer_that_is_no_event_is_none(said: bytes) -> None:
    appended = Appended()
    assert await push(said, appended) == Delivered()
    assert appended.calls == []


async def test_without_the_policy_nothing_is_published() -> None:
    appended = Appended()
    assert await push(STRUCTURED, appended, policy=evolve(POLICY, reply=None)) == Delivered()
    assert appended.calls == []


async def test_only_a_success_has_a_reply() -> None:
    appended = Appended()
    said = STRUCTURED.replace(b" 200 ", b" 422 ")
    assert isinstance(await push(said, appended), Rejected)
    table = POLICY.outcomes.changed({"200": "retry", "422": "delivered"})
    assert isinstance(await push(STRUCTURED, appended, policy=evolve(POLICY, outcomes=table)), RetryLater)
    assert await push(said, appended, policy=evolve(POLICY, outcomes=table)) == Delivered()
    assert appended.calls == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"specversion":"1.0"}', b"\xff", b"[" * 9_999], ids=["empty", "cut", "bare", "bytes", "deep"]
)
async def test_a_reply_that_is_none_is_a_dead_letter(body: bytes) -> None:
    outcome = await push(answer(200, "Content-Type: application/cloudevents+json", body=body), Appended())
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "bad-reply"


async def test_a_reply_that_broke_off_or_is_too_long_is_a_retry() -> None:
    appended = Appended()
    cut = BINARY.replace(b"Content-Length: 12", b"Content-Length: 99") + Receiver.CLOSE
    for outcome in (await push(cut, appended), await push(BINARY, appended, limit=5)):
        assert isinstance(outcome, RetryLater)
        assert outcome.reason == "reply-failed"
    assert appended.calls == []


async def test_a_reply_that_cannot_be_published_is_a_retry() -> None:
    assert await push(STRUCTURED, Appended(StorageFull("full"))) == RetryLater("append-failed", "full")
    assert await push(STRUCTURED, None) == RetryLater("reply-failed", "nothing here publishes replies")


async def test_hops_are_counted_from_the_event_that_is_answered() -> None:
    appended = Appended()
    assert await push(STRUCTURED, appended, event=EVENT.replace({HOPS: 2})) == Delivered()
    assert appended.calls[0][1][0].attributes[HOPS] == 3
    outcome = await push(STRUCTURED, appended, event=EVENT.replace({HOPS: 3}))
    assert outcome == Rejected("too-many-hops", "it went from bus to bus 3 times, and max_hops is 3")


async def test_no_transformer_and_no_other_event_of_a_request_takes_hops_away() -> None:
    appended = Appended()
    async with receiver(STRUCTURED) as receiving, sinks(LOOPBACK, append=appended) as provider:
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", evolve(POLICY, mode="batch"))
        moved = EVENT.replace({HOPS: 2})
        assert await sink.send_messages([Message(EVENT, EVENT, "s/1"), Message(EVENT, moved, "s/2")]) == Delivered()
    assert appended.calls[0][1][0].attributes[HOPS] == 3


async def test_a_router_publishes_replies_and_a_loop_ends() -> None:
    """The endpoint answers every event, its own answers too."""
    settings = HttpSettings(addresses=AddressPolicy(networks=["127.0.0.0/8"]))
    async with receiver(STRUCTURED) as receiving, Router(MemoryStorage(), http=settings) as router:
        policy = DeliveryPolicy(reply=Reply(bus="default"), max_hops=4, backoff=Backoff(0.01, 0.01))
        url = f"http://127.0.0.1:{receiving.port}/"
        await router.subscribe(Subscription(id="echo", sink=url, policy=policy))
        await router.publish(EVENT)
        with anyio.fail_after(20):
            while not (letters := await router.deadletters()):
                await router.idle()
    assert [letter.reason for letter in letters] == ["too-many-hops"]
    assert len(receiving.requests) == 5
