from __future__ import annotations

import socket
import ssl
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp.client_proto import ResponseHandler
from anyio.abc import ByteStream
from anyio.lowlevel import checkpoint
from anyio.streams.buffered import BufferedByteReceiveStream
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidConfiguration, InvalidSubscription
from eventroute.event import Event
from eventroute.push.outcome import DEFAULT_OUTCOMES, MAX_RETRY_AFTER, Delivered, Outcome, Rejected, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.addresses import AddressPolicy
from eventroute.push.policy.webhook import Handshake
from eventroute.push.sinks import client
from eventroute.push.sinks.client import TALKERS, HttpSettings, NoAnswer, Request
from eventroute.push.sinks.http import HttpSinks, retry_after
from eventroute.push.sinks.trio_connect import Channel
from eventroute.router import Router
from eventroute.storage.open import open_storage
from eventroute.subscription import Subscription
from tests.push.sinks.receiver import (
    CERTIFICATE,
    EVENT,
    HASTY,
    LOOPBACK,
    OK,
    POLICY,
    Receiver,
    answer,
    answering,
    receiver,
    serving,
    sinks,
)


async def push(*answers: bytes, policy: DeliveryPolicy = POLICY, event: Event = EVENT) -> tuple[Outcome, Receiver]:
    async with receiver(*answers) as receiving, sinks() as provider:
        outcome = await provider.sink(f"http://127.0.0.1:{receiving.port}/a?b=c", policy).send(event)
    return outcome, receiving


# -- the request


@pytest.mark.anyio
async def test_binary_mode() -> None:
    policy = DeliveryPolicy(method="PUT", headers={"X-Tenant": "7"})
    outcome, receiving = await push(policy=policy)
    assert outcome == Delivered()
    [(line, headers, body)] = receiving.requests
    assert line == "PUT /a?b=c HTTP/1.1"
    assert headers == {
        "host": f"127.0.0.1:{receiving.port}",
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-type": "t",
        "ce-source": "/s",
        "content-type": "application/json",
        "content-length": "7",
        "user-agent": "eventroute",
        "accept": "*/*",
        "accept-encoding": "identity",
        "x-tenant": "7",
    }
    assert body == b'{"n":1}'


@pytest.mark.anyio
async def test_structured_mode() -> None:
    outcome, receiving = await push(policy=DeliveryPolicy(mode="structured", headers={"User-Agent": "mine"}))
    assert outcome == Delivered()
    [(line, headers, body)] = receiving.requests
    assert line.startswith("POST ")
    assert headers["content-type"] == "application/cloudevents+json"
    assert headers["user-agent"] == "mine"
    assert Event.from_json(body) == EVENT


@pytest.mark.anyio
async def test_an_event_without_data_goes_structured_since_a_body_must_not_be_empty() -> None:
    bare = Event.create(id="1", type="t", source="/s")
    outcome, receiving = await push(event=bare)
    assert outcome == Delivered()
    assert Event.from_json(receiving.requests[0][2]) == bare


@pytest.mark.anyio
async def test_an_event_without_a_content_type_is_sent_without_one() -> None:
    untyped = Event({"specversion": "1.0", "id": "1", "type": "t", "source": "/s"}, b"\x00\xff")
    _, receiving = await push(event=untyped)
    [(_, headers, body)] = receiving.requests
    assert "content-type" not in headers
    assert body == b"\x00\xff"


@pytest.mark.anyio
async def test_the_path_is_sent_as_it_was_written() -> None:
    async with receiver() as receiving, sinks() as provider:
        path = "/%7Euser/a+b%2Fc/../d;e?x=%20+&y=[1]"
        await provider.sink(f"http://sink.test:{receiving.port}{path}", POLICY).send(EVENT)
    line, headers, _ = receiving.requests[0]
    assert line == f"POST {path} HTTP/1.1"
    assert headers["host"] == f"sink.test:{receiving.port}"


