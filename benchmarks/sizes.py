"""How many bytes of disk what a storage holds takes: `python -m benchmarks.sizes`, with PostgreSQL where
EVENTROUTE_TEST_POSTGRES names a server. Load and speed of the machine do not matter.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio

from benchmarks.postgres import ADDRESS, Place, place
from eventroute.event import Event
from eventroute.storage.base import DEFAULT_BUS, Bury, BusSettings, DeadLetter, Delayed, Storage, Wait, Waiting
from eventroute.storage.sqlite import SQLiteStorage

__all__ = ["KINDS", "main", "on_postgres", "on_sqlite"]

COUNT = 10_000
_STEP = 500
_SIZE = 500

Fill = Callable[[Storage, int], Awaitable[None]]


def _event(size: int = _SIZE) -> bytes:
    bare = len(Event.create(type="com.example.order.placed", source="/shop", id="0" * 36, data="").to_json())
    return Event.create(
        type="com.example.order.placed", source="/shop", id="0" * 36, data="x" * (size - bare)
    ).to_json()


EVENT = _event()


async def _events(storage: Storage, count: int) -> None:
    for begin in range(0, count, _STEP):
        await storage.append(DEFAULT_BUS, [EVENT] * _STEP, append_id=f"{begin}", acknowledged=[f"{begin - _STEP}"])


async def _identified(storage: Storage, count: int) -> None:
    await storage.update_bus(DEFAULT_BUS, BusSettings(dedup=3_600.0))
    for begin in range(0, count, _STEP):
        identities = [number.to_bytes(16, "big") for number in range(begin, begin + _STEP)]
        known = [f"{begin - _STEP}"]
        await storage.append(
            DEFAULT_BUS, [EVENT] * _STEP, append_id=f"{begin}", acknowledged=known, identities=identities
        )


async def _timers(storage: Storage, count: int) -> None:
    for begin in range(0, count, _STEP):
        delayed = [Delayed(1e10 + number, EVENT, number.to_bytes(16, "big")) for number in range(begin, begin + _STEP)]
        known = [f"{begin - _STEP}"]
        await storage.append(DEFAULT_BUS, [], append_id=f"{begin}", acknowledged=known, delayed=delayed)


async def _waiting(storage: Storage, count: int) -> None:
    await storage.put_subscription(DEFAULT_BUS, "s", b"{}", start="latest")
    session = await storage.open_session(3_600.0)
    for begin in range(0, count, _STEP):
        rows = [Waiting("s", begin + place, 5.0, 3, 1.0, "http-503") for place in range(_STEP)]
        await storage.write(DEFAULT_BUS, session, [Wait(row, held=False) for row in rows])


async def _letters(storage: Storage, count: int) -> None:
    await storage.put_subscription(DEFAULT_BUS, "s", b"{}", start="latest")
    session = await storage.open_session(3_600.0)
    error = "the answer was 400 Bad Request"
    for begin in range(0, count, _STEP):
        letters = [DeadLetter("s", begin + place, 1.0, "http-400", error, 1, EVENT) for place in range(_STEP)]
        await storage.write(DEFAULT_BUS, session, [Bury(letter) for letter in letters])


KINDS: dict[str, Fill] = {
    "an event": _events,
    "an event, where duplicates are told": _identified,
    "a delayed event": _timers,
    "a delivery that waits": _waiting,
    "a dead letter": _letters,
}


def on_sqlite(fill: Fill, count: int) -> float:
    """The bytes of the file that each takes."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder, "events.db")
        anyio.run(_filled, SQLiteStorage(path), fill, 0)
        before = path.stat().st_size
        anyio.run(_filled, SQLiteStorage(path, synchronous="NORMAL"), fill, count)
        return (path.stat().st_size - before) / count


def on_postgres(there: Place, fill: Fill, count: int) -> float:
    """The bytes of tables and indexes that each takes, once nothing that was deleted is in them."""
    anyio.run(_filled, there.storage(durable=False), fill, 0)
    before = _held(there)
    anyio.run(_filled, there.storage(durable=False), fill, count)
    return (_held(there) - before) / count


async def _filled(storage: Storage, fill: Fill, count: int) -> None:
    async with storage:
        await fill(storage, count)


def _held(there: Place) -> int:
    with there.connect() as connection:
        tables = [name for (name,) in connection.execute(_TABLES, (there.schema,))]
        for table in tables:
            connection.execute(f"VACUUM FULL {table}")  # what was deleted counts no more
        sizes = [connection.execute("SELECT pg_total_relation_size(%s::regclass)", (one,)).fetchone() for one in tables]
        return sum(size[0] for size in sizes if size is not None)


_TABLES = "SELECT quote_ident(relname) FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r'"


def main(count: int = COUNT) -> None:
    """Measure and print all."""
    address = os.environ.get(ADDRESS)
    print(f"bytes of disk each, for events of {len(EVENT)} bytes")
    for name, fill in KINDS.items():
        line = f"{name:36}  SQLite {on_sqlite(fill, count):7,.0f}"
        if address:
            with place(address) as there:
                line += f"  PostgreSQL {on_postgres(there, fill, count):7,.0f}"
        print(line)


if __name__ == "__main__":
    main()
