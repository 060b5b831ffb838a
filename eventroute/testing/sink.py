"""The contract suite of sinks: what a `SinkProvider` and its sinks are, in tests.

Subclass `SinkContract` in a test module of yours and say what stands at the other end; pytest does the rest:

    @pytest.mark.anyio
    class TestMine(SinkContract):
        wrong_address = "mine:"

        @asynccontextmanager
        async def far_end(self):
            yield MyFarEnd()

A `FarEnd` is the receiver that a test can ask what came and tell what to do: a server on loopback, a folder, a list.
The event loops that the tests run on are those of the fixture `anyio_backend`. Needs the extra `testing`.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal, Protocol, TypeAlias

import anyio
import pytest
from anyio.lowlevel import checkpoint

from eventroute.errors import InvalidSubscription
from eventroute.event import Event
from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.rate import Rate
from eventroute.push.sinks.base import Message, Sink, SinkProvider, takes_messages

__all__ = ["Behaviour", "FarEnd", "SinkContract"]

Behaviour: TypeAlias = Literal["deliver", "retry", "reject", "break", "hang"]
"""Take events; refuse them for now; refuse them for good; fail in an ugly way; take an event and never answer."""

WITHIN = 20.0
"""How long anything may take before the test fails, in seconds of real time."""

_REASON = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")

EVENTS = (
    Event.create(id="1", type="com.example.made", source="/here", data={"n": 1, "text": "\u00e9\u4e16 \"'\\"}),
    Event.create(id="2", type="com.example.made", source="/here", data="plain text"),
    Event.create(id="3", type="com.example.made", source="/here", data=bytes(range(256))),
    Event.create(id="4", type="com.example.made", source="/here"),
    Event.create(
        id='5 5%"',
        type="com.example.made",
        source="https://example.com/a?b=%20",
        subject='\u00fc\u4e16\U0001f600 %41 "q"',
        time="2026-11-25T17:31:00.123456789+01:00",
        data=[12345678901234567890123, "x"],
        extensions={"tenant": "a b"},
    ),
)
"""What has to arrive as it was sent."""


class FarEnd(Protocol):
    """Where the events of a test arrive."""

    @property
    def provider(self) -> SinkProvider:
        """The provider under test, not open yet; always the same one."""
        ...

    @property
    def address(self) -> str:
        """The address of a sink that leads here."""
        ...

    @property
    def received(self) -> list[Event]:
        """The events that came, in order, those included that were refused after they had come."""
        ...

    def tell(self, behaviour: Behaviour) -> None:
        """Do so from now on."""
        ...


class SinkContract:
    """Every promise of a sink, tested. `far_end` and `wrong_address` are to be written; the rest may be."""

    wrong_address: str
    """An address of one of the provider's schemes that can never work."""

    policy = DeliveryPolicy(timeout=WITHIN)
    """The policy that the sinks are made with."""

    behaviours: frozenset[Behaviour] = frozenset({"retry", "reject", "break", "hang"})
    """What the far end can be told beside `deliver`; tests that need another behaviour are skipped."""

    @abstractmethod
    def far_end(self) -> AbstractAsyncContextManager[FarEnd]:
        """A receiver that takes events, for one test."""

    # -- the provider ----------------------------------------------------------------------------------------------

    async def test_it_names_its_schemes_in_lower_case(self) -> None:
        async with self.far_end() as end:
            schemes = end.provider.schemes
            assert schemes
            assert all(scheme == scheme.lower() for scheme in schemes)
            assert end.address.partition(":")[0] in schemes

    async def test_it_checks_addresses_before_it_is_open(self) -> None:
        async with self.far_end() as end:
            end.provider.check(end.address, self.policy)
            with pytest.raises(InvalidSubscription):
                end.provider.check(self.wrong_address, self.policy)
            assert end.received == []

    async def test_it_makes_a_sink_before_it_is_open_and_again(self) -> None:
        async with self.far_end() as end:
            one = end.provider.sink(end.address, self.policy)
            async with self._opened(end):
                two = end.provider.sink(end.address, self.policy)
                assert one is not None
                assert two is not None
                assert await self._send(one, EVENTS[0]) == Delivered()
                assert await self._send(two, EVENTS[0]) == Delivered()

    async def test_after_it_is_closed_an_attempt_is_an_outcome_still(self) -> None:
        async with self.far_end() as end:
            async with self._opened(end) as sink:
                assert await self._send(sink, EVENTS[0]) == Delivered()
            self._sound(await self._send(sink, EVENTS[0]))

    # -- outcomes --------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("event", EVENTS, ids=[f"event-{place}" for place in range(len(EVENTS))])
    async def test_an_event_arrives_as_it_was_sent(self, event: Event) -> None:
        async with self.far_end() as end, self._opened(end) as sink:
            before = event.to_json()
            assert await self._send(sink, event) == Delivered()
            assert end.received == [event]
            assert event.to_json() == before

    async def test_a_refusal_for_now_is_a_retry(self) -> None:
        self._need("retry")
        async with self.far_end() as end, self._opened(end) as sink:
            end.tell("retry")
            assert isinstance(self._sound(await self._send(sink, EVENTS[0])), RetryLater)
            end.tell("deliver")
            assert await self._send(sink, EVENTS[0]) == Delivered()

    async def test_a_refusal_for_good_is_a_rejection(self) -> None:
        self._need("reject")
        async with self.far_end() as end, self._opened(end) as sink:
            end.tell("reject")
            assert isinstance(self._sound(await self._send(sink, EVENTS[0])), Rejected)
            end.tell("deliver")
            assert await self._send(sink, EVENTS[1]) == Delivered()

    async def test_a_failure_of_the_far_end_is_a_retry_and_not_an_exception(self) -> None:
        self._need("break")
        async with self.far_end() as end, self._opened(end) as sink:
            end.tell("break")
            assert isinstance(self._sound(await self._send(sink, EVENTS[0])), RetryLater)
            end.tell("deliver")
            assert await self._send(sink, EVENTS[0]) == Delivered()

    # -- many at once ----------------------------------------------------------------------------------------------

    async def test_many_attempts_at_once_do_not_mix(self) -> None:
        events = [EVENTS[0].replace({"id": str(number)}, {"n": number}) for number in range(30)]
        outcomes: list[Outcome] = []
        async with self.far_end() as end, self._opened(end) as sink:

            async def send(event: Event) -> None:
                outcomes.append(await self._send(sink, event))

            async with anyio.create_task_group() as tasks:
                for event in events:
                    tasks.start_soon(send, event)
            assert outcomes == [Delivered()] * len(events)
            assert sorted(end.received, key=_number) == events

    # -- cancellation ----------------------------------------------------------------------------------------------

    async def test_cancellation_is_not_an_outcome_and_leaves_the_sink_usable(self) -> None:
        self._need("hang")
        outcomes: list[Outcome] = []
        async with self.far_end() as end, self._opened(end) as sink:
            end.tell("hang")

            async def send() -> None:
                outcomes.append(await sink.send(EVENTS[0]))

            with anyio.fail_after(WITHIN):
                async with anyio.create_task_group() as tasks:
                    for _ in range(3):
                        tasks.start_soon(send)
                    while len(end.received) < 3:  # noqa: ASYNC110 - the far end tells nobody when something comes
                        await anyio.sleep(0.001)
                    tasks.cancel_scope.cancel()
            assert outcomes == []
            end.tell("deliver")
            assert await self._send(sink, EVENTS[1]) == Delivered()

    @pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8, 13])
    async def test_cancelled_at_any_point_it_stays_usable(self, steps: int) -> None:
        async with self.far_end() as end, self._opened(end) as sink:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(sink.send, EVENTS[0])
                for _ in range(steps):
                    await checkpoint()
                tasks.cancel_scope.cancel()
            assert await self._send(sink, EVENTS[1]) == Delivered()
            assert end.received[-1] == EVENTS[1]

    # -- messages --------------------------------------------------------------------------------------------------

    async def test_a_sink_of_messages_takes_one_or_as_many_as_the_mode_allows(self) -> None:
        async with self.far_end() as end, self._opened(end) as sink:
            if not takes_messages(sink):
                pytest.skip("it takes events one by one")
            assert sink.rate is None or isinstance(sink.rate, Rate)
            batches = [EVENTS[:1], EVENTS] if self.policy.mode == "batch" else [EVENTS[:1]]
            for batch in batches:
                messages = [Message(event, event, f"contract/{event.id}") for event in batch]
                assert await sink.send_messages(messages) == Delivered()
            assert end.received == [event for batch in batches for event in batch]

    # -- what the tests share --------------------------------------------------------------------------------------

    def _need(self, behaviour: Behaviour) -> None:
        if behaviour not in self.behaviours:
            pytest.skip(f"this far end cannot be told to {behaviour}")

    @asynccontextmanager
    async def _opened(self, end: FarEnd) -> AsyncIterator[Sink]:
        await end.provider.open()
        try:
            sink = end.provider.sink(end.address, self.policy)
            assert sink is not None
            yield sink
        finally:
            await end.provider.aclose()

    async def _send(self, sink: Sink, event: Event) -> Outcome:
        with anyio.fail_after(WITHIN):
            return await sink.send(event)

    def _sound(self, outcome: Outcome) -> Outcome:
        """An outcome whose reason is a short word, to be counted and searched for."""
        assert isinstance(outcome, Delivered | RetryLater | Rejected)
        assert isinstance(outcome, Delivered) or _REASON.fullmatch(outcome.reason)
        return outcome


def _number(event: Event) -> int:
    return int(event.id)
