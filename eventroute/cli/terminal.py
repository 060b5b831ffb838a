"""What commands print: text that no terminal obeys, colours where they are wanted, and JSON."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

import click
import msgspec

__all__ = [
    "announcing",
    "answer",
    "check_may_ask",
    "coloured",
    "confirm",
    "echo",
    "encodable",
    "json_text",
    "lead_nowhere",
    "plain",
    "print_json",
    "print_line",
    "saying",
    "tell",
]

_beyond_ascii = re.compile("[^\n -~]")


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


def print_line(line: str) -> None:
    """Print a line that is safe already, and may be coloured."""
    click.echo(line, color=coloured())


def tell(text: str, *, nl: bool = True) -> None:
    """Print on the standard error. Where that is full, or nobody reads it, what it tells of goes on all the same."""
    try:
        click.echo(text, err=True, nl=nl)
    except OSError:
        lead_nowhere(sys.stderr)


def lead_nowhere(stream: IO[str]) -> None:
    """What is still in its buffer would fail again when the interpreter ends."""
    with suppress(OSError):  # a test's has no file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def coloured() -> bool:
    """Whether the standard output shows colours: a terminal that can, unless NO_COLOR is set; FORCE_COLOR asks for
    them elsewhere. An empty variable is one that is not set.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


# -- JSON ----------------------------------------------------------------------------------------------------------


def json_text(value: Any, *, indent: int = 2) -> str:
    """A value as JSON in ASCII, so that any terminal can show it and none obeys it. `indent`: 0 is one line.

    What stands in it as `msgspec.Raw` keeps its text, numbers digit for digit. Halves of surrogate pairs, which JSON
    cannot say, are replaced, and so is what is not UTF-8.
    """
    try:
        encoded = msgspec.json.encode(value)
    except UnicodeEncodeError:
        encoded = msgspec.json.encode(_whole(value))
    text = msgspec.json.format(encoded, indent=indent or -1).decode("utf-8", "replace")
    return _beyond_ascii.sub(lambda found: _escaped(ord(found[0])), text)


def _whole(value: Any) -> Any:
    """The same with every half of a surrogate pair replaced."""
    if isinstance(value, dict):
        return {_whole(name): _whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return list(map(_whole, value))
    return value.encode("utf-16", "replace").decode("utf-16") if isinstance(value, str) else value


def _escaped(code: int) -> str:
    """A character as JSON escapes it."""
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD800 + (code - 0x10000 >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def print_json(value: Any, *, indent: int = 2) -> None:
    """Print one JSON document; with `indent` 0 on one line."""
    click.echo(json_text(value, indent=indent))


def answer(document: Any, text: str, *, as_json: bool) -> None:
    """Print what was done or found, for programs or for people."""
    if as_json:
        print_json(document)
    else:
        echo(text)


# -- servers -------------------------------------------------------------------------------------------------------


def saying(*, as_json: bool) -> Callable[[str], None]:
    """What tells on the standard error how a server fares; as JSON one document `{"said": ...}` a line."""

    def say(line: str) -> None:
        tell(json_text({"said": line}, indent=0) if as_json else plain(line))

    return say


def announcing(what: str, *, as_json: bool) -> Callable[[str], None]:
    """What tells a server's URL: people on the standard error, programs as `{"url": ...}` on the standard output."""

    def announce(url: str) -> None:
        if as_json:
            print_json({"url": url}, indent=0)
        else:
            tell(f"{what} {url}")

    return announce


# -- questions -----------------------------------------------------------------------------------------------------


def check_may_ask(*, as_json: bool) -> None:
    """Raises UsageError with --json: a program cannot answer."""
    if as_json:
        raise click.UsageError("with --json nothing is asked: give --yes")


def confirm(question: str) -> None:
    """Ask before something goes for good. Raises Abort where the answer is no."""
    click.confirm(plain(question), abort=True, err=True)
