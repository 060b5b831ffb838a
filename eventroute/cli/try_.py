"""`eventroute try`: one event against filters and a transformer, with nothing stored and nothing sent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from eventroute.cli.files import STDIN, standard_input
from eventroute.cli.terminal import encodable, plain
from eventroute.errors import EventrouteError

if TYPE_CHECKING:
    from eventroute.cli.trial import Mode

__all__ = ["try_"]

_EXAMPLES: Final = """\b
Examples:
  eventroute try --event event.json --filter "type LIKE 'com.github.%'"
  eventroute try --event event.json --filter '{"prefix": {"type": "com.github."}}' --json
  eventroute try --event - --transformer to-slack.toml --mode binary < event.json
"""


class _Refusal(click.ClickException):
    exit_code = 2


@click.command("try", epilog=_EXAMPLES)
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
@click.option("--mode", type=click.Choice(["binary", "structured"]), help="Show the headers and body of the delivery.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def try_(
    event_file: Path, filters: tuple[str, ...], transformer_file: Path | None, mode: Mode | None, *, as_json: bool
) -> None:
    """Try filters and a transformer on one event: whether it matches, why, and what would be delivered.

    Without a filter everything matches; without a transformer the event goes as it is. Nothing is stored or sent.
    Exit codes: 0 it matches, 1 it does not, 2 an error.
    """
    from eventroute.cli.trial import (  # noqa: PLC0415  # slow to import
        json_document,
        read_event,
        read_filters,
        read_transformer,
        try_out,
    )

    if event_file == transformer_file == STDIN:
        raise click.UsageError("only one of --event and --transformer can be the standard input")
    stdin = standard_input()
    try:
        event = read_event(event_file, stdin)
        wanted = read_filters(filters)
        transformer = None if transformer_file is None else read_transformer(transformer_file, stdin)
    except EventrouteError as error:
        if as_json:
            click.echo(json_document({"error": str(error)}))
        raise _Refusal(plain(str(error))) from error
    outcome = try_out(event, wanted, transformer, mode)
    click.echo(json_document(outcome.document()) if as_json else encodable(outcome.text()))
    if outcome.error is not None:
        raise _Refusal(plain(str(outcome.error))) from outcome.error
    if not outcome.matched:
        raise SystemExit(1)
