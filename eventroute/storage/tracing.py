"""What became of the deliveries of one event, read from `Tables`."""

from __future__ import annotations

from collections.abc import Iterable

from eventroute.storage.fates import Fates, Held, WaitingRow
from eventroute.storage.tables import Tables
from eventroute.storage.values import STUCK, Waiting, WaitingKey

__all__ = ["fates", "waiting_rows"]


def waiting_rows(
    tables: Tables, bus: str, subscription: str, after: int | None, limit: int, now: float
) -> list[WaitingRow]:
    """See `Storage.waiting_rows`; `now` is the time that leases run by."""
    tables.version(bus)
    stored = tables.subscription(subscription)
    if stored is None or stored.bus != bus:
        return []
    return _rows(tables, tables.waiting_after(subscription, -1 if after is None else after, limit), tables.living(now))


def fates(tables: Tables, bus: str, offset: int, after: int, now: float) -> Fates:
    """See `Storage.fates`; `now` is the time that leases run by."""
    living = tables.living(now)
    return Fates(
        bounds=tables.bounds(bus),
        changes=tables.changes(bus, after),
        readers=tables.readers(bus),
        claims=tuple(tables.claims_over(bus, offset)),
        living=living,
        waiting=tuple(_rows(tables, tables.waiting_at(bus, offset), living)),
        letters=tuple(tables.letters_at(bus, offset)),
        breakers=tables.breakers(bus, 0),
    )


def _rows(tables: Tables, held: Iterable[Held], living: frozenset[str]) -> list[WaitingRow]:
    return [WaitingRow(waiting, session in living, _behind(tables, waiting)) for waiting, session in held]


def _behind(tables: Tables, waiting: Waiting) -> WaitingKey | None:
    if waiting.key is None or waiting.due == STUCK:
        return None
    first = tables.first_of_key(waiting.subscription, waiting.key)
    return None if first is None or first.offset == waiting.offset else first
