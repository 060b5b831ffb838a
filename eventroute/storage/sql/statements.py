"""What the tables in SQL are written on, whatever the engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from eventroute.errors import UnknownBus
from eventroute.storage.values import Bounds

__all__ = ["Statements", "on_conflict"]


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
    def _insert(self, table: str, columns: str, values: list[Any], *, keys: str = "") -> None:
        """Insert rows, whose values are given one behind the other; they overwrite those with the same `keys`."""

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

    @abstractmethod
    def bounds(self, bus: str) -> Bounds:
        """See `Tables.bounds`."""

    @abstractmethod
    def first_need(self, bus: str) -> tuple[int, str] | None:
        """See `Tables.first_need`."""

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
    marks = ", ".join("?" * (columns.count(",") + 1))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks}){on_conflict(columns, keys)}"  # noqa: S608 - names from here


def on_conflict(columns: str, keys: str) -> str:
    """The end of an insert that overwrites rows with the same keys; nothing where there are none."""
    if not keys:
        return ""
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns.split(", ") if name not in keys.split(", "))
    return f" ON CONFLICT ({keys}) DO UPDATE SET {changes}"
