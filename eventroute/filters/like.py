r"""LIKE patterns of `sql` (CESQL 1.0.0, section 3.4.3) and `expr`: `%` is any run of characters, `_` one; `\%` and `\_`
are those characters.

A text is matched from left to right, each run between two `%` where it first fits, which is always right. A run is
looked for by str.find, or, where `_` cuts it into pieces, by a bit for each of its places: no backtracking.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property, lru_cache, partial
from itertools import groupby

from attrs import frozen

from eventroute.filters.pieces import Pieces

__all__ = ["LikePattern"]

_wildcard = re.compile(r"\\[%_]|[%_]")


@frozen
class _Run:
    """What stands between two `%`: pieces of literal text with their places, in `length` characters."""

    length: int
    pieces: tuple[tuple[int, str], ...]

    def fits(self, text: str, at: int) -> bool:
        """Whether the run fits at a place of the text that is far enough from its end."""
        return all(text.startswith(piece, at + offset) for offset, piece in self.pieces)

    def find(self, text: str, start: int, end: int) -> int:
        """The first place where the run fits between two places, or -1."""
        if end - start < self.length:
            return -1
        if len(self.pieces) <= 1:
            offset, piece = self.pieces[0] if self.pieces else (0, "")
            found = text.find(piece, start + offset, end - (self.length - offset - len(piece)))
            return found if found < 0 else found - offset
        masks, wild, last = self._masks
        state = 0
        for place in range(start, end):
            state = (state << 1 | 1) & masks.get(text[place], wild)
            if state & last:
                return place - self.length + 1
        return -1

    @cached_property
    def _masks(self) -> tuple[dict[str, int], int, int]:
        """For each character the places that it fits, for any other one those of `_`, and the last place."""
        places: dict[str, list[int]] = {}
        wild = (1 << self.length) - 1
        for offset, piece in self.pieces:
            wild &= ~((1 << len(piece)) - 1 << offset)
            for place, char in enumerate(piece, offset):
                places.setdefault(char, []).append(place)
        masks = {char: wild | sum(1 << place for place in fitting) for char, fitting in places.items()}
        return masks, wild, 1 << self.length - 1


@frozen
class LikePattern:
    """A pattern, by the text of its literal."""

    text: str

    @property
    def runs(self) -> list[_Run]:
        """What stands between two `%`. Not kept for long: most patterns need it only to be compiled."""
        return _runs(self.text)

    @property
    def exact(self) -> str | None:
        """The one text that the pattern matches, if it has no wildcards."""
        runs = self.runs
        return _plain(runs[0]) if len(runs) == 1 else None

    @property
    def prefix(self) -> str:
        """The literal text that each match begins with."""
        pieces = self.runs[0].pieces
        return pieces[0][1] if pieces and not pieces[0][0] else ""

    @property
    def suffix(self) -> str:
        """The literal text that each match ends with."""
        last = self.runs[-1]
        if not last.pieces:
            return ""
        offset, piece = last.pieces[-1]
        return piece if offset + len(piece) == last.length else ""

    @property
    def infix(self) -> str | None:
        """What a text must have in it, where nothing else is asked: `%a%`."""
        runs = self.runs
        return _plain(runs[1]) if len(runs) == 3 and not runs[0].length and not runs[2].length else None

    @property
    def is_prefix(self) -> bool:
        """Whether a text matches as soon as it begins with `prefix`: `a%`."""
        runs = self.runs
        return len(runs) == 2 and not runs[1].length and _plain(runs[0]) is not None

    @property
    def is_suffix(self) -> bool:
        """Whether a text matches as soon as it ends with `suffix`: `%a`."""
        runs = self.runs
        return len(runs) == 2 and not runs[0].length and _plain(runs[1]) is not None

    @cached_property
    def matches(self) -> Callable[[str], bool]:
        """Whether the pattern fits the whole of a text, in time linear in the text."""
        runs = self.runs
        texts = [text for run in runs if (text := _plain(run)) is not None]
        return Pieces(tuple(texts)).fit if len(texts) == len(runs) else partial(_fits, runs)


def _fits(runs: list[_Run], text: str) -> bool:
    first, *others = runs
    if not others:
        return len(text) == first.length and first.fits(text, 0)
    *middle, last = others
    at, end = first.length, len(text) - last.length
    if at > end or not first.fits(text, 0) or not last.fits(text, end):
        return False
    for run in middle:
        at = run.find(text, at, end)
        if at < 0:
            return False
        at += run.length
    return True


def _plain(run: _Run) -> str | None:
    """The run as text, if it has no `_`."""
    if not run.pieces:
        return None if run.length else ""
    piece = run.pieces[0][1]
    return piece if len(piece) == run.length else None


@lru_cache(maxsize=16)  # whoever takes a pattern apart asks several times
def _runs(text: str) -> list[_Run]:
    units: list[list[str | None]] = [[]]  # for each run its literal texts, and None for `_`
    start = 0
    for found in _wildcard.finditer(text):
        units[-1].append(text[start : found.start()])
        start = found.end()
        match found[0]:
            case "%":
                units.append([])
            case "_":
                units[-1].append(None)
            case escaped:
                units[-1].append(escaped[1])
    units[-1].append(text[start:])
    return [_run(of_one) for of_one in units]


def _run(units: list[str | None]) -> _Run:
    length = 0
    pieces = list[tuple[int, str]]()
    for wild, group in groupby((unit for unit in units if unit != ""), lambda unit: unit is None):
        parts = list(group)
        if wild:
            length += len(parts)
        else:
            piece = "".join(part or "" for part in parts)
            pieces.append((length, piece))
            length += len(piece)
    return _Run(length, tuple(pieces))
