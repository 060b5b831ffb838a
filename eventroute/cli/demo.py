"""`eventroute demo`: everything in one process, and what happens at each step."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from eventroute.cli.failure import Failure

__all__ = ["demo"]

_NEW_FOLDER = "a new folder"


@click.command(short_help="See it work, with a webhook of GitHub.")
@click.option(
    "--keep",
    is_flag=False,
    flag_value=_NEW_FOLDER,
    metavar="[FOLDER]",
    help="Keep the SQLite file, in FOLDER or in a new temporary one.",
)
def demo(keep: str | None) -> None:
    """See it work: a GitHub webhook comes in, is kept, matched, reshaped and pushed to a receiver that plays Slack.

    Needs no network and no configuration, and leaves nothing behind unless --keep is given.
    Exit codes: 0 all went as it should, 1 it did not, 2 it could not start.
    """
    try:
        went_well = _play(keep)
    except BrokenPipeError:
        raise
    except OSError as error:
        told = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise Failure(told, "NotStarted") from error
    if not went_well:
        raise SystemExit(1)


def _play(keep: str | None) -> bool:
    from eventroute.demo.story import play  # noqa: PLC0415  # slow to import, and it needs extras

    with _folder(keep) as folder:
        file = folder / "events.db"
        if file.exists():
            raise click.BadParameter(f"{file} is there already: name another folder", param_hint="--keep")
        return asyncio.run(play(file, kept=keep is not None))


@contextmanager
def _folder(keep: str | None) -> Iterator[Path]:
    """Where the file goes: gone with all that is in it when the block ends, unless it is to be kept."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="eventroute-demo-") as name:
            yield Path(name)
    elif keep == _NEW_FOLDER:
        yield Path(tempfile.mkdtemp(prefix="eventroute-demo-"))
    else:
        folder = Path(keep).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
