"""Tables that fit a terminal: columns under their titles, and what is too wide is cut."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click

from eventroute.cli.terminal import coloured, echo, encodable, print_line
from eventroute.timestamps import format_timestamp

__all__ = ["GAP", "Size", "cell", "columns_of", "cut", "fitting", "print_row", "print_table", "terminal_width"]

GAP: Final = "  "
"""What is between two columns."""

PADDED: Final = 60
"""Columns are at most that wide where nothing is cut: what is longer stands out of its column."""

LEAST: Final = 6
"""A column is not narrowed below that."""

Style = dict[str, Any]
"""What `click.style` takes."""

TITLE: Final[Style] = {"bold": True}


def terminal_width() -> int | None:
    """How many columns the standard output has, by COLUMNS or as it says itself. None: it is no terminal."""
    return max(shutil.get_terminal_size().columns, 1) if sys.stdout.isatty() else None


class Size(int):
    """A number of bytes, shown in at most five characters: 999, 1.2k, 12k, 3.4M."""

    def __str__(self) -> str:
        size = float(self)
        for unit in ("", "k", "M", "G"):
            if round(size) < 1_000:
                return f"{size:.1f}{unit}" if unit and round(size, 1) < 10 else f"{size:.0f}{unit}"
            size /= 1_000
        return f"{size:.0f}T"


def cell(value: object) -> str:
    """A value on one line with nothing in it that a terminal would obey, or that the output cannot say: that is
    escaped, as Python does. A time is told in UTC, to the second.
    """
    if value is None:
        return ""
    if isinstance(value, datetime):
        return format_timestamp(value.astimezone(UTC).replace(microsecond=0))
    text = encodable(str(value))
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def columns_of(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, width: int) -> str:
    """The text in at most so many columns; where it is cut, it ends in an ellipsis."""
    if len(text) <= 2 * width and columns_of(text) <= width:
        return text
    ellipsis = "…" if encodable("…") == "…" else "..."[:width]
    kept, taken = [], 0
    for char in text[: 2 * width]:  # of marks that take no column there may be very many
        taken += _columns(char)
        if taken > width - len(ellipsis):
            break
        kept.append(char)
    return "".join(kept) + ellipsis


def fitting(widths: Sequence[int], firm: Sequence[bool], width: int | None) -> list[int]:
    """The widths of a table's columns in so many columns of a terminal: of those that are not firm the widest are
    narrowed first, none below LEAST.
    """
    if width is None:
        return [min(one, PADDED) for one in widths]
    room = width - len(GAP) * (len(widths) - 1) - sum(one for one, stays in zip(widths, firm, strict=True) if stays)
    loose = [one for one, stays in zip(widths, firm, strict=True) if not stays]
    most = max(loose, default=0)
    while most > LEAST and sum(min(one, most) for one in loose) > room:
        most -= 1
    spare = max(room - sum(min(one, most) for one in loose), 0)
    narrowed = []
    for one, stays in zip(widths, firm, strict=True):
        more = not stays and one > most and spare > 0  # all shrink at once, which may be one column too much for some
        spare -= more
        narrowed.append(one if stays else min(one, most) + more)
    return narrowed


def print_table(
    titles: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str, styles: Sequence[Style] = ()
) -> None:
    """Print rows under their titles; without rows, the line `empty`.

    Numbers stand to the right. On a terminal what is too wide for it is cut, numbers and times aside; elsewhere nothing
    is.
    """
    values = list(rows)
    if not values:
        echo(empty)
        return
    cells = [[cell(value) for value in row] for row in values]
    right = [all(isinstance(value, int) for value in column) for column in zip(*values, strict=True)]
    firm = [all(isinstance(value, int | datetime) for value in column) for column in zip(*values, strict=True)]
    natural = [max(map(columns_of, column)) for column in zip(titles, *cells, strict=True)]
    width = terminal_width()
    widths = fitting(natural, firm, width)
    print_row(titles, widths, right, [TITLE] * len(titles), whole=width is None)
    for row in cells:
        print_row(row, widths, right, styles, whole=width is None)


def print_row(
    cells: Sequence[str], widths: Sequence[int], right: Sequence[bool], styles: Sequence[Style] = (), *, whole: bool
) -> None:
    """Print cells in columns of these widths. `whole`: what is wider than its column stands out and is not cut."""
    paint = coloured()
    line = []
    for place, (text, width) in enumerate(zip(cells, widths, strict=True)):
        shown = text if whole else cut(text, width)
        space = " " * (width - columns_of(shown))
        if paint and place < len(styles) and shown:
            shown = click.style(shown, **styles[place])
        line.append(space + shown if right[place] else shown + space)
    print_line(GAP.join(line).rstrip())
