"""What only the client on asyncio can get wrong; what every client must hold is in `test_http.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.push.policy.addresses import look_up
from eventroute.push.sinks.aiohttp_client import AiohttpClient, _Deadlines
from eventroute.push.sinks.client import HttpSettings


class _Talkers:
    """A connector whose every connection has been spoken on already, and takes four seconds to make."""

    def __init__(self) -> None:
        self.now = 0.0
        self.given: list[float | None] = []

    def time(self) -> float:
        return self.now

    async def connect(self, _key: object, _traces: object, timeout: aiohttp.ClientTimeout) -> _Talkers:
        self.given.append(timeout.connect)
        self.now += 4.0
        return self

    protocol = None

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.anyio
async def test_all_the_connections_of_a_request_share_its_time(anyio_backend_name: str) -> None:
    if anyio_backend_name != "asyncio":
        pytest.skip("aiohttp is asyncio's")
    client = AiohttpClient(HttpSettings(), look_up)
    talkers: Any = _Talkers()
    await client.aclose()
    loop, client._loop = client._loop, talkers
    client._connector = talkers
    with pytest.raises(TimeoutError):
        await client._connect(client._endpoint("http://h/", None, loop), 10.0, deadline=10.0)
    assert talkers.given == [10.0, 6.0, 2.0]


class _Timer:
    """A loop that has one timer, and that timer."""

    def __init__(self) -> None:
        self.now = 0.0
        self.moment = float("inf")

    def time(self) -> float:
        return self.now

    def call_at(self, moment: float, call: Callable[[], None]) -> _Timer:
        self.moment, self.call = moment, call
        return self

    def cancel(self) -> None:
        self.moment = float("inf")

    def go_on_until(self, moment: float) -> None:
        while self.moment <= moment:
            self.now, self.moment = max(self.now, self.moment), float("inf")
            self.call()
        self.now = moment


class _Wait:
    """A wait for an answer."""

    error: BaseException | None = None

    def set_exception(self, error: BaseException) -> None:
        assert self.error is None
        self.error = error


steps = st.tuples(st.integers(0, 3), st.sampled_from(["set", "clear", "wait"]), st.integers(1, 9))


@given(st.lists(steps, max_size=30))
def test_of_many_waits_those_end_whose_time_is_over_and_when_it_is(steps: list[tuple[int, str, int]]) -> None:
    loop: Any = _Timer()
    deadlines = _Deadlines(loop)
    waits: dict[int, tuple[Any, float]] = {}
    for name, what, seconds in steps:
        if what == "set" and name not in waits:
            waits[name] = (_Wait(), loop.now + seconds)
            deadlines.set(*waits[name])
        elif what == "clear" and name in waits:
            wait, _ = waits.pop(name)
            deadlines.clear(wait)
        elif what == "wait":
            loop.go_on_until(loop.now + seconds)
        for wait, end in waits.values():
            assert isinstance(wait.error, TimeoutError) == (end <= loop.now)
    deadlines.close()
    assert loop.moment == float("inf")
