"""From an SQLite file up to PostgreSQL, and back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import eventroute
from benchmarks.postgres import Place, place
from eventroute.copying.bus import copy_bus
from eventroute.storage.base import Storage
from eventroute.storage.memory import MemoryStorage
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.testing.clock import VirtualClock
from tests.copying.draining import BUS, drained
from tests.copying.test_bus import fill
from tests.copying.test_histories import CopyMachine
from tests.pushing import events


@pytest.fixture
def postgres() -> Iterator[Place]:
    """A schema of our own on the server that EVENTROUTE_TEST_POSTGRES names."""
    address = os.environ.get("EVENTROUTE_TEST_POSTGRES")
    if not address:
        pytest.skip("needs a server: EVENTROUTE_TEST_POSTGRES=postgresql://user@host/database")
    with place(address) as made:
        yield made


@pytest.mark.anyio
async def test_there_and_back(postgres: Place, tmp_path: Path) -> None:
    clock = VirtualClock()
    source = SQLiteStorage(tmp_path / "events.db", clock=clock, synchronous="NORMAL")
    between = postgres.storage(clock=clock, durable=False)
    back = MemoryStorage(clock)
    async with source, between, back:
        await fill(source)
        there = await copy_bus(source, between, patience=0)
        assert await copy_bus(between, back, patience=0) == there
        ours = await drained(source)
        assert await drained(between) == ours
        assert await drained(back) == ours


@pytest.mark.anyio
async def test_what_is_in_the_outbox_goes_too(postgres: Place) -> None:
    source, target = postgres.storage(durable=False), MemoryStorage()
    async with source, target:
        with postgres.connect() as connection:
            source.publish_in(connection, *events(1, 2))
        copied = await copy_bus(source, target, patience=0)
        assert copied.events == 2
        records = await target.read(BUS, 0, 99, limit=9, max_bytes=9_999)
        assert [eventroute.Event.from_json(record.event).id for record in records] == ["1", "2"]


def test_every_history_goes_to_postgresql(postgres: Place) -> None:
    class ToPostgres(CopyMachine):
        def make_storage(self, clock: VirtualClock) -> Storage:
            return SQLiteStorage(self.folder / "events.db", clock=clock, synchronous="NORMAL")

        def make_target(self) -> Storage:
            postgres.empty()
            return postgres.storage(clock=self.clock, durable=False)

    ToPostgres.TestCase.settings = settings(max_examples=6, stateful_step_count=40)
    ToPostgres.TestCase("runTest").runTest()
