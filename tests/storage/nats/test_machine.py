"""The histories of `StorageMachine` on NATS."""

from __future__ import annotations

import pytest
from hypothesis import settings

from benchmarks.nats import Place
from eventroute.storage.base import Storage
from eventroute.storage.nats.keeper import Keeper
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.machine import StorageMachine


@pytest.mark.parametrize("every", [1, 5_000])
def test_every_history_is_as_in_memory(nats: Place, monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    """Also where a snapshot is taken as often as can be, and next to nothing is left in the stream."""
    monkeypatch.setattr(Keeper, "EVERY", every)

    class NatsMachine(StorageMachine):
        def __init__(self) -> None:
            nats.empty()
            super().__init__()

        def make_storage(self, clock: VirtualClock) -> Storage:
            return nats.storage(clock)

    NatsMachine.TestCase.settings = settings(max_examples=10, stateful_step_count=30)
    NatsMachine.TestCase("runTest").runTest()
