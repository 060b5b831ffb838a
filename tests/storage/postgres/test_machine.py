"""The histories of `StorageMachine` on PostgreSQL."""

from __future__ import annotations

from hypothesis import settings

from benchmarks.postgres import Place
from eventroute.storage.base import Storage
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage_machine import StorageMachine


def test_every_history_is_as_in_memory(postgres: Place) -> None:
    class PostgresMachine(StorageMachine):
        def __init__(self) -> None:
            postgres.empty()
            super().__init__()

        def make_storage(self, clock: VirtualClock) -> Storage:
            return postgres.storage(clock=clock, durable=False)

    PostgresMachine.TestCase.settings = settings(max_examples=10, stateful_step_count=30)
    PostgresMachine.TestCase("runTest").runTest()
