"""Statements on an SQLite connection, written so that few are prepared and all are used again."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from eventroute.storage.sql.statements import Statements, on_conflict

__all__ = ["SqliteStatements", "chunks"]

_ROWS_A_STATEMENT = 256
_EXACT = 16  # up to so many rows have a statement of their own
_numbered = re.compile(r"\?([0-9]+)")


class SqliteStatements(Statements):
    """A connection, inside a transaction of its owner."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def _execute(self, statement: str, arguments: Sequence[Any] | Mapping[str, Any] = ()) -> sqlite3.Cursor:
        text, places = _unnumbered(statement)
        if places:
            arguments = [arguments[place] for place in places]  # type: ignore[index]
        return self.connection.execute(text, arguments)

    def _do(self, statement: str, arguments: Sequence[Any] = ()) -> None:
        self._execute(statement, arguments)

    def _many(self, statement: str, arguments: Iterable[Sequence[Any]]) -> None:
        self.connection.executemany(statement, arguments)

    def _all(self, statement: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._execute(statement, arguments).fetchall()

    def _one(self, statement: str, arguments: Sequence[Any] | Mapping[str, Any] = ()) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._execute(statement, arguments).fetchone()
        return row

    def _damaged(self, reason: str) -> Exception:
        return sqlite3.DatabaseError(reason)

    def _insert(self, table: str, columns: str, values: list[Any], *, keys: str = "") -> None:
        width = columns.count(",") + 1
        for chunk in chunks(values, width):
            self.connection.execute(_rows(table, columns, keys, len(chunk) // width), chunk)

    def _among(self, statement: str, keys: Sequence[Any], *before: Any) -> Iterator[tuple[Any, ...]]:
        """The rows that a statement finds for these keys; it ends in their column, and takes what is `before` them."""
        for chunk in chunks(keys, 1):
            yield from self.connection.execute(_among(statement, len(chunk)), (*before, *chunk))

    def _do_among(self, statement: str, keys: Sequence[Any]) -> None:
        for chunk in chunks(keys, 1):
            self.connection.execute(_among(statement, len(chunk)), chunk)


def chunks(values: Sequence[Any], columns: int) -> Iterable[Sequence[Any]]:
    """Rows in pieces whose sizes have four leading bits and then zeros, so that few statements are prepared and all are
    used again, and most times one does.
    """
    rows = len(values) // columns
    return _pieces(values, columns, rows) if rows > _EXACT else (values,) if rows else ()


def _pieces(values: Sequence[Any], columns: int, left: int) -> Iterator[Sequence[Any]]:
    position = 0
    while left:
        size = min(_ROWS_A_STATEMENT, left >> (zeros := max(0, left.bit_length() - 4)) << zeros)
        yield values[position : position + size * columns]
        position += size * columns
        left -= size


@lru_cache(maxsize=1_024)
def _unnumbered(statement: str) -> tuple[str, tuple[int, ...]]:
    """A statement with `?1`, `?2` as one with `?`, and the places of its arguments; the first versions of Python 3.12
    warn of numbers.
    """
    places = tuple(int(number) - 1 for number in _numbered.findall(statement))
    return (_numbered.sub("?", statement), places) if places else (statement, ())


@cache
def _rows(table: str, columns: str, keys: str, rows: int) -> str:
    marks = "(" + ",".join("?" * (columns.count(",") + 1)) + ")"
    return f"INSERT INTO {table} ({columns}) VALUES {','.join([marks] * rows)}{on_conflict(columns, keys)}"  # noqa: S608 - names from here


@cache
def _among(statement: str, keys: int) -> str:
    return f"{statement} IN ({','.join('?' * keys)})"
