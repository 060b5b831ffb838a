"""Power is cut while events are appended and settled; the disk keeps any part of what was not synced."""

from __future__ import annotations

import random
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio

from benchmarks.crash.connection import storage_on
from benchmarks.crash.disk import Disk, DiskLayer
from benchmarks.crash.work import BUS, SUBSCRIPTION, Tally, Told, delay, faults, look, publish, settle, trim
from eventroute.errors import StorageError
from eventroute.storage.sqlite import SQLiteStorage

_STEPS = 260  # of the disk, in an undisturbed run from the making of the file on
_CRASHES_A_FILE = 4
_FULL = "PRAGMA synchronous = FULL"

MUTATIONS = ("off", "normal", "early-answer")
"""Ways to get it wrong, each of which the check must notice: `synchronous` OFF; NORMAL, which promises less; answers
before the commit.
"""


async def cut_power(times: int, *, seed: int, mutation: str = "", layer: DiskLayer, path: Path) -> Tally:
    """Cut the power so many times; with a mutation, stop at the first fault."""
    tally = Tally()
    rewrite = {"off": {_FULL: "PRAGMA synchronous = OFF"}, "normal": {_FULL: "PRAGMA synchronous = NORMAL"}}
    with storage_on(layer, rewrite.get(mutation), late_commit=mutation == "early-answer"):
        for number in range((times + _CRASHES_A_FILE - 1) // _CRASHES_A_FILE):
            lot = random.Random(f"{seed} {number}")
            disk, told = Disk(lot), Told()
            for crash in range(min(_CRASHES_A_FILE, times - tally.crashes)):
                disk = await _crash(layer, disk, path, told, f"{crash}", lot)
                tally.crashes += 1
                found = await _after(layer, disk, path, told)
                tally.faults += [f"seed {seed}, file {number}, crash {crash}: {fault}" for fault in found]
                if tally.faults and mutation:
                    return tally
            tally.accepted += len(told.accepted)
    return tally


async def _crash(layer: DiskLayer, disk: Disk, path: Path, told: Told, run: str, lot: random.Random) -> Disk:
    disk.cut_after = disk.done + lot.randint(1, _STEPS)
    if lot.random() < 0.2:
        disk.fails_at = disk.syncs + lot.randint(4, 30)
    layer.disk = disk
    storage = SQLiteStorage(path, busy_timeout=0.001)
    with suppress(StorageError):
        async with storage:
            await storage.put_subscription(BUS, SUBSCRIPTION, b"{}", start="latest")
            async with anyio.create_task_group() as tasks:
                for task in range(2):
                    tasks.start_soon(partial(publish, storage, f"{run}.{task}", lot, told.hear, times=30))
                tasks.start_soon(partial(settle, storage, lot, told.hear, times=20))
                if lot.random() < 0.5:
                    tasks.start_soon(partial(delay, storage, f"{run}.later", lot, told.hear, times=15))
                if lot.random() < 0.3:
                    tasks.start_soon(partial(trim, storage, told.hear, keep=5, times=10))
            disk.cut_after = 0
    return disk.after_power_loss()


async def _after(layer: DiskLayer, disk: Disk, path: Path, told: Told) -> list[str]:
    layer.disk = disk
    try:
        async with SQLiteStorage(path, busy_timeout=0.001) as storage:
            (sound,) = await storage._read(  # noqa: SLF001
                lambda tables: tables.connection.execute("PRAGMA integrity_check").fetchone()
            )
            return [*([] if sound == "ok" else [str(sound)]), *faults(told, await look(storage))]
    except StorageError as error:
        return [f"it does not open: {error}"]
