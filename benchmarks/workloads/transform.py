"""The transformer of README's example on a GitHub star event, beside a function written by hand for that one job, and
beside what else a Python program might use: JSONata and jinja2, where they are installed (the extra `bench`)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from time import perf_counter
from typing import Any

import msgspec

from benchmarks.harness import Comparison, Contender, Measure, Workload
from eventroute.event import Event
from eventroute.transform import Transformer

SPEC = {
    "define": {
        "star_count": "$.data.repository.stargazers_count",
        "repo": "$.data.repository.name",
        "sender": "$.data.sender.login",
    },
    "template": '{"slackMsg":  "GitHub user<${sender}> just stared your repo<${repo}>. '
    'Current number of stars: ${star_count}."}',
}
API = "https://api.github.com"


def _links(count: int, owner: str) -> dict[str, str]:
    """Links as GitHub sends them: most of an event is text that nobody asks for."""
    return {f"some_{number:02}_url": f"{API}/{owner}/things-{number:02}{{/thing_id}}" for number in range(count)}


USER = {
    "login": "octocat",
    "id": 583231,
    "node_id": "MDQ6VXNlcjU4MzIzMQ==",
    "avatar_url": "https://avatars.githubusercontent.com/u/583231?v=4",
    "gravatar_id": "",
    **_links(11, "users/octocat"),
    "type": "User",
    "site_admin": False,
}
STAR = {
    "action": "created",
    "starred_at": "2026-11-23T12:00:00Z",
    "repository": {
        "id": 1296269,
        "name": "hello-world",
        "full_name": "octocat/hello-world",
        "private": False,
        "owner": USER,
        **_links(45, "repos/octocat/hello-world"),
        "created_at": "2011-01-26T19:01:12Z",
        "updated_at": "2026-11-23T12:00:00Z",
        "size": 108,
        "stargazers_count": 80,
        "watchers_count": 80,
        "language": None,
        "topics": [],
        "visibility": "public",
        "default_branch": "main",
    },
    "sender": USER,
}
RAW = Event.create(
    type="com.github.star.created",
    source=f"{API}/repos/octocat/hello-world",
    subject="octocat",
    time="2026-11-23T12:00:00Z",
    id="0f4ff9b2-6e39-4a8a-9e7c-3f8a54a1a001",
    data=STAR,
).to_json()

_transformer = Transformer.parse(SPEC)
_encode = msgspec.json.Encoder().encode


def _by_hand(event: Event) -> bytes:
    data: Any = event.data
    repository = data["repository"]
    return b'{"slackMsg":  "GitHub user<%b> just stared your repo<%b>. Current number of stars: %d."}' % (
        _encode(data["sender"]["login"])[1:-1],
        _encode(repository["name"])[1:-1],
        repository["stargazers_count"],
    )


def _by_hand_to_event(event: Event) -> Event:
    return event.replace(data=_by_hand(event))


JSONATA = (
    '{"slackMsg": "GitHub user<" & sender.login & "> just stared your repo<" & repository.name & '
    '">. Current number of stars: " & repository.stargazers_count & "."}'
)
JINJA = (
    '{"slackMsg":  {{ ("GitHub user<" ~ sender.login ~ "> just stared your repo<" ~ repository.name ~ '
    '">. Current number of stars: " ~ repository.stargazers_count ~ ".")|tojson }}}'
)


def _jsonata() -> Callable[[Event], object]:
    expression = import_module("jsonata").Jsonata(JSONATA)
    return lambda event: _encode(expression.evaluate(event.data))


def _jinja() -> Callable[[Event], object]:
    template = import_module("jinja2").Environment(autoescape=False).from_string(JINJA)  # it is no HTML
    return lambda event: template.render(event.data).encode()


def _peers() -> Iterator[tuple[str, Callable[[Event], object]]]:
    for name, module, make in (("jsonata-python", "jsonata", _jsonata), ("jinja2 with tojson", "jinja2", _jinja)):
        if find_spec(module) is None:
            print(f"skipped {name}: it is not installed", file=sys.stderr)
        else:
            yield name, make()


def _from_log(job: Callable[[Event], object]) -> Measure:
    def measure(size: int) -> float:
        events = [Event.from_log(RAW) for _ in range(size)]
        started = perf_counter()
        for event in events:
            job(event)
        return perf_counter() - started

    return measure


def _decoded(job: Callable[[Event], object]) -> Measure:
    event = Event.from_log(RAW)

    def measure(size: int) -> float:
        _by_hand(event)
        started = perf_counter()
        for _ in range(size):
            job(event)
        return perf_counter() - started

    return measure


PEERS = tuple(_peers())


def _compared(case: str, measured: Callable[[Callable[[Event], object]], Measure], size: int) -> Comparison:
    return Comparison(
        case,
        Contender("by hand, to bytes", measured(_by_hand)),
        (
            Contender("by hand, to an event", measured(_by_hand_to_event)),
            Contender("Transformer", measured(_transformer)),
            *(Contender(name, measured(job)) for name, job in PEERS),
        ),
        size=size,
        tiny=10,
    )


WORKLOAD = Workload(
    name="transform",
    doc=f"README's template on a star event of {len(RAW):,} bytes, from event to event; the peers make the data alone.",
    unit="event",
    comparisons=(_compared("from the log", _from_log, 2_000), _compared("data decoded", _decoded, 10_000)),
)
