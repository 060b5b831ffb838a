"""Whatever happened to a bus, its copy delivers what the source would have delivered."""

from __future__ import annotations

from hypothesis import settings

from eventroute.copying.bus import copy_bus
from eventroute.storage.base import Storage
from eventroute.storage.memory import MemoryStorage
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.machine import StorageMachine
from tests.copying.draining import BUS, drained


class CopyMachine(StorageMachine):
    """Two workers and a publisher on one storage, which is then copied to another."""

    persistent = False

    def make_target(self) -> Storage:
        raise NotImplementedError

    def settle(self) -> None:
        source = self.storages[1]
        for session in self.sessions[1]:
            self.portal.call(source.close_session, session)
        self.portal.call(self.compare, source, self.make_target())

    async def compare(self, source: Storage, target: Storage) -> None:
        async with target:
            copied = await copy_bus(source, target, bus=BUS, patience=0)
            info, copy = await source.describe_bus(BUS), await target.describe_bus(BUS)
            assert (copied.events, copied.size) == (info.events, info.size) == (copy.events, copy.size)
            assert (copy.bounds, copy.settings) == (info.bounds, info.settings)
            assert await drained(target) == await drained(source)


class FromMemory(CopyMachine):
    def make_storage(self, clock: VirtualClock) -> Storage:
        return MemoryStorage(clock)

    def make_target(self) -> Storage:
        return SQLiteStorage(self.folder / "target.db", clock=self.clock, synchronous="NORMAL")


class FromSQLite(CopyMachine):
    def make_storage(self, clock: VirtualClock) -> Storage:
        return SQLiteStorage(self.folder / "events.db", clock=clock, synchronous="NORMAL")

    def make_target(self) -> Storage:
        return MemoryStorage(self.clock)


FromMemory.TestCase.settings = settings(max_examples=20, stateful_step_count=40)
FromSQLite.TestCase.settings = settings(max_examples=10, stateful_step_count=40)
TestFromMemory = FromMemory.TestCase
TestFromSQLite = FromSQLite.TestCase
