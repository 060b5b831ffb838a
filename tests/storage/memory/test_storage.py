from __future__ import annotations

import pytest

from eventroute.errors import StorageClosed, StorageFull
from eventroute.storage.base import DEFAULT_BUS, Storage
from eventroute.storage.memory import MemoryStorage
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage import StorageContract
from eventroute.testing.storage.log import put, read_all
from eventroute.testing.storage.timers import delay, fire_all


@pytest.mark.anyio
class TestContract(StorageContract):
    def make_storage(self, clock: VirtualClock) -> Storage:
        return MemoryStorage(clock)


@pytest.mark.anyio
async def test_what_would_pass_max_bytes_is_refused_whole() -> None:
    async with MemoryStorage(max_bytes=10) as storage:
        await put(storage, b"x" * 6)
        with pytest.raises(StorageFull, match="max_bytes of 10"):
            await put(storage, b"x", b"x" * 4)
        await put(storage, b"x" * 4)
        assert [len(record.event) for record in await read_all(storage)] == [6, 4]


@pytest.mark.anyio
async def test_what_is_delayed_takes_room_too_until_it_is_cancelled() -> None:
    async with MemoryStorage(max_bytes=10) as storage:
        await delay(storage, (1.0, b"x" * 6), (2.0, b"x" * 2))
        with pytest.raises(StorageFull, match="max_bytes of 10"):
            await delay(storage, (1.0, b"x" * 3))
        assert await fire_all(storage, 1.0) == [b"x" * 6]
        (timer,) = await storage.timers(DEFAULT_BUS)
        assert await storage.cancel_timer(DEFAULT_BUS, timer.id)
        await put(storage, b"x" * 4)
        with pytest.raises(StorageFull):
            await put(storage, b"x")


@pytest.mark.anyio
async def test_the_oldest_append_ids_are_forgotten_beyond_the_bound() -> None:
    async with MemoryStorage(max_append_ids=2) as storage:
        offsets = [await storage.append(DEFAULT_BUS, [b"1"], append_id=name) for name in "abc"]
        assert await storage.append(DEFAULT_BUS, [b"1"], append_id="c") == offsets[2]
        assert await storage.append(DEFAULT_BUS, [b"1"], append_id="b") == offsets[1]
        assert await storage.append(DEFAULT_BUS, [b"1"], append_id="a") not in offsets


@pytest.mark.anyio
async def test_closing_what_is_not_open_is_an_error() -> None:
    with pytest.raises(StorageClosed):
        await MemoryStorage().aclose()
