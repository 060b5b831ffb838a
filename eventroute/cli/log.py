"""`eventroute log`: look after the file of an SQLite storage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import click
from rich.console import Console
from rich.progress import Progress as Bars

from eventroute.cli.terminal import echo
from eventroute.errors import StorageError
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.storage.sqlite_check import check_storage
from eventroute.storage.sqlite_upkeep import Progress, backup_storage

__all__ = ["log"]

_FILE = click.Path(path_type=Path)


@click.group()
def log() -> None:
    """Look after the file of an SQLite storage: whether it is whole, copies of it, its size."""


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


@log.command()
@click.argument("file", type=_FILE)
@click.argument("target", type=_FILE)
@click.option("--quiet", is_flag=True, help="Show no progress.")
def backup(file: Path, target: Path, *, quiet: bool) -> None:
    """Copy FILE, as it is at one moment, to TARGET, a new file.

    Others may use FILE meanwhile. TARGET is there once the copy is complete and on the disk. Exit codes: 0 done, 2 an
    error.
    """
    with _progress(f"Copying {file.name}", quiet=quiet) as progress:
        backup_storage(file, target, progress=progress)
    echo(f"{target}: {target.stat().st_size} bytes")


@log.command()
@click.argument("file", type=_FILE)
def vacuum(file: Path) -> None:
    """Give the room that trimmed events have left in FILE back to the file system.

    Others may use FILE meanwhile. Exit codes: 0 done, 2 an error.
    """
    if not file.is_file():
        raise StorageError(f"{file}: there is no such file")
    echo(f"{file}: {anyio.run(_vacuum, file)} bytes given back")


async def _vacuum(file: Path) -> int:
    async with SQLiteStorage(file) as storage:
        return await storage.vacuum()


@contextmanager
def _progress(what: str, *, quiet: bool) -> Iterator[Progress]:
    """A bar on the standard error, where that is a terminal."""
    with Bars(console=Console(stderr=True), transient=True, disable=quiet) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
