"""Every sink of ours holds what every sink has to hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest
from attrs import define, field

from eventroute.errors import Reject, Retry, StorageFull
from eventroute.event import Event
from eventroute.push.policy.reply import HOPS
from eventroute.push.sinks.bus import BusSinks
from eventroute.push.sinks.callable import CallableSinks
from eventroute.testing.sink import Behaviour, SinkContract


@define(eq=False)
class Function:
    """The far end of a function is the function."""

    provider: CallableSinks = field(factory=CallableSinks)
    address: str = "callable:a"
    received: list[Event] = field(factory=list)
    behaviour: Behaviour = "deliver"

    def tell(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour

    async def __call__(self, event: Event) -> None:
        await anyio.lowlevel.checkpoint()
        self.received.append(event)
        match self.behaviour:
            case "retry":
                raise Retry("busy")
            case "reject":
                raise Reject("malformed")
            case "break":
                raise ZeroDivisionError("oops")
            case "hang":
                await anyio.sleep_forever()


@pytest.mark.anyio
class TestFunctions(SinkContract):
    wrong_address = "callable:"

    @asynccontextmanager
    async def far_end(self) -> AsyncIterator[Function]:
        function = Function()
        function.provider.hold(function.address, function)
        yield function


@define(eq=False)
class Log:
    """The far end of a bus is what is appended to it."""

    received: list[Event] = field(factory=list)
    address: str = "bus:b"
    behaviour: Behaviour = "deliver"
    provider: BusSinks = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.provider = BusSinks(self.append)

    def tell(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour

    async def append(self, _bus: str, events: Sequence[Event], _append_id: str) -> None:
        await anyio.lowlevel.checkpoint()
        self.received += [event.replace({HOPS: None}) for event in events]
        if self.behaviour == "retry":
            raise StorageFull("full")
        if self.behaviour == "hang":
            await anyio.sleep_forever()


@pytest.mark.anyio
class TestBuses(SinkContract):
    wrong_address = "bus:"
    behaviours = frozenset({"retry", "hang"})

    @asynccontextmanager
    async def far_end(self) -> AsyncIterator[Log]:
        yield Log()
