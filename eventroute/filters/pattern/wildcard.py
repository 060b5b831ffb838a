r"""What `wildcard` says: `*` is any run of characters, `\*` an asterisk and `\\` a backslash."""

from __future__ import annotations

import re

from eventroute.filters.pieces import Pieces

__all__ = ["pieces"]

_token = re.compile(r"\\(.?)|\*|[^\\*]+", re.DOTALL)


def pieces(text: str) -> Pieces:
    """Read a pattern. Raises ValueError, saying what is wrong and at which position, counted from 0."""
    texts: list[list[str]] = [[]]
    for token in _token.finditer(text):
        if token[1] is not None:
            if token[1] not in ("*", "\\"):
                raise ValueError(rf"a backslash stands before * or another backslash only (position {token.start()})")
            texts[-1].append(token[1])
        elif token[0] != "*":
            texts[-1].append(token[0])
        elif len(texts) > 1 and not texts[-1]:
            raise ValueError(f"two * in a row say no more than one (position {token.start()})")
        else:
            texts.append([])
    return Pieces(tuple("".join(text) for text in texts))
