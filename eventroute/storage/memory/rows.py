"""Rows of waiting deliveries in memory."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define

from eventroute.storage.base import Waiting

__all__ = ["Row", "firsts_of"]


@define
class Row:
    """A waiting delivery, and the session that has it."""

    waiting: Waiting
    session: str | None


def firsts_of(rows: Iterable[Row]) -> dict[int | None, Row]:
    """By key, the row with the smallest offset."""
    firsts: dict[int | None, Row] = {}
    for row in rows:
        key = row.waiting.key
        if key is not None and (key not in firsts or row.waiting.offset < firsts[key].waiting.offset):
            firsts[key] = row
    return firsts
