"""Files that a command is given, of which - is the standard input."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import BinaryIO, Final

from eventroute.errors import InvalidConfiguration

__all__ = ["STDIN", "name_of", "read_file", "standard_input"]

STDIN: Final = Path("-")
"""Stands for the standard input."""


def standard_input() -> BinaryIO:
    """The standard input, empty where it is closed."""
    return io.BytesIO() if sys.stdin is None else sys.stdin.buffer


def name_of(file: Path) -> str:
    """How an error names the file."""
    return "standard input" if file == STDIN else str(file)


def read_file(file: Path) -> bytes:
    """All of a file. Raises InvalidConfiguration where it cannot be read."""
    try:
        return standard_input().read() if file == STDIN else file.read_bytes()
    except OSError as error:
        raise InvalidConfiguration(f"it cannot be read: {error.strerror}", where=name_of(file)) from error
