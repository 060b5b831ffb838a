from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from eventroute.binding import BATCH_TYPE, STRUCTURED_TYPE
from eventroute.errors import InvalidConfiguration, StorageClosed, StorageError, StorageFull, Unauthorized
from eventroute.event import Event
from eventroute.gateway.app import Gateway
from eventroute.gateway.authorize import AccessRequest
from eventroute.gateway.limits import RequestLimits
from eventroute.router import Router
from eventroute.storage.memory import MemoryStorage
from eventroute.testing.clock import VirtualClock
from tests.gateway.asgi import Answer, call
from tests.gateway.standin import Log

pytestmark = pytest.mark.anyio

ONE = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.paid"}
BODY = json.dumps(ONE).encode()
STRUCTURED = [("content-type", STRUCTURED_TYPE)]
BATCH = [("content-type", BATCH_TYPE)]
BINARY = [(f"ce-{name}", value) for name, value in ONE.items()]


@pytest.fixture
def log() -> Log:
    return Log()


def refusal(answer: Answer, status: int) -> dict[str, Any]:
    """A problem document (RFC 9457) that says why."""
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    return document


async def test_structured(log: Log) -> None:
    answer = await call(Gateway(log), "POST", "/default", STRUCTURED, BODY)
    assert (answer.status, answer.json) == (202, {"offsets": [10]})
    assert [event.to_json() for event in log.stored["default"]] == [BODY]


async def test_binary(log: Log) -> None:
    headers = [*BINARY, ("content-type", "application/json")]
    answer = await call(Gateway(log), "POST", "/audit", headers, b'{"n": 1}')
    assert (answer.status, answer.json) == (202, {"offsets": [10]})
    assert log.stored == {"default": [], "audit": [Event({**ONE, "datacontenttype": "application/json"}, {"n": 1})]}


async def test_a_batch_is_stored_whole(log: Log) -> None:
    batch = json.dumps([ONE, {**ONE, "id": "2"}]).encode()
    answer = await call(Gateway(log), "POST", "/default", BATCH, batch)
    assert (answer.status, answer.json) == (202, {"offsets": [10, 20]})
    assert [event.id for event in log.stored["default"]] == ["1", "2"]


async def test_a_batch_with_one_invalid_event_is_refused_whole(log: Log) -> None:
    batch = json.dumps([ONE, {**ONE, "time": "yesterday"}]).encode()
    document = refusal(await call(Gateway(log), "POST", "/default", BATCH, batch), 400)
    assert document["where"] == "[1].time"
    assert log.empty


async def test_an_empty_batch_stores_nothing_but_the_bus_must_be_there(log: Log) -> None:
    answer = await call(Gateway(log), "POST", "/default", BATCH, b"[]")
    assert (answer.status, answer.json) == (202, {"offsets": []})
    refusal(await call(Gateway(log), "POST", "/nowhere", BATCH, b"[]"), 404)


async def test_too_many_events(log: Log) -> None:
    gateway = Gateway(log, limits=RequestLimits(max_events=2))
    batch = json.dumps([{**ONE, "id": str(n)} for n in range(3)]).encode()
    assert "2 events" in refusal(await call(gateway, "POST", "/default", BATCH, batch), 413)["detail"]
    assert log.empty


@pytest.mark.parametrize(
    ("headers", "body", "where"),
    [
        (STRUCTURED, b"", ""),
        (STRUCTURED, b"{", ""),
        (STRUCTURED, b'{"id": "\xff"}', ""),
        (STRUCTURED, b'{"id":"1","source":"/","type":"t"}', "specversion"),
        (STRUCTURED, json.dumps({**ONE, "id": ""}).encode(), "id"),
        (STRUCTURED, b"[" * 100_000, ""),
        (BATCH, BODY, ""),
        (BINARY[1:], b"", "specversion"),
        ([*BINARY, ("ce-id", "2")], b"", "ce-id"),
        ([*BINARY, ("content-type", "application/json")], b"{} {}", "data"),
        ([*BINARY, ("content-type", "application/json")], b'"\xff"', "data"),
        ([*BINARY, ("content-type", "text/plain")], b"\xff", "data"),
    ],
)
async def test_an_invalid_event_is_told_where_and_why(
    log: Log, headers: list[tuple[str, str]], body: bytes, where: str
) -> None:
    assert refusal(await call(Gateway(log), "POST", "/default", headers, body), 400).get("where", "") == where
    assert log.empty


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("content-type", "application/json")],
        [("content-type", "application/cloudevents+avro")],
        [*STRUCTURED, ("content-encoding", "gzip")],
    ],
)
async def test_an_unknown_mode(log: Log, headers: list[tuple[str, str]]) -> None:
    refusal(await call(Gateway(log), "POST", "/default", headers, BODY), 415)
    assert log.empty


async def test_no_such_bus(log: Log) -> None:
    assert "nowhere" in refusal(await call(Gateway(log), "POST", "/nowhere", STRUCTURED, BODY), 404)["detail"]


