"""What the linters of all dialects tell."""

from __future__ import annotations

from attrs import frozen

__all__ = ["Oddity"]


@frozen
class Oddity:
    """A clause, by its text, and what is odd about it."""

    clause: str
    reason: str
