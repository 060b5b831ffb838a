"""The clients on asyncio and on trio make the same of an answer, whatever is wrong behind its head."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import aiohttp
import anyio
import h11
import pytest
import trio
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError
from anyio.abc import ByteStream
from anyio.lowlevel import checkpoint
from anyio.streams.buffered import BufferedByteReceiveStream
from hypothesis import example, given
from hypothesis import strategies as st

from eventroute.push.outcome import Delivered, Rejected, RetryLater
from eventroute.push.policy.addresses import look_up
from eventroute.push.sinks.aiohttp_client import AiohttpClient
from eventroute.push.sinks.aiohttp_parser import KEPT, AnswerParser
from eventroute.push.sinks.client import Answer, HttpSettings, NoAnswer, Request
from eventroute.push.sinks.h11_connection import Connection, Familiar
from eventroute.push.sinks.trio_connect import Channel
from tests.push.sinks.receiver import EVENT, OK, POLICY, Receiver, answer, receiver, sinks

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
HEADS = (
    CHUNKED,
    INTERIM + CHUNKED,
    CHUNKED.replace(b"200", b"410"),
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n",
    b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\n\n",
    OK,
)
BODIES = (
    b"",
    b"fine",
    b"finegarbage\r\n\r\n",
    b"4\r\nfine\r\n0\r\n\r\n",
    b"4\r\nfine\r\n0\r\n\r\n" + answer(410),
    b"4\r\nfine\r\nzz\r\nfine\r\n0\r\n\r\n",
    b"4\r\nfineXX0\r\n\r\n",
    b"zz\r\nfine\r\n0\r\n\r\n",
    b"-1\r\n",
    b"f" * 30 + b"\r\nx",
    b"\x00\xff\r\n\r\n",
)
REQUEST = Request("POST", "http://h/", [], b"", 20)
Told = tuple[int, bytes, bool] | None


def told(got: Answer) -> Told:
    return got.status, got.body, got.whole


class Script:
    """A connection on which comes what is written here, one piece at a time; then the server goes."""

    def __init__(self, pieces: list[bytes], protocol: ResponseHandler | None = None) -> None:
        self.pieces = list(pieces)
        self.protocol = protocol

    async def send(self, data: bytes) -> None:
        pass

    async def receive(self, size: int) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    def write(self, data: bytes) -> None:
        assert self.protocol is not None
        for piece in self.pieces:
            asyncio.get_running_loop().call_soon(self.protocol.data_received, piece)
        asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def get_extra_info(self, name: str) -> None:
        pass

    def close(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def on_trio(pieces: list[bytes], limit: int) -> Told:
    async def exchange() -> Told:
        connection = Connection(cast(Channel, Script(pieces)), Familiar())
        try:
            return told(await connection.exchange(REQUEST, b"...", limit, lambda: None))
        except (NoAnswer, h11.RemoteProtocolError):
            return None

    return trio.run(exchange)


def on_asyncio(pieces: list[bytes], limit: int) -> Told:
    async def exchange() -> Told:
        client = AiohttpClient(HttpSettings(answer_limit=limit), look_up)
        protocol = ResponseHandler(client._loop)
        protocol.connection_made(cast(Any, Script(pieces, protocol)))
        try:
            return told(await client._exchange(protocol, b"...", REQUEST, client._loop.time() + 20))
        except (aiohttp.ClientError, HttpProcessingError):
            return None
        finally:
            await client.aclose()

    return asyncio.run(exchange())


@st.composite
def pieces(draw: st.DrawFn) -> list[bytes]:
    """An answer, cut anywhere."""
    said = draw(st.sampled_from(HEADS)) + draw(st.sampled_from(BODIES))
    cuts = sorted(draw(st.lists(st.integers(0, len(said)), max_size=3)))
    return [said[start:end] for start, end in zip([0, *cuts], [*cuts, len(said)], strict=True) if start < end]


@given(pieces(), st.sampled_from([2, 1_000]))
@example([CHUNKED + BODIES[7]], 1_000)
@example([CHUNKED[:-1], CHUNKED[-1:] + BODIES[6]], 1_000)
@example([INTERIM, CHUNKED + BODIES[5]], 1_000)
@example([OK + b"fine"], 1_000)
def test_both_clients_make_the_same_of_what_came(pieces: list[bytes], limit: int) -> None:
    assert on_asyncio(pieces, limit) == on_trio(pieces, limit)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "kind", "in_pieces"),
    [
        (204, Delivered, False),
        *((200, Delivered, in_pieces) for in_pieces in (False, True)),
        *((503, RetryLater, in_pieces) for in_pieces in (False, True)),
        *((410, Rejected, in_pieces) for in_pieces in (False, True)),
    ],
)
@pytest.mark.parametrize("body", [one for one in BODIES[2:] if one != BODIES[3]])
async def test_a_body_that_is_malformed_leaves_the_outcome_to_the_status(
    status: int, kind: type, body: bytes, in_pieces: bool
) -> None:
    class Confused(Receiver):
        async def exchange(self, reader: BufferedByteReceiveStream, stream: ByteStream) -> bool:
            if self.connections == 1:
                self.answers = [head if in_pieces else head + body]
            else:
                self.answers = [OK]
            more = await super().exchange(reader, stream)
            if in_pieces and self.connections == 1:
                for _ in range(10):  # the head comes in
                    await checkpoint()
                await stream.send(body)
            return more

    head = CHUNKED.replace(b"200", str(status).encode())
    async with receiver(receiving=Confused()) as receiving, sinks() as provider:
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", POLICY)
        got = await sink.send(EVENT)
        assert isinstance(got, kind)
        if not isinstance(got, Delivered):
            assert got.reason in (f"http-{status}", "gone")
        for _ in range(10):
            await checkpoint()
        assert await sink.send(EVENT) == Delivered()  # over another connection, on which nothing is left of it
    assert receiving.connections == 2


@pytest.mark.anyio
async def test_who_wants_all_of_a_body_does_not_wait_for_what_cannot_come() -> None:
    async with receiver(CHUNKED + BODIES[5] + Receiver.HANG) as receiving, sinks() as provider:
        request = Request("POST", f"http://127.0.0.1:{receiving.port}/", [], b"x", 60, whole=True)
        with anyio.fail_after(10):
            got = await provider.exchange(request)
    assert told(got) == (200, b"fine", False)


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.anyio
async def test_no_more_than_a_bound_is_kept_of_what_comes_before_a_head() -> None:
    protocol = ResponseHandler(asyncio.get_running_loop())
    protocol.connection_made(cast(Any, Script([])))
    parser = AnswerParser(protocol)
    for _ in range(1_000):
        parser.feed_data(b"\r\n" * 500)
    assert sum(map(len, parser._came)) <= KEPT + 1_000
    parser.feed_data(CHUNKED)
    assert not parser._came
