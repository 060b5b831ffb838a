"""Publishing from code without an event loop."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import anyio
import pytest

from eventroute.errors import InvalidEvent, StorageClosed, StorageError, UnknownBus
from eventroute.event import Event
from eventroute.publisher import Publisher
from eventroute.router import Router
from eventroute.storage.base import Storage
from eventroute.storage.memory import MemoryStorage
from eventroute.storage.open import open_storage
from eventroute.subscription import Subscription


def events(*ids: str) -> list[Event]:
    return [Event.create(type="order", source="/shop", id=one) for one in ids]


@pytest.fixture(params=["memory", "sqlite"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return MemoryStorage() if request.param == "memory" else open_storage(f"sqlite:///{tmp_path}/events.db")


def test_what_was_published_is_there_for_a_router(storage: Storage) -> None:
    got: list[str] = []

    async def sink(event: Event) -> None:
        got.append(event.id)

    async def route() -> None:
        async with Router(storage) as router:
            await router.subscribe(Subscription(id="s", sink=sink, start="earliest"))
            await router.idle()

    async def main() -> None:
        async with storage:  # a storage in memory lives while it is open
            with Publisher(storage) as publisher:
                offsets = publisher.publish(*events("a", "b"))
                assert offsets == [1, 2]
            await route()

    anyio.run(main)
    assert got == ["a", "b"]


def test_many_threads_may_publish_at_once(storage: Storage) -> None:
    offsets: list[int | None] = []
    with Publisher(storage) as publisher:

        def publish(number: int) -> None:
            for one in range(20):
                offsets.extend(publisher.publish(*events(f"{number}-{one}")))

        threads = [threading.Thread(target=publish, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(offsets) == len(set(offsets)) == 160


def test_it_can_be_opened_and_closed_without_a_block(storage: Storage) -> None:
    publisher = Publisher(storage)
    publisher.open()
    publisher.open()
    publisher.publish(*events("a"))
    publisher.close()
    publisher.close()
    with pytest.raises(StorageClosed):
        publisher.publish(*events("b"))


def test_what_is_never_closed_does_not_keep_the_interpreter_from_ending(tmp_path: Path) -> None:
    program = """
import sys, eventroute
publisher = eventroute.Publisher(eventroute.open_storage(sys.argv[1]))
publisher.open()
publisher.publish(eventroute.Event.create(type="order", source="/shop"))
"""
    command = [sys.executable, "-c", program, f"sqlite:///{tmp_path}/events.db"]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0


def test_a_storage_that_cannot_be_opened_leaves_it_closed(tmp_path: Path) -> None:
    publisher = Publisher(open_storage(f"sqlite:///{tmp_path}/no/such/folder/events.db"))
    with pytest.raises(StorageError):
        publisher.open()
    with pytest.raises(StorageClosed):
        publisher.publish(*events("a"))


def test_errors_come_through(storage: Storage) -> None:
    with Publisher(storage) as publisher:
        with pytest.raises(UnknownBus):
            publisher.publish(*events("a"), bus="audit")
        with pytest.raises(InvalidEvent):
            publisher.publish(object())  # type: ignore[arg-type]
    with pytest.raises(StorageClosed, match="with Publisher"):
        publisher.publish(*events("a"))
