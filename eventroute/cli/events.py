"""`eventroute events`: look into a log, and put events into it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from eventroute.buses import LoggedEvent
from eventroute.cli.files import name_of, read_file
from eventroute.cli.target import bus_option, json_option, on_router, storage_option
from eventroute.cli.terminal import as_json as json_text
from eventroute.cli.terminal import echo, print_table, progress
from eventroute.cli.trial import read_filters
from eventroute.errors import EventrouteError, InvalidEvent
from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.jsontext import decode_json, split_array
from eventroute.router import Router
from eventroute.timestamps import format_timestamp, parse_timestamp

__all__ = ["events"]

BATCH: Final = 1_000
"""How many events are put in one change."""

_EXAMPLES: Final = """\b
Examples:
  eventroute events tail --follow --storage sqlite:///events.db
  eventroute events list --start 2026-01-01T00:00:00Z --filter "type STARTS WITH 'order.'" --limit 50
  eventroute events show 17
  eventroute events put events.jsonl --bus audit
"""


@click.group(epilog=_EXAMPLES)
def events() -> None:
    """List, show, follow and put events."""


class _Start(click.ParamType[Any]):
    name = "start"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str) or value == "earliest":
            return value
        if value.isascii() and value.isdigit() and len(value) < 19:
            return int(value)
        try:
            return parse_timestamp(value)
        except ValueError:
            self.fail(f"{value!r} is none of earliest, an offset, an RFC 3339 time", param, ctx)


def _filter_option(command: Any) -> Any:
    return click.option(
        "--filter", "filters", multiple=True, metavar="JSON|EXPR", help="Only what matches; of several, all must."
    )(command)


@events.command("list")
@storage_option
@bus_option
@click.option("--start", type=_Start(), default="earliest", show_default=True, help="earliest, an offset or a time.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="How many at most.")
@_filter_option
@json_option
def list_(storage: str, bus: str, start: Any, limit: int, filters: tuple[str, ...], as_json: bool) -> None:
    """List events in the order of the log."""
    wanted = read_filters(filters)
    found = on_router(storage, lambda router: _collect(router, bus, start, limit, wanted))
    if as_json:
        echo(json_text([_document(one) for one in found]))
        return
    print_table(
        ("offset", "appended", "type", "source", "subject", "id"), [_cells(one) for one in found], empty="no events"
    )


async def _collect(router: Router, bus: str, start: Any, limit: int, wanted: Sequence[Filter]) -> list[LoggedEvent]:
    found: list[LoggedEvent] = []
    async with aclosing(router.events(bus, start)) as log:
        async for one in log:
            if all(chosen(one.event) for chosen in wanted):
                found.append(one)
                if len(found) == limit:
                    break
    return found


@events.command()
@click.argument("offset", type=click.IntRange(0))
@storage_option
@bus_option
def show(offset: int, storage: str, bus: str) -> None:
    """Show one event as JSON."""
    found = on_router(storage, lambda router: router.read(bus, offset, limit=1))
    if not found or found[0].offset != offset:
        echo(f"there is no event at offset {offset}")
        raise SystemExit(1)
    echo(json_text(_document(found[0])))


@events.command()
@storage_option
@bus_option
@click.option("-n", "count", type=click.IntRange(0, 1_000_000), default=10, show_default=True, help="How many to show.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is appended, until Ctrl-C.")
@_filter_option
@json_option
def tail(storage: str, bus: str, count: int, follow: bool, filters: tuple[str, ...], as_json: bool) -> None:
    """Show the newest events of the log, one a line; with --json one JSON document a line."""
    wanted = read_filters(filters)

    async def show(router: Router) -> None:
        info = await router.describe_bus(bus)
        start = max(info.bounds.first, info.bounds.end - count)
        async with aclosing(router.events(bus, start, follow=follow)) as log:
            async for one in log:
                if all(chosen(one.event) for chosen in wanted):
                    echo(_json_line(one) if as_json else "  ".join(map(str, _cells(one))))

    try:
        on_router(storage, show)
    except KeyboardInterrupt:
        raise SystemExit(0) from None


@events.command()
@click.argument("file", type=click.Path(path_type=Path))
@storage_option
@bus_option
@click.option("--create", is_flag=True, help="Make the file of the storage where there is none.")
def put(file: Path, storage: str, bus: str, create: bool) -> None:
    """Publish the events in FILE: one CloudEvent in JSON, an array of them, or one a line; - is standard input.

    The whole file is checked before anything is stored. Up to 1,000 events are stored in one change, all or none; what
    is more goes in several, and where one fails it is told how many went before.
    """
    ready = list(_read(file))

    async def publish(router: Router) -> None:
        done = 0
        with progress("publishing", len(ready), quiet=len(ready) <= BATCH) as advance:
            for begin in range(0, len(ready), BATCH):
                batch = ready[begin : begin + BATCH]
                try:
                    await router.publish(*batch, bus=bus)
                except EventrouteError:
                    echo(f"published before it failed: {done} of {len(ready)}")
                    raise
                done += len(batch)
                advance(len(batch))

    on_router(storage, publish, create=create)
    echo(f"published: {len(ready)}")


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


def _cells(one: LoggedEvent) -> tuple[object, ...]:
    event = one.event
    return one.offset, _time(one.time), event.type, event.source, event.subject or "", event.id


def _time(moment: datetime) -> str:
    return format_timestamp(moment.replace(microsecond=0))


def _document(one: LoggedEvent) -> dict[str, Any]:
    return {
        "offset": one.offset,
        "appended": format_timestamp(one.time),
        "event": msgspec.Raw(one.event.to_json()),
    }


def _json_line(one: LoggedEvent) -> str:
    return msgspec.json.encode(_document(one)).decode()
