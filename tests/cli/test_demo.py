"""`eventroute demo`: what it prints, how it ends, and that it leaves nothing behind."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from eventroute.cli.commands import commands
from eventroute.demo import stage
from eventroute.demo.receiver import Receiver
from eventroute.demo.stage import STARRED, subscriptions
from eventroute.demo.webhook import Webhook
from eventroute.subscription import Subscription

STEPS = """\
1. Somebody stars the repository
posted by GitHub
kept as a CloudEvent
answered 202 {"offsets": [1]}
matched stars-to-slack
not matched releases
not matched website-issues
pushed to Slack
2. Somebody opens an issue
posted by GitHub
kept as a CloudEvent
answered 202 {"offsets": [2]}
not matched stars-to-slack
not matched releases
not matched website-issues
not pushed to anybody
Both events are in the log.
README.md"""


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return folder


def demo(*arguments: str) -> Result:
    return CliRunner().invoke(commands, ["demo", *arguments])


def check_story(output: str) -> None:
    """The steps, in their order."""
    at = 0
    for step in STEPS.splitlines():
        found = output.find(step, at)
        assert found >= 0, f"{step!r} is not where it should be in\n{output}"
        at = found + len(step)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from eventroute.cli import main; main()", "demo", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_it_tells_the_story_and_leaves_nothing(scratch: Path) -> None:
    result = demo()
    assert (result.exit_code, result.exception) == (0, None)
    check_story(result.output)
    assert result.output.count(STARRED.decode()) == 1
    assert '✗ {"exact":{"type":"com.github.star.created"}}: type is \'com.github.issues.opened\'' in result.output
    assert list(scratch.iterdir()) == []
    assert list(scratch.parent.iterdir()) == [scratch]


def test_each_step_has_its_time() -> None:
    times = [float(time) for time in re.findall(r"^ *([0-9.]+) ms  ", demo().output, re.MULTILINE)]
    first, second = times[:4], times[4:]
    assert (first[0], second[0], len(second)) == (0.0, 0.0, 3)
    assert max(times) < stage.PATIENCE * 1_000


def test_as_a_process_it_says_the_same_without_colours_in_a_pipe(scratch: Path) -> None:
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    check_story(done.stdout)
    assert "\x1b" not in done.stdout
    assert list(scratch.iterdir()) == []


def test_colours_where_they_are_wanted() -> None:
    coloured = run(FORCE_COLOR="1").stdout
    assert "\x1b[" in coloured
    assert STARRED.decode() in coloured, "what is to be copied is in one piece"
    assert "\x1b[3" not in run(FORCE_COLOR="1", NO_COLOR="1").stdout


def test_an_output_that_cannot_show_a_character_does_not_end_it() -> None:
    done = run(PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    check_story(done.stdout)


def test_the_file_is_kept_where_it_is_wanted(tmp_path: Path, scratch: Path) -> None:
    result = demo("--keep", "kept/here")
    assert result.exit_code == 0
    file = tmp_path / "kept" / "here" / "events.db"
    assert f"sqlite3 {file} " in result.output
    query = result.output.split(f"{file} '")[1].split("'")[0]
    with sqlite3.connect(file) as connection:
        rows = connection.execute(query).fetchall()
    connection.close()
    assert [(bus, offset) for bus, offset, _, _ in rows] == [("default", 1), ("default", 2)]
    assert list(scratch.iterdir()) == []


def test_kept_without_a_folder_it_is_in_a_new_one(scratch: Path) -> None:
    result = demo("--keep")
    assert result.exit_code == 0
    [folder] = scratch.iterdir()
    assert str(folder / "events.db") in result.output
    assert (folder / "events.db").is_file()


def test_it_does_not_write_into_an_earlier_log(tmp_path: Path) -> None:
    (tmp_path / "events.db").touch()
    result = demo("--keep", ".")
    assert result.exit_code == 2
    assert "events.db is there already" in result.output
    assert (tmp_path / "events.db").stat().st_size == 0


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = demo("--keep", "file/folder")
    assert result.exit_code == 2
    assert "Error: " in result.output
    assert "file/folder" in result.output


def test_a_message_that_does_not_arrive_fails_it(monkeypatch: pytest.MonkeyPatch, scratch: Path) -> None:
    async def refuse(_self: Receiver, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("no", 400)(scope, receive, send)

    monkeypatch.setattr(Receiver, "__call__", refuse)
    result = demo()
    assert result.exit_code == 1
    assert "FAILED: stars-to-slack did not get b'{" in result.output
    assert "FAILED: stars-to-slack: http-400: HTTP 400: no" in result.output
    assert "Both events" not in result.output
    assert list(scratch.iterdir()) == []


def test_a_message_that_takes_too_long_fails_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_self: Receiver, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("later", 503, {"retry-after": "3600"})(scope, receive, send)

    monkeypatch.setattr(Receiver, "__call__", refuse)
    monkeypatch.setattr(stage, "PATIENCE", 0.1)
    result = demo()
    assert result.exit_code == 1
    assert "FAILED: not everything was delivered within 0.1 s" in result.output


def test_a_webhook_that_is_refused_fails_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Webhook, "headers", lambda _self, _secret: {**FORGED})
    result = demo()
    assert result.exit_code == 1
    assert "answered 401 " in result.output
    assert result.output.count("FAILED: the webhook was refused") == 2


FORGED = {
    "X-GitHub-Event": "star",
    "X-GitHub-Delivery": "1",
    "X-Hub-Signature-256": "sha256=00",
    "Content-Type": "application/json",
}


def test_a_subscription_that_should_not_match_fails_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(slack: str) -> tuple[Subscription, ...]:
        return (*subscriptions(slack), Subscription(id="all", sink=f"{slack}/all"))

    monkeypatch.setattr(stage, "subscriptions", greedy)
    result = demo()
    assert result.exit_code == 1
    assert result.output.count("FAILED: all got b'{") == 2
