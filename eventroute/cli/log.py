"""`eventroute log`: look after the file of an SQLite storage."""

from __future__ import annotations

from pathlib import Path

import anyio
import click

from eventroute.cli.bars import pulse, stages
from eventroute.cli.target import json_option
from eventroute.cli.terminal import answer, echo, print_json
from eventroute.storage.open import open_storage
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.storage.sqlite.check import check_storage
from eventroute.storage.sqlite.upkeep import backup_storage

__all__ = ["log"]


def _file(value: str) -> Path:
    """The file of a storage, by its path or its URL."""
    if value.lower().startswith("sqlite:"):
        storage = open_storage(value)
        if isinstance(storage, SQLiteStorage):
            return storage.path
    elif "://" not in value and value != "memory:":
        return Path(value)
    raise click.BadParameter("the storage there has no file: give a path, or sqlite:///PATH")


@click.group(short_help="Look after the file of an SQLite storage.")
def log() -> None:
    """Look after the file of an SQLite storage: whether it is whole, copies of it, its size.

    Where a file is wanted, its path will do, or the URL of the storage.
    """


@log.command()
@click.argument("file", type=_file)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@json_option
def check(file: Path, *, quiet: bool, as_json: bool) -> None:
    """Read all that FILE holds, and say what is damaged.

    Others may use it meanwhile. Exit codes: 0 it is whole, 1 it is damaged, 2 an error.
    """
    with stages(quiet=quiet) as tell:
        findings = check_storage(file, progress=lambda done, total: tell(f"checking {file.name}", done, total))
    if as_json:
        print_json({"file": str(file), "whole": not findings, "findings": findings})
    else:
        for finding in findings or [f"{file}: whole"]:
            echo(finding)
        if findings:
            echo(f"{file}: damaged; go on with a backup")
    if findings:
        raise SystemExit(1)


@log.command()
@click.argument("file", type=_file)
@click.argument("target", type=_file)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@json_option
def backup(file: Path, target: Path, *, quiet: bool, as_json: bool) -> None:
    """Copy FILE, as it is at one moment, to TARGET, a new file.

    Others may use FILE meanwhile. TARGET is there once the copy is complete and on the disk. Exit codes: 0 done, 2 an
    error.
    """
    with stages(quiet=quiet) as tell:
        backup_storage(file, target, progress=lambda done, total: tell(f"copying {file.name}", done, total))
    size = target.stat().st_size
    answer({"file": str(target), "bytes": size}, f"{target}: {size} bytes", as_json=as_json)


@log.command(short_help="Give room back to the file system.")
@click.argument("file", type=_file)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@json_option
def vacuum(file: Path, *, quiet: bool, as_json: bool) -> None:
    """Give the room that trimmed events have left in FILE back to the file system.

    Others may use FILE meanwhile. Exit codes: 0 done, 2 an error.
    """
    with pulse(None if quiet else f"vacuuming {file.name}"):
        freed = anyio.run(_vacuum, file)
    answer({"file": str(file), "bytes": freed}, f"{file}: {freed} bytes given back", as_json=as_json)


async def _vacuum(file: Path) -> int:
    storage = SQLiteStorage(file)
    storage.as_is = True
    async with storage:
        return await storage.vacuum()
