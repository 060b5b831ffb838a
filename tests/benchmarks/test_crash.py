from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.crash import __main__ as command
from benchmarks.crash import takeover
from benchmarks.crash.kill import MODES
from benchmarks.crash.serve import Served
from benchmarks.crash.takeover import TakenOver, take_over
from benchmarks.crash.work import Tally


def test_it_says_how_many_crashes_there_were(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["power", "--times", "8"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("power: 8 crashes, ")
    assert " 0 faults" in out
    assert "the rate of faults is below 38 % (95 %)" in out


def test_it_ends_with_one_where_there_was_a_fault(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        command, "CRASHES", {"power": lambda times, seed, folder: Tally(times, 5, [f"seed {seed}: lost"])}
    )
    assert command.main(["power", "--times", "9", "--seed", "4"]) == 1
    assert capsys.readouterr().out.startswith("seed 4: lost\npower: 9 crashes, 5 batches accepted, 1 faults, 0 s\n")


def test_it_says_after_each_mode_how_it_went(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["kill", "--times", "5"]) == 0
    captured = capsys.readouterr()
    assert captured.err == "".join(f"{mode}: 1 kills, 0 faults\n" for mode in MODES)
    assert captured.out.startswith("kill: 5 crashes, ")


def test_it_says_how_often_a_broker_was_killed_and_what_became_of_the_events(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command.main(["serve", "--times", "1"]) == 0
    out = capsys.readouterr().out
    assert re.fullmatch(
        r"serve: 1 kills, \d+ events accepted; of them and those that had no answer \d+ delivered, \d+ refused,"
        r" \d+ came again; 0 faults, \d+ s\n",
        out,
    )
    monkeypatch.setattr(command, "kill_serving", lambda times, **_: Served(times, 5, faults=["event-1 is lost"]))
    assert command.main(["serve", "--times", "9"]) == 1
    assert capsys.readouterr().out.startswith("event-1 is lost\nserve: 9 kills, 5 events accepted; ")


def test_it_says_how_often_the_log_was_taken_over(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command.main(["takeover", "--seconds", "0.3"]) == 0
    out = capsys.readouterr().out
    assert re.fullmatch(
        r"takeover: SQLite [0-9.]+, [1-9]\d* commits, the log taken over [1-9]\d* times, 0 faults, \d+ s\n", out
    )
    lost = TakenOver(5, 2, ["1 rows are not as they were written, 7 for one"])
    monkeypatch.setattr(command, "take_over", lambda seconds, **_: lost)
    assert command.main(["takeover", "--careless"]) == 1
    assert capsys.readouterr().out.startswith("1 rows are not as they were written, 7 for one\ntakeover: SQLite ")


def test_what_is_lost_where_the_log_is_taken_over_is_found(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    assert take_over(0.05, seed=1, careless=True, path=path).commits
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        written = dict(connection.execute("SELECT number, written FROM row"))
        assert takeover._faults(path, dict(written)) == []
        connection.execute("UPDATE row SET written = -1 WHERE number = 7")
    assert takeover._faults(path, written) == ["1 rows are not as they were written, 7 for one"]
    assert takeover._faults(path, written) == []
    path.write_bytes(b"x" * 10_000)
    assert takeover._faults(path, written)[0].startswith("the file is damaged: ")
