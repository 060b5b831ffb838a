"""The command line, in a process of its own: what it prints, and how it exits."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

HEAD = 'storage = "sqlite:///events.db"\n'


def eventroute(*arguments: str, without: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command, as if the package `without` were not installed."""
    program = f"""
import sys
if {without!r}:
    sys.modules[{without!r}] = None
from eventroute.cli import main
sys.argv = ["eventroute", *{list(arguments)!r}]
main()
"""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)


def test_version() -> None:
    done = eventroute("--version")
    assert done.returncode == 0
    assert done.stdout == f"eventroute, version {importlib.metadata.version('eventroute')}\n"


def test_help_names_each_command() -> None:
    done = eventroute("--help")
    assert done.returncode == 0
    assert {"demo", "serve"} <= set(done.stdout.split())


@pytest.mark.parametrize("arguments", [["--nonsense"], ["nonsense"], ["serve"], ["serve", "--nonsense", "x"]])
def test_wrong_use_is_exit_2(arguments: list[str]) -> None:
    done = eventroute(*arguments)
    assert done.returncode == 2
    assert "Usage: eventroute" in done.stderr


@pytest.mark.parametrize(
    ("package", "extra", "arguments"),
    [
        ("click", "cli", ["--version"]),
        ("starlette", "server", ["serve", "x.toml"]),
        ("uvicorn", "server", ["serve", "x.toml"]),
        ("aiohttp", "http", ["serve", "x.toml"]),
        ("uvloop", "uvloop", ["serve", "--uvloop", "x.toml"]),
    ],
)
def test_a_missing_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, extra: str, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.toml").write_text(HEAD)
    done = eventroute(*arguments, without=package)
    assert done.returncode == 2
    assert f"pip install 'eventroute[{extra}]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_what_counts_is_named_where_it_is_missing(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(HEAD + "telemetry = true\n[gateway]\nport = 0\n")
    done = eventroute("serve", str(tmp_path / "x.toml"), without="opentelemetry")
    assert done.returncode == 2
    assert "pip install 'eventroute[otel]'" in done.stderr
    assert not (tmp_path / "events.db").exists()


def test_a_missing_package_of_no_extra_is_our_fault_and_shown_whole() -> None:
    done = eventroute("serve", "x.toml", without="eventroute.cli.serve")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_what_is_not_used_is_not_imported() -> None:
    program = "import sys, eventroute.cli.commands; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"starlette", "uvicorn", "aiohttp", "rich"} & set(done.stdout.split())


def test_it_runs_with_a_click_whose_types_take_no_parameters() -> None:
    """As those before 8.4 do not; to subclass one with a parameter would fail there."""
    program = """
import click
for kind in (click.ParamType, click.Choice, click.Path, click.IntRange):
    kind.__class_getitem__ = None
from tests.cli.reference import leaves
print(len(list(leaves())))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 25


def test_check_says_yes_and_touches_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(HEAD)
    done = eventroute("serve", "--check", str(tmp_path / "x.toml"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path / 'x.toml'} is right: buses: 1, subscriptions: 0\n"
    assert [file.name for file in tmp_path.iterdir()] == ["x.toml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "[gatewy]", "x.toml:2: gatewy: there is no such key; did you mean 'gateway'?"),
        (HEAD + "[buses.a]\ngithub = 'env:NO_SUCH_SECRET_HERE'", "x.toml: there is no secret env:NO_SUCH_SECRET_HERE"),
        ("storage =", "x.toml: this is not TOML"),
    ],
)
@pytest.mark.parametrize("check", [[], ["--check"]])
def test_a_wrong_file_is_exit_2_and_one_line(tmp_path: Path, text: str, message: str, check: list[str]) -> None:
    (tmp_path / "x.toml").write_text(text)
    done = eventroute("serve", str(tmp_path / "x.toml"), *check)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_storage_that_cannot_be_opened_is_exit_2(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('storage = "sqlite:///nowhere/events.db"\n[gateway]\nport = 0\n')
    done = eventroute("serve", str(tmp_path / "x.toml"))
    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line in a shell, in which EVENTROUTE is the command."""
    program = "import sys; from eventroute.cli import main; sys.argv[0] = 'eventroute'; main()"
    command = f'EVENTROUTE() {{ {sys.executable} -c "{program}" "$@"; }}; {line}'
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60, cwd=folder)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("more", ["", "--json"])
def test_an_output_that_is_full_is_told(tmp_path: Path, more: str) -> None:
    done = shell(f"EVENTROUTE buses create audit --storage sqlite:///a.db {more} > /dev/full", tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "the standard output cannot be written: No space left on device" in done.stderr


def test_streams_that_are_closed_are_done_without(tmp_path: Path) -> None:
    done = shell("EVENTROUTE buses create audit --storage sqlite:///a.db <&- >&- 2>&-", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = shell("EVENTROUTE buses list --storage sqlite:///a.db >&-", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = shell("EVENTROUTE buses delete audit --storage sqlite:///a.db <&-", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("nothing was done\n")
    done = shell("EVENTROUTE buses show nope --storage sqlite:///a.db 2>&-", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_an_error_that_cannot_be_told_has_its_exit_code(tmp_path: Path) -> None:
    for line in ("buses show nope --storage memory:", "buses show", "buses show nope --storage memory: --json"):
        done = shell(f"EVENTROUTE {line} 2> /dev/full", tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", "")
