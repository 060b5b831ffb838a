from __future__ import annotations

import anyio
import pytest

from eventroute.errors import StorageError, StorageFull
from eventroute.storage.base import DEFAULT_BUS, Storage
from eventroute.storage.memory import MemoryStorage
from eventroute.testing.clock import VirtualClock
from eventroute.testing.faults import FaultyStorage
from eventroute.testing.storage import StorageContract
from eventroute.testing.storage.log import put, read_all

BUS = DEFAULT_BUS


@pytest.mark.anyio
class TestWithoutFaults(StorageContract):
    """With no fault it is a storage as any other."""

    def make_storage(self, clock: VirtualClock) -> Storage:
        return FaultyStorage.around(MemoryStorage(clock))


@pytest.mark.anyio
async def test_calls_fail_as_they_are_told_to() -> None:
    storage = FaultyStorage.around(MemoryStorage())
    storage.fail("open", "before")
    with pytest.raises(StorageError, match="open: it failed"):
        await storage.open()
    async with storage:
        storage.fail("append", "before", "after", "full")
        with pytest.raises(StorageError):
            await storage.append(BUS, [b"1"], append_id="a")
        assert await read_all(storage) == []
        with pytest.raises(StorageError):
            await storage.append(BUS, [b"1"], append_id="a")
        assert len(await read_all(storage)) == 1
        with pytest.raises(StorageFull):
            await put(storage, b"2")
        assert await storage.append(BUS, [b"1"], append_id="a") == (1,)
        assert len(await read_all(storage)) == 1
        assert storage.happened == [("open", "before"), *(("append", fault) for fault in ("before", "after", "full"))]
        with pytest.raises(ValueError, match="a storage has no call 'apend'; it has aclose, append, "):
            storage.fail("apend", "before")


@pytest.mark.anyio
async def test_a_slow_call_waits_by_the_clock() -> None:
    clock = VirtualClock()
    async with FaultyStorage.around(MemoryStorage(clock), delay=5, clock=clock) as storage:
        storage.fail("append", "slow")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(put, storage, b"1")
            await clock.advance(4.9)
            assert await read_all(storage) == []
            await clock.advance(0.2)
        assert len(await read_all(storage)) == 1


@pytest.mark.anyio
async def test_by_lot_the_same_seed_gives_the_same_faults() -> None:
    async def run(seed: int) -> FaultyStorage:
        storage = FaultyStorage.around(MemoryStorage(), seed=seed, rate=0.3, calls=("append", "buses", "open"), delay=0)
        async with storage:
            for number in range(100):
                for call in (storage.append(BUS, [b"1"], append_id=str(number)), storage.buses(), storage.bounds(BUS)):
                    try:
                        await call
                    except StorageError:
                        continue
        return storage

    first, second, other = await run(1), await run(1), await run(2)
    assert first.happened == second.happened != other.happened
    drawn = set(first.happened)
    assert drawn >= {("append", fault) for fault in ("before", "after", "full", "slow")}
    assert ("buses", "after") not in drawn
    assert {call for call, _ in drawn} == {"append", "buses"}


@pytest.mark.parametrize("wrong", [{"rate": 1.1}, {"rate": -0.1}, {"faults": ()}, {"delay": float("nan")}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a rate is 0 to 1"):
        FaultyStorage.around(MemoryStorage(), **wrong)  # type: ignore[arg-type]
