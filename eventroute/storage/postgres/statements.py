"""Statements on a connection to PostgreSQL, sent one behind the other without waiting where none of them is read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from eventroute.errors import StorageError
from eventroute.storage.postgres.server import Link
from eventroute.storage.sql.statements import Statements, on_conflict

__all__ = ["PostgresStatements"]

_TYPES = {
    "bus": "text",
    "due": "float8",
    "event": "bytea",
    "identity": "bytea",
    "id": "text",
    "offsets": "text",
}
"""Of the columns that many rows are inserted into at once; all others are bigint."""


class PostgresStatements(Statements):
    """A connection, in pipeline mode while something is written: what is only to be done is not waited for."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.written = 0
        """How many statements have changed something."""

    def _execute(self, statement: str, arguments: Sequence[Any] = ()) -> Any:
        return self.link.cursor(binary=True).execute(dollars(statement), arguments or None)

    def _do(self, statement: str, arguments: Sequence[Any] = ()) -> None:
        self.written += 1
        self._execute(statement, arguments)

    def _many(self, statement: str, arguments: Iterable[Sequence[Any]]) -> None:
        for each in arguments:
            self._do(statement, each)

    def _all(self, statement: str, arguments: Any = ()) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._execute(statement, arguments).fetchall()
        return rows

    def _insert(self, table: str, columns: str, values: list[Any], *, keys: str = "") -> None:
        width = columns.count(",") + 1
        if values:
            self._do(_insert(table, columns, keys), [values[place::width] for place in range(width)])

    def _among(self, statement: str, keys: Sequence[Any], *before: Any) -> Iterable[tuple[Any, ...]]:
        return self._all(f"{statement} = ANY(?)", (*before, list(keys))) if keys else []

    def _do_among(self, statement: str, keys: Sequence[Any]) -> None:
        if keys:
            self._do(f"{statement} = ANY(?)", (list(keys),))

    def _damaged(self, reason: str) -> Exception:
        return StorageError(reason)


@cache
def dollars(statement: str) -> str:
    """A statement with `$1` for `?` and `?1`, as the server wants it."""
    places = iter(range(1, 100))
    return re.sub(r"\?(\d*)", lambda match: f"${match[1] or next(places)}", statement)


@cache
def _insert(table: str, columns: str, keys: str) -> str:
    arrays = ", ".join(f"?::{_type(table, column)}[]" for column in columns.split(", "))
    return (
        f"INSERT INTO {table} ({columns}) SELECT * FROM unnest({arrays})"  # noqa: S608 - names from here
        f" {on_conflict(columns, keys)}"
    )


def _type(table: str, column: str) -> str:
    return "integer" if column == "bus" and table in ("event", "seen") else _TYPES.get(column, "bigint")
