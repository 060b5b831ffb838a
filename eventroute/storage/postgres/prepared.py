"""Statements that are made so often that what the driver does for any statement counts: a third of a short call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from psycopg import errors
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus

from eventroute.storage.postgres.adapting import KINDS, Kind
from eventroute.storage.postgres.server import Link
from eventroute.storage.postgres.statements import dollars

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

__all__ = ["Prepared", "PreparedStatements"]


class Prepared:
    """A statement with `?1` for its arguments, of which it says the kinds; its rows come as binary. It has a name of
    its own.
    """

    __slots__ = ("kinds", "name", "statement")

    def __init__(self, name: str, statement: str, *kinds: Kind) -> None:
        self.name = f"eventroute_{name}".encode()
        self.statement = dollars(statement).encode()
        self.kinds = [KINDS[kind] for kind in kinds]


class PreparedStatements:
    """Those of one connection, outside of pipelines. The driver makes it forget them all after a rollback."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._known: set[bytes] = set()
        self._transformer = Transformer(link)

    def rows(self, prepared: Prepared, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Make a statement that returns rows. Raises psycopg.Error."""
        values = [
            None if value is None else pack(value) for (_, pack), value in zip(prepared.kinds, arguments, strict=True)
        ]
        try:
            result = self._execute(prepared, values)
        except errors.InvalidSqlStatementName:
            self._known.clear()
            result = self._execute(prepared, values)
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    def _execute(self, prepared: Prepared, values: list[Any]) -> PGresult:
        pgconn = self._link.pgconn
        if prepared.name not in self._known:
            self._check(pgconn.prepare(prepared.name, prepared.statement, [oid for oid, _ in prepared.kinds]))
            self._known.add(prepared.name)
        return self._check(pgconn.exec_prepared(prepared.name, values, [1] * len(values), 1))

    def _check(self, result: PGresult) -> PGresult:
        if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            return result
        if self._link.pgconn.status == ConnStatus.BAD and not result.error_field(DiagnosticField.SQLSTATE):
            raise errors.OperationalError(self._link.pgconn.get_error_message())
        raise errors.error_from_result(result, encoding=self._link.info.encoding)
