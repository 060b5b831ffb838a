"""Files of earlier versions: each is kept as SQL text in `versions/`, is taken to the newest, and has lost nothing."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from eventroute.errors import StorageError
from eventroute.storage.base import LIVE
from eventroute.storage.sqlite import SQLiteStorage, migrations
from eventroute.storage.sqlite.migrations import APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION, migrate
from eventroute.testing.storage.log import put, read_all

VERSIONS = sorted(Path(__file__).with_name("versions").glob("*.sql"))
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(params=VERSIONS, ids=lambda file: file.stem)
def old(request: pytest.FixtureRequest, path: Path) -> Path:
    """A file of an earlier version."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(request.param.read_text(encoding="utf-8"))
    return path


def rows(path: Path) -> Rows:
    """All that is in a file, but for the machine that it was opened on."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'host'")
        ]
        return {table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in tables}


def layout(path: Path) -> set[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return set(connection.execute("SELECT type, name, sql FROM sqlite_master"))


def kept(before: Rows, after: Rows) -> bool:
    """Whether each row of before is there, with each of its columns; to settings more may have come."""
    return all(
        len(found) == len(after[table])
        and all(_whole(then).items() <= _whole(now).items() for then, now in zip(found, after[table], strict=True))
        for table, found in before.items()
        if table != "host"  # opening a file notes the boot
    )


def _whole(row: dict[str, Any]) -> dict[str, Any]:
    settings = json.loads(row.get("settings") or "{}")
    rest = {name: value for name, value in row.items() if name != "settings"}
    return rest | {f"settings.{name}": str(value) for name, value in settings.items()}


def test_every_version_before_the_newest_is_kept_here() -> None:
    assert [int(file.stem) for file in VERSIONS] == list(range(1, SCHEMA_VERSION))


def test_an_old_file_loses_nothing(old: Path, tmp_path: Path) -> None:
    before = rows(old)
    assert before["event"]
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        while migrate(connection) < SCHEMA_VERSION:
            assert kept(before, rows(old))
    assert kept(before, rows(old))
    fresh = tmp_path / "fresh.db"
    with closing(sqlite3.connect(fresh, isolation_level=None)) as connection:
        while migrate(connection) < SCHEMA_VERSION:
            pass
    assert layout(old) == layout(fresh)


@pytest.mark.anyio
async def test_an_old_file_is_used_as_any_other(old: Path) -> None:
    before = rows(old)
    async with SQLiteStorage(old) as storage:
        assert kept(before, rows(old))
        for bus in await storage.buses():
            events = [record.event for record in await read_all(storage, bus)]
            offsets = await put(storage, b"new", b"newer", bus=bus)
            assert [record.event for record in await read_all(storage, bus)] == [*events, b"new", b"newer"]
            assert await storage.read(bus, offsets[0], offsets[0] + 1, limit=1, max_bytes=1)
        session = await storage.open_session(5)
        claim = await storage.claim("default", LIVE, session, limit=1)
        assert claim is not None
        assert (claim.start, claim.end) == (1, 5)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last step fails at its last statement."""
    *steps, last = MIGRATIONS
    monkeypatch.setattr(migrations, "MIGRATIONS", (*steps, f"{last}CREATE TABLE event (x);"))


@pytest.mark.anyio
@pytest.mark.usefixtures("broken")
async def test_a_step_that_fails_leaves_the_version_before(path: Path) -> None:
    with pytest.raises(StorageError, match="table event already exists"):
        await SQLiteStorage(path).open()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION - 1,)
        assert "breaker" not in str(layout(path))


@pytest.mark.anyio
async def test_a_file_that_has_lost_its_version_is_refused(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("PRAGMA user_version = 0")
    with pytest.raises(StorageError, match="is damaged: it has tables, but says that its version is 0"):
        await SQLiteStorage(old).open()


def test_at_the_newest_version_there_is_nothing_to_do(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        while migrate(connection) < SCHEMA_VERSION:
            pass
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        before = connection.total_changes
        assert migrate(connection) == SCHEMA_VERSION
        assert connection.total_changes == before


def test_the_reference_tells_of_each_table_and_column(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        while migrate(connection) < SCHEMA_VERSION:
            pass
        columns = connection.execute(
            "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c"
            " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'"
        ).fetchall()
    page = Path(__file__).parents[3].joinpath("docs/reference/storage-sqlite.md").read_text(encoding="utf-8")
    told = {text.partition("**")[0]: text.partition("\n\n")[0] for text in page.split("\n\n**")[1:]}
    assert [f"{table}.{column}" for table, column in columns if f"`{column}`" not in told.get(table, "")] == []
    assert set(told) == {table for table, _ in columns}
