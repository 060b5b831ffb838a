"""Appending in the ordinary case, by few statements, does what appending in all cases does."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import StorageFull
from eventroute.storage import trimming
from eventroute.storage.base import BusSettings, Delayed
from eventroute.storage.jobs import AppendJob
from eventroute.storage.sql.appends import Appending
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.storage.sqlite.migrations import SCHEMA_VERSION, migrate
from eventroute.storage.sqlite.tables import SqliteTables
from eventroute.testing.clock import VirtualClock

TABLES = ("bus", "event", "appended", "seen", "timer")
SETTINGS = (
    BusSettings(),
    BusSettings(dedup=60.0),
    BusSettings(max_bytes=40),
    BusSettings(max_bytes=1_000),
)

names = st.sampled_from("ab")
ids = st.sampled_from("pqrstuvwxyz")
events = st.lists(st.sampled_from([b"", b"1", b"22", b"55555"]), max_size=3)
delays = st.just(()) | st.just((Delayed(5.0, b"later", b"later"),))
appends = st.tuples(names, events, ids, st.lists(ids, max_size=2), delays)
groups = st.lists(appends, min_size=1, max_size=4)
moves = st.one_of(
    st.tuples(st.just("append"), groups),
    st.tuples(st.just("append"), groups),
    st.tuples(st.just("append"), groups),
    st.tuples(st.just("lost"), groups),
    st.tuples(st.just("set"), st.tuples(names, st.sampled_from(SETTINGS))),
    st.tuples(st.just("trim"), names),
    st.tuples(st.just("fire"), names),
    st.tuples(st.just("cancel"), names),
    st.tuples(st.just("renew"), names),
)


class LongWay(SqliteTables):
    """Never takes the ordinary case for one."""

    def _append_plainly(self, group: Sequence[Appending], now: float) -> bool:
        return False


@contextmanager
def tables(kind: type[SqliteTables]) -> Iterator[SqliteTables]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        while migrate(connection) < SCHEMA_VERSION:
            pass
        made = kind(connection)
        for bus in "ab":
            made.create_bus(bus, None, 0.0)
        yield made


def jobs(group: Sequence[tuple[Any, ...]]) -> list[AppendJob]:
    return [
        AppendJob(bus, events, append_id, acknowledged, delayed, identities=events)
        for bus, events, append_id, acknowledged, delayed in group
    ]


def told(group: Sequence[AppendJob]) -> list[object]:
    return [job.result if job.error is None else str(job.error) for job in group]


def make(move: tuple[str, Any], tables: SqliteTables, now: float) -> tuple[list[object], list[Any]]:
    """Make a move in a transaction; what was told."""
    kind, what = move
    group: list[AppendJob] = []
    tables.connection.execute("BEGIN IMMEDIATE")
    if kind in ("append", "lost"):
        group = jobs(what)
        tables.append(group, now)
    elif kind == "set":
        tables.update_bus(*what)
    elif kind == "trim":
        trimming.trim(tables, what, tables.bounds(what).end - 1, 10, False, now)
    elif kind == "fire":
        tables.fire_timers(what, now, 10, now)
    elif kind == "cancel":
        for timer in tables.timers(what, None, 1):
            tables.cancel_timer(what, timer.id)
    else:
        tables.delete_bus(what)
        while tables.sweep(100):
            pass
        tables.create_bus(what, None, now)
    if kind == "lost":
        tables.connection.execute("ROLLBACK")
        tables.forget()
        return told(group), []
    tables.connection.execute("COMMIT")
    return told(group), sorted(tables.take_news().items())


def content(tables: SqliteTables) -> dict[str, list[tuple[Any, ...]]]:
    return {table: sorted(tables.connection.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES}


@given(st.lists(moves, max_size=20))
def test_it_does_what_all_cases_do(moves: list[tuple[str, Any]]) -> None:
    with tables(SqliteTables) as short, tables(LongWay) as long:
        for now, move in enumerate(moves, 1):
            assert make(move, short, float(now)) == make(move, long, float(now)), move
            assert content(short) == content(long), move


def many(first: int, last: int) -> list[tuple[Any, ...]]:
    return [("a", [b"x"], f"id {number}", (), ()) for number in range(first, last)]


@pytest.mark.parametrize("again", [0, 255, 256, 299])
def test_a_repeat_in_a_large_group_is_told_what_was_told_before(again: int) -> None:
    with tables(SqliteTables) as short:
        make(("append", many(-1, 0)), short, 1.0)
        first, _ = make(("append", many(again, again + 1)), short, 1.0)
        results, _ = make(("append", many(0, 300)), short, 2.0)
        assert results[again] == first[0] == (2,)
        assert len({str(result) for result in results}) == 300
        assert short.connection.execute("SELECT count(*) FROM event").fetchone() == (301,)
        assert short.connection.execute("SELECT count(*) FROM appended").fetchone() == (301,)


def test_one_append_takes_three_statements_beside_its_transaction() -> None:
    statements: list[str] = []
    with tables(SqliteTables) as short:
        make(("append", [("a", [b"x"], "1", (), ())]), short, 1.0)
        short.connection.set_trace_callback(statements.append)
        make(("append", [("a", [b"x"] * 10, "2", ["1"], ())]), short, 1.0)
        short.connection.set_trace_callback(None)
    assert [statement.split()[:2] for statement in statements] == [
        ["BEGIN", "IMMEDIATE"],
        ["UPDATE", "bus"],
        ["UPDATE", "appended"],
        ["INSERT", "INTO"],
        ["COMMIT"],
    ]


@pytest.mark.anyio
async def test_a_delayed_event_of_another_process_counts(path: Path) -> None:
    async with SQLiteStorage(path) as one, SQLiteStorage(path) as other:
        await one.update_bus("default", BusSettings(max_bytes=10))
        await one.append("default", [b"1"], append_id="1")
        await other.append("default", [], append_id="2", delayed=[Delayed(1e11, b"12345678", None)])
        with pytest.raises(StorageFull):
            await one.append("default", [b"22"], append_id="3")


@pytest.mark.anyio
async def test_an_empty_event_of_another_process_is_seen(path: Path) -> None:
    clock = VirtualClock()
    async with SQLiteStorage(path, clock=clock) as one, SQLiteStorage(path, clock=clock) as other:
        await one.append("default", [b""], append_id="1")
        await other.append("default", [b""], append_id="2")
        assert await one.append("default", [b"3"], append_id="3") == (3,)


@pytest.mark.anyio
async def test_what_another_process_has_changed_is_seen(path: Path) -> None:
    async with SQLiteStorage(path) as one, SQLiteStorage(path) as other:
        await one.append("default", [b"1"], append_id="1")
        await other.append("default", [b"2"], append_id="2")
        assert await one.append("default", [b"3"], append_id="3") == (3,)
        assert await one.append("default", [b"2"], append_id="2") == (2,)
        await other.update_bus("default", BusSettings(dedup=60.0))
        assert await one.append("default", [b"4", b"4"], append_id="4", identities=[b"i", b"i"]) == (4, 4)
        await other.delete_bus("default")
        await other.create_bus("default")
        assert await one.append("default", [b"5"], append_id="5") == (5,)
        assert [record.event for record in await other.read("default", 0, 9, limit=9, max_bytes=99)] == [b"5"]
