"""Events to begin with, and rules that go with them: shapes that GitHub and CloudEvents have, with invented content."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

from attrs import field, frozen

__all__ = ["SAMPLES", "Sample"]


@frozen(kw_only=True)
class Sample:
    """An event, and for it a filter in each dialect and a transformer."""

    name: str
    title: str
    github: str = ""
    """GitHub's name for what happened; empty where it is a CloudEvent."""
    package: str = "eventroute.web.events"
    rules: dict[str, str]
    """A filter by the name of its dialect."""
    define: str = ""
    pipeline: str = ""
    template: str = field(default="")

    @property
    def text(self) -> str:
        """The event, as it is posted to a gateway, with line breaks."""
        return _text(self.package, f"{self.name}.json")


@cache
def _text(package: str, file: str) -> str:
    parent, _, folder = package.rpartition(".")
    return resources.files(parent).joinpath(folder, file).read_text(encoding="utf-8").rstrip("\n")


SAMPLES: Final = {
    sample.name: sample
    for sample in (
        Sample(
            name="star",
            title="GitHub: a repository got a star",
            github="star",
            package="eventroute.demo",
            rules={
                "json": '[\n  {"exact": {"type": "com.github.star.created"}},\n'
                '  {"not": {"suffix": {"data.sender.login": "-bot"}}}\n]',
                "expr": "type = 'com.github.star.created'\nAND data.repository.stargazers_count >= 50\n"
                "AND NOT data.sender.login ENDS WITH '-bot'",
                "sql": "type LIKE 'com.github.star.%' AND source LIKE '%/weather-bot'",
                "pattern": '{\n  "type": ["com.github.star.created"],\n  "data": {\n    "repository": '
                '{"stargazers_count": [{"numeric": [">=", 50]}]}\n  }\n}',
            },
            define='{\n  "who": "$.data.sender.login",\n  "repo": "$.data.repository.name",\n'
            '  "stars": "$.data.repository.stargazers_count"\n}',
            template='{"text": "${who} has starred ${repo}, which has ${stars} stars now"}',
        ),
        Sample(
            name="issues",
            title="GitHub: an issue was opened",
            github="issues",
            package="eventroute.demo",
            rules={
                "json": '{"any": [\n  {"exact": {"type": "com.github.issues.opened"}},\n'
                '  {"exact": {"type": "com.github.issues.reopened"}}\n]}',
                "expr": "type STARTS WITH 'com.github.issues.'\nAND data.action IN ('opened', 'reopened')",
                "sql": "type IN ('com.github.issues.opened', 'com.github.issues.reopened')",
                "pattern": '{\n  "type": [{"prefix": "com.github.issues."}],\n'
                '  "data": {"action": ["opened", "reopened"]}\n}',
            },
            pipeline='[\n  {"command": ["capitalize_sentence", "$.data.action"]},\n'
            '  {"command": ["replace_string", "$.data.repository.full_name", "/", " / "]}\n]',
            template='{\n  "title": "${$.data.action}: ${$.data.issue.title}",\n'
            '  "repository": ${$.data.repository.full_name},\n  "url": ${$.data.issue.html_url}\n}',
        ),
        Sample(
            name="pull_request",
            title="GitHub: a pull request was opened",
            github="pull_request",
            rules={
                "json": '[\n  {"prefix": {"type": "com.github.pull_request."}},\n'
                '  {"exact": {"data.pull_request.base.ref": "main"}}\n]',
                "expr": "type = 'com.github.pull_request.opened'\nAND data.pull_request.base.ref = 'main'\n"
                "AND NOT data.pull_request.draft",
                "sql": "type LIKE 'com.github.pull\\_request.%'",
                "pattern": '{\n  "type": ["com.github.pull_request.opened"],\n'
                '  "data": {"pull_request": {"draft": [false], "base": {"ref": ["main"]}}}\n}',
            },
            define='{\n  "title": "$.data.pull_request.title",\n  "by": "$.data.pull_request.user.login"\n}',
            template="${by} asks for a review: ${title}",
        ),
        Sample(
            name="push",
            title="GitHub: commits were pushed",
            github="push",
            rules={
                "json": '{"exact": {"subject": "refs/heads/main"}}',
                "expr": "subject = 'refs/heads/main'\nAND ANY(data.commits[*].message LIKE '%radar%')",
                "sql": "type = 'com.github.push' AND subject = 'refs/heads/main'",
                "pattern": '{\n  "type": ["com.github.push"],\n  "data": {"commits": {"message": [{"wildcard": '
                '"*radar*"}]}}\n}',
            },
            define='{"messages": "$.data.commits[*].message"}',
            template='{"by": ${$.data.pusher.name}, "messages": ${messages}}',
        ),
        Sample(
            name="order",
            title="CloudEvent: an order was placed",
            rules={
                "json": '[\n  {"exact": {"type": "com.example.order.placed"}},\n'
                '  {"exact": {"data.customer.country": "PT"}}\n]',
                "expr": "type = 'com.example.order.placed'\nAND data.total > 100 AND data.express = TRUE",
                "sql": "type = 'com.example.order.placed' AND subject LIKE 'A-%'",
                "pattern": '{\n  "type": ["com.example.order.placed"],\n'
                '  "data": {"total": [{"numeric": [">", 100]}], "express": [true]}\n}',
            },
            pipeline='[\n  {"command": ["delete", "$.data.customer.name"]},\n'
            '  {"command": ["create", "$.data.priority", "high"]}\n]',
        ),
        Sample(
            name="reading",
            title="CloudEvent: a sensor was read",
            rules={
                "json": '{"all": [\n  {"prefix": {"source": "/greenhouse/"}},\n  {"exact": {"site": "north"}}\n]}',
                "expr": "source STARTS WITH '/greenhouse/' AND data.celsius BETWEEN 30 AND 60",
                "sql": "site = 'north' AND type LIKE '%.taken'",
                "pattern": '{\n  "site": ["north"],\n  "data": {"celsius": [{"numeric": [">", 30, "<", 60]}]}\n}',
            },
            define='{"unit": "°C"}',
            template="It is ${$.data.celsius} ${unit} at ${$.source}",
        ),
    )
}
"""By name, in the order in which they are offered."""
