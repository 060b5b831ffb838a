from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from eventroute.errors import Reject
from eventroute.event import Event
from eventroute.hooks import Attempted, CaughtUp, Happening, Lagging, Matched, Paused, Published
from eventroute.router import Router
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from eventroute.telemetry import OpenTelemetry, logged
from eventroute.testing.clock import VirtualClock

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


class Seen:
    """What OpenTelemetry was told."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self._spans = InMemorySpanExporter()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.hook = OpenTelemetry(meter_provider=MeterProvider([self._reader]), tracer_provider=tracers)

    @property
    def metrics(self) -> dict[str, dict[tuple[object, ...], Any]]:
        """The value of each metric, by the values of its attributes in the order of their names."""
        data = self._reader.get_metrics_data()
        found: dict[str, dict[tuple[object, ...], Any]] = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        key = tuple(value for _, value in sorted((point.attributes or {}).items()))
                        value = getattr(point, "value", None)
                        found.setdefault(metric.name, {})[key] = point.count if value is None else value  # type: ignore[union-attr]
        return found

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {str((span.attributes or {})["cloudevents.event_id"]): span for span in self._spans.get_finished_spans()}


@pytest.mark.anyio
async def test_attempts_are_counted_and_stand_in_the_trace_of_the_event() -> None:
    clock, seen = VirtualClock(), Seen()

    async def sink(event: Event) -> None:
        await clock.sleep(2.0)
        if event.id == "bad":
            raise Reject("malformed")

    async with Router(MemoryStorage(clock), clock=clock, hooks=[seen.hook]) as router:
        await router.subscribe(Subscription(id="s", sink=sink))
        await router.publish(
            Event.create(id="traced", type="t", source="/s", subject="x", extensions={"traceparent": PARENT}),
            Event.create(id="bad", type="t", source="/s"),
            Event.create(id="odd", type="t", source="/s", extensions={"traceparent": "no such thing"}),
        )
        await clock.advance(10)

    assert seen.metrics == {
        "eventroute.published": {("default",): 3},
        "eventroute.delivered": {("default", "s"): 2},
        "eventroute.dead_lettered": {("default", "rejected", "s"): 1},
        "eventroute.attempts": {("default", "delivered", "", "s"): 2, ("default", "rejected", "rejected", "s"): 1},
        "eventroute.attempt.duration": {("default", "delivered", "s"): 2, ("default", "rejected", "s"): 1},
    }
    traced, bad, odd = (seen.spans[name] for name in ("traced", "bad", "odd"))
    assert traced.name == "send s"
    assert traced.kind is SpanKind.PRODUCER
    assert traced.parent is not None
    assert format(traced.context.trace_id, "032x") == TRACE
    assert traced.end_time is not None
    assert traced.start_time is not None
    assert traced.end_time - traced.start_time == 2_000_000_000
    assert (traced.attributes or {})["cloudevents.event_subject"] == "x"
    assert traced.status.status_code is StatusCode.UNSET
    assert bad.parent is None
    assert bad.status.status_code is StatusCode.ERROR
    assert bad.status.description == "malformed"
    assert (bad.attributes or {})["error.type"] == "rejected"
    assert odd.parent is None


def test_who_lags_is_measured() -> None:
    seen = Seen()
    for happening in (Lagging("b", "s", 7, 99.5), Matched("b", "live", 1, 2, 0), Paused("b", "s", "why")):
        seen.hook(happening)
    assert seen.metrics == {"eventroute.lag": {("b", "s"): 99.5}}
    seen.hook(CaughtUp("b", "s"))
    assert seen.metrics == {"eventroute.lag": {("b", "s"): 0}}


def test_logs_have_the_fields_and_no_event(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("test.telemetry")
    hook = logged(logger)
    secret = Event.create(type="t", source="/s", data={"password": "s3cret"})
    happenings: list[Happening] = [
        Published("b", (secret,), (1,)),
        Attempted("b", "s", 1, 2, "retry", "http-500", "oops", 1.5, 0.25, secret.to_json()),
    ]
    with caplog.at_level(logging.WARNING, logger="test.telemetry"):
        hook(happenings[0])
    assert caplog.records == []
    with caplog.at_level(logging.INFO, logger="test.telemetry"):
        for happening in happenings:
            hook(happening)
    assert [record.message for record in caplog.records] == ["Published", "Attempted"]
    fields = {name: value for name, value in vars(caplog.records[1]).items() if name.startswith("eventroute_")}
    assert fields == {
        "eventroute_bus": "b",
        "eventroute_subscription": "s",
        "eventroute_offset": 1,
        "eventroute_attempt": 2,
        "eventroute_outcome": "retry",
        "eventroute_reason": "http-500",
        "eventroute_error": "oops",
        "eventroute_began": 1.5,
        "eventroute_seconds": 0.25,
    }
    json.dumps(fields)
    assert "s3cret" not in "".join(str(vars(record)) for record in caplog.records)