# -- the table of outcomes


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        *((answer(status), Delivered()) for status in (200, 201, 202, 299)),
        *((answer(status, "Location: /b"), Rejected("http-3xx", f"HTTP {status}")) for status in (301, 302, 307, 308)),
        *(
            (answer(s), RetryLater(f"http-{s}", f"HTTP {s}"))
            for s in (404, 408, 409, 425, 429, 500, 502, 503, 504, 599)
        ),
        *((answer(s), Rejected(f"http-{s}", f"HTTP {s}")) for s in (400, 401, 403, 405, 413, 415, 422, 499)),
        (answer(410), Rejected("gone", "HTTP 410", pause="gone")),
        (answer(429, "Retry-After: 7"), RetryLater("http-429", "HTTP 429", after=7, hold_lane=True)),
        (answer(503, "retry-after: 7"), RetryLater("http-503", "HTTP 503", after=7, hold_lane=True)),
        (answer(500, "Retry-After: 7"), RetryLater("http-500", "HTTP 500", after=7)),
        (answer(503, "Retry-After: soon"), RetryLater("http-503", "HTTP 503")),
        (answer(429, "Retry-After: 999999"), RetryLater("http-429", "HTTP 429", after=MAX_RETRY_AFTER, hold_lane=True)),
        (answer(600), RetryLater("bad-answer", "HTTP 600")),
        (answer(999), RetryLater("bad-answer", "HTTP 999")),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + answer(200), Delivered()),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + answer(400), Rejected("http-400", "HTTP 400")),
    ],
)
async def test_an_answer_is_an_outcome_by_the_table(said: bytes, outcome: Outcome) -> None:
    got, receiving = await push(said)
    assert got == outcome
    assert len(receiving.requests) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"\x00\xff" * 40 + b"\r\n\r\n",
        b"HTTP/1.1 2x4 Hm\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
)
async def test_what_is_not_http_is_retried(said: bytes) -> None:
    got, _ = await push(said + Receiver.HANG)
    assert isinstance(got, RetryLater)
    assert got.reason == "bad-answer"
    assert len(got.error) <= 1_000


@pytest.mark.anyio
async def test_the_policy_can_change_the_table() -> None:
    policy = evolve(POLICY, outcomes=DEFAULT_OUTCOMES.changed({"400": "retry", "2xx": "reject"}))
    assert (await push(answer(400), policy=policy))[0] == RetryLater("http-400", "HTTP 400")
    assert (await push(answer(200, body=b"no"), policy=policy))[0] == Rejected("http-200", "HTTP 200: no")


@pytest.mark.anyio
@pytest.mark.parametrize(("kind", "holds"), [("retry", False), ("retry-hold", True)])
@pytest.mark.parametrize("status", [202, 302, 410, 422])
async def test_who_is_asked_for_time_by_an_answer_that_a_policy_has_retried_gives_it(
    status: int, kind: str, holds: bool
) -> None:
    policy = evolve(POLICY, outcomes=DEFAULT_OUTCOMES.changed({str(status): kind}))
    got, _ = await push(answer(status, "Retry-After: 7", body=b"busy"), policy=policy)
    assert got == RetryLater(f"http-{status}", f"HTTP {status}: busy", after=7, hold_lane=holds)


@pytest.mark.anyio
async def test_what_the_receiver_says_is_kept_in_short_and_printable() -> None:
    got, _ = await push(answer(422, body=b"no\x00such\n\xfftenant " + b"x" * 1_000))
    assert isinstance(got, Rejected)
    assert got.error.startswith("HTTP 422: no such \ufffdtenant xxx")
    assert got.error.isprintable()
    assert len(got.error) < 450


# -- no answer


@pytest.mark.anyio
@pytest.mark.parametrize("said", [Receiver.HANG, b"HTTP/1.1 200 OK\r\nX: " + Receiver.HANG])
async def test_a_slow_receiver_is_retried_for_timeout(said: bytes) -> None:
    got, receiving = await push(said, policy=HASTY)
    assert got == RetryLater("timeout", "no answer within 0.03 s")
    assert receiving.closed == 1


