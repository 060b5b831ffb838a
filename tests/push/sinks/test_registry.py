"""The registry: by scheme, opened on first use, closed once."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest
from anyio.lowlevel import checkpoint
from attrs import define, field

from eventroute.errors import InvalidSubscription
from eventroute.event import Event
from eventroute.push.outcome import Delivered, Outcome
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.rate import Rate
from eventroute.push.sinks.base import Message, Sink, takes_messages
from eventroute.push.sinks.registry import SinkRegistry

EVENT = Event.create(type="t", source="/s")
POLICY = DeliveryPolicy()


@define(eq=False)
class Pigeons:
    """A provider that writes down what is asked of it."""

    log: list[str] = field(factory=list)
    schemes: frozenset[str] = frozenset({"pigeon", "dove"})

    async def open(self) -> None:
        await checkpoint()
        self.log.append("open")

    async def aclose(self) -> None:
        self.log.append("close")

    def check(self, address: str, policy: DeliveryPolicy) -> None:
        if address.endswith(":cat"):
            raise InvalidSubscription("not to cats", where="sink")

    def sink(self, address: str, policy: DeliveryPolicy) -> Sink | None:
        return None if address == "pigeon:nowhere" else self

    async def send(self, event: Event) -> Outcome:
        self.log.append(event.id)
        return Delivered()


@pytest.mark.anyio
async def test_a_provider_is_opened_once_before_its_first_event_and_closed_once() -> None:
    pigeons = Pigeons()
    registry = SinkRegistry([pigeons])
    one, two = registry.sink("pigeon:a", POLICY), registry.sink("dove:b", POLICY)
    assert one is not None
    assert two is not None
    assert pigeons.log == []
    async with anyio.create_task_group() as tasks:
        for sink in (one, two, one):
            tasks.start_soon(sink.send, EVENT)
    assert pigeons.log == ["open", EVENT.id, EVENT.id, EVENT.id]
    await registry.prepare("pigeon:c")
    await registry.aclose()
    await registry.aclose()
    assert pigeons.log[4:] == ["close"]


@pytest.mark.anyio
async def test_one_that_was_never_used_is_neither_opened_nor_closed() -> None:
    pigeons = Pigeons()
    await SinkRegistry([pigeons]).aclose()
    assert pigeons.log == []


def test_the_scheme_decides() -> None:
    registry = SinkRegistry([Pigeons()])
    registry.check("PIGEON:a", POLICY)
    assert registry.sink("pigeon:nowhere", POLICY) is None
    with pytest.raises(InvalidSubscription, match="not to cats"):
        registry.check("dove:cat", POLICY)
    for call in (registry.check, registry.sink):
        with pytest.raises(InvalidSubscription, match="nothing here sends to 'fax' addresses; known: dove, pigeon"):
            call("fax:1", POLICY)


@define(eq=False)
class Crates(Pigeons):
    """Takes messages."""

    rate: Rate | None = None

    async def send_messages(self, messages: Sequence[Message]) -> Outcome:
        self.log += [message.key for message in messages]
        return Delivered()


@pytest.mark.anyio
async def test_a_sink_of_messages_stays_one_and_is_opened_on_first_use() -> None:
    message = Message(EVENT, EVENT, "key")
    for alone in (False, True):
        crates = Crates(rate=Rate(5))
        registry = SinkRegistry([crates])
        sink = registry.sink("pigeon:a", POLICY)
        assert sink is not None
        assert takes_messages(sink)
        assert sink.rate == Rate(5)
        assert crates.log == []
        if alone:
            assert await sink.send(EVENT) == Delivered()
        assert await sink.send_messages([message, message]) == Delivered()
        assert await sink.send_messages([message]) == Delivered()
        assert crates.log == ["open", *([EVENT.id] if alone else []), "key", "key", "key"]
