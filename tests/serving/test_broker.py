from __future__ import annotations

import asyncio
import gc
import socket
from pathlib import Path
from typing import Any

import pytest

from eventroute.errors import InvalidConfiguration, StorageConflict
from eventroute.event import Event
from eventroute.router import Router
from eventroute.serving.broker import NOT_IN_FILE, run, seldom_collecting, set_up
from eventroute.serving.config import load
from eventroute.storage.base import BusSettings, Retention
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription

HEAD = 'storage = "memory:"\n'


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # HTTP sinks need it


pytestmark = pytest.mark.anyio


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def follow(storage: MemoryStorage, tmp_path: Path) -> Any:
    """Bring the storage in line with a file; returns each subscription with why it is paused."""

    async def followed(text: str) -> dict[str, str | None]:
        (tmp_path / "x.toml").write_text(HEAD + text)
        await set_up(storage, load(tmp_path / "x.toml"))
        async with Router(storage, push=False) as router:
            return {stored.id: stored.paused for stored in await router.subscriptions()}

    return followed


def subscription(name: str, sink: str = "https://example.com/", bus: str = "default") -> str:
    return f'[[subscriptions]]\nid = "{name}"\nsink = "{sink}"\nbus = "{bus}"\n'


async def test_what_is_gone_from_the_file_is_paused_and_comes_back(storage: MemoryStorage, follow: Any) -> None:
    async with storage:
        assert await follow(subscription("a") + subscription("b")) == {"a": None, "b": None}
        assert await follow(subscription("b")) == {"a": NOT_IN_FILE, "b": None}
        assert await follow(subscription("b")) == {"a": NOT_IN_FILE, "b": None}
        assert await follow(subscription("a") + subscription("b")) == {"a": None, "b": None}


async def test_a_bus_is_set_as_the_file_says(storage: MemoryStorage, follow: Any) -> None:
    async with storage:
        await follow("[buses.default]\ndedup = 60\n[buses.b]\nretention = { max_events = 5 }\n")
        assert (await storage.describe_bus("default")).settings == BusSettings(dedup=60)
        assert (await storage.describe_bus("b")).settings == BusSettings(retention=Retention(max_events=5))
        await follow("[buses.default]\nmax_bytes = 1000\n[buses.b]\n")
        assert (await storage.describe_bus("default")).settings == BusSettings(max_bytes=1_000)
        assert (await storage.describe_bus("b")).settings == BusSettings(retention=Retention(max_events=5))


async def test_what_somebody_paused_stays_so(storage: MemoryStorage, follow: Any) -> None:
    async with storage:
        await follow(subscription("a"))
        async with Router(storage, push=False) as router:
            await router.pause("a", "on holiday")
        assert await follow("") == {"a": "on holiday"}
        assert await follow(subscription("a")) == {"a": "on holiday"}


async def test_what_an_application_subscribed_with_a_function_is_left_alone(
    storage: MemoryStorage, follow: Any
) -> None:
    async def sink(event: Event) -> None:
        raise AssertionError(event)

    async with storage:
        async with Router(storage) as router:
            await router.subscribe(Subscription(id="f", sink=sink))
        assert await follow(subscription("a")) == {"a": None, "f": None}


async def test_a_changed_definition_is_in_force(storage: MemoryStorage, follow: Any) -> None:
    async with storage:
        await follow(subscription("a"))
        await follow(subscription("a", "https://example.com/new"))
        async with Router(storage, push=False) as router:
            (stored,) = await router.subscriptions()
        assert b"https://example.com/new" in stored.definition


async def test_buses_are_made(storage: MemoryStorage, follow: Any) -> None:
    async with storage:
        await follow("[buses.audit]\n[buses.default]\n" + subscription("a", bus="audit"))
        assert await storage.buses() == ("audit", "default")
        with pytest.raises(StorageConflict):
            await follow(subscription("a"))


@pytest.mark.parametrize(
    ("host", "message"), [("nowhere.invalid", "there is no address"), ("192.0.2.1", "cannot listen on")]
)
def test_where_it_cannot_listen(tmp_path: Path, host: str, message: str) -> None:
    file = tmp_path / "x.toml"
    file.write_text(f'{HEAD}[gateway]\nhost = "{host}"\n[buses.default]\nopen = true\n')
    configuration = load(file)
    with pytest.raises(InvalidConfiguration, match=message):
        run(configuration, configuration.access(), ready=print, say=print)


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file.write_text(f"{HEAD}[gateway]\nport = {taken.getsockname()[1]}\n")
        configuration = load(file)
        with pytest.raises(InvalidConfiguration, match="Address already in use"):
            run(configuration, configuration.access(), ready=print, say=print)
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


async def test_a_bus_with_managers_is_left_to_them(storage: MemoryStorage, follow: Any) -> None:
    managed = "[buses.default]\nmanagers = [{bearer = 'env:X'}]\n[buses.audit]\n"
    async with storage:
        async with Router(storage, push=False) as router:
            await router.create_bus("audit")
            for name, bus in (("a", "default"), ("b", "audit")):
                await router.subscribe(Subscription(id=name, bus=bus, sink="https://example.com/"))
        assert await follow(managed + subscription("c")) == {"a": None, "b": NOT_IN_FILE, "c": None}
        assert await follow(managed) == {"a": None, "b": NOT_IN_FILE, "c": None}


async def test_garbage_is_looked_for_less_often_while_it_serves_and_as_before_behind_it() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with seldom_collecting():
        assert gc.get_threshold()[0] > before[0]
        assert gc.get_freeze_count() > frozen
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
