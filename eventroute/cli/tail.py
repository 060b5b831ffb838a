"""`eventroute events tail`: the newest events of a log, and what comes from then on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

import click
from attrs import define, field, frozen

from eventroute.buses import LoggedEvent
from eventroute.cli.eventrows import RIGHT, STYLES, TITLES, Unreadable, cells_of, document_of
from eventroute.cli.logreading import read_log
from eventroute.cli.tables import GAP, TITLE, cell, print_row, terminal_width
from eventroute.cli.target import bus_option, filter_option, json_option, on_router, scan_option, storage_option
from eventroute.cli.terminal import print_json
from eventroute.cli.trial import read_filters
from eventroute.router import Router
from eventroute.tracing.search import Match

__all__ = ["Layout", "tail"]

_SHARES: Final = {"type": 0.3, "source": 0.25, "subject": 0.15, "id": 0.3}
"""Who gets how much of the room that is left, where nobody knows what will come."""

_UNCUT: Final = {"type": 28, "source": 24, "subject": 12, "id": 12}
_SPARED: Final = ("size", "offset", "subject", "source")
"""What is left out of a narrow terminal, one after the other."""

_LEAST: Final = 7
"""A column that shares has that much, so that its title fits."""

_NARROW: Final = 110
"""Columns below which a time has no year."""


@frozen
class Layout:
    """Columns that stay where they are while lines come.

    `width` is the terminal's; None: there is none, and what is too long for its column stands out. `digits` are those
    of an offset.
    """

    width: int | None
    digits: int = 6
    widths: dict[str, int] = field(init=False)

    @widths.default
    def _widths(self) -> dict[str, int]:
        fixed = {"offset": max(self.digits, 6), "appended": 14 if self._narrow else 20, "size": 5}
        if self.width is None:
            return {title: ({**fixed, **_UNCUT})[title] for title in TITLES}
        titles = list(TITLES)
        for spared in _SPARED:
            if self._room(titles, fixed) >= _LEAST * sum(title in _SHARES for title in titles):
                break
            titles.remove(spared)
        shares = {title: share for title, share in _SHARES.items() if title in titles}
        room = max(self._room(titles, fixed) - _LEAST * len(shares), 0)
        shared = {title: _LEAST + int(room * share / sum(shares.values())) for title, share in shares.items()}
        shared["id"] += room - sum(shared.values()) + _LEAST * len(shares)
        return {title: ({**fixed, **shared})[title] for title in titles}

    @property
    def _narrow(self) -> bool:
        return self.width is not None and self.width < _NARROW

    def _room(self, titles: Sequence[str], fixed: dict[str, int]) -> int:
        """What is left for the columns that share."""
        taken = sum(fixed.get(title, 0) for title in titles) + len(GAP) * (len(titles) - 1)
        return (self.width or 0) - taken

    def print_titles(self) -> None:
        """The first line."""
        self._print(dict(zip(TITLES, TITLES, strict=True)), [TITLE] * len(TITLES))

    def print_cells(self, cells: Sequence[object]) -> None:
        """One line, of a cell for each title."""
        texts = dict(zip(TITLES, map(cell, cells), strict=True))
        if self._narrow:
            texts["appended"] = texts["appended"][5:-1].replace("T", " ")
        self._print(texts, STYLES)

    def _print(self, texts: dict[str, str], styles: Sequence[dict[str, object]]) -> None:
        places = [place for place, title in enumerate(TITLES) if title in self.widths]
        print_row(
            [texts[TITLES[place]] for place in places],
            list(self.widths.values()),
            [RIGHT[place] for place in places],
            [styles[place] for place in places],
            whole=self.width is None,
        )


@define
class _Lines:
    """One line for each event; titles before the first one, and where the terminal has become wider or narrower."""

    as_json: bool
    digits: int
    _layout: Layout | None = field(default=None, init=False)

    def print(self, one: LoggedEvent | Match | Unreadable) -> None:
        if self.as_json:
            print_json(document_of(one), indent=0)
            return
        width = terminal_width()
        if self._layout is None or self._layout.width != width:
            self._layout = Layout(width, self.digits)
            self._layout.print_titles()
        self._layout.print_cells(cells_of(one))


@click.command(short_help="Show the newest events, and follow.")
@storage_option
@bus_option
@click.option(
    "-n", "count", type=click.IntRange(0, 100_000), default=10, show_default=True, help="How many of them to show."
)
@click.option("--follow", "-f", is_flag=True, help="Go on with what is appended, until Ctrl-C.")
@filter_option
@scan_option
@json_option
def tail(storage: str, bus: str, count: int, follow: bool, filters: tuple[str, ...], scan: int, as_json: bool) -> None:
    """Show the newest events of a log, or of those that match, the newest last; with --json one document a line.

    On a terminal lines are cut to its width; in a pipe nothing is cut. Exit codes: 0 done, also by Ctrl-C where it
    follows; 2 an error.
    """
    wanted = tuple(read_filters(filters)) if filters else ()

    async def show(router: Router) -> None:
        end = (await router.describe_bus(bus)).bounds.end
        lines = _Lines(as_json, len(str(end)))
        if count:
            found = await router.find(bus, before=end, limit=count, scan=scan, filters=wanted)
            if found.before is not None and len(found.events) < count and not as_json:
                click.echo(f"not looked at: what is before offset {found.before}; --scan looks further", err=True)
            for match in reversed(found.events):
                lines.print(match)
        if not follow:
            return
        async with aclosing(read_log(router, bus, end, wanted, follow=True)) as log:
            async for one in log:
                lines.print(one)

    try:
        on_router(storage, show)
    except KeyboardInterrupt:
        if not follow:
            raise
