from __future__ import annotations

import pytest

from benchmarks.postgres import Place
from eventroute.storage.base import Storage
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage import StorageContract


@pytest.mark.anyio
class TestContract(StorageContract):
    persistent = True

    @pytest.fixture(autouse=True)
    def place(self, postgres: Place) -> None:
        self.at = postgres

    def make_storage(self, clock: VirtualClock) -> Storage:
        return self.at.storage(clock=clock, durable=False)
