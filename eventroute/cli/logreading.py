"""Reading a log on past what cannot be read in it: a look at a log must not end where the log is worst."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime

import click

from eventroute.buses import LoggedEvent
from eventroute.cli.eventrows import Unreadable
from eventroute.cli.terminal import plain
from eventroute.errors import DamagedEvent
from eventroute.filters import Filter
from eventroute.router import Router

__all__ = ["read_log"]


async def read_log(
    router: Router, bus: str, start: str | int | datetime, wanted: Sequence[Filter], *, follow: bool = False
) -> AsyncGenerator[LoggedEvent | Unreadable, None]:
    """The events that all filters match. What cannot be read is told on the standard error, and is among them where
    there are no filters.
    """
    begin = start
    while True:
        try:
            async with aclosing(router.events(bus, begin, follow=follow)) as log:
                async for one in log:
                    if all(chosen(one.event) for chosen in wanted):
                        yield one
            return
        except DamagedEvent as error:
            click.echo(plain(str(error)), err=True)
            if not wanted:
                yield Unreadable(error.offset)
            begin = error.offset + 1
