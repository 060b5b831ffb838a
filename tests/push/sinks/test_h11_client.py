"""What only the client on trio can get wrong; the rest is tested for both clients in test_http.py."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import anyio
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from eventroute.push.outcome import Delivered
from eventroute.push.policy.addresses import Target
from eventroute.push.sinks import aiohttp_client, trio_connect
from eventroute.push.sinks.client import Answer, NoAnswer, Request
from eventroute.push.sinks.h11_client import H11Client, _Endpoint
from eventroute.push.sinks.h11_connection import Headers
from eventroute.push.sinks.trio_connect import Connector, _Records
from tests.push.sinks.receiver import EVENT, HOME, LOOPBACK, OK, POLICY, answer, receiver, sinks


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "trio"


@pytest.mark.anyio
async def test_a_connection_whose_time_is_over_is_not_used_again_even_before_it_is_closed() -> None:
    async with receiver() as receiving, sinks() as provider:
        sink = provider.sink(f"http://127.0.0.1:{receiving.port}/", POLICY)
        assert await sink.send(EVENT) == Delivered()
        assert isinstance(provider.client, H11Client)
        [pool] = provider.client._pools.values()
        pool.idle[0].until = trio.current_time()
        assert await sink.send(EVENT) == Delivered()
    assert receiving.connections == 2


@pytest.mark.anyio
async def test_a_place_that_nobody_uses_is_forgotten() -> None:
    async with receiver(answer(200, "Connection: close")) as receiving:
        client = H11Client(LOOPBACK, HOME)
        request = Request("POST", f"http://127.0.0.1:{receiving.port}/", [], b"x", 20)
        assert (await client.send(request)).status == 200
        assert not client._pools
        assert not client._connections
        await client.aclose()


@pytest.mark.anyio
async def test_closing_while_an_answer_is_waited_for_ends_the_wait() -> None:
    got: list[Answer | NoAnswer] = []

    async def ask() -> None:
        try:
            got.append(await client.send(request))
        except NoAnswer as error:
            got.append(error)

    async with receiver(b"<hang>", OK) as receiving:
        client = H11Client(LOOPBACK, HOME)
        request = Request("POST", f"http://127.0.0.1:{receiving.port}/", [], b"x", 20)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await receiving.until(lambda: len(receiving.requests) == 1)
            await client.aclose()
        with pytest.raises(NoAnswer, match="the client is closed"):
            await client.send(request)
    assert [error.reason for error in got if isinstance(error, NoAnswer)] == ["connection-error"]


@pytest.mark.parametrize("name", ["Retry-After", "retry-after", "RETRY-AFTER"])
def test_headers_are_looked_up_in_any_case_and_the_first_of_several_holds(name: str) -> None:
    headers = Headers([(b"retry-after", b"1"), (b"x", b"\xc3\xbc\xff"), (b"retry-after", b"2")])
    assert headers[name] == headers.get(name) == "1"
    assert name in headers
    assert "y" not in headers
    assert list(headers) == ["retry-after", "x", "retry-after"]  # so that one that must be there once is seen twice
    assert len(headers) == 3
    assert headers["X"] == "\u00fc\udcff"


HOSTS = ("example.com", "example.com.", "EXAMPLE.com", "192.0.2.1", "[2001:db8::1]")


@given(
    st.sampled_from(["http", "https"]),
    st.sampled_from(HOSTS),
    st.sampled_from(["", ":80", ":443", ":8080"]),
    st.from_regex(r"(/[a-z%20.~+@/-]{0,9})?(\?[a-z=&%?/\[\]]{1,9})?", fullmatch=True),
)
def test_the_request_line_and_the_host_are_those_of_the_other_client(
    scheme: str, host: str, port: str, rest: str
) -> None:
    url = f"{scheme}://{host}{port}{rest}"
    loop = asyncio.new_event_loop()
    try:
        other = aiohttp_client._Endpoint.of(url, None, loop)
    finally:
        loop.close()
    assert _Endpoint.of(url, None).target == other.target.replace("EXAMPLE", "example")


# -- several addresses

TARGET = Target("http", "sink.test", 80, None)


def connector(*addresses: str) -> Connector:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return addresses

    return Connector(LOOPBACK.addresses, lookup)


@pytest.fixture
async def dialed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is connected to: 127.0.0.1 takes it, 127.0.0.2 refuses it, 127.0.0.3 does not answer."""
    tried: list[str] = []

    async def connect(self: trio.socket.SocketType, address: tuple[str, int]) -> None:
        tried.append(address[0])
        if address[0] == "127.0.0.2":
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        if address[0] == "127.0.0.3":
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()

    with trio.socket.socket() as one:
        monkeypatch.setattr(type(one), "connect", connect)
    return tried


@pytest.mark.anyio
async def test_an_address_that_refuses_is_followed_by_the_next_at_once(
    dialed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trio_connect, "NEXT_ADDRESS_AFTER", 60)
    with anyio.fail_after(10):
        (await connector("127.0.0.2", "127.0.0.1").connect(TARGET, None)).close()
    assert dialed == ["127.0.0.2", "127.0.0.1"]


@pytest.mark.anyio
async def test_an_address_that_does_not_answer_is_not_waited_for(
    dialed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trio_connect, "NEXT_ADDRESS_AFTER", 0.01)
    with anyio.fail_after(10):
        (await connector("127.0.0.3", "127.0.0.1").connect(TARGET, None)).close()
    assert dialed == ["127.0.0.3", "127.0.0.1"]


@pytest.mark.anyio
async def test_where_every_address_refuses_the_first_refusal_is_told(dialed: list[str]) -> None:
    with pytest.raises(NoAnswer, match=r"cannot connect to sink\.test:80") as caught:
        await connector("127.0.0.2", "127.0.0.2").connect(TARGET, None)
    assert caught.value.reason == "connection-error"


@pytest.mark.anyio
async def test_a_forbidden_address_among_several_is_not_connected_to(dialed: list[str]) -> None:
    (await connector("10.0.0.1", "127.0.0.2", "::1", "127.0.0.1").connect(TARGET, None)).close()
    assert dialed == ["127.0.0.2", "127.0.0.1"]


# -- TLS records


@given(st.lists(st.tuples(st.sampled_from([20, 21, 22, 23, 24]), st.binary(max_size=40)), max_size=5), st.data())
def test_tls_is_handed_one_record_at_a_time_however_they_come(
    parts: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    records = [bytes([kind, 3, 3]) + len(body).to_bytes(2, "big") + body for kind, body in parts]
    stream = b"".join(records)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[start:end] for start, end in pairwise([0, *cuts, len(stream)])]

    async def read() -> list[bytes]:
        ours, theirs = trio.testing.memory_stream_pair()
        for piece in pieces:
            await theirs.send_all(piece)
        await theirs.send_eof()
        one_by_one = _Records(cast(trio.SocketStream, ours))
        got = []
        while record := await one_by_one.receive_some():
            got.append(record)
        return got

    assert trio.run(read) == records
