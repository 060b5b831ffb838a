"""`--json`, on every command: one document of what was asked for, and one line for an error."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import click
import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from eventroute.cli.commands import commands
from eventroute.cli.terminal import json_text
from eventroute.event import Event
from eventroute.router import Router
from eventroute.storage.base import DEFAULT_BUS, Bury, DeadLetter
from eventroute.storage.open import open_storage
from tests.cli.reference import leaves

WITHOUT = {
    "eventroute completion": "it prints a script for a shell",
    "eventroute demo": "it is a show for people",
}
"""Commands that have no JSON to give, and why."""

SERVERS = {"console", "playground"}
LEAVES = {name.removeprefix("eventroute "): command for name, command, _ in leaves() if name not in WITHOUT}

DEEDS: dict[str, tuple[str, Any]] = {
    "buses create": ("audit --dedup 600", {"name": "audit", "events": 0}),
    "buses delete": ("default --subscriptions --yes", {"deleted": "default"}),
    "buses list": ("", [{"name": "default", "events": 2}]),
    "buses show": ("default", {"name": "default", "subscriptions": 1}),
    "buses update": ("default --dedup 60", {"name": "default"}),
    "copy": ("{url} sqlite:///{folder}/copy.db", [{"bus": "default", "events": 2}]),
    "deadletters count": ("", [{"subscription": "s", "reason": "http-400", "count": 1}]),
    "deadletters held": ("s", []),
    "deadletters list": ("", [{"subscription": "s", "offset": 1, "error": "no \x1b[2J\u202e"}]),
    "deadletters purge": ("--all --yes", {"purged": 1}),
    "deadletters redrive": ("--all", {"redriven": 1}),
    "deadletters show": ("s 1", {"subscription": "s", "event": {"id": "a"}}),
    "events find": ("--id a", {"events": [{"offset": 1}], "scanned": 2, "before": None, "damaged": 0}),
    "events list": ("--limit 1", [{"offset": 1, "event": {"id": "a"}}]),
    "events put": ("{folder}/event.json", {"published": 1}),
    "events show": ("2", {"offset": 2, "event": {"id": "b"}}),
    "events tail": ("-n 1", {"offset": 2, "event": {"id": "b"}}),
    "events trace": ("a", {"events": [{"offset": 1}], "delayed": []}),
    "log backup": ("{folder}/events.db {folder}/backup.db", {"file": "{folder}/backup.db"}),
    "log check": ("{folder}/events.db", {"whole": True, "findings": []}),
    "log vacuum": ("{folder}/events.db", {"bytes": 0}),
    "serve": ("--check {folder}/broker.toml", {"right": True, "buses": 1, "subscriptions": 0}),
    "subscriptions cancel-replay": ("s {replay}", {"start": 1, "position": 1, "end": 3}),
    "subscriptions create": ("t --sink https://example.com/", {"id": "t", "status": {"revision": 1}}),
    "subscriptions delete": ("s --yes", {"deleted": "s"}),
    "subscriptions list": ("", [{"id": "s"}]),
    "subscriptions pause": ("s --reason moving", {"id": "s", "status": {"paused": "moving"}}),
    "subscriptions replay": ("s --start 2 --end 3", {"start": 2, "position": 2, "end": 3}),
    "subscriptions replays": ("s", [{"start": 1, "position": 1, "end": 3}]),
    "subscriptions resume": ("s", {"id": "s", "status": {"revision": 1}}),
    "subscriptions show": ("s", {"id": "s"}),
    "try": ("--event {folder}/event.json", {"matched": True}),
}
"""For each command arguments, and what has to be in the answer."""


def invoke(*arguments: str) -> Result:
    result = CliRunner().invoke(commands, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), "a traceback"
    return result


@pytest.fixture
def fill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """A folder with something of everything; what is returned puts it into arguments."""
    url = f"sqlite:///{tmp_path}/events.db"

    async def make() -> str:
        async with Router(open_storage(url), push=False) as router:
            events = [Event.create(id=name, type="t", source="/s") for name in "ab"]
            await router.publish(*events)
            await router.storage.write(
                DEFAULT_BUS,
                await router.storage.open_session(0.001),
                [Bury(DeadLetter("s", 1, 1.0, "http-400", "no \x1b[2J\u202e", 1, events[0].to_json()))],
            )
            return (await router.replay("s", start=1, end=3)).name

    monkeypatch.setenv("EVENTROUTE_STORAGE", url)
    (tmp_path / "event.json").write_bytes(Event.create(id="c", type="t", source="/s").to_json())
    (tmp_path / "broker.toml").write_text('storage = "memory:"\n')
    invoke("buses", "create", "default")
    invoke("subscriptions", "create", "s", "--sink", "https://example.com/")
    replay = anyio.run(make)
    return lambda text: [word.format(url=url, folder=tmp_path, replay=replay) for word in text.split()]


def within(part: Any, whole: Any, fill: Callable[[str], list[str]]) -> bool:
    """Whether what is looked for is there; further members may be, too."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            name in whole and within(value, whole[name], fill) for name, value in part.items()
        )
    if isinstance(part, list):
        return len(part) == len(whole) and all(map(lambda one, other: within(one, other, fill), part, whole))
    return bool(whole == (fill(part)[0] if isinstance(part, str) and "{" in part else part))


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_takes_it(name: str) -> None:
    options = [one for one in LEAVES[name].params if isinstance(one, click.Option)]
    assert "--json" in {word for one in options for word in one.opts}, f"{name} has no --json, and no reason in WITHOUT"


def test_those_without_are_there() -> None:
    assert WITHOUT.keys() <= {name for name, _, _ in leaves()}


