"""HTTP sinks hold what every sink has to hold, in each mode."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from attrs import define, field

from eventroute.event import Event
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.sinks.http import HttpSinks
from eventroute.testing.sink import Behaviour, SinkContract
from tests.push.sinks.receiver import LOOPBACK, OK, Receiver, answer, receiver


@define(eq=False)
class Endpoint:
    """The far end of an HTTP sink is a server on loopback."""

    receiving: Receiver
    provider: HttpSinks = field(factory=lambda: HttpSinks(settings=LOOPBACK))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.receiving.port}/"

    @property
    def received(self) -> list[Event]:
        return [event for _, headers, body in self.receiving.requests for event in Event.from_http(headers, body)]

    def tell(self, behaviour: Behaviour) -> None:
        answers = {"deliver": OK, "retry": answer(503), "reject": answer(422), "break": b"\x00\xff" + Receiver.CLOSE}
        self.receiving.answers = [answers.get(behaviour, Receiver.HANG)]


class HttpContract(SinkContract):
    wrong_address = "http://localhost:0/"

    @asynccontextmanager
    async def far_end(self) -> AsyncIterator[Endpoint]:
        async with receiver() as receiving:
            yield Endpoint(receiving)


@pytest.mark.anyio
class TestHttpBinary(HttpContract):
    pass


@pytest.mark.anyio
class TestHttpStructured(HttpContract):
    policy = DeliveryPolicy(timeout=20, mode="structured")


@pytest.mark.anyio
class TestHttpBatch(HttpContract):
    policy = DeliveryPolicy(timeout=20, mode="batch")
