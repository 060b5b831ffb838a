"""Compiled JSONPath on a decoded document, beside jsonpath-rfc9535 and jsonpath-ng, and what compiling one takes."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

from benchmarks.harness import Comparison, Contender, Measure, Workload
from eventroute.paths import Path

DOCUMENT: Any = {
    "repository": {"name": "hello-world", "owner": {"login": "octocat"}, "topics": ["a", "b"]},
    "items": [{"id": number, "name": f"item {number}", "price": number * 1.5} for number in range(20)],
}

Find = Callable[[Any], object]


def _by_name(document: Any) -> object:
    return document["repository"]["owner"]["login"]


def _by_wildcard(document: Any) -> object:
    return [item["id"] for item in document["items"]]


def _by_filter(document: Any) -> object:
    return [item["id"] for item in document["items"] if isinstance(item["price"], float) and item["price"] < 10]


def _by_descent(document: Any) -> object:
    found: list[Any] = []
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "id" in node:
                found.append(node["id"])
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return found


CASES: dict[str, tuple[str, Find]] = {
    "names": ("$.repository.owner.login", _by_name),
    "wildcard": ("$.items[*].id", _by_wildcard),
    "filter": ("$.items[?@.price < 10].id", _by_filter),
    "descent": ("$..id", _by_descent),
}


def _eventroute(text: str) -> Find:
    return Path.parse(text).read


def _rfc9535(text: str) -> Find:
    lib: Any = importlib.import_module("jsonpath_rfc9535")
    query = lib.compile(text)
    return lambda document: query.find(document).values()


def _ng(text: str) -> Find:
    lib: Any = importlib.import_module("jsonpath_ng.ext")
    query = lib.parse(text)
    return lambda document: [match.value for match in query.find(document)]


PEERS = {"jsonpath_rfc9535": _rfc9535, "jsonpath_ng": _ng}


def _installed() -> dict[str, Callable[[str], Find]]:
    for name in PEERS:
        if importlib.util.find_spec(name) is None:
            print(f"skipped {name} in paths: it is not installed", file=sys.stderr)
    return {name: parse for name, parse in PEERS.items() if importlib.util.find_spec(name) is not None}


def _finding(make: Callable[[], Find]) -> Measure:
    def measure(size: int) -> float:
        find = make()
        started = perf_counter()
        for _ in range(size):
            find(DOCUMENT)
        return perf_counter() - started

    return measure


def _compiling(parse: Callable[[str], object], text: str) -> Measure:
    def measure(size: int) -> float:
        parse(text)
        started = perf_counter()
        for _ in range(size):
            parse(text)
        return perf_counter() - started

    return measure


def _found(case: str, peers: dict[str, Callable[[str], Find]]) -> Comparison:
    text, by_hand = CASES[case]
    contenders = {"Path": _eventroute, **peers}
    return Comparison(
        f"{case}: {text}",
        Contender("by hand", _finding(lambda: by_hand)),
        tuple(
            Contender(name, _finding(lambda parse=parse: parse(text)))  # type: ignore[misc]
            for name, parse in contenders.items()
        ),
        size=5_000,
        tiny=10,
    )


def _compiled(case: str, peers: dict[str, Callable[[str], Find]]) -> Comparison:
    text, _ = CASES[case]
    return Comparison(
        f"compile {text}",
        Contender("Path", _compiling(_eventroute, text)),
        # with no peer installed, a second turn of the same, so that the figure is there
        tuple(Contender(name, _compiling(parse, text)) for name, parse in peers.items())
        or (Contender("Path again", _compiling(_eventroute, text)),),
        size=500,
        tiny=2,
    )


_peers = _installed()

WORKLOAD = Workload(
    name="paths",
    doc="JSONPath on a decoded document of 20 items, and compiling it.",
    unit="path",
    comparisons=(*(_found(case, _peers) for case in CASES), _compiled("names", _peers), _compiled("filter", _peers)),
)
