"""Opening that is counted, and the process that it holds for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from eventroute.errors import StorageClosed, StorageError
from eventroute.storage.base import DEFAULT_BUS
from eventroute.storage.opening import OpenedStorage
from eventroute.storage.sqlite import SQLiteStorage

BUS = DEFAULT_BUS


def said_in_a_child(storage: OpenedStorage[Any]) -> str:
    """What every call says in a child that is forked here. It runs no event loop, since it would be within this one."""
    ears, mouth = os.pipe()
    child = os.fork()
    if not child:
        try:
            storage._running()
        except StorageError as error:
            os.write(mouth, str(error).encode())
        finally:
            os._exit(0)
    os.close(mouth)
    os.waitpid(child, 0)
    with os.fdopen(ears) as answer:
        return answer.read()


@pytest.mark.anyio
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that can fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # it has threads, which the child does without
async def test_a_forked_child_is_refused(tmp_path: Path) -> None:
    async with SQLiteStorage(tmp_path / "events.db") as storage:
        assert "before a fork: make and open one of its own" in said_in_a_child(storage)
        assert (await storage.bounds(BUS)).end == 1


@pytest.mark.anyio
async def test_what_cannot_be_opened_is_not_open(tmp_path: Path) -> None:
    storage = SQLiteStorage(tmp_path / "missing" / "events.db")
    for _ in range(2):
        with pytest.raises(StorageError):
            await storage.open()
        with pytest.raises(StorageClosed):
            await storage.aclose()
    storage.path.parent.mkdir()
    async with storage, storage:
        pass
    with pytest.raises(StorageClosed):
        await storage.bounds(BUS)
