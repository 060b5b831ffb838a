"""The contract suite of sinks finds what is wrong with a sink."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.lowlevel import checkpoint
from attrs import define, field

from eventroute.errors import InvalidSubscription
from eventroute.event import Event
from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.testing.sink import Behaviour, SinkContract

pytestmark = pytest.mark.anyio


@define(eq=False, slots=False)
class Sound:
    """A far end, its provider and its sink in one, without a fault."""

    address: str = "sound:a"
    schemes: frozenset[str] = frozenset({"sound"})
    received: list[Event] = field(factory=list)
    behaviour: Behaviour = "deliver"

    @property
    def provider(self) -> Sound:
        return self

    def tell(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour

    async def open(self) -> None:
        await checkpoint()

    async def aclose(self) -> None:
        await checkpoint()

    def check(self, address: str, policy: DeliveryPolicy) -> None:
        if address == "sound:":
            raise InvalidSubscription("it has no name", where="sink")

    def sink(self, address: str, policy: DeliveryPolicy) -> Sound:
        return self

    async def send(self, event: Event) -> Outcome:
        await checkpoint()
        self.received.append(event)
        if self.behaviour == "hang":
            await anyio.sleep_forever()
        outcomes: dict[str, Outcome] = {"reject": Rejected("no"), "deliver": Delivered()}
        return outcomes.get(self.behaviour, RetryLater("busy"))


class Raises(Sound):
    async def send(self, event: Event) -> Outcome:
        if self.behaviour == "break":
            raise OSError("oops")
        return await super().send(event)


class Swallows(Sound):
    async def send(self, event: Event) -> Outcome:
        try:
            return await super().send(event)
        except anyio.get_cancelled_exc_class():
            return RetryLater("cancelled")


class Loses(Sound):
    async def send(self, event: Event) -> Outcome:
        return Delivered()


class Changes(Sound):
    async def send(self, event: Event) -> Outcome:
        return await super().send(event.replace({"subject": "x"}))


class Lies(Sound):
    async def send(self, event: Event) -> Outcome:
        await super().send(event)
        return Delivered()


class Talks(Sound):
    async def send(self, event: Event) -> Outcome:
        outcome = await super().send(event)
        return RetryLater("Something went wrong!") if self.behaviour == "retry" else outcome


class Shouts(Sound):
    def __init__(self) -> None:
        super().__init__(schemes=frozenset({"SOUND"}))


class Shrugs(Sound):
    def check(self, address: str, policy: DeliveryPolicy) -> None:
        """Anything will do."""


class Mixes(Sound):
    last: Event

    async def send(self, event: Event) -> Outcome:
        self.last = event
        for _ in range(3):
            await checkpoint()
        return await super().send(self.last)


def contract(kind: type[Sound]) -> SinkContract:
    class Contract(SinkContract):
        wrong_address = "sound:"

        @asynccontextmanager
        async def far_end(self) -> AsyncIterator[Sound]:
            yield kind()

    return Contract()


Test = Callable[[SinkContract], Awaitable[None]]
FAULTS: dict[type[Sound], Test] = {
    Raises: SinkContract.test_a_failure_of_the_far_end_is_a_retry_and_not_an_exception,
    Swallows: SinkContract.test_cancellation_is_not_an_outcome_and_leaves_the_sink_usable,
    Loses: lambda suite: suite.test_an_event_arrives_as_it_was_sent(Event.create(type="t", source="/s")),
    Changes: lambda suite: suite.test_an_event_arrives_as_it_was_sent(Event.create(type="t", source="/s")),
    Lies: SinkContract.test_a_refusal_for_now_is_a_retry,
    Talks: SinkContract.test_a_refusal_for_now_is_a_retry,
    Shouts: SinkContract.test_it_names_its_schemes_in_lower_case,
    Shrugs: SinkContract.test_it_checks_addresses_before_it_is_open,
    Mixes: SinkContract.test_many_attempts_at_once_do_not_mix,
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_a_fault_is_found_where_it_is_looked_for(fault: type[Sound]) -> None:
    await FAULTS[fault](contract(Sound))
    with pytest.raises((AssertionError, OSError, pytest.fail.Exception)):
        await FAULTS[fault](contract(fault))
