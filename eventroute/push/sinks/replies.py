"""Events in answers: what an endpoint sends back is published, once for each delivery."""

from __future__ import annotations

from collections.abc import Sequence

from eventroute.errors import InvalidEvent, StorageError, UnknownBus
from eventroute.event import Event
from eventroute.push.outcome import Outcome, Rejected, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.reply import Append, hops_of, with_hops
from eventroute.push.policy.signing import message_id
from eventroute.push.sinks.base import Message
from eventroute.push.sinks.client import Answer

__all__ = ["append_once", "publish_reply"]


async def publish_reply(
    append: Append | None, policy: DeliveryPolicy, answer: Answer, messages: Sequence[Message]
) -> Outcome | None:
    """Publish the events of an answer as the policy says; None: there were none, or they are published.

    An answer that claims to hold an event and does not is a rejection; one that cannot be published now is a retry,
    and the endpoint gets its event again.
    """
    if policy.reply is None or not _claims_an_event(answer):
        return None
    if append is None:
        return RetryLater("reply-failed", "nothing here publishes replies")
    if not answer.whole:
        return RetryLater("reply-failed", "the answer's event broke off, or is longer than answer_limit")
    try:
        events = Event.from_http(answer.headers, answer.body)
    except InvalidEvent as error:
        return Rejected("bad-reply", f"the answer is no event: {error}")
    before = max(hops_of(message.original) for message in messages)
    onward: list[Event] = []
    for event in events:
        moved = with_hops(event, before, policy.max_hops)
        if isinstance(moved, Rejected):
            return moved
        onward.append(moved)
    return await append_once(append, policy.reply.bus, onward, "reply", *[message.key for message in messages])


async def append_once(append: Append, bus: str, events: Sequence[Event], *identity: str) -> Outcome | None:
    """Append events under an id made of `identity`; None: they are there. Whatever goes wrong is an outcome."""
    if not events:
        return None
    try:
        await append(bus, events, message_id(bus, *identity))
    except InvalidEvent as error:
        return Rejected("bad-event", str(error))
    except (UnknownBus, StorageError) as error:
        return RetryLater("append-failed", str(error))
    return None


def _claims_an_event(answer: Answer) -> bool:
    content_type = answer.headers.get("Content-Type") or ""
    return content_type.lower().startswith("application/cloudevents") or "ce-specversion" in answer.headers
