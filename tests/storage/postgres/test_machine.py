"""The histories of `StorageMachine` on PostgreSQL."""

from __future__ import annotations

import pytest
from hypothesis import settings

from benchmarks.postgres import Place
from eventroute.storage.base import Storage
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.machine import StorageMachine


@pytest.mark.parametrize("pooled", [False, True])
def test_every_history_is_as_in_memory(postgres: Place, pooled: bool) -> None:
    class PostgresMachine(StorageMachine):
        def __init__(self) -> None:
            postgres.empty()
            super().__init__()

        def make_storage(self, clock: VirtualClock) -> Storage:
            return postgres.storage(clock=clock, durable=False, pooled=pooled)

    PostgresMachine.TestCase.settings = settings(max_examples=5, stateful_step_count=30)
    PostgresMachine.TestCase("runTest").runTest()
