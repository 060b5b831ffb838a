"""One filter: beside a function written by hand, and beside other engines for rules that Python can install."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from itertools import cycle, islice
from time import process_time
from types import ModuleType
from typing import Any

from benchmarks.harness import Comparison, Contender, Measure, Unavailable, Workload
from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.filters.cesql import Expression

MATCHING = Event(
    {
        "specversion": "1.0",
        "id": "0f4ff9b2-6e39-4a8a-9e7c-000000000000",
        "source": "https://github.com/octo-org/octo-repo",
        "type": "com.github.star.created",
        "subject": "user-0",
        "time": "2026-11-23T12:00:00Z",
        "datacontenttype": "application/json",
    },
    {
        "action": "created",
        "repository": {"id": 1296269, "full_name": "octo-org/octo-repo", "private": False, "stargazers_count": 101},
        "sender": {"id": 583231, "login": "user-0", "type": "User", "site_admin": False},
        "organization": {"id": 9919, "login": "octo-org"},
    },
)

# -- objects

SPEC = [
    {"exact": {"type": "com.github.star.created"}},
    {"prefix": {"source": "https://github.com/"}},
    {"exact": {"data.repository.full_name": "octo-org/octo-repo"}},
]


def _by_hand(event: Event) -> bool:
    """What SPEC says, for any event: no field need be there, nor of the right type."""
    attributes = event.attributes
    if attributes.get("type") != "com.github.star.created":
        return False
    source = attributes.get("source")
    if not isinstance(source, str) or not source.startswith("https://github.com/"):
        return False
    data = event.data
    if not isinstance(data, dict):
        return False
    repository = data.get("repository")
    return isinstance(repository, dict) and repository.get("full_name") == "octo-org/octo-repo"


# -- an expression in expr

EXPRESSION = (
    "type = 'com.github.star.created' AND source LIKE 'https://github.com/%' AND data.repository.stargazers_count > 100"
)

PATTERN = {
    "type": ["com.github.star.created"],
    "source": [{"prefix": "https://github.com/"}],
    "data": {"repository": {"stargazers_count": [{"numeric": [">", 100]}]}},
}
"""The same as an event pattern."""


def _expression_by_hand(event: Event) -> bool:
    """What EXPRESSION says, for any event."""
    attributes = event.attributes
    if attributes.get("type") != "com.github.star.created":
        return False
    source = attributes.get("source")
    if not isinstance(source, str) or not source.startswith("https://github.com/"):
        return False
    data = event.data
    if not isinstance(data, dict):
        return False
    repository = data.get("repository")
    if not isinstance(repository, dict):
        return False
    stars = repository.get("stargazers_count")
    return isinstance(stars, int | float) and not isinstance(stars, bool) and stars > 100


# -- an expression in sql

SQL = "type = 'com.github.star.created' AND source LIKE 'https://github.com/%' AND subject IN ('user-0', 'user-1')"


def _sql_by_hand(event: Event) -> bool:
    """What SQL says, for any event: a subject need not be there."""
    attributes = event.attributes
    if attributes.get("type") != "com.github.star.created":
        return False
    source = attributes.get("source")
    if not isinstance(source, str) or not source.startswith("https://github.com/"):
        return False
    return attributes.get("subject") in {"user-0", "user-1"}


# -- what EXPRESSION says, to other engines: each gets the event as one dictionary, made beforehand

CONTEXT: dict[str, Any] = {**MATCHING.attributes, "data": MATCHING.data}
IN_CEL = (
    "type == 'com.github.star.created' && source.startsWith('https://github.com/') && "
    "data.repository.stargazers_count > 100"
)


def _module(name: str, package: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise Unavailable(f"{package} is not installed: pip install {package}") from None


def _json_logic() -> Callable[[Any], object]:
    logic = _module("json_logic", "json-logic-qubit").jsonLogic
    rule = {
        "and": [
            {"==": [{"var": "type"}, "com.github.star.created"]},
            {"in": ["https://github.com/", {"var": "source"}]},  # it has nothing nearer to LIKE
            {">": [{"var": "data.repository.stargazers_count"}, 100]},
        ]
    }
    return lambda context: logic(rule, context)


def _jmespath() -> Callable[[Any], object]:
    compiled = _module("jmespath", "jmespath").compile(
        "type == 'com.github.star.created' && starts_with(source, 'https://github.com/') && "
        "data.repository.stargazers_count > `100`"
    )
    search: Callable[[Any], object] = compiled.search
    return search


def _rule_engine() -> Callable[[Any], object]:
    module = _module("rule_engine", "rule-engine")
    rule = module.Rule(
        "type == 'com.github.star.created' and source =~ 'https://github\\\\.com/.*' and "
        "data['repository']['stargazers_count'] > 100"
    )
    matches: Callable[[Any], object] = rule.matches
    return matches


def _cel_in_rust() -> Callable[[Any], object]:
    program = _module("cel", "common-expression-language").compile(IN_CEL)
    execute: Callable[[Any], object] = program.execute
    return execute


def _cel_in_python() -> Callable[[Any], object]:
    celpy = _module("celpy", "cel-python")
    environment = celpy.Environment()
    program = environment.program(environment.compile(IN_CEL))
    adapt = importlib.import_module("celpy.adapter").json_to_cel
    return lambda context: program.evaluate({name: adapt(value) for name, value in context.items()})


def _peer(name: str, make: Callable[[], Callable[[Any], object]]) -> Contender:
    def measure(size: int) -> float:
        call = make()
        if not call(CONTEXT):
            raise Unavailable(f"{name} does not match the event")
        return each(call, [CONTEXT])(size)

    return Contender(name, measure)


def each(call: Callable[[Any], object], subjects: Iterable[object]) -> Measure:
    """Calls with the subjects in turn, for one core's time: nothing here waits for anything."""

    def measure(size: int) -> float:
        chosen = list(islice(cycle(subjects), size))
        started = process_time()
        for subject in chosen:
            call(subject)
        return process_time() - started

    return measure


WORKLOAD = Workload(
    name="match",
    doc="one filter beside a hand-written function, and beside other engines",
    unit="call",
    comparisons=(
        Comparison(
            "one filter, decoded event",
            Contender("by hand", each(_by_hand, [MATCHING])),
            (Contender("Filter", each(Filter.parse(SPEC), [MATCHING])),),
            size=200_000,
            tiny=10,
        ),
        Comparison(
            "one expression, decoded event",
            Contender("by hand", each(_expression_by_hand, [MATCHING])),
            (
                Contender("Filter", each(Filter.parse(EXPRESSION), [MATCHING])),
                Contender("pattern", each(Filter.parse({"pattern": PATTERN}), [MATCHING])),
            ),
            size=200_000,
            tiny=10,
        ),
        Comparison(
            "the same expression in other engines",
            Contender("Filter", each(Filter.parse(EXPRESSION), [MATCHING])),
            (
                _peer("json-logic-qubit", _json_logic),
                _peer("jmespath", _jmespath),
                _peer("common-expression-language", _cel_in_rust),
                _peer("rule-engine", _rule_engine),
                _peer("cel-python", _cel_in_python),
            ),
            size=2_000,
            tiny=10,
        ),
        Comparison(
            "one sql expression, decoded event",
            Contender("by hand", each(_sql_by_hand, [MATCHING])),
            (
                Contender("Filter", each(Filter.parse({"sql": SQL}), [MATCHING])),
                Contender("walked", each(Expression.parse(SQL).evaluate, [MATCHING])),
            ),
            size=200_000,
            tiny=10,
        ),
    ),
)
