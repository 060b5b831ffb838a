"""What a sink is: something that takes one event and answers with an outcome."""

from __future__ import annotations

from typing import Protocol

from eventroute.event import Event
from eventroute.push.outcome import Outcome
from eventroute.push.policy import DeliveryPolicy

__all__ = ["Sink", "SinkProvider"]


class Sink(Protocol):
    """Where the events of one subscription go."""

    async def send(self, event: Event) -> Outcome:
        """Make one attempt.

        Whatever goes wrong is an outcome; only cancellation passes through, and leaves the sink usable. The scheduler
        bounds an attempt by the policy's timeout, cancels it then, and counts it as a retry for `timeout`.
        """
        ...


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