@pytest.mark.anyio
@pytest.mark.parametrize("body", [b"x", b"x" * 32_000_000], ids=["small", "large"])
async def test_a_request_whose_time_is_over_ends_and_no_other_with_it(body: bytes) -> None:
    """Whether it waits for an answer, or for the server to take it; also where another one has more time."""

    class Slow(Receiver):
        async def exchange(self, reader: BufferedByteReceiveStream, stream: ByteStream) -> bool:
            await reader.receive_until(b"\r\n\r\n", 1_000_000)
            self.requests.append(("", {}, b""))
            self.changed.set()
            await over.wait()
            return False

    over = anyio.Event()
    ended: list[NoAnswer] = []

    async def ask() -> None:
        with pytest.raises(NoAnswer) as caught:
            await send(request)
        ended.append(caught.value)

    async with receiver(receiving=Slow()) as slow, receiver() as quick, sinks() as provider:
        send = provider.exchange
        request = Request("POST", f"http://127.0.0.1:{slow.port}/", [], body, 20)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await slow.until(lambda: len(slow.requests) == 1)
            with anyio.fail_after(10), pytest.raises(NoAnswer, match=r"no answer within 0\.03 s") as late:
                await send(evolve(request, timeout=0.03))
            assert late.value.reason == "timeout"
            assert (await send(evolve(request, url=f"http://127.0.0.1:{quick.port}/", body=b""))).status == 204
            assert not ended
            over.set()
    assert [error.reason for error in ended] == ["connection-error"]


@pytest.mark.anyio
async def test_time_runs_while_a_request_waits_for_a_connection() -> None:
    async with receiver(Receiver.HANG) as receiving, sinks(evolve(LOOPBACK, connections=1)) as provider:
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", POLICY)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sink.send, EVENT)
            await receiving.until(lambda: len(receiving.requests) == 1)
            late = provider.sink(f"http://127.0.0.1:{receiving.port}/", HASTY)
            assert await late.send(EVENT) == RetryLater("timeout", "no answer within 0.03 s")
            tasks.cancel_scope.cancel()
        assert receiving.connections == 1


@pytest.mark.anyio
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nX: y\r\n"])
async def test_a_connection_that_is_closed_without_an_answer_is_retried(said: bytes) -> None:
    got, receiving = await push(said + Receiver.CLOSE)
    assert isinstance(got, RetryLater)
    assert got.reason == "connection-error"
    assert len(receiving.requests) == 1


@pytest.mark.anyio
async def test_a_closed_port_is_retried() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with sinks() as provider:
            got = await provider.sink(f"http://127.0.0.1:{unused.getsockname()[1]}/", POLICY).send(EVENT)
    assert isinstance(got, RetryLater)
    assert got.reason == "connection-error"


@pytest.mark.anyio
async def test_a_name_that_cannot_be_resolved_is_retried() -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    async with sinks(lookup=lookup) as provider:
        got = await provider.sink("http://sink.test/", POLICY).send(EVENT)
    assert isinstance(got, RetryLater)
    assert got.reason == "dns-error"
    assert "Temporary failure" in got.error


# -- the body of an answer


@pytest.mark.anyio
async def test_no_more_of_a_body_is_read_than_the_bound() -> None:
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"2710\r\n" + b"x" * 10_000 + Receiver.HANG
    async with receiver(endless, OK) as receiving, sinks(evolve(LOOPBACK, answer_limit=1_000)) as provider:
        assert provider.client is not None
        request = Request("POST", f"http://127.0.0.1:{receiving.port}/", [], b"x", 20, whole=True)
        with anyio.fail_after(10):
            assert (await provider.client.send(request)).body == b"x" * 1_000
        assert (await provider.client.send(request)).status == 204
    assert receiving.connections == 2


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "kind"), [(200, Delivered), (500, RetryLater), (400, Rejected)])
@pytest.mark.parametrize("end", [Receiver.CLOSE, Receiver.HANG])
async def test_a_body_that_breaks_off_leaves_the_outcome_to_the_status(status: int, kind: type, end: bytes) -> None:
    got, _ = await push(f"HTTP/1.1 {status} X\r\nContent-Length: 100\r\n\r\npart".encode() + end, policy=HASTY)
    assert isinstance(got, kind)


