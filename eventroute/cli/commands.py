"""The commands, each in a module of its own that is imported when it is asked for: some need extras, and time."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import click

from eventroute.cli.examples import illustrate
from eventroute.cli.failure import ending, report, wants_json

__all__ = ["commands"]

_MODULES: Final = {
    "buses": "buses",
    "completion": "completion",
    "console": "console",
    "copy": "copy",
    "deadletters": "deadletters",
    "demo": "demo",
    "events": "events",
    "log": "log",
    "playground": "playground",
    "serve": "serve",
    "subscriptions": "subscriptions",
    "try": "try_",
}
"""Each command with its module, where it is a function of that name too."""


class _Commands(click.Group):
    """Tells what goes wrong in one voice, with one set of exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = _MODULES.get(cmd_name)
        if name is None:
            return None
        command: click.Command = getattr(import_module(f"eventroute.cli.{name}"), name)
        return illustrate(command, cmd_name)

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with ending():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with ending():
            return super().invoke(ctx)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        given = sys.argv[1:] if args is None else list(args)
        try:
            code = super().main(given, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as error:
            if not standalone_mode:
                raise
            code = report(error, as_json=wants_json(given))
        if standalone_mode:
            sys.exit(code)
        return code


@click.group(cls=_Commands)
@click.version_option(package_name="eventroute", prog_name="eventroute")
def commands() -> None:
    """An event broker: CloudEvents in, kept, matched, reshaped and pushed."""
