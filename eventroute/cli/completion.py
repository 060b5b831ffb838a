"""`eventroute completion`: what makes a shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["completion"]


@click.command(short_help="Print what makes a shell complete commands.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that has a shell complete commands and options at the Tab key.

    Exit codes: 0 done, 2 an error.
    """
    known = get_completion_class(shell)
    if known is None:
        raise click.UsageError(f"{shell} is not known to this version of click")
    click.echo(known(ctx.find_root().command, {}, "eventroute", "_EVENTROUTE_COMPLETE").source())
