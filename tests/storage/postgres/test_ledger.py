"""What only a server that makes plans can get wrong about the ledger."""

from __future__ import annotations

import psycopg
from psycopg import RawCursor

from benchmarks.postgres import Place
from eventroute.storage.postgres.schema import prepare
from eventroute.storage.postgres.server import Server
from eventroute.storage.postgres.statements import dollars
from eventroute.storage.sql.ledger import IN_TURN


def test_those_whose_turn_it_is_are_found_in_their_order_and_not_sorted(
    postgres: Place, shell: psycopg.Connection
) -> None:
    server = Server(address=postgres.address, schema=postgres.schema, patience=5, pooled=False)
    with server.connect() as link:
        prepare(link, server)
        rows = RawCursor(link).execute(f"EXPLAIN {dollars(IN_TURN)}", ("s", 0.0, "session", 2)).fetchall()
    plan = "\n".join(line for (line,) in rows)
    assert "Index Scan using waiting_pkey on waiting this" in plan
    assert "Index Scan using waiting_key on waiting one" in plan
    assert "Sort" not in plan