async def test_a_bus_that_is_not_served_is_none(log: Log) -> None:
    gateway = Gateway(log, buses=["default"])
    refusal(await call(gateway, "POST", "/audit", STRUCTURED, BODY), 404)
    refusal(await call(gateway, "OPTIONS", "/audit"), 404)
    assert log.empty


@pytest.mark.parametrize("path", ["/", "/default/", "/default/gitlab", "/-/nothing", "/\x00\n"])
async def test_no_such_path(log: Log, path: str) -> None:
    refusal(await call(Gateway(log), "POST", path, STRUCTURED, BODY), 404)
    assert log.empty


async def test_other_methods(log: Log) -> None:
    answer = await call(Gateway(log), "GET", "/default")
    refusal(answer, 405)
    assert set(answer.headers["allow"].split(", ")) == {"POST", "OPTIONS"}


# -- bodies


async def test_a_declared_length_above_the_bound_is_refused_unread(log: Log) -> None:
    gateway = Gateway(log, limits=RequestLimits(max_body=1_000))
    for length in ("1001", "9" * 5_000):
        answer = await call(gateway, "POST", "/default", [*STRUCTURED, ("content-length", length)], b"x")
        assert "1,000 bytes" in refusal(answer, 413)["detail"]
        assert answer.received == 0


async def test_reading_stops_at_the_bound_when_the_length_lies_or_is_not_there(log: Log) -> None:
    gateway = Gateway(log, limits=RequestLimits(max_body=1_000))
    for headers in (STRUCTURED, [*STRUCTURED, ("content-length", "10")]):
        answer = await call(gateway, "POST", "/default", headers, [b"x" * 400] * 250)
        refusal(answer, 413)
        assert answer.received == 3
    assert log.empty


async def test_a_body_of_exactly_the_bound_is_taken(log: Log) -> None:
    gateway = Gateway(log, limits=RequestLimits(max_body=len(BODY)))
    answer = await call(gateway, "POST", "/default", [*STRUCTURED, ("content-length", str(len(BODY)))], BODY)
    assert answer.status == 202


@pytest.mark.parametrize("length", ["-1", "1e3", "ten", "²"])
async def test_a_length_that_is_no_number(log: Log, length: str) -> None:
    refusal(await call(Gateway(log), "POST", "/default", [*STRUCTURED, ("content-length", length)], BODY), 400)
    assert log.empty


async def test_a_body_that_is_cut_short_is_not_stored(log: Log) -> None:
    """What came is a whole event: only the length tells that more was meant."""
    headers = [*STRUCTURED, ("content-length", str(len(BODY) + 1))]
    assert "cut short" in refusal(await call(Gateway(log), "POST", "/default", headers, BODY), 400)["detail"]
    assert log.empty


async def test_a_connection_that_closes_within_the_body_stores_nothing(log: Log) -> None:
    answer = await call(Gateway(log), "POST", "/default", STRUCTURED, [BODY[:20], BODY[20:]], disconnect=True)
    refusal(answer, 400)
    assert log.empty


async def test_a_body_in_many_parts(log: Log) -> None:
    parts = [BODY[place : place + 1] for place in range(len(BODY))]
    assert (await call(Gateway(log), "POST", "/default", STRUCTURED, [b"", *parts, b""])).status == 202


async def test_a_body_that_trickles_is_cut_off(log: Log) -> None:
    clock = VirtualClock()
    gateway = Gateway(log, clock=clock, limits=RequestLimits(body_timeout=10))
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await clock.advance(4)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", STRUCTURED_TYPE.encode())]
    scope = {"type": "http", "method": "POST", "path": "/default", "headers": headers, "query_string": b""}
    await gateway(scope, receive, send)
    assert sent[0]["status"] == 408
    assert log.empty


# -- who may publish


def only_alice(request: AccessRequest) -> None:
    if request.headers.get("x-user") != "alice":
        raise Unauthorized("who are you?")
    if request.bus != "default":
        raise Unauthorized("not you, alice", forbidden=True)


async def only_alice_later(request: AccessRequest) -> None:
    only_alice(request)


@pytest.mark.parametrize("hook", [only_alice, only_alice_later])
async def test_the_hook_decides_before_the_body_is_read(log: Log, hook: Any) -> None:
    gateway = Gateway(log, authorize=hook)
    alice = [*STRUCTURED, ("X-User", "alice")]
    stranger = await call(gateway, "POST", "/default", STRUCTURED, BODY)
    assert refusal(stranger, 401)["detail"] == "who are you?"
    assert stranger.headers["www-authenticate"].startswith("Bearer")
    assert stranger.received == 0
    assert refusal(await call(gateway, "POST", "/audit", alice, BODY), 403)["detail"] == "not you, alice"
    assert log.empty
    assert (await call(gateway, "POST", "/default", alice, BODY)).status == 202


