"""`eventroute log`."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from click.testing import CliRunner

from eventroute.cli.commands import commands
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.testing.storage.log import put
from tests.storage.sqlite.locking_out import lock_out

VERSIONS = Path(__file__).parents[1] / "storage" / "sqlite" / "versions"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A storage of three events."""

    async def make() -> None:
        async with SQLiteStorage(tmp_path / "events.db") as storage:
            await put(storage, b'{"id":"1"}', b'{"id":"2"}', b'{"id":"3"}')

    anyio.run(make)
    return tmp_path / "events.db"


def test_a_whole_file_is_said_to_be_whole(file: Path) -> None:
    done = CliRunner().invoke(commands, ["log", "check", str(file)])
    assert done.exit_code == 0
    assert f"{file}: whole\n" in done.output


@pytest.mark.parametrize("options", [[], ["--quiet"]])
def test_damage_is_told_line_by_line(file: Path, options: list[str]) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE event SET time = time + 1 WHERE key % 256 = 2")
        connection.commit()
    done = CliRunner().invoke(commands, ["log", "check", str(file), *options])
    assert done.exit_code == 1
    assert "the event 2 cannot be read" in done.stdout
    assert "damaged; go on with a backup" in done.stdout


def test_a_file_that_was_cut_is_damaged(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-4096])
    done = CliRunner().invoke(commands, ["log", "check", str(file)])
    assert done.exit_code == 1
    assert "SQLite: database disk image is malformed" in done.stdout
    assert "log check" not in done.output


def test_a_file_of_an_earlier_version_can_be_checked_after_the_command_that_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "it's 5% #1"
    folder.mkdir()
    old = folder / "events.db"
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript((VERSIONS / "1.sql").read_text(encoding="utf-8"))
    done = CliRunner().invoke(commands, ["log", "check", str(old)])
    assert done.exit_code == 2
    [named] = re.findall("`eventroute (.*)`", done.stderr)
    assert CliRunner().invoke(commands, shlex.split(named)).exit_code == 0
    assert "the event 1 is no JSON object" in CliRunner().invoke(commands, ["log", "check", str(old)]).stdout


def test_what_is_no_storage_is_an_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(commands, ["log", "check", str(tmp_path / "no.db")])
    assert done.exit_code == 2
    assert "no.db: there is no such file" in done.stderr


def test_a_copy_is_whole(file: Path, tmp_path: Path) -> None:
    copy = str(tmp_path / "copy.db")
    done = CliRunner().invoke(commands, ["log", "backup", str(file), copy])
    assert done.exit_code == 0
    assert f"{copy}: {(tmp_path / 'copy.db').stat().st_size} bytes" in done.output
    assert CliRunner().invoke(commands, ["log", "check", copy]).exit_code == 0
    done = CliRunner().invoke(commands, ["log", "backup", str(file), copy])
    assert done.exit_code == 2
    assert "there is a file already" in done.stderr


def test_room_is_given_back(file: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(commands, ["log", "vacuum", str(file)])
    assert done.exit_code == 0
    assert f"{file}: 0 bytes given back" in done.output


@pytest.mark.parametrize("command", ["check", "vacuum"])
def test_where_nothing_is_nothing_is_made(tmp_path: Path, command: str) -> None:
    (tmp_path / "empty.db").touch()
    for name, message in (
        ("no.db", "no.db: there is no such file"),
        ("n" * 300, "n: there is no such file"),
        ("empty.db", "this is no storage: the file is empty"),
    ):
        done = CliRunner().invoke(commands, ["log", command, str(tmp_path / name)])
        assert (done.exit_code, done.stdout) == (2, "")
        assert message in done.stderr
    assert [(each.name, each.stat().st_size) for each in tmp_path.iterdir()] == [("empty.db", 0)]


def test_all_of_it_as_json(file: Path, tmp_path: Path) -> None:
    def told(*arguments: str) -> object:
        return json.loads(CliRunner().invoke(commands, ["log", *arguments, "--json"]).stdout)

    copy = tmp_path / "copy.db"
    assert told("check", str(file)) == {"file": str(file), "whole": True, "findings": []}
    assert told("backup", str(file), str(copy)) == {"file": str(copy), "bytes": copy.stat().st_size}
    assert told("vacuum", str(file)) == {"file": str(file), "bytes": 0}
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE event SET time = time + 1 WHERE key % 256 = 2")
        connection.commit()
    found = CliRunner().invoke(commands, ["log", "check", str(file), "--json"])
    assert found.exit_code == 1
    assert json.loads(found.stdout)["whole"] is False


def test_a_file_that_cannot_be_written_is_read(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock_out(monkeypatch, file)

    def told(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(commands, arguments)
        assert done.exit_code == code
        return done.stdout + done.stderr

    storage = ("--storage", f"sqlite:///{file}")
    assert "whole" in told("log", "check", str(file))
    assert "bytes" in told("log", "backup", str(file), str(tmp_path / "copy.db"))
    assert "default" in told("buses", "list", *storage)
    assert json.loads(told("buses", "show", "default", *storage))["events"] == 3
    assert told("events", "list", *storage).count("(not an event)") == 3
    for command in (("buses", "create", "audit", *storage), ("log", "vacuum", str(file))):
        assert "its folder cannot be written" in told(*command, code=2)


def test_a_file_may_be_given_by_its_url(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in (
        ["check", "sqlite:///events.db"],
        ["backup", f"sqlite:///{file}?busy_timeout=5", "sqlite:///copy.db"],
        ["check", "SQLite:///copy.db"],
        ["vacuum", "sqlite:///copy.db"],
    ):
        done = CliRunner().invoke(commands, ["log", *arguments])
        assert (done.exit_code, done.stderr) == (0, "")
    assert (tmp_path / "copy.db").exists()


@pytest.mark.parametrize(
    "url",
    ["postgresql://me:secret@db/shop", "nats://secret@host", "memory:", "https://me:secret@[::1", "sqlite://a.db"],
)
def test_what_is_no_file_is_told(url: str) -> None:
    done = CliRunner().invoke(commands, ["log", "check", url])
    assert done.exit_code == 2
    assert "sqlite:///" in done.stderr
    assert "secret" not in done.stderr
