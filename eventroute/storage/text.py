"""What names and ids are: text that UTF-8 can say. Python's may have halves of surrogate pairs, which it cannot."""

from __future__ import annotations

import re
from typing import Any

from eventroute.errors import InvalidConfiguration

__all__ = ["check_text", "replaced"]

_half = re.compile("[\ud800-\udfff]")


def check_text(text: str, where: str) -> None:
    """Look at what is to be kept by this name. Raises InvalidConfiguration."""
    found = None if text.isascii() else _half.search(text)
    if found is not None:
        raise InvalidConfiguration(
            f"{text!a} is no text: U+{ord(found[0]):04X} at position {found.start()} is half of a surrogate pair",
            where=where,
        )


def replaced(value: Any) -> Any:
    """The same with a replacement character for each half of a pair in its texts: of a name that cannot be kept comes
    one that nobody has.
    """
    if isinstance(value, str):
        return _half.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {replaced(key): replaced(inner) for key, inner in value.items()}
    return [replaced(inner) for inner in value] if isinstance(value, list | tuple) else value
