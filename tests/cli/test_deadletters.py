from __future__ import annotations

import json
import os
from pathlib import Path

import anyio
import pytest
from click.testing import CliRunner, Result

from eventroute.cli.commands import commands
from eventroute.router import Router
from eventroute.storage.base import DEFAULT_BUS, Bury, DeadLetter, Wait, Waiting
from eventroute.storage.open import open_storage
from eventroute.subscription import Subscription
from tests.test_deadletters import LETTERS, START

BROKEN = DeadLetter("b", 9, START.timestamp() + 9, "event-missing", "gone\x1b[2J\nfrom the log", 1, b"")


def invoke(*arguments: str, stdin: str | None = None, code: int = 0) -> str:
    result: Result = CliRunner().invoke(commands, ["deadletters", *arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), "a traceback"
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/events.db"

    async def make() -> None:
        async with Router(open_storage(url), push=False) as router:
            for name in ("a", "b"):
                await router.subscribe(Subscription(id=name, sink="https://example.com/"))
            session = await router.storage.open_session(60)
            await router.storage.write(DEFAULT_BUS, session, [Bury(one) for one in (*LETTERS, BROKEN)])

    anyio.run(make)
    monkeypatch.setenv("EVENTROUTE_STORAGE", url)


def test_those_that_hold_a_key_are_listed() -> None:
    assert invoke("held", "b") == "no dead letter holds a key\n"

    async def hold() -> None:
        async with open_storage(os.environ["EVENTROUTE_STORAGE"]) as storage:
            session = await storage.open_session(60)
            behind = [Wait(Waiting("b", offset, 0.0, key=7), held=False) for offset in (4, 5)]
            await storage.write(DEFAULT_BUS, session, [Bury(LETTERS[3], key=7), *behind])

    anyio.run(hold)
    lines = [line.split() for line in invoke("held", "b").splitlines()]
    assert lines == [
        ["offset", "time", "reason", "behind", "error"],
        ["3", "2026-01-01T00:00:03Z", "gone", "2", "no"],
    ]
    [only] = json.loads(invoke("held", "b", "--json"))
    assert (only["offset"], only["behind"], only["subscription"]) == (3, 2, "b")
    invoke("purge", "--subscription", "b", "--offset", "3", "--yes")
    assert invoke("held", "b") == "no dead letter holds a key\n"


def test_listing() -> None:
    lines = invoke("list").splitlines()
    assert lines[0].split() == ["subscription", "offset", "time", "reason", "attempts", "error"]
    assert [tuple(line.split()[:2]) for line in lines[1:]] == [
        ("a", "1"),
        ("a", "2"),
        ("b", "1"),
        ("b", "3"),
        ("b", "9"),
    ]
    assert lines[1].split()[2] == "2026-01-01T00:00:01Z"
    assert "\x1b" not in "".join(lines)
    assert len(invoke("list", "--limit", "2").splitlines()) == 3
    assert invoke("list", "--reason", "nothing") == "no dead letters\n"
    since = ["--since", "2026-01-01T00:00:02Z", "--until", "2026-01-01T00:00:03Z"]
    [only] = json.loads(invoke("list", "--json", *since))
    assert (only["subscription"], only["offset"], only["reason"], only["attempts"]) == ("a", 2, "gone", 3)


def test_counting() -> None:
    assert json.loads(invoke("count", "--json"))[0] == {"subscription": "a", "reason": "gone", "count": 1}
    assert invoke("count").splitlines()[1].split() == ["a", "gone", "1"]
    invoke("purge", "--all", "--yes")
    assert invoke("count") == "no dead letters\n"


def test_showing() -> None:
    shown = json.loads(invoke("show", "a", "1"))
    assert shown["event"]["data"] == {"n": 1}
    assert shown["reason"] == "http-400"
    assert json.loads(invoke("show", "b", "9"))["event"] is None
    assert "no dead letter of 'a' at offset 7" in invoke("show", "a", "7", code=1)


def test_redriving() -> None:
    assert invoke("redrive", "--reason", "gone") == "redriven: 2\n"
    assert len(json.loads(invoke("list", "--json"))) == 3
    assert invoke("redrive", "--all") == "redriven: 2\n"
    assert [one["reason"] for one in json.loads(invoke("list", "--json"))] == ["event-missing"]


def test_purging_asks_first() -> None:
    answer = invoke("purge", "--subscription", "a", stdin="n\n", code=1)
    assert "Remove 2 dead letters for good?" in answer
    assert invoke("purge", "--subscription", "a", stdin="y\n").endswith("purged: 2\n")
    assert invoke("purge", "--all", "--yes") == "purged: 3\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["purge", "--yes"], "say which ones"),
        (["redrive"], "say which ones"),
        (["redrive", "--all", "--reason", "x"], "say which ones"),
        (["list", "--since", "yesterday"], "is not an RFC 3339 date-time"),
        (["list", "--bus", "nowhere"], "there is no bus 'nowhere'"),
        (["list", "--limit", "0"], "--limit"),
    ],
)
def test_wrong_use_is_told(arguments: list[str], said: str) -> None:
    assert said in invoke(*arguments, code=2)
    assert len(json.loads(invoke("list", "--json"))) == 5


def test_what_was_done_is_told_as_json() -> None:
    assert json.loads(invoke("redrive", "--subscription", "a", "--json")) == {"redriven": 2}
    assert json.loads(invoke("purge", "--all", "--yes", "--json"))["purged"] > 0
