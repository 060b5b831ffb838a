from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from eventroute.errors import StorageFull
from eventroute.storage.base import DEFAULT_BUS, BusSettings
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.storage.sqlite.room import LOOK_EVERY, FileRoom
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.log import put, read_all

BUS = DEFAULT_BUS


class Disk:
    """A file system of 1,000,000 bytes, of which a tenth is nobody's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, used: int) -> None:
        self.used = used
        self.looks = 0
        monkeypatch.setattr(shutil, "disk_usage", self.look)

    def look(self, _path: Path) -> SimpleNamespace:
        self.looks += 1
        return SimpleNamespace(total=1_100_000, used=self.used, free=1_000_000 - self.used)


def test_there_is_room_up_to_nine_tenths(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch, used=800_000)
    with closing(sqlite3.connect(path)) as connection:
        room = FileRoom(path, connection, VirtualClock())
        room.take(60_000)
        disk.used += 60_000
        room.take(40_000)
        disk.used += 40_000
        with pytest.raises(StorageFull, match=r"events\.db: its file system is 90% full: make room on it") as caught:
            room.take(1)
        assert (caught.value.bus, caught.value.subscription) == ("", None)
        room.take(0)
        disk.used -= 1
        room.take(1)


@pytest.mark.anyio
async def test_the_file_system_is_looked_at_now_and_then(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch, used=0)
    clock = VirtualClock()
    with closing(sqlite3.connect(path)) as connection:
        room = FileRoom(path, connection, clock)
        for _ in range(100):
            room.take(100)
        assert disk.looks == 1
        await clock.advance(LOOK_EVERY)
        room.take(100)
        assert disk.looks == 2


@pytest.mark.anyio
async def test_a_file_goes_on_in_what_trimming_has_freed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch, used=0)
    async with SQLiteStorage(path) as storage:
        await put(storage, *[b"x" * 1_000] * 500)
        disk.used = 900_000
        with pytest.raises(StorageFull):
            await put(storage, b"x" * 600_000)
        while (await storage.trim(BUS, 1 << 39, limit=100)).events:
            pass
        await put(storage, b"x" * 1_000)
        assert len(await read_all(storage)) == 1


@pytest.mark.anyio
async def test_a_bus_with_a_bound_of_its_own_goes_by_that_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Disk(monkeypatch, used=1_000_000)
    async with SQLiteStorage(path) as storage:
        with pytest.raises(StorageFull):
            await put(storage, b"1")
        await storage.update_bus(BUS, BusSettings(max_bytes=10))
        await put(storage, b"1")
