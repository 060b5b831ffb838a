"""What commands print: text that no terminal obeys, tables, and JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
import msgspec

__all__ = ["as_json", "echo", "encodable", "plain", "print_table", "progress"]

WIDEST = 60
"""How many characters of a cell are shown."""


def plain(text: str) -> str:
    """The text with one character for each that a terminal would obey, so that a caret stays under its place."""
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


def encodable(text: str) -> str:
    """The text with what the standard output cannot say escaped."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def echo(text: str) -> None:
    """Print text on the standard output, whatever its encoding, and whatever stands in it."""
    click.echo(encodable(plain(text)))


def as_json(value: Any) -> str:
    """A value as indented JSON; what stands in it as `msgspec.Raw` keeps its text, numbers digit for digit."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def print_table(titles: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print rows under their titles, in columns; what is too wide is cut. Without rows, the line `empty`."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        echo(empty)
        return
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    for row in (titles, *cells):
        echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    text = "" if value is None else str(value).replace("\n", " ")
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


@contextmanager
def progress(what: str, total: int, *, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """A bar on the standard error, if that is a terminal and the work is not too small; it is told what was done."""
    if quiet or not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console  # noqa: PLC0415  # slow to import
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, advance=done)
