"""Ten commands on a GitHub star event, beside a function that does the same by hand: it copies no more than it must."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from time import perf_counter
from typing import Any

from benchmarks.harness import Comparison, Contender, Measure, Workload
from benchmarks.workloads.transform import RAW
from eventroute.event import Event
from eventroute.transform import Transformer

COMMANDS: list[list[Any]] = [
    ["create", "$.data.kind", "star"],
    ["upper_case", "$.data.repository.name"],
    ["add_prefix", "$.data.sender.login", "@"],
    ["math_add", "$.data.repository.stars", "$.data.repository.stargazers_count", 1],
    ["rename", "$.data.starred_at", "$.data.time"],
    ["date_format", "$.data.repository.created_at", "d/m/Y"],
    ["delete", "$.data.repository.owner"],
    ["join", "$.data.title", " ", "$.data.sender.login", "stars", "$.data.repository.full_name"],
    ["condition_if", "$.data.popular", "$.data.repository.stargazers_count", ">=", 100, True, False],
    ["replace_string", "$.data.repository.full_name", "octocat", "you"],
]
TEMPLATE = '{"title": "${$.data.title}", "popular": ${$.data.popular}, "repository": ${$.data.repository.full_name}}'
PIPELINE = [{"command": command} for command in COMMANDS]
_edit = Transformer.parse({"pipeline": PIPELINE})
_edit_and_render = Transformer.parse({"pipeline": PIPELINE, "template": TEMPLATE})


def _edited(event: Event) -> dict[str, Any]:
    data: dict[str, Any] = event.data
    repository, sender = dict(data["repository"]), dict(data["sender"])
    made = {**data, "repository": repository, "sender": sender, "kind": "star"}
    repository["name"] = repository["name"].upper()
    sender["login"] = "@" + sender["login"]
    repository["stars"] = repository["stargazers_count"] + 1
    made["time"] = made.pop("starred_at")
    repository["created_at"] = datetime.fromisoformat(repository["created_at"]).strftime("%d/%m/%Y")
    del repository["owner"]
    made["title"] = " ".join([sender["login"], "stars", repository["full_name"]])
    made["popular"] = repository["stargazers_count"] >= 100
    repository["full_name"] = repository["full_name"].replace("octocat", "you")
    return made


def _by_hand(event: Event) -> Event:
    return event.replace(data=_edited(event))


def _by_hand_and_rendered(event: Event) -> Event:
    made = _edited(event)
    data = {"title": made["title"], "popular": made["popular"], "repository": made["repository"]["full_name"]}
    return event.replace(data=data)


def _measured(job: Callable[[Event], Event]) -> Measure:
    event = Event.from_log(RAW)

    def measure(size: int) -> float:
        job(event)
        started = perf_counter()
        for _ in range(size):
            job(event)
        return perf_counter() - started

    return measure


def _compared(case: str, by_hand: Callable[[Event], Event], transformer: Transformer) -> Comparison:
    if by_hand(Event.from_log(RAW)) != transformer(Event.from_log(RAW)):
        raise AssertionError(f"{case}: they do not do the same")
    return Comparison(
        case,
        Contender("by hand", _measured(by_hand)),
        (Contender("Transformer", _measured(transformer)),),
        size=2_000,
        tiny=10,
    )


WORKLOAD = Workload(
    name="pipeline",
    doc=f"{len(COMMANDS)} commands on a star event of {len(RAW):,} bytes whose data is decoded, from event to event.",
    unit="event",
    comparisons=(
        _compared("all data sent", _by_hand, _edit),
        _compared("a template after it", _by_hand_and_rendered, _edit_and_render),
    ),
)
