"""The manifests of docs/howto/kubernetes.md fit each other, and what a broker does."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from eventroute import telemetry
from eventroute.cli.commands import commands
from eventroute.gateway.app import READY_WITHIN, Gateway
from eventroute.router import Router
from eventroute.serving.config import load
from eventroute.storage.memory import MemoryStorage
from tests.gateway.asgi import call

FOLDER = Path(__file__).parents[1] / "docs" / "examples" / "kubernetes"
FILES = sorted(FOLDER.glob("*.yaml"))
LABELS = {"app.kubernetes.io/name": "eventroute"}
METRIC = "eventroute_lag_seconds"


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


@pytest.fixture
def deployment() -> dict[str, Any]:
    (found,) = documents("deployment.yaml")
    spec: dict[str, Any] = found["spec"]
    return spec


@pytest.fixture
def pod(deployment: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = deployment["template"]["spec"]
    return spec


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (found,) = pod["containers"]
    return dict(found)


@pytest.fixture
def broker(tmp_path: Path) -> Path:
    (config,) = documents("configmap.yaml")
    (tmp_path / "broker.toml").write_text(config["data"]["broker.toml"])
    return tmp_path / "broker.toml"


def references(value: object) -> Iterator[str]:
    """All secrets that a configuration names."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)
    elif isinstance(value, str) and value.startswith(("env:", "file:")):
        yield value


def secret_names(container: dict[str, Any]) -> set[str]:
    return {each["name"] for each in container["env"] if "secretKeyRef" in each.get("valueFrom", {})}


def test_every_file_is_on_the_page_and_the_other_way_round() -> None:
    page = (FOLDER.parents[1] / "howto" / "kubernetes.md").read_text(encoding="utf-8")
    shown = {line.rpartition("/")[2] for line in page.splitlines() if "literalinclude" in line}
    assert shown == {file.name for file in FOLDER.iterdir()}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_each_is_a_kubernetes_object(file: Path) -> None:
    for document in documents(file.name):
        if file.name != "adapter-values.yaml":
            assert {"apiVersion", "kind", "metadata"} <= document.keys()
            assert document["metadata"]["name"] == "eventroute"


def test_the_file_is_right_and_has_its_secrets(
    broker: Path, container: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {name.removeprefix("env:") for name in references(tomllib.loads(broker.read_text()))}
    assert wanted | {"PGPASSWORD"} == secret_names(container)
    keys = {each["valueFrom"]["secretKeyRef"]["key"] for each in container["env"] if "valueFrom" in each}
    page = (FOLDER.parents[1] / "howto" / "kubernetes.md").read_text(encoding="utf-8")
    assert all(f"--from-literal={key}=" in page for key in keys)
    for name in wanted:
        monkeypatch.setenv(name, "secret")
    done = CliRunner().invoke(commands, ["serve", "--check", str(broker)])
    assert done.exit_code == 0, done.output
    assert load(broker).telemetry


def test_ports_and_arguments_are_those_of_the_file(broker: Path, container: dict[str, Any]) -> None:
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    environment = {each["name"]: each.get("value") for each in container["env"]}
    gateway = load(broker).gateway
    assert (ports["http"], gateway.host) == (gateway.port, "0.0.0.0")
    assert str(ports["metrics"]) == environment["OTEL_EXPORTER_PROMETHEUS_PORT"]
    (mount,) = container["volumeMounts"]
    dockerfile = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    assert container["args"] == ["serve", "--uvloop", f"{mount['mountPath']}/broker.toml"]
    assert "CMD " + str(container["args"]).replace("'", '"') in dockerfile


@pytest.mark.anyio
async def test_probes_ask_what_is_there(container: dict[str, Any]) -> None:
    async with Router(MemoryStorage(), push=False) as router:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            request = container[probe]["httpGet"]
            assert request["port"] == "http"
            assert (await call(Gateway(router), "GET", request["path"])).status == 200
    assert container["livenessProbe"]["httpGet"]["path"] == "/-/health"
    assert container["readinessProbe"]["httpGet"]["path"] == "/-/ready"
    assert container["readinessProbe"]["timeoutSeconds"] > READY_WITHIN


def test_a_stop_has_the_time_it_takes(broker: Path, pod: dict[str, Any], container: dict[str, Any]) -> None:
    grace = load(broker).grace
    assert grace is not None
    command, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert command == "sleep"
    assert pod["terminationGracePeriodSeconds"] > int(seconds) + 2 * grace


def test_all_mean_the_same_pods(deployment: dict[str, Any]) -> None:
    service, budget = documents("service.yaml")
    assert deployment["selector"]["matchLabels"] == deployment["template"]["metadata"]["labels"] == LABELS
    assert service["spec"]["selector"] == budget["spec"]["selector"]["matchLabels"] == LABELS
    assert service["spec"]["ports"][0]["targetPort"] == "http"
    assert "replicas" not in deployment  # it would undo what the autoscaler did


def test_they_scale_by_a_metric_that_is_told() -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415

    from eventroute.hooks import Lagging  # noqa: PLC0415

    reader = InMemoryMetricReader()
    telemetry.OpenTelemetry(meter_provider=MeterProvider([reader]))(Lagging("default", "s", 1, 99.0))
    data = reader.get_metrics_data()
    assert data is not None
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    unit = {"s": "seconds"}[metric.unit or ""]
    assert f"{metric.name.replace('.', '_')}_{unit}" == METRIC
    (scaler,), (hpa,), (adapter,) = map(documents, ("scaledobject.yaml", "autoscaler.yaml", "adapter-values.yaml"))
    (trigger,) = scaler["spec"]["triggers"]
    (rule,) = adapter["rules"]["external"]
    (wanted,) = hpa["spec"]["metrics"]
    assert METRIC in trigger["metadata"]["query"]
    assert rule["seriesQuery"].startswith(METRIC)
    assert rule["name"]["as"] == wanted["external"]["metric"]["name"] == METRIC
    assert trigger["metadata"]["threshold"] == wanted["external"]["target"]["value"]
    assert int(trigger["metadata"]["threshold"]) > 60  # below a minute nothing is told
    assert hpa["spec"]["scaleTargetRef"]["name"] == scaler["spec"]["scaleTargetRef"]["name"] == "eventroute"
