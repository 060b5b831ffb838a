"""Answers that a connection knows again, and the time at which connections are closed."""

from __future__ import annotations

from typing import cast

import h11
import pytest
import trio
import trio.testing
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st

from eventroute.push.sinks.client import Answer, NoAnswer, Request
from eventroute.push.sinks.h11_client import H11Client
from eventroute.push.sinks.h11_connection import FAMILIAR, FAMILIAR_SIZE, Connection, Familiar
from eventroute.push.sinks.trio_connect import Channel
from tests.push.sinks.receiver import HOME, LOOPBACK, OK, answer, receiver


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "trio"


@define
class Script:
    """A channel on which comes what is written here, one piece at a time; then the server goes."""

    pieces: list[bytes] = field(factory=list)

    async def send(self, data: bytes) -> None:
        pass

    async def receive(self, size: int) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


def exchanged(familiar: Familiar, method: str, pieces: list[bytes], limit: int = 100) -> tuple[object, ...]:
    """What came of one request over a connection of its own, and whether that may be used again."""

    async def exchange() -> tuple[object, ...]:
        connection = Connection(cast(Channel, Script(list(pieces))), familiar)
        try:
            got = await connection.exchange(Request(method, "", [], b"", 1), b"...", limit, lambda: None)
        except NoAnswer as error:
            return error.reason, str(error), connection.renew()
        except h11.RemoteProtocolError as error:
            return "broken", str(error), connection.renew()
        return got.status, list(got.headers.items()), got.body, got.whole, connection.renew()

    return trio.run(exchange)


SAID = (
    OK,
    answer(200, body=b"fine"),
    answer(200, "Connection: close"),
    answer(200, body=b"x" * 200),
    answer(503, "Retry-After: 3"),
    b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nfine\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfi",
    b"HTTP/1.0 200 OK\r\n\r\nfi",
    b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
)


@st.composite
def came(draw: st.DrawFn) -> list[bytes]:
    """Answers, and what a server might say behind them, cut anywhere."""
    said = b"".join(draw(st.lists(st.sampled_from(SAID), min_size=1, max_size=2)))
    cut = draw(st.one_of(st.just(len(said)), st.integers(0, len(said))))
    return [piece for piece in (said[:cut], said[cut:]) if piece]


@given(st.lists(st.tuples(st.sampled_from(["POST", "OPTIONS", "HEAD"]), came()), min_size=2, max_size=12))
def test_what_is_known_again_is_what_the_parser_would_have_read(exchanges: list[tuple[str, list[bytes]]]) -> None:
    shared = Familiar()
    for method, pieces in exchanges:
        assert exchanged(shared, method, pieces) == exchanged(Familiar(), method, pieces)


def test_an_answer_that_came_before_is_not_read_again() -> None:
    familiar = Familiar()
    assert exchanged(familiar, "POST", [OK]) == (204, [], b"", True, True)
    assert familiar.get("POST", OK) == Answer(204, {}, b"")
    assert familiar.get("OPTIONS", OK) is None


@pytest.mark.parametrize(
    "pieces",
    [
        [OK[:-1], OK[-1:]],
        [OK + OK],
        [answer(200, "Connection: close")],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfi"],
        [answer(200, body=b"x" * 101)],
        [answer(204, "X: " + "y" * FAMILIAR_SIZE)],
    ],
)
def test_what_did_not_come_whole_and_alone_is_not_known_again(pieces: list[bytes]) -> None:
    familiar = Familiar()
    exchanged(familiar, "POST", pieces)
    assert familiar.get("POST", pieces[0]) is None


def test_the_answers_that_are_known_again_are_bounded() -> None:
    familiar = Familiar()
    for number in range(FAMILIAR + 10):
        familiar.learn("POST", b"%d" % number, Answer(200, {}, b""))
    known = [number for number in range(FAMILIAR + 10) if familiar.get("POST", b"%d" % number)]
    assert known == list(range(10, FAMILIAR + 10))


@pytest.mark.anyio
async def test_after_the_last_connection_nobody_watches_for_more_and_the_next_one_is_watched_again() -> None:
    async with receiver() as receiving:
        client = H11Client(evolve(LOOPBACK, idle_timeout=0.01), HOME)
        request = Request("POST", f"http://127.0.0.1:{receiving.port}/", [], b"x", 20)
        for connections in (1, 2, 3):
            assert (await client.send(request)).status == 204
            while client._tending:
                await trio.testing.wait_all_tasks_blocked()
            assert not client._pools
            assert receiving.connections == connections
        await client.aclose()
