"""What a sink is: something that takes one event, or several, and answers with an outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeGuard

from attrs import define

from eventroute.errors import InvalidSubscription
from eventroute.event import Event
from eventroute.push.outcome import Outcome
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.rate import Rate

__all__ = ["Message", "MessageSink", "Sink", "SinkProvider", "StoredMessage", "refuse_http_only", "takes_messages"]


class Sink(Protocol):
    """Where the events of one subscription go."""

    async def send(self, event: Event) -> Outcome:
        """Make one attempt.

        Whatever goes wrong is an outcome; only cancellation passes through, and leaves the sink usable. The scheduler
        bounds an attempt by the policy's timeout, cancels it then, and counts it as a retry for `timeout`.
        """
        ...


@define(eq=False)
class Message:
    """One event on its way to a sink."""

    event: Event
    """The event as it is to be sent."""
    original: Event
    """The event as it was published, before the transformer."""
    key: str
    """Names the delivery: the same at each attempt, another for each subscription and each event in the log."""

    @property
    def document(self) -> bytes:
        """The event in JSON, as it is to be sent."""
        return self.event.to_json()


class StoredMessage(Message):
    """A message whose event goes out as it lies in the log: taken apart only for a sink that looks into it."""

    __slots__ = ("_document", "_opened")

    def __init__(self, document: bytes, key: str) -> None:
        self._document = document
        self._opened: Event | None = None
        self.key = key

    @property
    def document(self) -> bytes:
        """The event in JSON, as it is to be sent."""
        return self._document

    @property
    def event(self) -> Event:  # type: ignore[override]
        """The event as it is to be sent."""
        if self._opened is None:
            self._opened = Event.from_log(self._document)
        return self._opened

    @property
    def original(self) -> Event:  # type: ignore[override]
        """The event as it was published."""
        return self.event


class MessageSink(Sink, Protocol):
    """A sink that takes several events in one attempt, knows deliveries by name, or bounds how many come.

    The scheduler then calls `send_messages` and not `send`: with one message, or where the mode is `batch` with more.
    """

    @property
    def rate(self) -> Rate | None:
        """How many attempts the sink allows, as far as it has said; None: any number."""
        ...

    async def send_messages(self, messages: Sequence[Message]) -> Outcome:
        """Make one attempt with one or more messages; the outcome is that of all. As `send` otherwise."""
        ...


def takes_messages(sink: Sink) -> TypeGuard[MessageSink]:
    """Whether a sink is a `MessageSink`; asked of each subscription, and so not by `isinstance`, which takes long."""
    return hasattr(sink, "send_messages")


class SinkProvider(Protocol):
    """Makes the sinks of some URL schemes; one provider serves a whole router, and may share connections."""

    @property
    def schemes(self) -> frozenset[str]:
        """The URL schemes that it serves, in lower case."""
        ...

    async def open(self) -> None:
        """Get ready on the running event loop; raises BackendUnsupported where the provider cannot work on it."""
        ...

    async def aclose(self) -> None:
        """Let go of everything; called once, after the last attempt has ended."""
        ...

    def check(self, address: str, policy: DeliveryPolicy) -> None:
        """Refuse, without I/O, an address or policy that can never work; raises InvalidSubscription."""
        ...

    def sink(self, address: str, policy: DeliveryPolicy) -> Sink | None:
        """The sink at `address` under `policy`, or None where this process cannot reach it."""
        ...


def refuse_http_only(policy: DeliveryPolicy, sink: str) -> None:
    """Refuse settings that a sink which is not HTTP would have to ignore; raises InvalidSubscription."""
    for name in policy.http_only:
        raise InvalidSubscription(f"only an HTTP endpoint can heed it, not {sink}", where=f"policy.{name}")
    if policy.mode == "batch":
        raise InvalidSubscription(f"{sink} takes one event at a time", where="policy.mode")
