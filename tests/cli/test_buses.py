from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from eventroute.cli.commands import commands


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
    assert lines[0].split() == ["bus", "events", "bytes", "subscriptions", "held", "by"]
    assert [line.split() for line in lines[1:]] == [["audit", "0", "0", "1"], ["default", "0", "0", "0"]]
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

    assert "with 0 events and 1 subscriptions" in run("buses", "delete", "audit", stdin="n\n", code=1)
    run("buses", "delete", "audit", "--yes", code=2)
    assert run("buses", "delete", "audit", "--yes", "--subscriptions") == "audit: deleted\n"
    assert "there is no bus 'audit'" in run("buses", "show", "audit", code=2)


def test_a_bus_that_is_there_must_have_the_same_settings() -> None:
    run("buses", "create", "audit", "--dedup", "600")
    run("buses", "create", "audit", "--dedup", "600")
    run("buses", "create", "audit")
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
