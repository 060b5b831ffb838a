"""Hooks for OpenTelemetry and for structured logs. The first needs `pip install 'eventroute[otel]'`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import asdict

from eventroute.event import Event
from eventroute.hooks import (
    Attempted,
    CaughtUp,
    DeadLettered,
    DeadLetterForwarded,
    DeadLetterHeldUp,
    DeadLettersDropped,
    EventsLost,
    Happening,
    Hook,
    Lagging,
    Matched,
    Paused,
    Published,
    Settled,
)

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["OpenTelemetry", "logged"]

_NAME: Final = "eventroute"


class OpenTelemetry:
    """A hook that counts and traces.

    Metrics, each with `bus` and most with `subscription`: `eventroute.published`, `eventroute.delivered` and
    `eventroute.dead_lettered` (events), `eventroute.dead_letters.forwarded`, `eventroute.dead_letters.held_up` and
    `eventroute.dead_letters.dropped`, `eventroute.lost` (events that hard retention took unread), `eventroute.attempts`
    (with `outcome` and `reason`), `eventroute.attempt.duration` (seconds), `eventroute.lag` (seconds, of those that lag
    by more than a minute, and 0 once they do not).

    A span an attempt, named `send SUBSCRIPTION`, that begins and ends with it. Its parent is the span that the event
    names in `traceparent` and `tracestate` (CloudEvents distributed tracing extension), so that it stands in the trace
    of whoever published it. Its attributes are those of OpenTelemetry's conventions for CloudEvents and messaging.

    Without providers the global ones of OpenTelemetry are used.
    """

    def __init__(
        self, *, meter_provider: MeterProvider | None = None, tracer_provider: TracerProvider | None = None
    ) -> None:
        from opentelemetry import metrics, trace  # noqa: PLC0415  # an extra
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        meter = metrics.get_meter(_NAME, meter_provider=meter_provider)
        self._tracer = trace.get_tracer(_NAME, tracer_provider=tracer_provider)
        self._kind = trace.SpanKind.PRODUCER
        self._fault = trace.StatusCode.ERROR
        self._propagator = TraceContextTextMapPropagator()
        self._published = meter.create_counter("eventroute.published", "{event}", "Events accepted")
        self._delivered = meter.create_counter("eventroute.delivered", "{event}", "Deliveries done")
        self._dead = meter.create_counter("eventroute.dead_lettered", "{event}", "Deliveries given up")
        letters = "eventroute.dead_letters"
        self._forwarded = meter.create_counter(f"{letters}.forwarded", "{event}", "Dead letters handed over")
        self._held_up = meter.create_counter(f"{letters}.held_up", "{try}", "Failed tries to hand one over")
        self._dropped = meter.create_counter(f"{letters}.dropped", "{event}", "Dead letters beyond their bound")
        self._lost = meter.create_counter("eventroute.lost", "{event}", "Events that hard retention took unread")
        self._attempts = meter.create_counter("eventroute.attempts", "{attempt}", "Attempts ended")
        self._duration = meter.create_histogram("eventroute.attempt.duration", "s", "How long attempts took")
        self._lag = meter.create_gauge("eventroute.lag", "s", "How far subscriptions that lag are behind")

    def __call__(self, happening: Happening) -> None:
        """Take in what happened."""
        match happening:
            case Published():
                self._published.add(len(happening.events), {"bus": happening.bus})
            case Attempted():
                self._attempted(happening)
            case Settled():
                self._delivered.add(1, _whose(happening))
            case DeadLettered():
                self._dead.add(1, {**_whose(happening), "reason": happening.reason})
            case DeadLetterForwarded() | DeadLetterHeldUp():
                handed_over = isinstance(happening, DeadLetterForwarded)
                (self._forwarded if handed_over else self._held_up).add(1, _whose(happening))
            case DeadLettersDropped():
                self._dropped.add(happening.letters, {**_whose(happening), "reason": happening.reason})
            case EventsLost():
                self._lost.add(happening.events, _whose(happening))
            case Lagging() | CaughtUp():
                self._lag.set(happening.seconds if isinstance(happening, Lagging) else 0, _whose(happening))
            case Matched() | Paused():
                pass

    def _attempted(self, attempt: Attempted) -> None:
        whose = _whose(attempt)
        self._attempts.add(1, {**whose, "outcome": attempt.outcome, "reason": attempt.reason})
        self._duration.record(attempt.seconds, {**whose, "outcome": attempt.outcome})
        event = Event.from_log(attempt.event)
        span = self._tracer.start_span(
            f"send {attempt.subscription}",
            context=self._parent(event),
            kind=self._kind,
            start_time=_nanoseconds(attempt.began),
            attributes={
                "messaging.system": _NAME,
                "messaging.operation.type": "send",
                "messaging.operation.name": "send",
                "messaging.destination.name": attempt.subscription,
                "messaging.message.id": event.id,
                "cloudevents.event_id": event.id,
                "cloudevents.event_source": event.source,
                "cloudevents.event_spec_version": "1.0",
                "cloudevents.event_type": event.type,
                **({} if event.subject is None else {"cloudevents.event_subject": event.subject}),
                "eventroute.bus": attempt.bus,
                "eventroute.offset": attempt.offset,
                "eventroute.attempt": attempt.attempt,
            },
        )
        if attempt.outcome != "delivered":
            span.set_attribute("error.type", attempt.reason)
            span.set_status(self._fault, attempt.error or attempt.reason)
        span.end(_nanoseconds(attempt.began + attempt.seconds))

    def _parent(self, event: Event) -> Context:
        """The context that the event came with; an empty one where it names none, or none that can be read."""
        from opentelemetry.context import Context  # noqa: PLC0415  # an extra

        carrier = {
            name: value
            for name in ("traceparent", "tracestate")
            if isinstance(value := event.attributes.get(name), str)
        }
        return self._propagator.extract(carrier, context=Context())


_OfSubscription: TypeAlias = (
    Attempted
    | Settled
    | DeadLettered
    | DeadLetterForwarded
    | DeadLetterHeldUp
    | DeadLettersDropped
    | EventsLost
    | Lagging
    | CaughtUp
)


def _whose(happening: _OfSubscription) -> dict[str, str]:
    return {"bus": happening.bus, "subscription": happening.subscription}


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def logged(logger: logging.Logger, level: int = logging.INFO) -> Hook:
    """A hook that writes each happening to a logger as one record, with its fields beside the message.

    The message is the happening's name. Its fields are attributes of the record, named `eventroute_FIELD`, which
    formatters for structured logs pick up; events are left out, since they may be secret.
    """

    def log(happening: Happening) -> None:
        if not logger.isEnabledFor(level):
            return
        values = asdict(happening, recurse=False, filter=lambda field, _: field.name not in _SECRET)
        logger.log(level, type(happening).__name__, extra={f"{_NAME}_{name}": value for name, value in values.items()})

    return log


_SECRET: Final = frozenset({"event", "events"})
