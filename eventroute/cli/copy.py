"""`eventroute copy`: move buses with all their delivery state from one storage to another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import anyio
import attrs
import click

from eventroute.cli.bars import stages
from eventroute.cli.target import json_option, opened
from eventroute.cli.terminal import echo, print_json
from eventroute.copying.bus import Copied, copy_bus
from eventroute.copying.places import Progress
from eventroute.errors import DamagedEvent, InvalidConfiguration
from eventroute.storage.base import DEFAULT_BUS, Storage
from eventroute.storage.memory import MemoryStorage

__all__ = ["copy"]

CopyBus = Callable[..., Awaitable[Copied]]

_EXAMPLES: Final = """\b
Examples:
  eventroute copy sqlite:///events.db postgresql://localhost/events
  eventroute copy sqlite:///events.db sqlite:////srv/events.db --bus orders --bus audit
  eventroute copy sqlite:///damaged.db sqlite:///sound.db --skip-damaged
"""


@click.command(epilog=_EXAMPLES, short_help="Copy buses from one storage to another.")
@click.argument("source", metavar="SOURCE")
@click.argument("target", metavar="TARGET")
@click.option("--bus", "buses", multiple=True, metavar="NAME", help="Only this bus, or these.  [default: all]")
@click.option(
    "--wait",
    type=click.FloatRange(0, 3_600),
    default=10.0,
    show_default=True,
    help="Seconds to wait for those who work on either to end.",
)
@click.option(
    "--skip-damaged",
    is_flag=True,
    help="Leave out events that cannot be read, and tell which: whoever was yet to get them gets a dead letter.",
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@json_option
def copy(
    source: str, target: str, buses: tuple[str, ...], wait: float, skip_damaged: bool, quiet: bool, as_json: bool
) -> None:
    """Copy buses from the storage SOURCE to the storage TARGET (URLs): events, subscriptions with their places, what
    waits, dead letters, delayed events. Both are compared at the end.

    Stop every router and publisher first. A copy that was cut short goes on when it is made again, and delivers
    nothing before. SOURCE stays as it is. Exit codes: 0 done, 1 done but for damaged events, 2 an error.
    """
    storages = opened(source, where="SOURCE"), opened(target, create=True)
    if any(isinstance(storage, MemoryStorage) for storage in storages):
        raise InvalidConfiguration("there is nothing in memory: when the command begins, or after it ends")

    async def main() -> list[Copied]:
        with stages(quiet=quiet) as progress:
            return await _copy(*storages, buses, partial(copy_bus, patience=wait, skip_damaged=skip_damaged), progress)

    try:
        found = anyio.run(main)
    except DamagedEvent as error:
        error.args = (f"{error}; --skip-damaged leaves such events out",)
        raise
    if as_json:
        print_json([attrs.asdict(one) for one in found])
    else:
        for one in found:
            echo(_line(one))
    if any(one.damaged for one in found):
        raise SystemExit(1)


async def _copy(
    source: Storage, target: Storage, buses: tuple[str, ...], copy_one: CopyBus, progress: Progress
) -> list[Copied]:
    async with source:
        if await _is_blank(source):  # as what a router has made once, whose address was mistyped
            raise InvalidConfiguration("there is nothing in it: look for a typing error", where="SOURCE")
    async with source, target:
        names = buses or await source.buses()
        return [
            await copy_one(source, target, bus=name, progress=_of_bus(name, progress)) for name in dict.fromkeys(names)
        ]


async def _is_blank(source: Storage) -> bool:
    if await source.buses() != (DEFAULT_BUS,):
        return False
    info = await source.describe_bus(DEFAULT_BUS)
    return not (info.events or info.subscriptions or info.dead_letters or await source.count_timers(DEFAULT_BUS))


def _of_bus(bus: str, progress: Progress) -> Progress:
    return lambda what, done, total: progress(f"{bus}: {what}", done, total)


def _line(one: Copied) -> str:
    """What was copied, and in a second line what was not."""
    parts: list[Any] = [f"events {one.events}", f"subscriptions {one.subscriptions}", f"waiting {one.waiting}"]
    parts += [f"dead letters {one.dead_letters}", f"delayed {one.timers}", f"sha256 {one.checksum}"]
    line = f"{one.bus}: the same in both: {', '.join(parts)}"
    if one.damaged:
        offsets = ", ".join(map(str, one.damaged))
        line += f"\n{one.bus}: damaged in the source, and left out: {len(one.damaged)} events, at offsets {offsets}"
    return line
