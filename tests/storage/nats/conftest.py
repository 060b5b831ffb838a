"""Streams of our own on the server that EVENTROUTE_TEST_NATS names; without it these tests are skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.nats import Place, place
from benchmarks.nats_server import PrivateServer
from tests.storage.nats.private import SERVER, PrivateCluster, proxied
from tests.storage.postgres.proxy import Proxy


@pytest.fixture
def nats() -> Iterator[Place]:
    """Streams that are not there yet."""
    address = os.environ.get("EVENTROUTE_TEST_NATS")
    if not address:
        pytest.skip("needs a server: EVENTROUTE_TEST_NATS=nats://host:4222")
    with place(address) as made:
        yield made


@pytest.fixture
def private(tmp_path: Path) -> Iterator[PrivateServer]:
    """A server of our own, which runs."""
    if SERVER is None:
        pytest.skip("needs the program nats-server")
    server = PrivateServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def gathering(tmp_path: Path) -> Iterator[PrivateCluster]:
    """Three servers of our own, none of which runs yet."""
    if SERVER is None:
        pytest.skip("needs the program nats-server")
    servers = PrivateCluster(tmp_path)
    try:
        yield servers
    finally:
        servers.kill()


@pytest.fixture
def cluster(gathering: PrivateCluster) -> PrivateCluster:
    """Three servers of our own, which run."""
    gathering.start()
    return gathering


@pytest.fixture
def behind(nats: Place) -> Iterator[tuple[Proxy, Place]]:
    """The streams behind a proxy."""
    with proxied(nats) as both:
        yield both
