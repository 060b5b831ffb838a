from __future__ import annotations

import pytest

from benchmarks.nats import Place
from eventroute.storage.base import Storage
from eventroute.storage.nats.keeper import Keeper
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage import StorageContract


@pytest.mark.anyio
class TestContract(StorageContract):
    persistent = True

    @pytest.fixture(autouse=True)
    def place(self, nats: Place) -> None:
        self.at = nats

    def make_storage(self, clock: VirtualClock) -> Storage:
        return self.at.storage(clock)


@pytest.mark.anyio
class TestContractWithSnapshots(TestContract):
    """A snapshot as often as can be, and next to nothing left in the stream."""

    @pytest.fixture(autouse=True)
    def often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Keeper, "EVERY", 1)