async def test_what_the_hook_is_told(log: Log) -> None:
    asked: list[AccessRequest] = []
    headers = [*STRUCTURED, ("X-A", "1"), ("x-a", "2"), ("authorization", "Bearer s3cret")]
    await call(Gateway(log, authorize=asked.append), "POST", "/default", headers, BODY)
    (request,) = asked
    assert (request.bus, request.method, request.client) == ("default", "POST", "192.0.2.7")
    assert request.headers["x-a"] == "1, 2"
    assert "s3cret" not in repr(request)


# -- the storage


@pytest.mark.parametrize(
    "fault", [StorageFull("/var/lib/x.db: no room"), StorageError("disk /dev/sda"), StorageClosed("x")]
)
async def test_when_nothing_can_be_stored(log: Log, fault: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """The sender is told to come back, and nothing of the machine; its owner reads why in the log."""
    log.fault = fault
    with caplog.at_level(logging.WARNING, "eventroute"):
        answer = await call(Gateway(log, limits=RequestLimits(retry_after=7)), "POST", "/default", STRUCTURED, BODY)
    refusal(answer, 503)
    assert answer.headers["retry-after"] == "7"
    assert str(fault).encode() not in answer.body
    assert str(fault) in caplog.text


@pytest.mark.parametrize("fault", [ZeroDivisionError(), InvalidConfiguration("not the sender's")])
async def test_a_fault_of_ours_is_not_hidden(log: Log, fault: Exception) -> None:
    log.fault = fault
    with pytest.raises(type(fault)):
        await call(Gateway(log), "POST", "/default", STRUCTURED, BODY)


# -- health


async def test_health_and_readiness(log: Log) -> None:
    gateway = Gateway(log)
    assert (await call(gateway, "GET", "/-/health")).status == 200
    assert (await call(gateway, "GET", "/-/ready")).status == 200
    log.fault = StorageError("gone")
    assert (await call(gateway, "GET", "/-/health")).status == 200
    refusal(await call(gateway, "GET", "/-/ready"), 503)


async def test_a_storage_that_does_not_answer_is_not_ready() -> None:
    clock = VirtualClock()

    class Asleep(Log):
        async def buses(self) -> tuple[str, ...]:
            await clock.advance(60)
            await clock.sleep(60)
            raise AssertionError("nobody waits so long")

    refusal(await call(Gateway(Asleep(), clock=clock), "GET", "/-/ready"), 503)


# -- the handshake of the webhook specification, section 4


async def test_consent_is_given_to_a_sender_that_asks(log: Log) -> None:
    asked = [("WebHook-Request-Origin", "sender.example.com"), ("WebHook-Request-Rate", "120")]
    answer = await call(Gateway(log), "OPTIONS", "/default", asked)
    assert answer.status == 200
    assert answer.headers["webhook-allowed-origin"] == "sender.example.com"
    assert answer.headers["webhook-allowed-rate"] == "*"
    assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("origins", "asked"),
    [
        (("*",), []),
        (("*",), [("webhook-request-origin", "a b\tc")]),
        (("*",), [("webhook-request-origin", "x" * 256)]),
        ((), [("webhook-request-origin", "sender.example.com")]),
        (("other.example.com",), [("webhook-request-origin", "sender.example.com")]),
    ],
)
async def test_consent_is_not_given(log: Log, origins: tuple[str, ...], asked: list[tuple[str, str]]) -> None:
    answer = await call(Gateway(log, webhook_origins=origins), "OPTIONS", "/default", asked)
    assert not [name for name in answer.headers if name.startswith("webhook-allowed")]


async def test_consent_to_a_chosen_sender(log: Log) -> None:
    gateway = Gateway(log, webhook_origins=("sender.example.com",))
    answer = await call(gateway, "OPTIONS", "/default", [("webhook-request-origin", "sender.example.com")])
    assert answer.headers["webhook-allowed-origin"] == "sender.example.com"


async def test_no_consent_for_a_bus_that_is_not_there(log: Log) -> None:
    refusal(await call(Gateway(log), "OPTIONS", "/nowhere", [("webhook-request-origin", "a.example")]), 404)


# -- in another app, over a real router


async def test_mounted_under_a_prefix_over_a_router() -> None:
    async with Router(MemoryStorage()) as router:
        app = Starlette(routes=[Mount("/events", Gateway(router))])
        answer = await call(app, "POST", "/events/default", STRUCTURED, BODY)
        assert answer.status == 202
        assert len(answer.json["offsets"]) == 1
        refusal(await call(app, "POST", "/events/nowhere", STRUCTURED, BODY), 404)
        assert (await call(app, "GET", "/events/-/ready")).status == 200
        stored = await router.storage.read("default", 0, 10**9, limit=10, max_bytes=10**6)
    assert [record.event for record in stored] == [BODY]


async def test_a_router_that_has_stopped_takes_nothing() -> None:
    async with Router(MemoryStorage()) as router:
        gateway = Gateway(router)
    refusal(await call(gateway, "POST", "/default", STRUCTURED, BODY), 503)
