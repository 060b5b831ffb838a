"""The duties of a webhook's sender at an HTTP sink: signatures, and the handshake before the first event."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import anyio
import pytest
from attrs import evolve
from standardwebhooks.webhooks import Webhook

from eventroute.event import Event
from eventroute.push.outcome import Delivered, Outcome, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.rate import Rate
from eventroute.push.policy.signing import Signing
from eventroute.push.policy.webhook import Handshake
from eventroute.push.sinks.base import Message
from eventroute.push.sinks.http import HttpSinks
from eventroute.secrets import Secret, Secrets
from eventroute.testing.clock import VirtualClock
from tests.push.sinks.receiver import EVENT, LOOPBACK, OK, Receiver, answer, receiver, sinks

OLD, NEW = (f"whsec_{b64encode(bytes([byte]) * 32).decode()}" for byte in (1, 2))
ORIGIN = Handshake(origin="events.example.com", rate=120)
AGREED = answer(200, "WebHook-Allowed-Origin: events.example.com", "WebHook-Allowed-Rate: 100")


def policy(**more: Any) -> DeliveryPolicy:
    return DeliveryPolicy(timeout=20, **more)


def messages(*events: Event) -> list[Message]:
    return [Message(event, event, f"sub/{place}") for place, event in enumerate(events)]


# -- signatures


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["binary", "structured", "batch"])
async def test_what_is_sent_is_signed_with_each_secret(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets(resolvers={"vault": {"old": OLD, "new": NEW}.__getitem__})
    signing = Signing(secrets=["vault:new", "vault:old"])
    async with receiver() as receiving, sinks(evolve(LOOPBACK, secrets=secrets)) as provider:
        monkeypatch.setattr(provider.clock, "time", SystemTime().time)
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", policy(mode=mode, signing=signing))
        assert await sink.send_messages(messages(EVENT)) == Delivered()
    [(_, headers, body)] = receiving.requests
    for secret in (OLD, NEW):
        Webhook(secret).verify(body, headers)


class SystemTime:
    """The library compares with the time of the machine."""

    def time(self) -> float:
        import time  # noqa: PLC0415

        return time.time()


@pytest.mark.anyio
async def test_the_id_stays_and_the_time_moves_from_attempt_to_attempt() -> None:
    clock = VirtualClock()
    async with receiver(answer(500), OK) as receiving:
        provider = HttpSinks(settings=LOOPBACK, clock=clock)
        await provider.open()
        signed = policy(signing=Signing(secrets=[Secret(NEW)]))
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", signed)
        first, second = messages(EVENT, EVENT)
        await sink.send_messages([first])
        await clock.advance(60)
        await sink.send_messages([first])
        await sink.send_messages([second])
        await sink.send(EVENT)
        await sink.send(EVENT)
        await provider.aclose()
    ids = [headers["webhook-id"] for _, headers, _ in receiving.requests]
    times = [int(headers["webhook-timestamp"]) for _, headers, _ in receiving.requests]
    assert ids[0] == ids[1] != ids[2] != ids[3] == ids[4]
    assert times[1] - times[0] == 60
    assert times[1:] == [times[1]] * 4


@pytest.mark.anyio
async def test_a_secret_that_cannot_sign_is_a_retry_that_does_not_show_it() -> None:
    secrets = Secrets(resolvers={"vault": {"a": "hunter2"}.__getitem__})
    async with receiver() as receiving, sinks(evolve(LOOPBACK, secrets=secrets)) as provider:
        url = f"http://127.0.0.1:{receiving.port}/"
        outcomes = [
            await provider.sink(url, policy(signing=Signing(secrets=[where]))).send(EVENT)
            for where in ("vault:a", Secret("hunter2"), "vault:b")
        ]
    end = "cannot sign: it is not whsec_ and the base64 of 24 to 64 bytes"
    assert outcomes == [
        RetryLater("no-secret", f"the secret vault:a {end}"),
        RetryLater("no-secret", f"a secret {end}"),
        RetryLater("no-secret", "there is no secret vault:b"),
    ]
    assert receiving.requests == []


# -- the handshake


@pytest.mark.anyio
async def test_the_endpoint_is_asked_once_and_every_event_names_the_origin() -> None:
    async with receiver(AGREED, OK) as receiving, sinks() as provider:
        url = f"http://127.0.0.1:{receiving.port}/a?b=c"
        sink = provider.sink(url, policy(handshake=ORIGIN))
        before = sink.rate
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(sink.send, EVENT)
        assert (before, sink.rate) == (None, Rate.per_minute(100))
        assert await provider.sink(url, policy(handshake=ORIGIN, concurrency=1)).send(EVENT) == Delivered()
    asked, *events = receiving.requests
    assert asked[0] == "OPTIONS /a?b=c HTTP/1.1"
    assert asked[1]["webhook-request-origin"] == "events.example.com"
    assert asked[1]["webhook-request-rate"] == "120"
    assert asked[2] == b""
    assert not any(name.startswith("ce-") or name == "authorization" for name in asked[1])
    assert [line for line, *_ in events] == ["POST /a?b=c HTTP/1.1"] * 4
    assert all(headers["webhook-request-origin"] == "events.example.com" for _, headers, _ in events)


@pytest.mark.anyio
async def test_the_next_process_asks_again() -> None:
    async with receiver(AGREED, OK, AGREED, OK) as receiving:
        for _ in range(2):
            async with sinks() as provider:
                sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", policy(handshake=ORIGIN))
                assert await sink.send(EVENT) == Delivered()
    assert [line.split()[0] for line, *_ in receiving.requests] == ["OPTIONS", "POST"] * 2


@pytest.mark.anyio
async def test_without_a_handshake_nobody_is_asked() -> None:
    async with receiver() as receiving, sinks() as provider:
        await provider.sink(f"http://127.0.0.1:{receiving.port}/", policy()).send(EVENT)
    [(_, headers, _)] = receiving.requests
    assert "webhook-request-origin" not in headers


@pytest.mark.anyio
@pytest.mark.parametrize("status", [200, 204, 301, 404, 405, 500])
@pytest.mark.parametrize(
    ("headers", "rate"),
    [
        (["WebHook-Allowed-Origin: *", "WebHook-Allowed-Rate: *"], None),
        (["webhook-allowed-origin: EVENTS.example.com", "webhook-allowed-rate: 60"], Rate(1.0)),
        (["WebHook-Allowed-Origin: *"], Rate(2.0)),
    ],
    ids=["any", "some", "silent"],
)
async def test_consent_is_in_the_headers_whatever_the_status(
    status: int, headers: list[str], rate: Rate | None
) -> None:
    async with receiver(answer(status, *headers), OK) as receiving, sinks() as provider:
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", policy(handshake=ORIGIN))
        assert await sink.send(EVENT) == Delivered()
        assert sink.rate == rate


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ([], "the endpoint's answer to OPTIONS has no WebHook-Allowed-Origin"),
        (["Allow: POST", "WebHook-Allowed-Rate: *"], "the endpoint's answer to OPTIONS has no WebHook-Allowed-Origin"),
        (["WebHook-Allowed-Origin: example.com"], "the endpoint's WebHook-Allowed-Origin is another one"),
        *(
            (
                ["WebHook-Allowed-Origin: *", f"WebHook-Allowed-Rate: {rate}"],
                "the endpoint's WebHook-Allowed-Rate is neither * nor a number above 0",
            )
            for rate in ("0", "-1", "1.5", "many", "9999999999")
        ),
    ],
    ids=["none", "allow", "other", "0", "-1", "1.5", "many", "huge"],
)
async def test_no_consent_is_a_retry(headers: list[str], error: str) -> None:
    async with receiver(answer(200, *headers)) as receiving, sinks() as provider:
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", policy(handshake=ORIGIN))
        assert await sink.send(EVENT) == RetryLater("no-consent", error)
        assert await sink.send(EVENT) == RetryLater("no-consent", error)
        assert sink.rate is None
    assert [line.split()[0] for line, *_ in receiving.requests] == ["OPTIONS"]  # not twice within a second


@pytest.mark.anyio
async def test_consent_that_comes_later_is_taken() -> None:
    clock = VirtualClock()
    async with receiver(answer(405), AGREED, OK) as receiving:
        provider = HttpSinks(settings=LOOPBACK, clock=clock)
        await provider.open()
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", policy(handshake=ORIGIN))
        assert isinstance(await sink.send(EVENT), RetryLater)
        await clock.advance(1)
        assert await sink.send(EVENT) == Delivered()
        await provider.aclose()


@pytest.mark.anyio
async def test_an_endpoint_that_does_not_answer_the_question_is_a_retry() -> None:
    async with receiver(Receiver.CLOSE) as receiving, sinks() as provider:
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", policy(handshake=ORIGIN))
        outcome = await sink.send(EVENT)
    assert isinstance(outcome, RetryLater)
    assert outcome.reason == "connection-error"
    assert {line for line, *_ in receiving.requests} == {"OPTIONS / HTTP/1.1"}


# -- several events


@pytest.mark.anyio
@pytest.mark.parametrize("count", [1, 3])
async def test_batched_mode(count: int) -> None:
    events = [Event.create(id=str(number), type="t", source="/s", data={"n": number}) for number in range(count)]
    async with receiver() as receiving, sinks() as provider:
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", policy(mode="batch"))
        outcome: Outcome = await sink.send_messages(messages(*events))
    assert outcome == Delivered()
    [(_, headers, body)] = receiving.requests
    assert headers["content-type"] == "application/cloudevents-batch+json"
    assert Event.from_http(headers, body) == events
