"""The histories of `StorageMachine` on our own storages."""

from __future__ import annotations

import shutil

from hypothesis import settings

from eventroute.storage.base import Storage
from eventroute.storage.memory import MemoryStorage
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.machine import StorageMachine


class SQLiteMachine(StorageMachine):
    def make_storage(self, clock: VirtualClock) -> Storage:
        return SQLiteStorage(self.folder / "events.db", clock=clock, synchronous="NORMAL")

    async def crash(self, storage: Storage) -> None:
        """What is in the files when a process dies is what the next one finds."""
        self.folder = shutil.copytree(self.folder, self.folder / "crashed")
        await storage.aclose()


class MemoryMachine(StorageMachine):
    persistent = False

    def make_storage(self, clock: VirtualClock) -> Storage:
        return MemoryStorage(clock)


SQLiteMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=40)
MemoryMachine.TestCase.settings = settings(max_examples=5, stateful_step_count=40)
TestSQLite = SQLiteMachine.TestCase
TestMemory = MemoryMachine.TestCase
