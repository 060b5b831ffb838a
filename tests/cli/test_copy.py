"""`eventroute copy`, killed too."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import anyio
import msgspec
import pytest
from click.testing import CliRunner

from eventroute.cli.commands import commands
from eventroute.router import Router
from eventroute.storage.base import Bury, DeadLetter, Delayed, Wait, Waiting
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.storage.sqlite.check import check_storage
from eventroute.subscription import Subscription
from tests.pushing import events

KILLS = int(os.environ.get("KILL_ROUNDS", "12"))
"""How often a copy is killed; `KILL_ROUNDS=200 pytest tests/cli/test_copy.py` is the long run."""


def make(path: Path, *, count: int = 5, waiting: int = 3) -> None:
    """A storage with something of everything."""

    async def main() -> None:
        async with SQLiteStorage(path, synchronous="NORMAL") as storage:
            names = [str(number) for number in range(20)]
            async with Router(storage, push=False) as router:
                await router.create_bus("audit")
                for begin in range(0, count, 1_000):
                    await router.publish(*events(*range(begin, min(count, begin + 1_000))))
                for name in names:
                    await router.subscribe(Subscription(id=name, sink="bus:audit", start="earliest"))
            session = await storage.open_session(60.0)
            (event,) = [one.to_json() for one in events("late")]
            for name in names:
                rows = [Wait(Waiting(name, offset, 5.0), held=False) for offset in range(1, waiting + 1)]
                letters = [DeadLetter(name, 5_000 + n, 1.0, "reason", "error", 1, event) for n in range(waiting)]
                await storage.write("default", session, [*rows, *map(Bury, letters)])
            delayed = [Delayed(1e9 + place, event) for place in range(waiting)]
            await storage.append("default", [], append_id="delayed", delayed=delayed)
            await storage.close_session(session)

    anyio.run(main)


def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    make(tmp_path / "source.db")
    return tmp_path / "source.db"


def test_all_buses_are_copied(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.db"
    done = CliRunner().invoke(commands, ["copy", url(source), url(target)])
    assert (done.exit_code, done.stderr) == (0, "")
    audit, default = done.stdout.splitlines()
    assert audit.startswith("audit: the same in both: events 0, subscriptions 0, waiting 0")
    assert default.startswith(
        "default: the same in both: events 5, subscriptions 20, waiting 60, dead letters 60, delay"
    )
    assert check_storage(target) == []


def test_a_source_in_which_there_is_nothing_is_taken_for_a_typing_error(tmp_path: Path) -> None:
    """A schema or a stream is made by opening it: who mistyped it was told that both are the same."""

    async def open_once() -> None:
        async with SQLiteStorage(tmp_path / "source.db"):
            pass

    anyio.run(open_once)
    done = CliRunner().invoke(commands, ["copy", url(tmp_path / "source.db"), url(tmp_path / "target.db")])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "SOURCE: there is nothing in it: look for a typing error" in done.stderr
    assert not (tmp_path / "target.db").exists()


def test_one_bus_as_json(source: Path, tmp_path: Path) -> None:
    arguments = ["copy", url(source), url(tmp_path / "target.db"), "--bus", "default", "--json", "--quiet"]
    done = CliRunner().invoke(commands, arguments)
    (told,) = msgspec.json.decode(done.stdout)
    assert (told["bus"], told["events"], told["timers"]) == ("default", 5, 3)
    assert len(told["checksum"]) == 64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sqlite:///no.db", "sqlite:///target.db"], "no.db: look for a typing error"),
        (["{}", "memory:"], "nothing in memory"),
        (["memory:", "{}"], "nothing in memory"),
        (["{}", "{}"], "the same storage"),
        (["{}", "sqlite:///target.db", "--bus", "no"], "there is no bus 'no'"),
    ],
)
def test_what_cannot_be_copied(
    source: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(source.parent)
    done = CliRunner().invoke(commands, ["copy", *(each.format(url(source)) for each in arguments)])
    assert done.exit_code == 2
    assert message in done.stderr


def test_damaged_events_stop_it_or_are_left_out_and_told(source: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(source)) as connection, connection:
        connection.execute("UPDATE event SET time = time + 1 WHERE key % 256 IN (2, 4)")
    arguments = ["copy", url(source), url(tmp_path / "target.db"), "--quiet", "--bus", "default"]
    refused = CliRunner().invoke(commands, arguments)
    assert refused.exit_code == 2
    assert "the event 2 of the bus 'default' is damaged" in refused.stderr
    assert "--skip-damaged" in refused.stderr
    done = CliRunner().invoke(commands, [*arguments, "--skip-damaged"])
    assert done.exit_code == 1
    copied, left = done.stdout.splitlines()
    assert copied.startswith("default: the same in both: events 3, ")
    assert left == "default: damaged in the source, and left out: 2 events, at offsets 2, 4"
    (told,) = msgspec.json.decode(CliRunner().invoke(commands, [*arguments, "--skip-damaged", "--json"]).stdout)
    assert told["damaged"] == [2, 4]
    assert check_storage(tmp_path / "target.db") == [
        "the event 2 is no JSON object (bus 'default')",
        "the event 4 is no JSON object (bus 'default')",
    ]


def test_it_waits_for_who_works_there(source: Path, tmp_path: Path) -> None:
    async def work(seconds: float) -> None:
        async with SQLiteStorage(source) as storage:
            await storage.open_session(seconds)

    anyio.run(work, 60.0)
    done = CliRunner().invoke(commands, ["copy", url(source), url(tmp_path / "target.db"), "--wait", "0"])
    assert done.exit_code == 2
    assert "stop every router" in done.stderr


def test_whenever_it_is_killed_it_goes_on(tmp_path: Path) -> None:
    """Each copy is killed somewhat later; what the last one leaves is whole, and the same as the source."""
    source, target = tmp_path / "source.db", tmp_path / "target.db"
    make(source, count=4_000, waiting=40)
    command = [sys.executable, "-c", "from eventroute.cli import main; main()", "copy", url(source), url(target)]
    chance, killed = random.Random(7), 0
    for _ in range(KILLS):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            for _ in range(600):  # nothing can be seen of it before it has made the file
                if target.exists() or process.poll() is not None:
                    break
                threading.Event().wait(0.05)
            threading.Event().wait(chance.uniform(0, 1.2))  # the moment must be any, not one that we can name
            process.send_signal(signal.SIGKILL)
            assert "Error" not in process.communicate()[1]
            killed += process.returncode == -signal.SIGKILL
    assert killed
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    told = {one["bus"]: one for one in msgspec.json.decode(done.stdout)}["default"]
    assert (told["events"], told["waiting"], told["dead_letters"], told["timers"]) == (4_000, 800, 800, 40)
    assert check_storage(target) == []