@pytest.mark.anyio
async def test_once_the_status_is_there_the_body_is_not_waited_for_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BODY_WITHIN", 0.01)
    with anyio.fail_after(10):
        got, _ = await push(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart" + Receiver.HANG)
    assert got == Delivered()


@pytest.mark.anyio
async def test_a_compressed_body_is_not_unpacked() -> None:
    got, _ = await push(answer(400, "Content-Encoding: gzip", body=b"not gzip"))
    assert got == Rejected("http-400", "HTTP 400: not gzip")


# -- connections


@pytest.mark.anyio
async def test_the_sinks_of_a_router_share_kept_connections_and_no_cookies() -> None:
    async with receiver(answer(200, "Set-Cookie: a=b", body=b"fine")) as receiving, sinks() as provider:
        for path in ("/a", "/b", "/c"):
            assert await provider.sink(f"http://sink.test:{receiving.port}{path}", POLICY).send(EVENT) == Delivered()
        assert receiving.connections == 1
        assert receiving.closed == 0
    assert all("cookie" not in headers for _, headers, _ in receiving.requests)


@pytest.mark.anyio
async def test_connections_are_bounded() -> None:
    async with receiver() as receiving, sinks(evolve(LOOPBACK, connections=2)) as provider:
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", POLICY)
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(sink.send, EVENT)
        assert len(receiving.requests) == 10
        assert receiving.connections <= 2


@pytest.mark.anyio
async def test_a_cancelled_attempt_leaves_the_sink_usable_and_no_connection() -> None:
    async with receiver(Receiver.HANG, OK) as receiving, sinks(evolve(LOOPBACK, connections=1)) as provider:
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", POLICY)
        async with anyio.create_task_group() as group:
            group.start_soon(sink.send, EVENT)
            await receiving.until(lambda: len(receiving.requests) == 1)
            group.cancel_scope.cancel()
        await receiving.until(lambda: receiving.closed == 1)
        assert await sink.send(EVENT) == Delivered()


@pytest.mark.anyio
async def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    async with receiver(answer(200, "Connection: close"), OK) as receiving, sinks() as provider:
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", POLICY)
        assert [await sink.send(EVENT) for _ in range(2)] == [Delivered(), Delivered()]
    assert receiving.connections == 2


@pytest.mark.anyio
async def test_closing_closes_connections_and_later_events_wait() -> None:
    async with receiver() as receiving, sinks() as provider:
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", POLICY)
        await sink.send(EVENT)
        await provider.aclose()
        await receiving.until(lambda: receiving.closed == 1)
        got = await sink.send(EVENT)
        assert isinstance(got, RetryLater)
        assert got.reason == "not-open"
        await provider.aclose()  # closing twice does no harm


FULL_RECORD = answer(200, body=b"x" * (2**14 - len(answer(200, body=b"")) - 4))
"""An answer that fills a TLS record: what follows at once comes in the next one."""


@pytest.mark.anyio
@pytest.mark.parametrize("at_once", [OK, FULL_RECORD, b""], ids=["with the answer", "behind it", "while idle"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_what_a_server_says_unasked_is_not_taken_for_an_answer(at_once: bytes, tls: bool) -> None:
    said = anyio.Event()

    class Talker(Receiver):
        async def exchange(self, reader: BufferedByteReceiveStream, stream: ByteStream) -> bool:
            if at_once and self.connections == 1:
                self.answers = [at_once + answer(410)]
            elif at_once:
                self.answers = [OK]
            more = await super().exchange(reader, stream)
            if not at_once and self.connections == 1:
                await said.wait()
                await stream.send(answer(410))
                told.set()
            return more

    told = anyio.Event()
    settings = evolve(LOOPBACK, tls=ssl.create_default_context(cafile=CERTIFICATE))
    async with receiver(tls=server_tls() if tls else None, receiving=Talker()) as talker, sinks(settings) as provider:
        sink = provider.sink(f"{'https' if tls else 'http'}://sink.test:{talker.port}/", POLICY)
        assert await sink.send(EVENT) == Delivered()
        said.set()
        if not at_once:
            await told.wait()
        for _ in range(10):  # it comes in
            await checkpoint()
        assert await sink.send(EVENT) == Delivered()
    assert talker.connections == 2


@pytest.mark.anyio
async def test_a_server_that_always_speaks_first_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ResponseHandler, "should_close", True)  # as where something has come in
    monkeypatch.setattr(Channel, "unread", True)
    async with receiver() as receiving, sinks() as provider:
        got = await provider.sink(f"http://127.0.0.1:{receiving.port}/", POLICY).send(EVENT)
        assert got == RetryLater("bad-answer", "the server answers before it is asked")
        await receiving.until(lambda: receiving.closed == TALKERS)
    assert receiving.connections == TALKERS
    assert not receiving.requests


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("anyio_backend", "tls"), [("asyncio", False), ("trio", False), ("trio", True)], indirect=["anyio_backend"]
)
async def test_an_answer_that_comes_before_all_was_sent_ends_its_connection(tls: bool) -> None:
    """Not over TLS on asyncio, where the server of these tests would not send its answer while it does not read."""

    class Hasty(Receiver):
        async def exchange(self, reader: BufferedByteReceiveStream, stream: ByteStream) -> bool:
            heads.append(await reader.receive_until(b"\r\n\r\n", 1_000_000))
            await stream.send(answer(413))
            await over.wait()
            return False

    heads: list[bytes] = []
    over = anyio.Event()
    settings = evolve(LOOPBACK, tls=ssl.create_default_context(cafile=CERTIFICATE))
    async with receiver(tls=server_tls() if tls else None, receiving=Hasty()) as hasty, sinks(settings) as provider:
        assert provider.client is not None
        url = f"{'https' if tls else 'http'}://sink.test:{hasty.port}/"
        for body in (b"x" * 32_000_000, b"x"):
            assert (await provider.client.send(Request("POST", url, [], body, 20))).status == 413
        over.set()
    assert len(heads) == 2


@pytest.mark.anyio
async def test_a_connection_that_is_idle_for_too_long_is_closed() -> None:
    async with receiver() as receiving, sinks(evolve(LOOPBACK, idle_timeout=0.05)) as provider:
        assert await provider.sink(f"http://127.0.0.1:{receiving.port}/", POLICY).send(EVENT) == Delivered()
        await receiving.until(lambda: receiving.closed == 1)


@pytest.mark.anyio
@pytest.mark.parametrize("header", [("x-y", "a\r\nb: c"), ("x\ny", "a"), ("x-y", "a\0")])
async def test_no_header_breaks_out_of_its_line(header: tuple[str, str]) -> None:
    async with receiver() as receiving, sinks() as provider:
        assert provider.client is not None
        with pytest.raises(ValueError, match="control character"):
            await provider.client.send(Request("POST", f"http://127.0.0.1:{receiving.port}/", [header], b"x", 20))
    assert receiving.connections == 0


@pytest.mark.anyio
async def test_a_header_may_hold_any_text() -> None:
    async with receiver() as receiving, sinks() as provider:
        assert provider.client is not None
        await provider.client.send(
            Request("POST", f"http://127.0.0.1:{receiving.port}/", [("x-y", "\u00fc \u2713")], b"x", 20)
        )
    assert receiving.requests[0][1]["x-y"] == "\u00fc \u2713"


@pytest.mark.anyio
async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await push())[0] == Delivered()


