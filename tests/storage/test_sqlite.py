from __future__ import annotations

from pathlib import Path

import pytest

from eventroute.storage.base import Storage
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage import StorageContract


@pytest.mark.anyio
class TestContract(StorageContract):
    persistent = True

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "events.db"

    def make_storage(self, clock: VirtualClock) -> Storage:
        return SQLiteStorage(self.path, clock=clock)
