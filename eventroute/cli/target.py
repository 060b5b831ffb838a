"""Where a command works: a storage on this machine, opened without pushing anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

import anyio
import click

from eventroute.errors import InvalidConfiguration
from eventroute.router import Router
from eventroute.storage.open import open_storage
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.timestamps import parse_timestamp

__all__ = ["TIME", "bus_option", "json_option", "on_router", "storage_option"]

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class _Time(click.ParamType[datetime]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return parse_timestamp(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


TIME = _Time()
"""An RFC 3339 date-time."""


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
    """The option `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def on_router(storage: str, work: Callable[[Router], Awaitable[T]], *, create: bool = False) -> T:
    """What `work` makes of a router that pushes nothing.

    Raises InvalidConfiguration where there is no such file, unless it is to be created, and what `work` raises.
    """
    opened = open_storage(storage)
    if isinstance(opened, SQLiteStorage) and not create and not opened.path.exists():
        raise InvalidConfiguration(f"there is no file {opened.path}: look for a typing error", where="--storage")

    async def main() -> T:
        async with Router(opened, push=False) as router:
            return await work(router)

    return anyio.run(main)
