"""Where a command works: a storage on this machine, opened without pushing anything."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, ParamSpec, TypeVar

import anyio
import click

from eventroute.cli.bars import pulse
from eventroute.errors import InvalidConfiguration
from eventroute.router import Router
from eventroute.storage.base import Storage
from eventroute.storage.open import open_storage
from eventroute.storage.opening import OpenedStorage
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.timestamps import parse_timestamp
from eventroute.tracing.search import SCAN

__all__ = [
    "bus_option",
    "filter_option",
    "json_option",
    "moment",
    "on_router",
    "opened",
    "scan_option",
    "storage_option",
    "time_option",
]

MOST_SCANNED: Final = 1_000_000_000

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def moment(value: str) -> datetime:
    """What reads an RFC 3339 date-time."""
    try:
        return parse_timestamp(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def time_option(name: str, help: str) -> Callable[[F], F]:
    """An option that takes an RFC 3339 date-time."""
    return click.option(name, type=moment, metavar="TIME", help=help)


def storage_option(command: F) -> F:
    """The option `--storage`."""
    return click.option(
        "--storage",
        required=True,
        envvar="EVENTROUTE_STORAGE",
        metavar="URL",
        help="The storage: sqlite:///events.db, for instance.  [env: EVENTROUTE_STORAGE]",
    )(command)


def bus_option(command: F) -> F:
    """The option `--bus`."""
    return click.option("--bus", default="default", show_default=True, metavar="NAME", help="The bus.")(command)


def json_option(command: F) -> F:
    """The option `--json`, which makes errors JSON too: see `eventroute.cli.failure`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, errors too.")(command)


def filter_option(command: F) -> F:
    """The option `--filter`, of which there may be several."""
    return click.option(
        "--filter", "filters", multiple=True, metavar="JSON|EXPR", help="Only what matches; of several, all must."
    )(command)


def scan_option(command: F) -> F:
    """The option `--scan`: how far a search goes before it pauses."""
    return click.option(
        "--scan",
        type=click.IntRange(1, MOST_SCANNED),
        default=SCAN,
        show_default=True,
        help="How many events of the log to look at.",
    )(command)


def opened(url: str, *, create: bool = False, where: str = "--storage") -> Storage:
    """The storage at a URL, which is not open yet. Unless it may be created it is taken as it is: where there is none,
    to open it raises StorageError.

    Raises InvalidConfiguration where there is no such file.
    """
    storage = open_storage(url)
    if create or not isinstance(storage, OpenedStorage):
        return storage
    storage.as_is = True
    if isinstance(storage, SQLiteStorage) and not os.path.exists(storage.path):  # noqa: PTH110 - as it may raise
        raise InvalidConfiguration(f"there is no file {storage.path}: look for a typing error", where=where)
    return storage


def on_router(
    storage: str, work: Callable[[Router], Awaitable[T]], *, create: bool = False, doing: str | None = None
) -> T:
    """What `work` makes of a router that pushes nothing; where it lasts, `doing` is shown. Raises what `opened` and
    `work` raise.
    """
    there = opened(storage, create=create)

    async def main() -> T:
        async with Router(there, push=False) as router:
            return await work(router)

    with pulse(doing):
        return anyio.run(main)
