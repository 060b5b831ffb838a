"""`eventroute events`: look into a log, and put events into it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click
from attrs import asdict, define

from eventroute.buses import LoggedEvent
from eventroute.cli.bars import stages
from eventroute.cli.eventrows import STYLES, TITLES, Unreadable, cells_of, document_of
from eventroute.cli.failure import Failure, NotFound
from eventroute.cli.files import name_of, read_file
from eventroute.cli.logreading import read_log
from eventroute.cli.tables import print_table
from eventroute.cli.tail import tail
from eventroute.cli.target import bus_option, filter_option, json_option, on_router, storage_option
from eventroute.cli.terminal import answer, print_json
from eventroute.cli.trace import find, trace
from eventroute.cli.trial import read_filters
from eventroute.errors import EventrouteError, InvalidEvent
from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.jsontext import decode_json, split_array
from eventroute.router import Router
from eventroute.timestamps import parse_timestamp

__all__ = ["events"]

BATCH: Final = 1_000
"""How many events are put in one change."""

_EXAMPLES: Final = """\b
Examples:
  eventroute events tail --follow --storage sqlite:///events.db
  eventroute events list --start 2026-01-01T00:00:00Z --filter "type STARTS WITH 'order.'" --limit 50
  eventroute events show 17
  eventroute events trace 7c6b2a1e --source /shop
  eventroute events put events.jsonl --bus audit
"""


@click.group(epilog=_EXAMPLES)
def events() -> None:
    """List, show, follow, find, trace and put events."""


events.add_command(find)
events.add_command(tail)
events.add_command(trace)


def _start(value: str) -> str | int | datetime:
    """Where to begin: earliest, an offset, or a time."""
    if value == "earliest":
        return value
    if value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    try:
        return parse_timestamp(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is none of earliest, an offset, an RFC 3339 time") from None


@events.command("list")
@storage_option
@bus_option
@click.option(
    "--start",
    type=_start,
    metavar="START",
    default="earliest",
    show_default=True,
    help="earliest, an offset or a time.",
)
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="How many at most.")
@filter_option
@json_option
def list_(storage: str, bus: str, start: Any, limit: int, filters: tuple[str, ...], as_json: bool) -> None:
    """List events in the order of the log. What cannot be read has a row that says so, unless events are filtered."""
    wanted = read_filters(filters) if filters else ()
    found = on_router(storage, lambda router: _collect(router, bus, start, limit, wanted), doing="reading")
    if as_json:
        print_json(list(map(document_of, found)))
        return
    print_table(TITLES, map(cells_of, found), empty="no events", styles=STYLES)


async def _collect(
    router: Router, bus: str, start: Any, limit: int, wanted: Sequence[Filter]
) -> list[LoggedEvent | Unreadable]:
    found: list[LoggedEvent | Unreadable] = []
    async with aclosing(read_log(router, bus, start, wanted)) as log:
        async for one in log:
            found.append(one)
            if len(found) == limit:
                break
    return found


@events.command()
@click.argument("offset", type=click.IntRange(0))
@storage_option
@bus_option
@json_option
def show(offset: int, storage: str, bus: str, as_json: bool) -> None:
    """Show one event, as JSON in any case.

    Exit codes: 0 done, 1 there is none, 2 an error.
    """
    found = on_router(storage, lambda router: router.read(bus, offset, limit=1))
    if not found or found[0].offset != offset:
        raise NotFound(f"there is no event at offset {offset}")
    print_json(document_of(found[0]))


@events.command(short_help="Publish the events of a file.")
@click.argument("file", type=click.Path(path_type=Path))
@storage_option
@bus_option
@click.option("--create", is_flag=True, help="Make the storage where there is none.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@json_option
def put(file: Path, storage: str, bus: str, create: bool, quiet: bool, as_json: bool) -> None:
    """Publish the events in FILE: one CloudEvent in JSON, an array of them, or one a line; - is standard input.

    The whole file is checked before anything is stored. Up to 1,000 events are stored in one change, all or none; what
    is more goes in several, and where one fails it is told how many went before.

    It says how many are delayed, by their deliverafter, and on a bus that tells duplicates how many were there already;
    one that is both counts as delayed.
    """
    ready = list(_read(file))
    done = _Put()

    async def publish(router: Router) -> None:
        with stages(quiet=quiet or len(ready) <= BATCH) as tell:
            for begin in range(0, len(ready), BATCH):
                batch = ready[begin : begin + BATCH]
                try:
                    end = (await router.storage.bounds(bus)).end
                    done.count(await router.publish(*batch, bus=bus), end)
                except EventrouteError as error:
                    told = f"{error}\npublished before it failed: {done.published} of {len(ready)}"
                    raise Failure(told, type(error).__name__, more=done.to_dict()) from error
                tell("publishing", done.published, len(ready))

    try:
        on_router(storage, publish, create=create)
    except KeyboardInterrupt:
        more = min(BATCH, len(ready) - done.published)
        raise KeyboardInterrupt(f"published before it: {done.published} of {len(ready)}, or {more} more") from None
    answer(done.to_dict(), str(done), as_json=as_json)


@define
class _Put:
    """What became of the events that were published."""

    appended: int = 0
    delayed: int = 0
    duplicates: int = 0

    def count(self, offsets: Sequence[int | None], end: int) -> None:
        """Offsets of one call, before which the log ended there. What others append between the two cannot be told
        from what the call appended.
        """
        told = [offset for offset in offsets if offset is not None]
        fresh = len({offset for offset in told if offset >= end})
        self.appended += fresh
        self.delayed += len(offsets) - len(told)
        self.duplicates += len(told) - fresh

    @property
    def published(self) -> int:
        """All of them."""
        return self.appended + self.delayed + self.duplicates

    def to_dict(self) -> dict[str, int]:
        """For programs."""
        return {"published": self.published, **asdict(self)}

    def __str__(self) -> str:
        """For people."""
        parts = [f"{self.appended} appended"]
        parts += [f"{self.delayed} delayed"] if self.delayed else []
        parts += [f"{self.duplicates} there already"] if self.duplicates else []
        return f"published: {self.published}" + (f" ({', '.join(parts)})" if len(parts) > 1 else "")


def _read(file: Path) -> Iterator[Event]:
    content = read_file(file)
    for place, document in _documents(content):
        try:
            yield Event.from_json(document)
        except InvalidEvent as error:
            where = ".".join(filter(None, (place, error.where)))
            raise InvalidEvent(error.reason, where=f"{name_of(file)} {where}".rstrip()) from None


def _documents(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Each event of a file, with its place."""
    text = content.strip()
    if text.startswith(b"["):
        try:
            yield from ((f"[{place}]", bytes(one)) for place, one in enumerate(split_array(text)))
        except ValueError as error:
            raise InvalidEvent(f"begins as an array of events, and is none: {error}") from None
        return
    try:
        decode_json(text)
    except ValueError:
        lines = enumerate(content.splitlines(), 1)
        yield from ((f"line {number}", line) for number, line in lines if line.strip())
    else:
        yield "", text
