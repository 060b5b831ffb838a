from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import anyio
import pytest
from click.testing import CliRunner, Result

from eventroute.cli.commands import commands
from eventroute.event import Event
from eventroute.router import Router
from eventroute.storage.base import DEFAULT_BUS, Bury
from eventroute.storage.open import open_storage
from eventroute.subscription import Subscription
from tests.test_deadletters import LETTERS


def run(*arguments: str, stdin: str | None = None, code: int = 0) -> str:
    result: Result = CliRunner().invoke(commands, [*arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), "a traceback"
    assert result.exit_code == code, result.output
    return result.output


def shown(bus: str) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(run("buses", "show", bus))["settings"]
    return settings


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTROUTE_STORAGE", f"sqlite:///{tmp_path}/events.db")


def test_the_life_of_a_bus() -> None:
    assert run("buses", "create", "audit", "--max-age", "forever", "--dedup", "600") == "audit: created\n"
    assert shown("audit")["dedup"] == 600
    assert shown("audit")["retention"]["max_age"] is None
    run("subscriptions", "create", "s", "--bus", "audit", "--sink", "https://example.com/")
    lines = run("buses", "list").splitlines()
    assert lines[0].split() == ["bus", "events", "bytes", "delayed", "subscriptions", "held", "by"]
    assert [line.split() for line in lines[1:]] == [["audit", "0", "0", "0", "1"], ["default", "0", "0", "0", "0"]]
    assert [one["name"] for one in json.loads(run("buses", "list", "--json"))] == ["audit", "default"]

    assert run("buses", "update", "audit", "--keep-events", "5", "--hard") == "audit: updated\n"
    retention = shown("audit")["retention"]
    assert (retention["max_events"], retention["hard"], retention["max_age"]) == (5, True, None)
    run("buses", "update", "audit", "--dedup-limit", "7")
    assert (shown("audit")["dedup"], shown("audit")["dedup_limit"]) == (600, 7)
    run("buses", "update", "audit", "--keep-events", "any", "--soft", "--dedup", "off", "--max-bytes", "1000000")
    retention = shown("audit")["retention"]
    assert (retention["max_events"], retention["hard"]) == (None, False)
    assert (shown("audit")["dedup"], shown("audit")["max_bytes"]) == (None, 1_000_000)

    asked = "Remove audit with 0 events, 0 delayed events, 0 dead letters and 1 subscriptions for good?"
    assert asked in run("buses", "delete", "audit", stdin="n\n", code=1)
    run("buses", "delete", "audit", "--yes", code=2)
    assert run("buses", "delete", "audit", "--yes", "--subscriptions") == "audit: deleted\n"
    assert "there is no bus 'audit'" in run("buses", "show", "audit", code=2)


def test_what_is_delayed_and_given_up_is_counted() -> None:
    async def fill() -> None:
        async with Router(open_storage(os.environ["EVENTROUTE_STORAGE"]), push=False) as router:
            later = [
                Event.create(type="t", source="/shop", extensions={"deliverafter": f"2999-01-0{day}T00:00:00Z"})
                for day in (1, 2)
            ]
            await router.publish(*later, Event.create(type="t", source="/shop"))
            for name in ("a", "b"):
                await router.subscribe(Subscription(id=name, sink="https://example.com/"))
            session = await router.storage.open_session(60)
            await router.storage.write(DEFAULT_BUS, session, [Bury(one) for one in LETTERS])

    anyio.run(fill)
    [row] = run("buses", "list").splitlines()[1:]
    assert [row.split()[column] for column in (0, 1, 3)] == ["default", "1", "2"]
    assert json.loads(run("buses", "list", "--json"))[0]["delayed"] == 2
    assert json.loads(run("buses", "show", "default"))["delayed"] == 2
    asked = f"with 1 events, 2 delayed events, {len(LETTERS)} dead letters and 2 subscriptions for good?"
    assert asked in run("buses", "delete", "default", stdin="n\n", code=1)


def test_a_bus_that_is_there_must_have_the_same_settings() -> None:
    assert json.loads(run("buses", "create", "audit", "--dedup", "600", "--json"))["existed"] is False
    assert run("buses", "create", "audit", "--dedup", "600") == "audit: there already, and left as it is\n"
    again = json.loads(run("buses", "create", "audit", "--json"))
    assert (again["name"], again["existed"], again["settings"]["dedup"]) == ("audit", True, 600)
    assert "exists already" in run("buses", "create", "audit", "--dedup", "500", code=2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["update", "default"], "say what to change"),
        (["update", "default", "--max-age", "never"], "is neither a number nor 'forever'"),
        (["update", "default", "--max-age", "-1"], "max_age"),
        (["create", "a b"], "is not a name"),
        (["list", "--storage", "sqlite:///nope.db"], "there is no file"),
    ],
)
def test_wrong_use_is_told(arguments: list[str], said: str) -> None:
    run("buses", "create", "default")
    assert said in run("buses", *arguments, code=2)
