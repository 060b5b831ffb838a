"""`eventroute try`: one event against filters and a transformer, with nothing stored and nothing sent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from eventroute.cli.failure import Failure
from eventroute.cli.files import STDIN, standard_input
from eventroute.cli.target import json_option
from eventroute.cli.terminal import encodable, print_json

if TYPE_CHECKING:
    from eventroute.trial import Mode

__all__ = ["try_"]

_EXAMPLES: Final = """\b
Examples:
  eventroute try --event event.json --filter "type LIKE 'com.github.%'"
  eventroute try --event event.json --filter '{"prefix": {"type": "com.github."}}' --json
  eventroute try --event - --transformer to-slack.toml --mode binary < event.json
"""


@click.command("try", epilog=_EXAMPLES, short_help="Try filters and a transformer on one event.")
@click.option(
    "--event",
    "event_file",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="The event, a CloudEvent in JSON; - is the standard input.",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="JSON|EXPR",
    help="A filter: JSON if it begins with { or [, an expression otherwise. Of several, all must match.",
)
@click.option(
    "--transformer",
    "transformer_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The transformer, JSON or (*.toml) TOML; - is the standard input.",
)
@click.option(
    "--mode", type=click.Choice(["binary", "structured", "batch"]), help="Show the headers and body of the delivery."
)
@json_option
def try_(
    event_file: Path, filters: tuple[str, ...], transformer_file: Path | None, mode: Mode | None, *, as_json: bool
) -> None:
    """Try filters and a transformer on one event: whether it matches, why, and what would be delivered.

    Without a filter everything matches; without a transformer the event goes as it is. Nothing is stored or sent.
    Exit codes: 0 it matches, 1 it does not, 2 an error.
    """
    from eventroute.cli.trial import (  # noqa: PLC0415  # slow to import
        document_of,
        read_event,
        read_filters,
        read_transformer,
        text_of,
    )
    from eventroute.trial import try_out  # noqa: PLC0415

    if event_file == transformer_file == STDIN:
        raise click.UsageError("only one of --event and --transformer can be the standard input")
    stdin = standard_input()
    event = read_event(event_file, stdin)
    wanted = read_filters(filters)
    transformer = None if transformer_file is None else read_transformer(transformer_file, stdin)
    outcome = try_out(event, wanted, transformer)
    if as_json:
        print_json(document_of(outcome, mode))
    else:
        click.echo(encodable(text_of(outcome, mode)))
    if outcome.error is not None:
        raise Failure.of(outcome.error) from outcome.error
    if not outcome.matched:
        raise SystemExit(1)
