"""The log and the ledger on one SQLite connection, step by step inside a transaction of its owner."""

from __future__ import annotations

from eventroute.storage.sql_ledger import SqlLedger
from eventroute.storage.sql_letters import SqlLetters
from eventroute.storage.sql_timers import SqlTimers
from eventroute.storage.sqlite_buses import key_base
from eventroute.storage.sqlite_log import SqliteLog

__all__ = ["SqliteTables"]


class SqliteTables(SqlLedger, SqlLetters, SqlTimers, SqliteLog):
    """`Tables` on one connection."""

    def keep_events(self, bus: str, before: int) -> None:
        """Copy events into rows."""
        log = self._log(bus)
        self._do(
            'UPDATE waiting SET event = (SELECT event FROM event WHERE key = ?1 + waiting."offset")'
            ' WHERE event IS NULL AND "offset" >= ?2 AND "offset" < ?3'
            " AND subscription IN (SELECT id FROM subscription WHERE bus = ?4)",
            (key_base(log), log.first, before, bus),
        )
