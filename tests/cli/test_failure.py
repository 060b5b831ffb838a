"""How commands end early: Ctrl-C, a reader that has gone, an answer that is no."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from eventroute.cli import failure
from eventroute.cli.commands import commands
from eventroute.cli.failure import wants_json
from eventroute.errors import EventrouteError
from eventroute.event import Event

MANY = 3_000
"""Events whose list no pipe takes at once."""


def invoke(*arguments: str, stdin: str | bytes | None = None) -> Result:
    result = CliRunner().invoke(commands, arguments, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), "a traceback"
    return result


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTROUTE_STORAGE", f"sqlite:///{tmp_path}/events.db")
    lines = b"\n".join(Event.create(type="t", source="/s").to_json() for _ in range(MANY))
    assert invoke("events", "put", "-", "--create", stdin=lines).exit_code == 0


@pytest.mark.parametrize("arguments", ["events tail -n 3000", "events tail -n 3000 --json", "events list --limit 3000"])
def test_a_reader_that_has_enough_is_no_trouble(storage: None, arguments: str) -> None:
    command = [sys.executable, "-m", "eventroute", *arguments.split()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait(60)) == (b"", failure.CLOSED)


def test_a_show_that_nobody_sees_ends() -> None:
    command = [sys.executable, "-m", "eventroute", "demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert (process.stderr.read(), process.wait(60)) == (b"", failure.CLOSED)


def test_what_is_advised_can_be_typed(storage: None) -> None:
    said = invoke("buses", "show", "audit").stderr
    assert said == "Error: there is no bus 'audit': make it with `eventroute buses create`\n"


def test_a_folder_that_is_none_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = invoke("demo", "--keep", str(tmp_path / "file"))
    assert (result.exit_code, result.stderr) == (2, f"Error: {tmp_path / 'file'}: File exists\n")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Makes `completion` fail in a way."""

    def arrange(error: BaseException) -> None:
        def fail(*_arguments: object) -> None:
            raise error

        monkeypatch.setattr("eventroute.cli.completion.get_completion_class", fail)

    return arrange


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (click.Abort(), 1, "nothing was done\n"),
        (BrokenPipeError(), 141, ""),
        (OSError(errno.ENOSPC, "full"), 2, "Error: the standard output cannot be written: full\n"),
        (EventrouteError("no \x1b[2J\nnever"), 2, "Error: no \N{REPLACEMENT CHARACTER}[2J\nnever\n"),
    ],
)
def test_each_end_has_its_code(
    failing: Callable[[BaseException], None], error: BaseException, code: int, said: str
) -> None:
    failing(error)
    result = invoke("completion", "bash")
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", said)


def test_what_nobody_foresaw_is_shown_whole(failing: Callable[[BaseException], None]) -> None:
    for error in (RuntimeError("a fault of ours"), OSError(errno.ENOSPC, "full", "file"), OSError("no number")):
        failing(error)
        assert CliRunner().invoke(commands, ["completion", "bash"]).exception is error


@pytest.mark.skipif(signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="runs where Ctrl-C is ignored")
@pytest.mark.parametrize("as_json", [False, True])
def test_what_was_not_done_is_told_by_the_exit_code(tmp_path: Path, as_json: bool) -> None:
    """It waits for its standard input when Ctrl-C comes."""
    options = ["--storage", f"sqlite:///{tmp_path}/new.db", "--create", *(["--json"] if as_json else [])]
    program = "import os, sys; from eventroute.cli import files, main\n"
    program += "before = files.standard_input\n"
    program += "def announced():\n    os.write(1, b'reads\\n')\n    return before()\n"
    program += "files.standard_input = announced; main()"
    command = [sys.executable, "-c", program, "events", "put", "-", *options]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reads\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == failure.INTERRUPTED
        if as_json:
            assert json.loads(said)["error"]["kind"] == "Interrupted"
        else:
            assert said == "interrupted\n"


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [([], False), (["--json"], True), (["a", "--json", "b"], True), (["--", "--json"], False), (["--jsonish"], False)],
)
def test_whether_json_is_wanted_is_known_whatever_is_wrong(arguments: list[str], wanted: bool) -> None:
    assert wants_json(arguments) is wanted


def test_a_question_that_is_answered_with_no(storage: None) -> None:
    for answer in ("n\n", ""):
        result = invoke("buses", "delete", "default", stdin=answer)
        assert result.exit_code == 1
        assert result.stdout == ""
        assert result.stderr.endswith("nothing was done\n")
        assert "Remove default with 3000 events" in result.stderr
