"""From a delivery to what a sink is given: expiry, transformation, and a fault of the sink as an outcome."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from eventroute.errors import BackendUnsupported, InvalidEvent, TransformError
from eventroute.event import Event
from eventroute.push.breaker import Circuit
from eventroute.push.deadlines import Watched
from eventroute.push.delivery import Delivery
from eventroute.push.outcome import Outcome, Rejected, RetryLater
from eventroute.push.route import Route
from eventroute.push.sinks.base import Message, Sink
from eventroute.timing import expiry

__all__ = ["expired", "guarded", "made_ready", "message_of", "timed_out"]

_log = logging.getLogger("eventroute.push")

T = TypeVar("T")


def made_ready(delivery: Delivery, route: Route, circuit: Circuit, now: float) -> tuple[Sink, Event, Event] | Outcome:
    """The sink, the event to send and the one that was published, or what else came of the attempt."""
    delivery.began = now
    try:
        event = Event.from_log(delivery.raw)
    except InvalidEvent as error:  # a storage takes any bytes, and what no router wrote must not stop the others
        return Rejected("invalid-event", str(error))
    if (past := expired(delivery, event, now)) is not None:
        return past
    sink = route.sink
    if sink is None:  # gone since the delivery was queued: whoever can reach the sink will take it
        return RetryLater("no-sink")
    delivery.attempts += 1
    if delivery.first_attempt is None:
        delivery.first_attempt = now - circuit.spared(now)
    try:
        return sink, route.transform(event), event
    except TransformError as error:
        return Rejected("transform-error", str(error))


def expired(delivery: Delivery, event: Event, now: float) -> Rejected | None:
    """What becomes of an event that was published with a time that has passed."""
    if _may_expire(delivery.raw) and _expired(event, now):
        return Rejected("expired", f"expirytime was {event.attributes['expirytime']}")
    return None


def message_of(delivery: Delivery, event: Event, original: Event) -> Message:
    """What a sink of messages is given. The key has the event's own name too: another log counts its own offsets."""
    key = f"{delivery.subscription}/{delivery.offset}/{original.source} {original.id}"
    return Message(event, original, key)


async def guarded(send: Callable[[T], Awaitable[Outcome]], what: T, subscription: str) -> Outcome:
    """The outcome of an attempt; a fault of the sink is a retry."""
    try:
        return await send(what)
    except BackendUnsupported:
        raise
    except anyio.get_cancelled_exc_class():
        if anyio.current_effective_deadline() == -math.inf:  # we are cancelled, not something in the sink
            raise
        return RetryLater("cancelled", "the sink was cancelled from within")
    except Exception as error:  # noqa: BLE001 - a sink with a fault must not take the others down with it
        _log.exception("subscription %s: its sink has a fault", subscription)
        return RetryLater("sink-fault", f"{type(error).__name__}: {error}")


def timed_out(route: Route, watched: Watched) -> RetryLater:
    """The outcome of an attempt that took too long, or longer than this process is known to have its lease."""
    if watched.lapsed:
        return RetryLater("lease-late", "the lease could not be extended in time", counts=False)
    return RetryLater("timeout", f"no answer within {route.policy.timeout:g} s")


def _may_expire(raw: bytes) -> bool:
    """Whether it is worth while to look at the attributes: a name may be written with escapes."""
    return b"expirytime" in raw or b"\\u00" in raw


def _expired(event: Event, now: float) -> bool:
    try:
        moment = expiry(event)
    except InvalidEvent:  # not a time, so no expiry: what is in the log already is not refused
        return False
    return moment is not None and moment <= now
