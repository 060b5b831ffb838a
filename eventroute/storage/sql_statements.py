"""What the tables in SQL are written on, whatever the engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from eventroute.errors import UnknownBus

__all__ = ["Statements"]


class Statements(ABC):
    """Statements of one transaction, with `?` (or `?1`, `?2`) for their arguments.

    What is written on it is common to SQLite and PostgreSQL: no engine's own functions, `ON CONFLICT` for what may be
    there already, `CAST` where nothing else tells the type of an argument.
    """

    @abstractmethod
    def _do(self, statement: str, arguments: Sequence[Any] = ()) -> None:
        """Have it done."""

    @abstractmethod
    def _many(self, statement: str, arguments: Iterable[Sequence[Any]]) -> None:
        """Have it done for each of these."""

    @abstractmethod
    def _all(self, statement: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows."""

    @abstractmethod
    def _among(self, statement: str, keys: Sequence[Any], *before: Any) -> Iterable[tuple[Any, ...]]:
        """The rows that a statement finds for these keys; it ends in their column, and takes what is `before` them."""

    @abstractmethod
    def _do_among(self, statement: str, keys: Sequence[Any]) -> None:
        """Have it done for the rows with these keys; it ends in their column."""

    @abstractmethod
    def _damaged(self, reason: str) -> Exception:
        """What is raised where the tables hold what nobody wrote."""

    @abstractmethod
    def append(self, group: Sequence[Any], now: float) -> None:
        """Append each of the group, in order; each gets its result, or UnknownBus or StorageFull as its error."""

    @abstractmethod
    def version(self, bus: str) -> int:
        """The bus's version. Raises UnknownBus."""

    def _one(self, statement: str, arguments: Sequence[Any] | Mapping[str, Any] = ()) -> tuple[Any, ...] | None:
        """The first row."""
        rows = self._all(statement, arguments)  # type: ignore[arg-type]
        return rows[0] if rows else None

    def _row(self, statement: str, arguments: Sequence[Any] | Mapping[str, Any] = ()) -> tuple[Any, ...]:
        """The first row, which must be there."""
        row = self._one(statement, arguments)
        if row is None:
            raise self._damaged("a row that must be there is missing: the storage is damaged")
        return row

    def _known(self, statement: str, bus: str) -> tuple[Any, ...]:
        """The row of a bus."""
        row = self._one(statement, (bus,))
        if row is None:
            raise UnknownBus(bus)
        return row

    def _put(self, table: str, keys: str, columns: str, values: Sequence[Any]) -> None:
        """Insert a row, or overwrite that with the same keys. `columns` are all of its columns, the keys among them."""
        self._do(_upsert(table, keys, columns), values)


@cache
def _upsert(table: str, keys: str, columns: str) -> str:
    names = columns.split(", ")
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in keys.split(", "))
    return (
        f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - names from here
        f" ON CONFLICT ({keys}) DO UPDATE SET {changes}"
    )
