"""The commands, each in a module of its own that is imported when it is asked for: some need extras, and time."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import click

from eventroute.errors import EventrouteError

__all__ = ["commands"]

_MODULES: Final = {
    "buses": "buses",
    "deadletters": "deadletters",
    "demo": "demo",
    "events": "events",
    "log": "log",
    "serve": "serve",
    "subscriptions": "subscriptions",
    "try": "try_",
}
"""Each command with its module, where it is a function of that name too."""


class _Refusal(click.ClickException):
    exit_code = 2


class _Commands(click.Group):
    """Shows what eventroute refuses as a message, not as a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = _MODULES.get(cmd_name)
        if name is None:
            return None
        command: click.Command = getattr(import_module(f"eventroute.cli.{name}"), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EventrouteError as error:
            raise _Refusal(str(error)) from error


@click.group(cls=_Commands)
@click.version_option(package_name="eventroute", prog_name="eventroute")
def commands() -> None:
    """An event broker: CloudEvents in, kept, matched, reshaped and pushed."""
