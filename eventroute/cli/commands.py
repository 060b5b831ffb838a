"""The commands, each in a module of its own; what they need to do their work is imported when they run."""

from __future__ import annotations

from typing import Any

import click

from eventroute.cli.demo import demo
from eventroute.cli.serve import serve
from eventroute.cli.try_ import try_
from eventroute.errors import EventrouteError

__all__ = ["commands"]


class _Refusal(click.ClickException):
    exit_code = 2


class _Commands(click.Group):
    """Shows what eventroute refuses as a message, not as a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EventrouteError as error:
            raise _Refusal(str(error)) from error


@click.group(cls=_Commands)
@click.version_option(package_name="eventroute", prog_name="eventroute")
def commands() -> None:
    """An event broker: CloudEvents in, kept, matched, reshaped and pushed."""


commands.add_command(demo)
commands.add_command(serve)
commands.add_command(try_)
