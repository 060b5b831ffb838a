"""Functions as sinks: what they do is an outcome."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from eventroute.errors import InvalidSubscription, Reject, Retry
from eventroute.event import Event
from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.sinks.callable import CallableSink, CallableSinks

EVENT = Event.create(type="t", source="/s")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("raised", "outcome"),
    [
        (None, Delivered()),
        (Retry("busy", after=2.0), RetryLater("retry", "busy", 2.0)),
        (Reject("malformed"), Rejected("rejected", "malformed")),
        (ValueError("oops"), RetryLater("exception", "ValueError: oops")),
    ],
)
async def test_what_a_function_raises_is_its_outcome(raised: Exception | None, outcome: Outcome) -> None:
    async def function(_event: Event) -> None:
        if raised is not None:
            raise raised

    assert await CallableSink(function).send(EVENT) == outcome


UNREADABLE = [
    b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":%b}' % data
    for data in (b'"\xff"', b'"\xff%b"' % (b"x" * 5_000), b"9" * 5_000, b"[" * 500 + b"9" * 5_000 + b"]" * 500)
]


@pytest.mark.anyio
@pytest.mark.parametrize("raw", UNREADABLE, ids=["text", "long text", "number", "deep"])
@pytest.mark.parametrize("how", ["data", "data_text", "in a task"])
async def test_data_that_cannot_be_decoded_is_not_tried_again(raw: bytes, how: str) -> None:
    async def function(event: Event) -> None:
        if how == "in a task":
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(function_of_its_own, event)
        elif how == "data" or b"\xff" not in raw:
            assert event.data
        else:
            assert event.data_text

    async def function_of_its_own(event: Event) -> None:
        assert event.data

    outcome = await CallableSink(function).send(Event.from_log(raw))
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "invalid-event"
    assert outcome.error.startswith("data: it is not ")


@pytest.mark.anyio
@pytest.mark.parametrize("raw", UNREADABLE, ids=["text", "long text", "number", "deep"])
async def test_what_a_function_does_not_read_is_no_fault_of_it(raw: bytes) -> None:
    async def busy(_event: Event) -> None:
        raise ConnectionError("busy")

    async def careless(_event: Event) -> None:
        Event.create(type="t", source="")

    async def takes(event: Event) -> None:
        assert event.id == "1"

    event = Event.from_log(raw)
    assert await CallableSink(busy).send(event) == RetryLater("exception", "ConnectionError: busy")
    assert await CallableSink(takes).send(event) == Delivered()
    outcome = await CallableSink(careless).send(EVENT)  # it is another event that is none
    assert isinstance(outcome, RetryLater)
    assert outcome.error.startswith("InvalidEvent: source")


@pytest.mark.anyio
async def test_cancellation_is_not_an_outcome() -> None:
    ended = False
    with anyio.move_on_after(0):
        await CallableSink(lambda _event: anyio.sleep_forever()).send(EVENT)
        ended = True
    assert not ended


def test_only_the_functions_that_are_held_can_be_reached() -> None:
    sinks = CallableSinks()
    assert sinks.sink("callable:a", DeliveryPolicy()) is None
    sinks.hold("callable:a", lambda _event: anyio.lowlevel.checkpoint())
    assert sinks.sink("callable:a", DeliveryPolicy()) is not None
    sinks.drop("callable:a")
    sinks.drop("callable:a")
    assert sinks.sink("callable:a", DeliveryPolicy()) is None


def test_an_address_needs_its_id() -> None:
    CallableSinks().check("callable:a", DeliveryPolicy())
    with pytest.raises(InvalidSubscription, match="a function's address is callable:ID"):
        CallableSinks().check("callable:", DeliveryPolicy())


def test_a_wait_must_be_possible() -> None:
    with pytest.raises(ValueError, match="after must be 0 seconds or more"):
        Retry(after=-1)
