"""Event patterns as the JSON that they are read from."""

from __future__ import annotations

from eventroute.filters.pattern.operators import plain
from eventroute.filters.pattern.parser import CHOICE
from eventroute.filters.pattern.tree import Leaf, Object, Path
from eventroute.jsontext import encode_json

__all__ = ["at", "pattern_text"]


def pattern_text(one: Object | Leaf) -> str:
    """Compact JSON text, members sorted by name."""
    if isinstance(one, Leaf):
        return encode_json([plain(test) for test in one.tests]).decode()
    members = [(name, pattern_text(below)) for name, below in one.members]
    if one.choices:
        members.append((CHOICE, f"[{','.join(map(pattern_text, one.choices))}]"))
    return f"{{{','.join(f'{encode_json(name).decode()}:{text}' for name, text in sorted(members))}}}"


def at(path: Path, one: Object | Leaf) -> Object | Leaf:
    """The pattern for a whole event that says something of a place only."""
    for name in reversed(path):
        one = Object(((name, one),))
    return one
