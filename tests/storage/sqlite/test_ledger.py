"""What only a database that makes plans can get wrong about the ledger."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from eventroute.storage import ledger, placement
from eventroute.storage.base import DEFAULT_BUS, Wait, Waiting
from eventroute.storage.sqlite.migrations import SCHEMA_VERSION, migrate
from eventroute.storage.sqlite.tables import SqliteTables

BUS = DEFAULT_BUS


def steps_to_claim(rows: int) -> int:
    """How much SQLite does to find so many rows, each of a key of its own."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        while migrate(connection) < SCHEMA_VERSION:
            pass
        tables = SqliteTables(connection)
        tables.create_bus(BUS, None, 0.0)
        placement.put(tables, BUS, "s", b"d", "latest", apart=True)
        session = ledger.open_session(tables, ledger.new_session(10), 0.0)
        waits = [Wait(Waiting("s", offset, 0.0, key=offset), held=False) for offset in range(rows)]
        ledger.write(tables, BUS, session, waits, 0.0)
        connection.set_progress_handler(step, 100)
        taken = ledger.claim_waiting(tables, BUS, "s", session, 1.0, rows, 0.0)
        connection.set_progress_handler(None, 0)
    assert [row.offset for row in taken] == list(range(rows))
    return steps


def test_what_it_costs_to_find_whose_turn_it_is_grows_with_the_rows_alone() -> None:
    few, many = steps_to_claim(200), steps_to_claim(800)
    assert many < few * 5
