"""`eventroute serve`: a broker from a file."""

from __future__ import annotations

from pathlib import Path

import click

from eventroute.cli.target import json_option
from eventroute.cli.terminal import announcing, answer, saying

__all__ = ["serve"]


@click.command(short_help="Run the broker that a file describes.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Only check the file and its secrets; touch nothing.")
@click.option(
    "--uvloop", is_flag=True, help="Run on uvloop, which costs less a request: pip install 'eventroute[uvloop]'."
)
@json_option
def serve(file: Path, *, check: bool, uvloop: bool, as_json: bool) -> None:
    """Run the broker that FILE (TOML) describes, until SIGTERM or SIGINT.

    The first signal lets requests and deliveries in flight end; a second one stops at once. With --json it prints
    where it listens, once it does.
    Exit codes: 0 a clean stop, 1 deliveries were cut off and may be repeated, 2 the file is wrong or it cannot start.
    """
    from eventroute.serving.config import load  # noqa: PLC0415  # slow to import, as is what follows

    configuration = load(file)
    access = configuration.access()
    if check:
        counts = {"buses": len(configuration.buses), "subscriptions": len(configuration.subscriptions)}
        document = {"file": str(file), "right": True, **counts}
        answer(document, f"{file} is right: {configuration.summary}", as_json=as_json)
        return
    from eventroute.serving.broker import run  # noqa: PLC0415  # needs an extra

    ready, say = announcing("eventroute listens on", as_json=as_json), saying(as_json=as_json)
    if not run(configuration, access, ready=ready, say=say, uvloop=uvloop):
        raise SystemExit(1)
