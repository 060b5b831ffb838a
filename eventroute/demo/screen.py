"""What the demo prints. Rich leaves the colours out where the output is no terminal, or NO_COLOR is set."""

from __future__ import annotations

import errno
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from eventroute.demo.stage import Scene, Stage
from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.storage.base import Record
from eventroute.subscription import Subscription

__all__ = ["Screen"]

_NAMED: Final = ("X-GitHub-Event", "X-GitHub-Delivery", "X-Hub-Signature-256")
_INDENT: Final = 10
"""Columns before what a step has to show, in which its time stands."""

_WIDTH: Final = 20


class _Output(Console):
    """The standard output. Where nobody reads it any more, that is an error like any other: Rich would end the process
    in the middle of everything.
    """

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, "nobody reads the output any more")


class Screen:
    """Prints a scene at a time."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = _Output() if console is None else console
        self._scenes = 0

    def introduce(self, stage: Stage, file: Path) -> None:
        """What has been started."""
        self._line("eventroute demo", "bold")
        self._line("A GitHub webhook comes in, is kept, matched, reshaped, and pushed to a receiver that plays Slack.")
        self._line()
        self._fact("broker", stage.gateway_url)
        self._fact("log", f"{file} (SQLite)")
        self._fact("Slack", f"{stage.slack_url} (it only remembers what it gets)")
        for subscription in stage.subscriptions:
            self._fact("subscription", f"{subscription.id} wants {Filter.parse(subscription.rules)}")
            if subscription.transformer is not None:
                self._fact("", f"reshaped to {subscription.transformer['template']}")
        self._line()

    def show(self, title: str, scene: Scene, stage: Stage) -> None:
        """What became of one webhook, step by step."""
        self._scenes += 1
        self._line(f"{self._scenes}. {title}", "bold")
        self._posted(scene, stage)
        if scene.record is not None:
            self._stored(scene.record, scene)
        self._answered(scene)
        if scene.record is not None:
            self._matched(Event.from_json(scene.record.event), stage.subscriptions)
        self._pushed(scene)
        self._line()

    def conclude(self, faults: Sequence[str], kept: Path | None) -> None:
        """Whether all went as it should, and how to go on."""
        for fault in faults:
            self._line(f"FAILED: {fault}", "bold red")
        if not faults:
            self._line(
                "Both events are in the log. The one message that was due has arrived, and nothing else.", "bold"
            )
        if kept is not None:
            query = 'SELECT bus, "offset", time, event FROM events'
            self._fact("kept", str(kept))
            self._fact("look into it", f"sqlite3 {shlex.quote(str(kept))} {shlex.quote(query)}")
        self._fact("go on", "README.md: a router of your own in 25 lines; `eventroute serve`: a broker like this one")

    def _posted(self, scene: Scene, stage: Stage) -> None:
        self._step("posted", "by GitHub to /default/github", after=0.0)
        headers = scene.webhook.headers(stage.secret)
        for name in _NAMED:
            self._fact(name, headers[name])
        self._fact("body", f"{_sketch(scene.webhook.body)} {len(scene.webhook.body):,} bytes")

    def _stored(self, record: Record, scene: Scene) -> None:
        event = Event.from_json(record.event)
        self._step("kept", "as a CloudEvent, its signature checked", after=record.time - scene.posted)
        for name, value in event.attributes.items():
            self._fact(name, str(value))
        same = "as it was posted, byte for byte" if event.data_bytes == scene.webhook.body else "NOT as it was posted"
        self._fact("data", f"{len(event.data_bytes or b''):,} bytes of JSON, {same}")
        self._fact("place", f"offset {record.offset} in the log of the bus default")

    def _answered(self, scene: Scene) -> None:
        style = "cyan" if scene.record else "red"
        self._step("answered", f"{scene.status} {scene.answer}", style, after=scene.answered - scene.posted)

    def _matched(self, event: Event, subscriptions: Sequence[Subscription]) -> None:
        for subscription in subscriptions:
            explanation = Filter.parse(subscription.rules).explain(event)
            style = "green" if explanation.matched else "yellow"
            self._step("matched" if explanation.matched else "not matched", subscription.id, style)
            for line in str(explanation).splitlines():
                self._line(f"{'':{_INDENT}}{line}", "green" if line.lstrip().startswith("✓") else "yellow")

    def _pushed(self, scene: Scene) -> None:
        if not scene.messages:
            self._step("not pushed", "to anybody: it stays in the log")
        for message in scene.messages:
            self._step("pushed", f"to Slack, {message.path}, reshaped", after=message.time - scene.posted)
            self._fact("content-type", message.headers.get("content-type", ""))
            self._fact("body", message.body.decode("utf-8", "replace"), "bold green")

    def _step(self, name: str, text: str, style: str = "cyan", *, after: float | None = None) -> None:
        """A line that begins with the time since the webhook was posted, in seconds, where that is known."""
        time = "" if after is None else f"{after * 1_000:.1f} ms"
        line = Text(f"{time:>{_INDENT - 2}}  ", "dim")
        self._print(line.append(name, f"not dim bold {style}").append(f" {text}", f"not dim {style}"))

    def _fact(self, name: str, value: str, style: str = "") -> None:
        self._print(Text(f"{'':{_INDENT}}{name:{_WIDTH}}", "dim").append(value, f"not dim {style}"))

    def _line(self, text: str = "", style: str = "") -> None:
        self._print(Text(text, style))

    def _print(self, text: Text) -> None:
        # Not wrapped: what is shown is to be copied. A character that the output cannot show must not end the demo.
        encoding = self._console.encoding
        text.plain = text.plain.encode(encoding, "replace").decode(encoding)
        self._console.print(text, soft_wrap=True, highlight=False)


def _sketch(body: bytes) -> str:
    """The outermost members of a JSON object, those that are objects emptied."""
    members = json.loads(body).items()
    shown = (
        f"{json.dumps(name)}: {'{...}' if isinstance(value, dict) else json.dumps(value)}" for name, value in members
    )
    return f"{{{', '.join(shown)}}}"
