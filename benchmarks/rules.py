"""GitHub events of 500 bytes, and as many filters of mixed shape for them as anybody wants."""

from __future__ import annotations

from typing import Any

from eventroute.event import Event

ACTIONS = ("created", "deleted", "edited", "opened", "closed")
THINGS = ("star", "issues", "push", "fork", "release", "pull_request", "label", "milestone", "watch", "member")
REPOSITORIES = 50
"""How many repositories events are about: each has its two filters among the first 100, and none among the others."""

FIRST_ID = 1_000_000
IDS = 10


def event(number: int, *, fresh: bool) -> Event:
    """An event, as small as they come. If `fresh`, its source and subject have never been seen before."""
    at = number % REPOSITORIES
    thing, action = THINGS[number % len(THINGS)], ACTIONS[number % len(ACTIONS)]
    return Event(
        {
            "specversion": "1.0",
            "id": f"0f4ff9b2-6e39-4a8a-{number:016x}",
            "source": f"https://api.github.com/repos/org-{at}/repo-{at}" + (f"/{number}" if fresh else ""),
            "type": f"com.github.{thing}.{action}",
            "subject": f"{number}/user-{at}" if fresh else f"user-{at}",
            "time": "2026-11-23T12:00:00Z",
            "datacontenttype": "application/json",
        },
        {
            "action": action,
            "repository": {
                "id": FIRST_ID + IDS * at + number % IDS,
                "name": f"repo-{at}",
                "full_name": f"org-{at}/repo-{at}",
                "private": False,
                "stargazers_count": number % 1000,
            },
            "sender": {"id": 583231 + number, "login": f"user-{at}", "type": "User", "site_admin": False},
            "organization": {"id": 9919, "login": f"org-{at}"},
        },
    )


def rule(number: int) -> Any:
    """One of the filters, of ten shapes in turn."""
    thing, action = THINGS[number % len(THINGS)], ACTIONS[number % len(ACTIONS)]
    shape, at = number % 10, number // 2
    repository = f"org-{at}/repo-{at}"
    if shape < 5:
        return _objects(shape, at, thing, action)
    if shape == 5:
        low = FIRST_ID + IDS * at
        return f"data.repository.id BETWEEN {low} AND {low + IDS - 1} AND type LIKE '%.created'"
    if shape == 6:
        either = "(data.action = 'created' OR data.action = 'opened')"
        return f"data.repository.full_name = '{repository}' AND {either} AND NOT data.sender.site_admin"
    if shape == 7:
        return f"data.repository.stargazers_count > {10_000 + at} OR data.sender.id IN ({at}, {at + 1})"
    if shape == 8:
        return {"sql": f"source LIKE 'https://api.github.com/repos/{repository}%' AND NOT (type LIKE '%deleted')"}
    return {"sql": f"subject IN ('user-{at}', 'bot-{at}') AND (EXISTS dataschema OR type = 'com.github.{thing}')"}


def _objects(shape: int, at: int, thing: str, action: str) -> Any:
    repository = f"org-{at}/repo-{at}"
    if shape == 0:
        return {"exact": {"type": f"com.github.{thing}.{action}", "data.repository.full_name": repository}}
    if shape == 1:
        return {"prefix": {"source": f"https://api.github.com/repos/org-{at}/"}}
    if shape == 2:
        return [{"exact": {"data.action": action}}, {"suffix": {"subject": f"user-{at}"}}]
    if shape == 3:
        logins = {"any": [{"exact": {"data.sender.login": f"{name}-{at}"}} for name in ("user", "bot")]}
        return [{"prefix": {"type": "com.github."}}, logins, {"not": {"exact": {"data.action": "deleted"}}}]
    either = [{"action": ["created", "opened"]}, {"sender": {"site_admin": [True]}}]
    return {"pattern": {"data": {"repository": {"full_name": [repository]}, "$or": either}}}


def without_cover(number: int) -> Any:
    """A filter that is evaluated for every event."""
    return [{"not": {"prefix": {"type": "com.github."}}}, {"not": {"exact": {"subject": f"nobody-{number}"}}}]
