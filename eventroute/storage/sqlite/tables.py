"""The log and the ledger on one SQLite connection, step by step inside a transaction of its owner."""

from __future__ import annotations

from eventroute.storage.sql.ledger import IN_TURN, SqlLedger
from eventroute.storage.sql.letters import SqlLetters
from eventroute.storage.sql.timers import SqlTimers
from eventroute.storage.sql.tracing import SqlTracing
from eventroute.storage.sql.transfer import SqlTransfer
from eventroute.storage.sqlite.buses import key_base
from eventroute.storage.sqlite.log import SqliteLog

__all__ = ["SqliteTables"]


class SqliteTables(SqlLedger, SqlLetters, SqlTracing, SqlTransfer, SqlTimers, SqliteLog):
    """`Tables` on one connection."""

    # Left to choose, it looks for those of a key among all rows of the subscription.
    _in_turn = IN_TURN.replace("waiting AS one", "waiting AS one INDEXED BY waiting_key")

    def keep_events(self, bus: str, before: int) -> None:
        """Copy events into rows."""
        log = self._log(bus)
        self._do(
            'UPDATE waiting SET event = (SELECT event FROM event WHERE key = ?1 + waiting."offset")'
            ' WHERE event IS NULL AND "offset" >= ?2 AND "offset" < ?3'
            " AND subscription IN (SELECT id FROM subscription WHERE bus = ?4)",
            (key_base(log), log.first, before, bus),
        )
