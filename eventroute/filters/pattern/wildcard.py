r"""What `wildcard` says: `*` is any run of characters, `\*` an asterisk and `\\` a backslash.

A text is matched from left to right, each piece between two `*` where it first stands after the one before, which is
always right: no backtracking.
"""

from __future__ import annotations

import re

from attrs import frozen

__all__ = ["Pieces", "pieces"]

_token = re.compile(r"\\(.?)|\*|[^\\*]+", re.DOTALL)


@frozen
class Pieces:
    """The literal texts around the `*`: of one more piece than there are `*`, the first begins and the last ends it."""

    texts: tuple[str, ...]

    @property
    def exact(self) -> str | None:
        """The one text that fits, where there is no `*`."""
        return self.texts[0] if len(self.texts) == 1 else None

    def fit(self, text: str) -> bool:
        """Whether the whole of a text fits."""
        first, *others = self.texts
        if not others:
            return text == first
        *middle, last = others
        at, end = len(first), len(text) - len(last)
        if at > end or not text.startswith(first) or not text.endswith(last):
            return False
        for piece in middle:
            at = text.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True


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