@pytest.mark.anyio
async def test_passwords_that_lie_about_are_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password s3cret\ndefault login me password s3cret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    outcome, receiving = await push()
    assert outcome == Delivered()
    assert "authorization" not in receiving.requests[0][1]


@pytest.mark.anyio
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("handshake", [None, Handshake(origin="me.example.com")], ids=["plain", "handshake"])
async def test_no_redirect_is_followed(status: int, handshake: Handshake | None) -> None:
    """Neither by an event nor by the question before it."""
    async with (
        receiver() as inside,
        receiver(answer(status, f"Location: http://127.0.0.1:{inside.port}/")) as outside,
        sinks() as provider,
    ):
        policy = evolve(POLICY, handshake=handshake)
        outcome = await provider.sink(f"http://127.0.0.1:{outside.port}/", policy).send(EVENT)
    assert isinstance(outcome, RetryLater if handshake else Rejected)
    assert (len(outside.requests), inside.connections) == (1, 0)


@pytest.mark.anyio
async def test_a_name_that_leads_inside_is_not_even_asked_for_consent() -> None:
    async with receiver() as receiving, sinks(HttpSettings()) as provider:
        policy = evolve(POLICY, handshake=Handshake(origin="me.example.com"))
        outcome = await provider.sink(f"http://sink.test:{receiving.port}/", policy).send(EVENT)
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "forbidden-address"
    assert receiving.connections == 0


