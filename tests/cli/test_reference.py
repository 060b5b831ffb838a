"""The reference page tells what the commands are, and their examples can be typed."""

from __future__ import annotations

import shlex

import click
import pytest
from click.testing import CliRunner

from eventroute.cli.commands import commands
from eventroute.cli.examples import EXAMPLES
from tests.cli.reference import HELP, PAGE, WIDTH, helps, leaves, page

LEAVES = {name: (command, context) for name, command, context in leaves()}
TYPED = [
    (name, line.strip())
    for name, (command, _) in LEAVES.items()
    for line in (command.epilog or "").partition("Examples:\n")[2].splitlines()
]


def test_the_page_is_what_the_commands_are() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "renew it: python -m tests.cli.reference"


def test_the_help_is_as_it_was_seen() -> None:
    """A change of help is seen in review, as a change of a file."""
    told = dict(helps())
    assert {file.name for file in HELP.iterdir()} == {file.name for file in told}
    for file, text in told.items():
        assert file.read_text(encoding="utf-8") == text, f"renew {file.name}: python -m tests.cli.reference"
        lines = [
            line for line in text.splitlines()[1:] if not line.startswith("    eventroute ")
        ]  # examples can be copied
        assert [line for line in lines if len(line) > WIDTH or line.endswith("...")] == [], file.name
        assert "\x1b" not in text


def test_every_command_has_help_and_examples() -> None:
    assert {f"eventroute {name}" for name in EXAMPLES} <= LEAVES.keys()
    for name, (command, context) in LEAVES.items():
        assert command.help, name
        assert "Examples:" in command.get_help(context), name
        for option in command.params:
            assert not isinstance(option, click.Option) or option.help, (name, option.name)


@pytest.mark.parametrize(("name", "line"), TYPED)
def test_an_example_is_of_its_command_and_is_taken(name: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTROUTE_STORAGE", "memory:")
    words = shlex.split(line)
    words = words[: next((place for place, word in enumerate(words) if word in ("<", ">", ">>")), len(words))]
    path = name.split()
    assert words[: len(path)] == path
    LEAVES[name][0].make_context(path[-1], words[len(path) :], parent=LEAVES[name][1].parent)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes(shell: str) -> None:
    done = CliRunner().invoke(commands, ["completion", shell])
    assert done.exit_code == 0
    assert "_EVENTROUTE_COMPLETE" in done.stdout
    words = {"COMP_WORDS": "eventroute bu", "COMP_CWORD": "1"}
    runner = CliRunner(env={"_EVENTROUTE_COMPLETE": "bash_complete", **words})
    assert "buses" in runner.invoke(commands, [], prog_name="eventroute").stdout
