"""The rows of a bus's ledger, one by one, in an order that is the same in every storage."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import TypeVar

from eventroute.copying.places import Place
from eventroute.storage.base import DeadLetter, Timer, Waiting

__all__ = ["PAGE", "alike", "count", "in_batches", "letters", "timers", "waiting"]

Row = TypeVar("Row")
Key = TypeVar("Key")

PAGE = 100
"""The most rows that are read, or written, at once."""


async def waiting(place: Place) -> AsyncGenerator[Waiting, None]:
    """The waiting deliveries."""
    for name in sorted(stored.id for stored in (await place.storage.changes(place.bus, 0)).subscriptions):
        rows = _rows(partial(_page_of, place, name), lambda row: row.offset)
        async with aclosing(rows):
            async for row in rows:
                yield row


async def _page_of(place: Place, name: str, after: int | None) -> list[Waiting]:
    return [row.waiting for row in await place.storage.waiting_rows(place.bus, name, after=after, limit=PAGE)]


def letters(place: Place, subscription: str | None = None) -> AsyncGenerator[DeadLetter, None]:
    """The dead letters, of one subscription or all."""
    return _rows(
        lambda after: place.storage.dead_letters(place.bus, subscription=subscription, after=after, limit=PAGE),
        lambda row: (row.subscription, row.offset),
    )


def timers(place: Place) -> AsyncGenerator[Timer, None]:
    """The delayed events, in the order in which they come."""
    return _rows(lambda after: place.storage.timers(place.bus, after=after, limit=PAGE), lambda row: (row.due, row.id))


async def _rows(
    page: Callable[[Key | None], Awaitable[list[Row]]], key: Callable[[Row], Key]
) -> AsyncGenerator[Row, None]:
    after = None
    while found := await page(after):
        for row in found:
            yield row
        after = key(found[-1])


async def in_batches(rows: AsyncGenerator[Row, None]) -> AsyncGenerator[list[Row], None]:
    """As many at once as may be written at once."""
    batch: list[Row] = []
    async with aclosing(rows):
        async for row in rows:
            batch.append(row)
            if len(batch) == PAGE:
                yield batch
                batch = []
    if batch:
        yield batch


async def count(rows: AsyncGenerator[Row, None]) -> int:
    """How many there are."""
    number = 0
    async with aclosing(rows):
        async for _ in rows:
            number += 1
    return number


async def alike(
    ours: AsyncGenerator[Row, None], copies: AsyncGenerator[Row, None], same: Callable[[Row, Row], bool]
) -> tuple[int, bool]:
    """How many rows are the same in both, and whether that is all of them."""
    number = 0
    async with aclosing(ours), aclosing(copies):
        async for row in ours:
            copy = await anext(copies, None)
            if copy is None or not same(row, copy):
                return number, False
            number += 1
        return number, await anext(copies, None) is None