# -- TLS


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("trusted", "host", "problem"),
    [(True, "sink.test", None), (False, "sink.test", "self-signed"), (True, "127.0.0.1", "127.0.0.1")],
)
async def test_certificates_are_verified_for_the_name(trusted: bool, host: str, problem: str | None) -> None:
    settings = evolve(LOOPBACK, tls=ssl.create_default_context(cafile=CERTIFICATE if trusted else None))
    async with receiver(tls=server_tls()) as receiving, sinks(settings) as provider:
        got = await provider.sink(f"https://{host}:{receiving.port}/", POLICY).send(EVENT)
    if problem is None:
        assert got == Delivered()
    else:
        assert isinstance(got, RetryLater)
        assert got.reason == "tls-error"
        assert problem in got.error
        assert not receiving.requests


@pytest.mark.anyio
async def test_a_server_without_tls_is_told_from_one_that_is_slow() -> None:
    async def greet(stream: ByteStream) -> None:
        await stream.send(b"SSH-2.0-OpenSSH_9.2\r\n")
        async with stream:
            async for _ in stream:
                pass

    async with serving(greet) as port, sinks() as provider:
        got = await provider.sink(f"https://sink.test:{port}/", POLICY).send(EVENT)
    assert isinstance(got, RetryLater)
    assert got.reason == "tls-error"


@pytest.mark.anyio
async def test_without_settings_the_system_decides_whom_to_trust() -> None:
    async with receiver(tls=server_tls()) as receiving, sinks() as provider:
        got = await provider.sink(f"https://sink.test:{receiving.port}/", POLICY).send(EVENT)
    assert isinstance(got, RetryLater)
    assert got.reason == "tls-error"


# -- addresses


@pytest.mark.anyio
async def test_an_address_that_changes_to_a_forbidden_one_is_never_connected_to() -> None:
    """Rebinding: 127.0.0.1 stands for a public address, 127.0.0.2 for one inside."""
    settings = HttpSettings(addresses=AddressPolicy(networks=["127.0.0.1/32"]))
    lookup = answering("127.0.0.1", "127.0.0.2", "127.0.0.2", "127.0.0.1")
    async with receiver(answer(200, "Connection: close")) as outside:
        try:
            inside = await anyio.create_tcp_listener(local_host="127.0.0.2", local_port=outside.port)
        except OSError:
            pytest.skip("this system has no 127.0.0.2")
        async with inside, sinks(settings, lookup) as provider:
            sink = provider.sink(f"http://sink.test:{outside.port}/", POLICY)
            first, second, third, fourth = [await sink.send(EVENT) for _ in range(4)]
    assert first == fourth == Delivered()
    assert second == third
    assert isinstance(second, Rejected)
    assert second.reason == "forbidden-address"
    assert "sink.test, at 127.0.0.2, is a loopback address" in second.error
    assert outside.connections == 2


