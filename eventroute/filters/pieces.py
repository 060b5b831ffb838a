"""Pieces of text with gaps between them, which is what `wildcard` says, and most patterns of LIKE.

A text is matched from left to right, each piece where it first stands after the one before, which is always right: no
backtracking.
"""

from __future__ import annotations

from attrs import frozen

__all__ = ["Pieces"]


@frozen
class Pieces:
    """Literal texts with any run of characters between two of them: the first begins and the last ends what fits."""

    texts: tuple[str, ...]

    @property
    def exact(self) -> str | None:
        """The one text that fits, where there is but one piece."""
        return self.texts[0] if len(self.texts) == 1 else None

    def fit(self, text: str) -> bool:
        """Whether the whole of a text fits, in time linear in it."""
        texts = self.texts
        first, last = texts[0], texts[-1]
        if len(texts) == 1:
            return text == first
        at, end = len(first), len(text) - len(last)
        if at > end or not text.startswith(first) or not text.endswith(last):
            return False
        for piece in texts[1:-1]:
            at = text.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True
