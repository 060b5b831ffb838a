"""`eventroute log`: look after the file of an SQLite storage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress as Bars

from eventroute.cli.terminal import echo
from eventroute.storage.sqlite_check import Progress, check_storage

__all__ = ["log"]

_FILE = click.Path(path_type=Path)


@click.group()
def log() -> None:
    """Look after the file of an SQLite storage: whether it is whole."""


@log.command()
@click.argument("file", type=_FILE)
@click.option("--quiet", is_flag=True, help="Show no progress.")
def check(file: Path, *, quiet: bool) -> None:
    """Read all that FILE holds, and say what is damaged.

    Others may use it meanwhile. Exit codes: 0 it is whole, 1 it is damaged, 2 an error.
    """
    with _progress(f"Checking {file.name}", quiet=quiet) as progress:
        findings = check_storage(file, progress=progress)
    for finding in findings:
        echo(finding)
    if findings:
        click.echo(f"{file}: damaged; go on with a backup", err=True)
        raise SystemExit(1)
    echo(f"{file}: whole")


@contextmanager
def _progress(what: str, *, quiet: bool) -> Iterator[Progress]:
    """A bar on the standard error, where that is a terminal."""
    with Bars(console=Console(stderr=True), transient=True, disable=quiet) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