@pytest.mark.anyio
@pytest.mark.parametrize("found", ["10.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "64:ff9b::7f00:1"])
async def test_a_name_that_leads_inside_is_rejected(found: str) -> None:
    async with sinks(HttpSettings(), answering(found)) as provider:
        got = await provider.sink("http://sink.test/", POLICY).send(EVENT)
    assert isinstance(got, Rejected)
    assert got.reason == "forbidden-address"


@pytest.mark.anyio
async def test_of_several_addresses_only_the_allowed_are_tried() -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return ["::1", "10.0.0.1", "127.0.0.1"]

    async with receiver() as receiving, sinks(lookup=lookup) as provider:
        got = await provider.sink(f"http://sink.test:{receiving.port}/", POLICY).send(EVENT)
    assert got == Delivered()


@pytest.mark.anyio
async def test_loopback_is_rejected_unless_the_policy_allows_it() -> None:
    async with receiver() as receiving, sinks(HttpSettings()) as provider:
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            got = await provider.sink(f"http://{host}:{receiving.port}/", POLICY).send(EVENT)
            assert isinstance(got, Rejected)
            assert got.reason == "forbidden-address"
    assert receiving.connections == 0


@pytest.mark.anyio
@pytest.mark.parametrize("only", [{"schemes": ["https"]}, {"ports": [443]}, {"hosts": ["example.com"]}], ids=str)
async def test_what_is_stored_and_was_forbidden_since_is_rejected(only: dict[str, Any]) -> None:
    """The address itself is allowed; whoever restarts with a stricter policy has what is stored go by it."""
    strict = HttpSettings(addresses=AddressPolicy(networks=["127.0.0.0/8"], **only))
    async with receiver() as receiving, sinks(strict) as provider:
        for host in ("127.0.0.1", "sink.test"):
            got = await provider.sink(f"http://{host}:{receiving.port}/", POLICY).send(EVENT)
            assert isinstance(got, Rejected)
            assert got.reason == "forbidden-address"
    assert receiving.connections == 0


@pytest.mark.anyio
async def test_the_socket_itself_is_refused_for_a_forbidden_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else is asked before: nothing connects to what the policy forbids."""
    monkeypatch.setattr(AddressPolicy, "check_target", lambda policy, target: None)
    async with receiver() as receiving, sinks(HttpSettings()) as provider:
        got = await provider.sink(f"http://127.0.0.1:{receiving.port}/", POLICY).send(EVENT)
    assert isinstance(got, Rejected)
    assert got.reason == "forbidden-address"
    assert receiving.connections == 0


@pytest.mark.parametrize(
    "address", ["http://", "http://127.0.0.1/", "https://10.0.0.1/", "http://2130706433/", "http://u@example.com/"]
)
def test_an_address_that_can_never_work_is_refused_when_it_is_given(address: str) -> None:
    with pytest.raises(InvalidSubscription, match="sink"):
        HttpSinks().check(address, POLICY)


def test_a_public_address_is_accepted() -> None:
    provider = HttpSinks()
    provider.check("https://example.com/hook", POLICY)
    assert provider.schemes == {"http", "https"}
    assert "hook" not in repr(provider.sink("https://example.com/hook", POLICY))  # a path may hold a secret


# -- where it cannot work


@pytest.mark.parametrize(("backend", "extra", "package"), [("asyncio", "http", "aiohttp"), ("trio", "trio", "h11")])
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, backend: str, extra: str, package: str) -> None:
    async def subscribe() -> None:
        async with Router(open_storage("memory:")) as router:
            await router.subscribe(Subscription(id="s", sink="https://example.com/"))

    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"eventroute.push.sinks.{package}_client", raising=False)
    with pytest.raises(InvalidConfiguration, match=rf"{package}: pip install 'eventroute\[{extra}\]'"):
        anyio.run(subscribe, backend=backend)


@pytest.mark.parametrize("name", ["connections", "idle_timeout", "answer_limit"])
def test_a_wrong_setting_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidConfiguration, match=rf"http\.{name}"):
        HttpSettings(**{name: 0})  # type: ignore[arg-type]


# -- Retry-After

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *((None, None), ("", None), ("0", 0.0), (" 120 ", 120.0), ("9" * 64, float("9" * 64)), ("9" * 65, None)),
        *(("-1", None), ("1.5", None), ("\u0661", None), ("soon", None), ("1, 2", None)),
        ("Mon, 23 Nov 2026 12:01:00 GMT", 60.0),
        ("Monday, 23-Nov-26 12:01:00 GMT", 60.0),
        ("Mon Nov 23 12:01:00 2026", 60.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("Mon, 99 Nov 2026 12:01:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW.timestamp()) == seconds


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system's time zone cannot be set for a process")
def test_a_date_without_a_zone_is_in_utc_wherever_this_process_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The third form that a receiver must accept (RFC 9110, section 5.6.7) names no zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "EST5")
        time.tzset()
        wait = retry_after("Mon Nov 23 12:01:00 2026", NOW.timestamp())
    time.tzset()
    assert wait == 60


@given(st.integers(0, 10**7))
def test_a_date_and_its_distance_in_seconds_say_the_same(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry_after(date, NOW.timestamp()) == retry_after(str(seconds), NOW.timestamp()) == seconds


@given(st.text(max_size=80) | st.text(alphabet="MonNv0123456789 :,-+GMT", max_size=64))
def test_any_retry_after_is_a_wait_or_none(value: str) -> None:
    wait = retry_after(value, NOW.timestamp())
    assert wait is None or wait >= 0
