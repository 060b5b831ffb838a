"""What is written of the commands: the page docs/reference/command-line.md, and their help, as files in tests/cli/help.
`python -m tests.cli.reference` renews all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from eventroute.cli.commands import commands

HELP = Path(__file__).parent / "help"
WIDTH = 80
"""Columns of the terminal that the help is for."""

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "command-line.md"

HEAD = """\
# Command line

<!-- Written by `python -m tests.cli.reference`: change nothing here by hand. -->

Every command of `eventroute`, with its options. What they are for: [look after a broker](../howto/command-line.md).

**Output.** What was asked for goes to the standard output; errors, questions and progress go to the standard error.
Without `--json` it is for people, and may change: tables fit the terminal, and in a pipe nothing is cut.

**JSON.** With `--json`, which all commands but `demo` and `completion` take, the result is one JSON document, or of
`events tail` one a line. It is in ASCII; members may be added. Servers (`serve`, `console`, `playground`) print
`{"url": ...}` once they listen. Nothing is asked: what removes something wants `--yes`. An error is one line of JSON on
the standard error:

```json
{"error": {"kind": "UnknownSubscription", "message": "there is no subscription 'orders'", "exit_code": 2}}
```

`kind` is the name of an [error](errors.md), or `WrongUse`, `NotFound`, `Declined`, `Interrupted`, `ApiRefused`,
`MissingExtra`, `NotStarted`, `OutputFailed`; `message` is what people are told; `where`, if there is one, is the place
that is wrong.
`events put` adds how many events were `published` before it failed, and how many of these were `appended`, `delayed` or
`duplicates`.

**Exit codes.**

| code | |
|---|---|
| 0 | done; the answer is yes; or Ctrl-C has ended what runs until then: a server, `events tail --follow` |
| 1 | the answer is no: no such event or dead letter, no match, damaged, not a clean stop, a question answered with no |
| 2 | wrong use, or an error, told on the standard error: also where a bus or subscription that is named is not there |
| 130 | Ctrl-C, before it was done |
| 141 | who reads the output has gone, as `head` does when it has enough |

**Terminals.** Colours and progress bars are for terminals alone. `NO_COLOR` keeps colours off, `FORCE_COLOR` asks for
them elsewhere, `COLUMNS` says how wide the terminal is, `--quiet` leaves the bars out. Nothing that an event, a reason
or an error holds can act on the terminal. `eventroute completion` has a shell complete commands and options.

**Environment.** `EVENTROUTE_STORAGE` stands for `--storage`, `EVENTROUTE_API` for `--api`, `EVENTROUTE_CREDENTIAL` for
`--credential`.
"""


def helps() -> Iterator[tuple[Path, str]]:
    """The help of every command and group, with the file where it is."""
    yield from _helps(commands, "eventroute", None)


def _helps(command: click.Command, name: str, parent: click.Context | None) -> Iterator[tuple[Path, str]]:
    here = click.Context(command, parent, name.rpartition(" ")[2], terminal_width=WIDTH, max_content_width=WIDTH)
    yield HELP / f"{name.replace(' ', '-')}.txt", command.get_help(here) + "\n"
    if isinstance(command, click.Group):
        for each in command.list_commands(here):
            inner = command.get_command(here, each)
            assert inner is not None
            yield from _helps(inner, f"{name} {each}", here)


def leaves(
    group: click.Group = commands, name: str = "eventroute", parent: click.Context | None = None
) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command that does something, by the name that is typed."""
    here = click.Context(group, parent, name.rpartition(" ")[2])
    for each in group.list_commands(here):
        command = group.get_command(here, each)
        assert command is not None
        if isinstance(command, click.Group):
            yield from leaves(command, f"{name} {each}", here)
        else:
            yield f"{name} {each}", command, click.Context(command, here, each)


def page() -> str:
    """All of it."""
    parts = [HEAD]
    for name, command, _ in leaves():
        arguments = " ".join(each.metavar or (each.name or "").upper() for each in _arguments(command))
        parts.append(f"## {name}\n\n`{' '.join(filter(None, (name, '[OPTIONS]', arguments)))}`\n")
        parts.append(_help(command))
        rows = [_row(each) for each in command.params if isinstance(each, click.Option)]
        parts.append("\n".join(["| option | | |", "|---|---|---|", *rows]) + "\n" if rows else "")
        examples = (command.epilog or "").partition("Examples:\n")[2].splitlines()
        parts.append("\n".join(["```text", *(line.strip() for line in examples), "```\n"]))
    return "\n".join(filter(None, parts))


def _arguments(command: click.Command) -> list[click.Argument]:
    return [each for each in command.params if isinstance(each, click.Argument)]


def _help(command: click.Command) -> str:
    paragraphs = (command.help or "").replace("\b", "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs) + "\n"


def _row(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    kind = "" if option.is_flag else f"`{option.metavar or _kind(option.type)}`"
    notes = [option.help or ""]
    if option.required:
        notes.append("Required.")
    if option.multiple:
        notes.append("May be given several times.")
    if option.show_default and not callable(option.default) and option.default is not None:
        notes.append(f"Default: {option.default}.")
    text = " ".join(notes).replace("|", "\\|")
    return f"| {names} | {kind} | {text} |".replace("`JSON|EXPR`", "`JSON\\|EXPR`")


def _kind(kind: click.ParamType[Any]) -> str:
    if isinstance(kind, click.Choice):
        return "\\|".join(map(str, kind.choices))
    if isinstance(kind, (click.IntRange, click.FloatRange)):
        return f"{kind.min:,} to {kind.max:,}" if kind.max is not None else f"from {kind.min:,}"
    return kind.name.replace("|", "\\|") if "|" in kind.name else kind.name.upper()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    HELP.mkdir(exist_ok=True)
    for old in HELP.glob("*.txt"):
        old.unlink()
    for file, text in helps():
        file.write_text(text, encoding="utf-8")
