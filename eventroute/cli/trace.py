"""`eventroute events trace` and `eventroute events find`: where did my event go."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from eventroute.cli.eventrows import STYLES, TITLES, cells_of, document_of
from eventroute.cli.tables import cell, print_table
from eventroute.cli.target import (
    bus_option,
    filter_option,
    json_option,
    on_router,
    scan_option,
    storage_option,
    time_option,
)
from eventroute.cli.terminal import echo, print_json
from eventroute.cli.trial import read_filters
from eventroute.timestamps import format_timestamp
from eventroute.tracing.search import Found
from eventroute.tracing.trace import MEANT, STATES

if TYPE_CHECKING:
    from eventroute.router import Router
    from eventroute.tracing.finding import Searched, Traces
    from eventroute.tracing.trace import DelayedTrace, DeliveryTrace, EventTrace

__all__ = ["find", "trace"]


def _before_option(command: Any) -> Any:
    return click.option("--before", type=click.IntRange(0), help="Look at events before this offset.")(command)


@click.command(short_help="Tell what became of one event.")
@click.argument("event")
@storage_option
@bus_option
@click.option("--source", help="Only the event of this source: ids are unique within one.")
@click.option("--id", "by_id", is_flag=True, help="EVENT is an id, although it is a number.")
@click.option("--all", "everything", is_flag=True, help="Show subscriptions whose filters do not match, too, and why.")
@click.option("--subscription", metavar="TEXT", help="Show those with TEXT in their id, whether they match or not.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="How many at most.")
@click.option("--after", metavar="ID", help="Show the subscriptions behind this one.")
@scan_option
@_before_option
@json_option
def trace(
    event: str,
    storage: str,
    bus: str,
    source: str | None,
    by_id: bool,
    scan: int,
    before: int | None,
    as_json: bool,
    **which: Any,
) -> None:
    """Tell where EVENT, an offset or an id, is, and what became of it for each subscription that it is for.

    An id is looked for in the log, the newest events first, and among delayed events. The exit code is 1 where the
    event is not found.
    """
    offset = int(event) if _is_offset(event) and not by_id and source is None else None

    async def ask(router: Router) -> Traces:
        if offset is not None:
            return await router.trace(bus, offset=offset)
        return await router.trace(bus, event_id=event, source=source, scan=scan, before=before)

    found, shown = on_router(storage, ask, doing="searching"), _Shown(**which)
    if as_json:
        print_json(_document(found, shown))
    else:
        _show(found, shown)
    if not found.events and not found.delayed:
        raise SystemExit(1)


def _is_offset(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


@frozen
class _Shown:
    """Which subscriptions are shown."""

    everything: bool
    subscription: str | None
    limit: int
    after: str | None

    def of(self, one: EventTrace) -> tuple[list[str], int]:
        """Their ids, and how many more there are."""
        states = STATES if self.everything or self.subscription is not None else MEANT
        found = one.deliveries.ids(states, containing=self.subscription or "")
        if self.after in found:
            found = found[found.index(self.after) + 1 :]
        elif self.after is not None:  # it has gone since
            found = [name for name in found if name > self.after]
        return found[: self.limit], max(len(found) - self.limit, 0)


def _document(found: Traces, shown: _Shown) -> dict[str, Any]:
    events = [(one, *shown.of(one)) for one in found.events]
    return {
        "events": [{**one.to_dict(names), "more": more} for one, names, more in events],
        "delayed": [one.to_dict() for one in found.delayed],
        "scanned": found.scanned,
        "before": found.before,
    }


def _show(found: Traces, shown: _Shown) -> None:
    for timer in found.delayed:
        _show_delayed(timer)
    for event in found.events:
        _show_event(event, shown)
    if not found.events and not found.delayed:
        echo(f"not found (events looked at: {found.scanned})")
    if found.before is not None:
        echo(f"not looked at: what is before offset {found.before}; go on with --before {found.before}, or --scan more")


def _show_delayed(one: DelayedTrace) -> None:
    echo(f"delayed until {format_timestamp(one.due)}: timer {one.timer}, in no log yet")
    echo(f"  {one.event.type} {one.event.id} from {one.event.source}")


def _show_event(one: EventTrace, shown: _Shown) -> None:
    echo(f"offset {one.offset} of bus {one.bus}, " + ("" if one.time is None else f"appended {cell(one.time)}"))
    if not one.kept:
        echo("  the log no longer has it: retention took it away, or it is damaged")
    if one.event is not None:
        echo(f"  {one.event.type} {one.event.id} from {one.event.source}")
    names, more = shown.of(one)
    for name in names:
        _show_delivery(one.deliveries.of(name))
    if more:
        echo(f"  and {more} more; go on with --after {shlex.quote(names[-1])}, or show more at once with --limit")
    hidden = one.deliveries.counts().get("not-matched", 0)
    if hidden and not shown.everything and shown.subscription is None:
        echo(f"  does not match the filters of {hidden}; show them with --all, or one with --subscription")
    if not one.deliveries:
        echo("  the bus has no subscriptions")


def _show_delivery(one: DeliveryTrace) -> None:
    echo(f"  {one.subscription}: {one.state}: {STATES[one.state]}")
    for line in one.facts():
        echo(f"    {line}")
    if one.explanation is not None and not one.explanation.matched:
        for line in str(one.explanation).splitlines():
            echo(f"    {line}")


@click.command()
@storage_option
@bus_option
@click.option("--id", help="Only with this id.")
@click.option("--source", help="Only from this source.")
@click.option("--type", help="Only of this type.")
@click.option("--subject", help="Only about this subject.")
@time_option("--since", "Only what was appended at this time or later (RFC 3339).")
@time_option("--until", "Only what was appended before this time (RFC 3339).")
@filter_option
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at most.")
@scan_option
@_before_option
@json_option
def find(storage: str, bus: str, limit: int, scan: int, before: int | None, as_json: bool, **which: Any) -> None:
    """Find events in a log, the newest first. The log is read backwards: a window of time makes that short."""
    given = {**which, "filters": tuple(read_filters(which["filters"])) if which["filters"] else None}
    sought: Searched = {name: value for name, value in given.items() if value is not None}  # type: ignore[assignment]

    async def search(router: Router) -> Found:
        return await router.find(bus, before=before, limit=limit, scan=scan, **sought)

    found = on_router(storage, search, doing="searching")
    if as_json:
        events = list(map(document_of, found.events))
        print_json({"events": events, "scanned": found.scanned, "before": found.before, "damaged": found.damaged})
        return
    print_table(TITLES, map(cells_of, found.events), empty="no events", styles=STYLES)
    _more(found)


def _more(found: Found) -> None:
    if found.damaged:
        echo(f"damaged events: {found.damaged}; `eventroute log check` tells more")
    if found.before is not None:
        echo(f"not looked at: what is before offset {found.before}; go on with --before {found.before}")