@pytest.mark.parametrize("name", sorted(LEAVES.keys() - SERVERS))
def test_what_comes_is_one_document(name: str, fill: Callable[[str], list[str]]) -> None:
    arguments, wanted = DEEDS[name]
    result = invoke(*name.split(), *fill(arguments), "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.isascii()
    assert within(wanted, json.loads(result.stdout), fill), result.stdout


@pytest.mark.parametrize("name", LEAVES)
def test_wrong_use_is_one_line(name: str) -> None:
    result = invoke(*name.split(), "--json", "--nonsense")
    assert (result.exit_code, result.stdout) == (2, "")
    told = json.loads(result.stderr)
    assert result.stderr.count("\n") == 1
    assert (told["error"]["kind"], told["error"]["exit_code"]) == ("WrongUse", 2)
    assert "--nonsense" in told["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "code", "kind", "where"),
    [
        ("buses show nowhere", 2, "UnknownBus", None),
        ("buses delete default", 2, "WrongUse", None),
        ("buses nonsense", 2, "WrongUse", None),
        ("copy memory: memory:", 2, "InvalidConfiguration", None),
        ("deadletters purge --all", 2, "WrongUse", None),
        ("deadletters show s 99", 1, "NotFound", None),
        ("events show 99", 1, "NotFound", None),
        ("events put nowhere", 2, "InvalidConfiguration", "nowhere"),
        ("events list --filter type=", 2, "InvalidFilter", "--filter"),
        ("log check nowhere.db", 2, "StorageError", None),
        ("serve nowhere.toml", 2, "InvalidConfiguration", "nowhere.toml"),
        ("subscriptions delete s", 2, "WrongUse", None),
        ("subscriptions show nobody", 2, "UnknownSubscription", None),
        ("subscriptions list --storage= --api http://127.0.0.1:1", 2, "WrongUse", None),
        ("console sqlite:///nowhere.db", 2, "InvalidConfiguration", "STORAGE"),
        ("playground --host 0.0.0.0", 2, "InvalidConfiguration", "--host"),
        ("try --event nowhere", 2, "InvalidConfiguration", "nowhere"),
    ],
)
def test_an_error_is_one_line_with_its_exit_code(
    fill: Callable[[str], list[str]], arguments: str, code: int, kind: str, where: str | None
) -> None:
    plainly = invoke(*arguments.split())
    if "delete" not in arguments and "purge" not in arguments:  # which ask, without
        assert plainly.exit_code == code
        assert plainly.stdout == ""
    result = invoke(*arguments.split(), "--json")
    assert (result.exit_code, result.stdout) == (code, "")
    error = json.loads(result.stderr)["error"]
    assert (error["kind"], error["exit_code"], error.get("where")) == (kind, code, where)
    assert result.stderr.count("\n") == 1


def test_an_answer_that_is_no_is_a_document(fill: Callable[[str], list[str]]) -> None:
    for arguments in ("events trace nobody", "try --filter type='x' --event {folder}/event.json"):
        result = invoke(*fill(arguments), "--json")
        assert (result.exit_code, result.stderr) == (1, "")
        assert isinstance(json.loads(result.stdout), dict)


def test_how_far_it_came_is_told(tmp_path: Path, fill: Callable[[str], list[str]]) -> None:
    lines = [Event.create(type="t", source="/s").to_json() for _ in range(1_000)]
    lines.append(b'{"specversion":"1.0","id":"x","source":"/s","type":"t","expirytime":"soon"}')
    (tmp_path / "many").write_bytes(b"\n".join(lines))
    error = json.loads(invoke("events", "put", str(tmp_path / "many"), "--json").stderr)["error"]
    assert (error["kind"], error["published"]) == ("InvalidEvent", 1_000)


@pytest.mark.skipif(signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="runs where Ctrl-C is ignored")
@pytest.mark.parametrize("arguments", ["console {url}", "playground", "serve {folder}/served.toml"])
def test_a_server_tells_where_it_listens(tmp_path: Path, fill: Callable[[str], list[str]], arguments: str) -> None:
    (tmp_path / "served.toml").write_text('storage = "memory:"\n[gateway]\nport = 0\n')
    port = [] if "serve" in arguments else ["--port", "0"]
    command = [sys.executable, "-m", "eventroute", *fill(arguments), *port, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+/?", told["url"])
            process.send_signal(signal.SIGINT)
            _, rest = process.communicate(timeout=60)
            assert process.returncode == 0
            assert all(json.loads(line)["said"] for line in rest.splitlines())
        finally:
            process.kill()


@pytest.mark.parametrize("as_json", [True, False])
def test_a_missing_package_is_told(as_json: bool) -> None:
    program = "import sys; sys.modules['click'] = None; from eventroute.cli import main; main()"
    command = [sys.executable, "-c", program, "buses", *(["--json"] if as_json else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 2
    if as_json:
        error = json.loads(done.stderr)["error"]
        assert (error["kind"], error["extra"], error["exit_code"]) == ("MissingExtra", "cli", 2)
    else:
        assert done.stderr == "Error: click is not installed: pip install 'eventroute[cli]'\n"


@given(
    st.recursive(st.text(st.characters(codec=None)), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_any_text_is_told_in_ascii(value: Any) -> None:
    for indent in (0, 2):
        told = json_text(value, indent=indent)
        assert told.isascii()
        assert all(char.isprintable() or char == "\n" for char in told)
        assert indent or "\n" not in told
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        return  # half a surrogate pair, which JSON cannot say
    assert json.loads(json_text(value)) == value
