"""Power is cut at random moments, on a simulated disk that keeps any part of what was not synced.

The bound: no fault in n crashes bounds their rate at 3 / n, with 95 % confidence: 0.3 % by the 1,000 of each run of
these tests, 0.03 % by the 10,000 of `python -m benchmarks.crash power --times 10000`.
"""

from __future__ import annotations

import os
import random
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from unittest import mock

import anyio
import pytest

from benchmarks.crash.connection import storage_on
from benchmarks.crash.disk import Disk, DiskLayer
from benchmarks.crash.power import MUTATIONS, cut_power
from benchmarks.crash.work import BUS, Told, batch, faults, look
from eventroute.errors import StorageError
from eventroute.storage.base import LIVE
from eventroute.storage.sqlite import SQLiteStorage, checkpoints
from eventroute.storage.sqlite.writer import WriteThread

LAYER = DiskLayer("eventroute-tests")
TIMES = 200 if os.environ.get("HYPOTHESIS_PROFILE") == "quick" else 1_000


def test_what_was_accepted_outlives_a_power_loss(path: Path) -> None:
    tally = anyio.run(partial(cut_power, TIMES, seed=1, layer=LAYER, path=path))
    assert tally.faults == []
    assert tally.crashes == TIMES
    assert tally.accepted > 5 * TIMES


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_storage_that_promises_too_much_is_found_out(path: Path, mutation: str) -> None:
    tally = anyio.run(partial(cut_power, TIMES, seed=1, mutation=mutation, layer=LAYER, path=path))
    assert tally.faults


@pytest.mark.parametrize("trusting", [False, True])
def test_what_a_failed_sync_has_forgotten_is_written_again(path: Path, trusting: bool) -> None:
    """The system may take for written what the disk did not get: then a later sync says yes and nothing is on disk."""
    told = Told()
    mutated: AbstractContextManager[object] = nullcontext()
    if trusting:
        mutated = mock.patch.object(WriteThread, "_settle", return_value=None)

    async def crash() -> None:
        LAYER.disk = disk = Disk(random.Random(1))
        async with SQLiteStorage(path) as storage:
            told.hear("append", "t.0", (await storage.append(BUS, batch("t.0", 1), append_id="t.0"))[0])
            await storage.claim(BUS, LIVE, await storage.open_session(60), limit=5)  # on its way, and not synced
            disk.fails_at = disk.syncs + 1
            with pytest.raises(StorageError, match="the disk did not write"):
                await storage.append(BUS, batch("t.1", 1), append_id="t.1")
            told.hear("append", "t.1", (await storage.append(BUS, batch("t.1", 1), append_id="t.1"))[0])
            disk.cut_after = 0
        LAYER.disk = disk.after_power_loss()
        async with SQLiteStorage(path) as storage:
            assert bool(faults(told, await look(storage))) is trusting

    never = mock.patch.object(checkpoints, "_PAGES", 1e9)  # which would write all of the log, too
    with storage_on(LAYER), never, mutated:
        anyio.run(crash)
