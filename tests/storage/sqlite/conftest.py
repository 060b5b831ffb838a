from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where an SQLite storage may be."""
    return tmp_path / "events.db"


@pytest.fixture
def shell(path: Path) -> Callable[[str], list[tuple[Any, ...]]]:
    """What a person with the sqlite3 shell does."""

    def run(statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()

    return run
