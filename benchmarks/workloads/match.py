"""Filters: one beside a function written by hand, and an index of 100,000 beside one of 100."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from itertools import cycle, islice
from time import perf_counter
from typing import Any

from benchmarks.harness import Comparison, Contender, Measure, Workload
from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex
from eventroute.filters.cesql import Expression

FEW = 100
MANY = 100_000
ACTIONS = ("created", "deleted", "edited", "opened", "closed")
THINGS = ("star", "issues", "push", "fork", "release", "pull_request", "label", "milestone", "watch", "member")


def _event(number: int) -> Event:
    """A GitHub event of 500 bytes, as small as they come, on one of the repositories that the filters name."""
    thing, action = THINGS[number % len(THINGS)], ACTIONS[number % len(ACTIONS)]
    repository = {"id": 1296269 + number, "name": f"repo-{number}", "full_name": f"org-{number}/repo-{number}"}
    return Event(
        {
            "specversion": "1.0",
            "id": f"0f4ff9b2-6e39-4a8a-9e7c-{number:012}",
            "source": f"https://api.github.com/repos/org-{number}/repo-{number}",
            "type": f"com.github.{thing}.{action}",
            "subject": f"user-{number}",
            "time": "2026-11-23T12:00:00Z",
            "datacontenttype": "application/json",
        },
        {
            "action": action,
            "repository": {**repository, "private": False, "stargazers_count": 80},
            "sender": {"id": 583231 + number, "login": f"user-{number}", "type": "User", "site_admin": False},
            "organization": {"id": 9919, "login": f"org-{number}"},
        },
    )


EVENTS = [_event(number) for number in range(20)]
RAWS = [event.to_json() for event in EVENTS]

# -- one filter

SPEC = [
    {"exact": {"type": "com.github.star.created"}},
    {"prefix": {"source": "https://api.github.com/"}},
    {"exact": {"data.repository.full_name": "org-0/repo-0"}},
]
MATCHING = EVENTS[0]


def _by_hand(event: Event) -> bool:
    """What SPEC says, for any event: no field need be there, nor of the right type."""
    attributes = event.attributes
    if attributes.get("type") != "com.github.star.created":
        return False
    source = attributes.get("source")
    if not isinstance(source, str) or not source.startswith("https://api.github.com/"):
        return False
    data = event.data
    if not isinstance(data, dict):
        return False
    repository = data.get("repository")
    return isinstance(repository, dict) and repository.get("full_name") == "org-0/repo-0"


EXPRESSION = (
    "type = 'com.github.star.created' AND source LIKE 'https://github.com/%' AND data.repository.stargazers_count > 100"
)
STARRED = MATCHING.replace(
    {"source": "https://github.com/org-0/repo-0"},
    {**MATCHING.data, "repository": {**MATCHING.data["repository"], "stargazers_count": 101}},
)


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


# -- one expression in sql

SQL = "type = 'com.github.star.created' AND source LIKE 'https://api.github.com/%' AND subject IN ('user-0', 'user-1')"


def _sql_by_hand(event: Event) -> bool:
    """What SQL says, for any event: a subject need not be there."""
    attributes = event.attributes
    if attributes.get("type") != "com.github.star.created":
        return False
    source = attributes.get("source")
    if not isinstance(source, str) or not source.startswith("https://api.github.com/"):
        return False
    return attributes.get("subject") in {"user-0", "user-1"}


# -- very many


def _filter(number: int) -> Any:
    """Filters of mixed shape. Each of the events is matched by the same few, however many filters there are."""
    thing, action = THINGS[number % len(THINGS)], ACTIONS[number % len(ACTIONS)]
    kind, number = number % 5, number // 5
    repository = f"org-{number}/repo-{number}"
    if kind == 0:
        return {"exact": {"type": f"com.github.{thing}.{action}", "data.repository.full_name": repository}}
    if kind == 1:
        return {"prefix": {"source": f"https://api.github.com/repos/org-{number}/"}}
    if kind == 2:
        return [{"exact": {"data.action": action}}, {"suffix": {"subject": f"user-{number}"}}]
    if kind == 3:
        logins = {"any": [{"exact": {"data.sender.login": f"{name}-{number}"}} for name in ("user", "bot")]}
        return [{"prefix": {"type": "com.github."}}, logins, {"not": {"exact": {"data.action": "deleted"}}}]
    return {
        "any": [
            {"exact": {"data.repository.full_name": repository, "type": f"t-{number}"}},
            {"exact": {"id": repository}},
        ]
    }


@cache
def _index(size: int) -> FilterIndex[int]:
    index: FilterIndex[int] = FilterIndex()
    for number in range(size):
        index.add(number, Filter.parse(_filter(number)))
    return index


def _each(call: Callable[[Any], object], subjects: Iterable[object]) -> Measure:
    def measure(size: int) -> float:
        chosen = list(islice(cycle(subjects), size))
        started = perf_counter()
        for subject in chosen:
            call(subject)
        return perf_counter() - started

    return measure


def _matching(size: int, raw: bool) -> Contender:
    def measure(count: int) -> float:
        index = _index(size)
        return _each(index.match_json, RAWS)(count) if raw else _each(index.match, EVENTS)(count)

    return Contender(f"{size:,} filters", measure)


def _adding(size: int) -> Contender:
    def measure(count: int) -> float:
        index = _index(size)
        filters = [(-1 - number, Filter.parse(_filter(MANY + number))) for number in range(count)]
        started = perf_counter()
        for key, added in filters:
            index.add(key, added)
        taken = perf_counter() - started
        for key, _ in filters:
            index.discard(key)
        return taken

    return Contender(f"to {size:,} filters", measure)


def _indexes(case: str, contender: Callable[[int], Contender], size: int) -> Comparison:
    return Comparison(case, contender(FEW), (contender(MANY),), size=size, tiny=10)


WORKLOAD = Workload(
    name="match",
    doc="one filter against a hand-written function; an index of 100,000 against one of 100",
    unit="call",
    comparisons=(
        Comparison(
            "one filter, decoded event",
            Contender("by hand", _each(_by_hand, [MATCHING])),
            (Contender("Filter", _each(Filter.parse(SPEC), [MATCHING])),),
            size=200_000,
            tiny=10,
        ),
        Comparison(
            "one expression, decoded event",
            Contender("by hand", _each(_expression_by_hand, [STARRED])),
            (Contender("Filter", _each(Filter.parse(EXPRESSION), [STARRED])),),
            size=200_000,
            tiny=10,
        ),
        Comparison(
            "one sql expression, decoded event",
            Contender("by hand", _each(_sql_by_hand, [MATCHING])),
            (
                Contender("Filter", _each(Filter.parse({"sql": SQL}), [MATCHING])),
                Contender("walked", _each(Expression.parse(SQL).evaluate, [MATCHING])),
            ),
            size=200_000,
            tiny=10,
        ),
        _indexes("JSON to keys", lambda size: _matching(size, raw=True), 20_000),
        _indexes("decoded event to keys", lambda size: _matching(size, raw=False), 20_000),
        _indexes("add a filter", _adding, 5_000),
    ),
)
