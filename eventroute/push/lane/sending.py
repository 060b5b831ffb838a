"""From a delivery to what a sink is given: expiry, transformation, and a fault of the sink as an outcome."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from eventroute.errors import BackendUnsupported, InvalidEvent, TransformError
from eventroute.event import Event, may_expire
from eventroute.push.deadlines import Watched
from eventroute.push.delivery import Delivery
from eventroute.push.outcome import Outcome, Rejected, RetryLater
from eventroute.push.policy.breaker import Circuit
from eventroute.push.replayed import REPLAY, is_marked
from eventroute.push.route import Route, unchanged
from eventroute.push.sinks.base import Message, Sink, StoredMessage
from eventroute.push.stored import name_of
from eventroute.timing import expiry

__all__ = ["expired", "fault", "guarded", "made_ready", "message_of", "message_ready", "timed_out"]

_log = logging.getLogger("eventroute.push")

T = TypeVar("T")


def made_ready(delivery: Delivery, route: Route, circuit: Circuit, now: float) -> tuple[Sink, Event, Event] | Outcome:
    """The sink, the event to send and the one that was published, or what else came of the attempt."""
    delivery.began = now
    try:
        event = delivery.event()
    except InvalidEvent as error:  # a storage takes any bytes, and what no router wrote must not stop the others
        return Rejected("invalid-event", str(error))
    if may_expire(event) and (past := expired(event, now)) is not None:
        return past
    sink = route.sink
    if sink is None:  # gone since the delivery was queued: whoever can reach the sink will take it
        return RetryLater("no-sink")
    _count(delivery, circuit, now)
    if route.transform is unchanged:
        return sink, event, event
    try:
        return sink, route.transform(event), event
    except TransformError as error:
        return Rejected("transform-error", str(error))
    except InvalidEvent as error:  # what cannot be decoded is seen only now
        return Rejected("invalid-event", str(error))


def message_ready(delivery: Delivery, route: Route, circuit: Circuit, now: float) -> Message | Outcome:
    """The message for a sink that takes events as they are in JSON, or what else came of the attempt.

    As `made_ready`; but an event that goes out as it is stored is looked at, and not taken apart.
    """
    if (
        route.transform is unchanged
        and route.sink is not None
        and (name := name_of(delivery.raw)) is not None
        and not is_marked(delivery.raw)
    ):
        delivery.began = now
        _count(delivery, circuit, now)
        return StoredMessage(delivery.raw, _key(delivery, name))
    ready = made_ready(delivery, route, circuit, now)
    return message_of(delivery, *ready[1:]) if isinstance(ready, tuple) else ready


def _count(delivery: Delivery, circuit: Circuit, now: float) -> None:
    delivery.attempts += 1
    if delivery.first_attempt is None:
        delivery.first_attempt = now - circuit.spared(now)


def expired(event: Event, now: float) -> Rejected | None:
    """What becomes of an event that was published with a time that has passed."""
    if may_expire(event) and _expired(event, now):
        return Rejected("expired", f"expirytime was {event.attributes['expirytime']}")
    return None


def message_of(delivery: Delivery, event: Event, original: Event) -> Message:
    """What a sink of messages is given."""
    name = f"{original.source} {original.id}"
    if is_marked(delivery.raw) and (replay := original.attributes.get(REPLAY)) is not None:
        name = f"{name} {replay}"
    return Message(event, original, _key(delivery, name))


def _key(delivery: Delivery, name: str) -> str:
    """The key of a message. It has the event's own name too: another log counts its own offsets. With a replay that it
    is marked with it is another message: a bus takes it, though it has had the event.
    """
    return f"{delivery.subscription}/{delivery.offset}/{name}"


async def guarded(send: Callable[[T], Awaitable[Outcome]], what: T, subscription: str) -> Outcome:
    """The outcome of an attempt; a fault of the sink is a retry."""
    try:
        return await send(what)
    except (Exception, anyio.get_cancelled_exc_class()) as error:  # noqa: BLE001 - `fault` tells them apart
        return fault(error, subscription)


def fault(error: BaseException, subscription: str) -> Outcome:
    """What an exception that comes out of a sink means, in the task where it came: a sink with a fault must not take
    the others down with it. Raises it again where it is not the sink's.
    """
    if isinstance(error, BackendUnsupported):
        raise error
    if isinstance(error, anyio.get_cancelled_exc_class()):
        if anyio.current_effective_deadline() == -math.inf:  # we are cancelled, not something in the sink
            raise error
        return RetryLater("cancelled", "the sink was cancelled from within")
    _log.error("subscription %s: its sink has a fault", subscription, exc_info=error)
    return RetryLater("sink-fault", f"{type(error).__name__}: {error}")


def timed_out(route: Route, watched: Watched) -> RetryLater:
    """The outcome of an attempt that took too long, or longer than this process is known to have its lease."""
    if watched.lapsed:
        return RetryLater("lease-late", "the lease could not be extended in time", counts=False)
    return RetryLater("timeout", f"no answer within {route.policy.timeout:g} s")


def _expired(event: Event, now: float) -> bool:
    try:
        moment = expiry(event)
    except InvalidEvent:  # not a time, so no expiry: what is in the log already is not refused
        return False
    return moment is not None and moment <= now
