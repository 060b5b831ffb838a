"""From an SQLite file up to NATS JetStream, and back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.nats import Place, place
from eventroute.copying.bus import copy_bus
from eventroute.storage.memory import MemoryStorage
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.testing.clock import VirtualClock
from tests.copying.draining import drained
from tests.copying.test_bus import fill


@pytest.fixture
def nats() -> Iterator[Place]:
    """Streams of our own on the server that EVENTROUTE_TEST_NATS names."""
    address = os.environ.get("EVENTROUTE_TEST_NATS")
    if not address:
        pytest.skip("needs a server: EVENTROUTE_TEST_NATS=nats://host:4222")
    with place(address) as made:
        yield made


@pytest.mark.anyio
async def test_there_and_back(nats: Place, tmp_path: Path) -> None:
    clock = VirtualClock()
    source = SQLiteStorage(tmp_path / "events.db", clock=clock, synchronous="NORMAL")
    between, back = nats.storage(clock=clock), MemoryStorage(clock)
    async with source, between, back:
        await fill(source)
        there = await copy_bus(source, between, patience=0)
        assert await copy_bus(between, back, patience=0) == there
        ours = await drained(source)
        assert await drained(between) == ours
        assert await drained(back) == ours
