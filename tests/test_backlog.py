"""A sink that is down for a long time costs disk, not memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import resource, sys
import anyio
import eventroute

async def main(path, backlog):
    async def dead(event):
        raise eventroute.Retry("down")

    event = eventroute.Event.create(type="order", source="/shop", data={"padding": "x" * 400})
    async with eventroute.Router(eventroute.open_storage(f"sqlite:///{path}")) as router:
        await router.subscribe(eventroute.Subscription(id="dead", sink=dead))
        for _ in range(backlog // 500):
            await router.publish(*[event] * 500)
        await anyio.sleep(1)
        waiting = await router.storage.waiting("default")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, waiting[0].count)

anyio.run(main, sys.argv[1], int(sys.argv[2]))
"""


def peak(path: Path, backlog: int) -> tuple[int, int]:
    """The peak of a process's memory in KiB, and how many deliveries its ledger holds, with so many events waiting."""
    command = [sys.executable, "-c", PROGRAM, str(path), str(backlog)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    memory, waiting = map(int, done.stdout.split())
    return memory, waiting


@pytest.mark.skipif(sys.platform == "win32", reason="getrusage is not there on Windows")
def test_memory_does_not_grow_with_the_backlog(tmp_path: Path) -> None:
    little, _ = peak(tmp_path / "little.db", 10_000)
    much, waiting = peak(tmp_path / "much.db", 100_000)
    assert waiting <= 3_000  # max_waiting, what a lane has in memory, and what was claimed before it left
    assert much - little < 16 * 1_024, f"{much - little} KiB more for 90,000 events more"
