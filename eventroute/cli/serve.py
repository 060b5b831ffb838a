"""`eventroute serve`: a broker from a file."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["serve"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Only check the file and its secrets; touch nothing.")
@click.option(
    "--uvloop", is_flag=True, help="Run on uvloop, which costs less a request: pip install 'eventroute[uvloop]'."
)
def serve(file: Path, *, check: bool, uvloop: bool) -> None:
    """Run the broker that FILE (TOML) describes, until SIGTERM or SIGINT.

    The first signal lets requests and deliveries in flight end; a second one stops at once.
    Exit codes: 0 a clean stop, 1 deliveries were cut off and may be repeated, 2 the file is wrong or it cannot start.
    """
    from eventroute.config import load  # noqa: PLC0415  # slow to import, as is what follows

    configuration = load(file)
    access = configuration.access()
    if check:
        click.echo(f"{file} is right: {configuration.summary}")
        return
    from eventroute.broker import run  # noqa: PLC0415  # needs an extra

    if not run(configuration, access, say=lambda line: click.echo(line, err=True), uvloop=uvloop):
        raise SystemExit(1)
