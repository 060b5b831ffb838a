"""The dashboard and the alerts in docs/examples/monitoring name what is exported, by the names that Prometheus sees."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample

from eventroute.event import Event
from eventroute.hooks import (
    Attempted,
    DeadLettered,
    DeadLetterForwarded,
    DeadLetterHeldUp,
    DeadLettersDropped,
    EventsLost,
    Lagging,
    Published,
    Settled,
)
from eventroute.telemetry import OpenTelemetry

FOLDER = Path(__file__).parents[1] / "docs" / "examples" / "monitoring"
EVENT = Event.create(type="t", source="/s")
HAPPENINGS = (
    Published("b", (EVENT,), (1,)),
    Attempted("b", "s", 1, 1, "retry", "http-500", "", 1.0, 0.5, EVENT.to_json()),
    Settled("b", "s", 1, 1),
    DeadLettered("b", "s", 1, 1, "gone", ""),
    DeadLetterForwarded("b", "s", 1, "bus:x", 1),
    DeadLetterHeldUp("b", "s", 1, "bus:x", 1, "", None),
    DeadLettersDropped("b", "s", 1, "age"),
    EventsLost("b", "s", 1),
    Lagging("b", "s", 1, 90.0),
)


@pytest.fixture(scope="module")
def exported() -> dict[str, set[str]]:
    """Each name, with its labels."""
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(registry=registry)
    hook = OpenTelemetry(meter_provider=MeterProvider([reader]), tracer_provider=TracerProvider())
    for happening in HAPPENINGS:
        hook(happening)
    samples: list[Sample] = [sample for family in registry.collect() for sample in family.samples]
    return {sample.name: set(sample.labels) for sample in samples}


def alerts() -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))
    return value


def dashboard() -> dict[str, Any]:
    value: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
    return value


def rules() -> list[dict[str, Any]]:
    return [rule for group in alerts()["groups"] for rule in group["rules"]]


def expressions() -> Iterator[str]:
    for rule in rules():
        yield rule["expr"]
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]


def test_every_metric_of_ours_is_shown_or_watched(exported: dict[str, set[str]]) -> None:
    ours = {
        name
        for name in exported
        if name.startswith("eventroute_") and not name.endswith(("_created", "_sum", "_count"))
    }
    assert ours == {name for text in expressions() for name in re.findall(r"\beventroute_\w+", text)}


@pytest.mark.parametrize("text", sorted(set(expressions())))
def test_an_expression_names_metrics_and_labels_that_there_are(text: str, exported: dict[str, set[str]]) -> None:
    names = re.findall(r"\beventroute_\w+", text)
    assert names
    assert set(names) <= set(exported)
    known = set.intersection(*(exported[name] for name in names))
    by = {label.strip() for found in re.findall(r"\bby \(([^)]*)\)", text) for label in found.split(",")}
    selected = set(re.findall(r"(\w+)\s*(?:=~|!=|=)\s*\"", text))
    assert by | selected <= known
    assert text.count("(") == text.count(")")
    assert text.count("{") == text.count("}")


def test_an_alert_speaks_of_labels_that_its_expression_leaves() -> None:
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        by = re.findall(r"\bby \(([^)]*)\)", rule["expr"])
        left = set(re.split(r",\s*", by[0])) if by else {"bus", "subscription"}
        assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) <= left
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_panels_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_the_operations_page_says_of_each_alert_what_to_do() -> None:
    page = (FOLDER.parents[1] / "howto" / "operations.md").read_text(encoding="utf-8")
    assert [rule["alert"] for rule in rules() if f"`{rule['alert']}`" not in page] == []
