"""A file beside which nothing can be written, by what SQLite says of it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

__all__ = ["lock_out"]


class _LockedOut(sqlite3.Connection):
    """To read a file in WAL mode SQLite would have to make files beside it."""

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        if sql.startswith(("SELECT", "BEGIN", "PRAGMA application_id")):
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_CANTOPEN, "SQLITE_CANTOPEN"
            raise error
        return super().execute(sql, *arguments)


def lock_out(monkeypatch: pytest.MonkeyPatch, locked: Path) -> None:
    """From now on this file can be opened by those alone who say that nobody writes to it."""
    real: Any = sqlite3.connect

    def connect(path: object, **options: object) -> object:
        return real(path, **options | ({"factory": _LockedOut} if path == locked else {}))

    monkeypatch.setattr(sqlite3, "connect", connect)
